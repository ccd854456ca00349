"""What a model is given, checked and brought into shape: ids, and which of them are text and not padding."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def read_ids(name: str, ids: Tensor | Sequence, n_ids: int, device: torch.device) -> Tensor:
    """Ids as a tensor (batch, seq_len) on `device`. Raises ValueError unless all are whole numbers below n_ids."""
    ids = as_table(name, ids, device)
    if ids.dim() != 2 or ids.numel() == 0 or ids.is_floating_point() or ids.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers (batch, seq_len), got {ids.dtype} of shape {tuple(ids.shape)}")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= n_ids:
        raise ValueError(f"{name} must lie between 0 and {n_ids - 1}, got {low if low < 0 else high}")
    return ids.long()


def read_attention_mask(name: str, attention_mask: Tensor | Sequence, device: torch.device) -> Tensor:
    """Which tokens are real, as bool. Raises ValueError for anything but 1 and 0, or True and False.

    Some libraries pass around masks of 0 and minus infinity, which would be read here as their own opposite.
    """
    real = as_table(name, attention_mask, device)
    if real.dtype != torch.bool and not bool(((real == 0) | (real == 1)).all()):
        wrong = real[(real != 0) & (real != 1)].flatten()[0].item()
        raise ValueError(f"{name} must hold 1 or True for a real token and 0 or False for padding, got {wrong}")
    return real.bool()


def as_table(name: str, rows: Tensor | Sequence, device: torch.device) -> Tensor:
    """Nested lists or a tensor as a tensor on `device`. Raises ValueError for rows of different lengths."""
    try:
        return torch.as_tensor(rows, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be numbers in rows of one length (batch, seq_len): {error}") from None


def muted_by_layer(muted_heads: Iterable[tuple[int, int]], n_layers: int, n_heads: int) -> list[set[int]]:
    """Pairs (layer, head), counted from 0, as one set of heads for each layer."""
    muted = [set() for _ in range(n_layers)]
    for layer, head in muted_heads:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ValueError(
                f"muted_heads must be pairs (layer, head) below ({n_layers}, {n_heads}), got ({layer}, {head})"
            )
        muted[layer].add(head)
    return muted
