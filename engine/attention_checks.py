"""What attention refuses, and the sentences it refuses with."""

import torch
from torch import Tensor


def check_heads(d_model: int, n_heads: int, n_kv_heads: int) -> None:
    for name, value in (("d_model", d_model), ("n_heads", n_heads), ("n_kv_heads", n_kv_heads)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}")
    _check_divides("n_heads", n_heads, "d_model", d_model)
    _check_divides("n_kv_heads", n_kv_heads, "n_heads", n_heads)


def _check_divides(name: str, value: int, of: str, whole: int) -> None:
    """Says which numbers would do: the eight nearest."""
    if whole % value:
        divisors = [n for n in range(1, min(whole, 4096) + 1) if whole % n == 0]  # d_model itself may be a billion
        near = sorted(sorted(divisors, key=lambda n: abs(n - value))[:8])
        raise ValueError(
            f"{name} must divide {of} = {whole} without a remainder, got {value}; {', '.join(map(str, near))} would do"
        )


def check_shapes(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, bias: Tensor | None) -> None:
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.dim() < 2:
            raise ValueError(f"{name} must be (..., length, dim), got shape {tuple(tensor.shape)}")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"key must have the query's head_dim of {query.shape[-1]}, got {key.shape[-1]}")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"value must have the key's key_len of {key.shape[-2]}, got {value.shape[-2]}")
    try:
        leading = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except RuntimeError:
        shapes = [tuple(t.shape) for t in (query, key, value)]
        raise ValueError(f"query, key and value must agree in all axes but the last two, got {shapes}") from None
    check_mask_and_bias(mask, bias, (*leading, query.shape[-2], key.shape[-2]))


def check_mask_and_bias(mask: Tensor | None, bias: Tensor | None, shape: tuple[int, ...]) -> None:
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be bool with True = may read, got {mask.dtype}; numbers to add belong in bias")
    if bias is not None and not bias.is_floating_point():
        raise ValueError(f"bias must hold floats to add to the scores, got {bias.dtype}")
    for name, tensor in (("mask", mask), ("bias", bias)):
        if tensor is None:
            continue
        try:
            fits = torch.broadcast_shapes(tensor.shape, shape) == torch.Size(shape)
        except RuntimeError:
            fits = False
        if not fits:
            raise ValueError(f"{name} must broadcast to {tuple(shape)}, got shape {tuple(tensor.shape)}")
