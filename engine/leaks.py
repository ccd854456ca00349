"""Does a mask hold? Change one token and see which outputs move. A formula can be argued with, a changed number not."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 1e-6  # relative to the largest output: what rounding alone can do in float32


@dataclass(frozen=True)
class LeakReport:
    """What happened after the token at `position` was changed."""

    position: int
    change: Tensor  # (seq_len,): the largest change of any number in each token's output
    moved: list[int]  # outputs that changed by more than the tolerance
    leaks: list[int]  # those of them that stand before `position`: they have seen the future
    tolerance: float
    edited: Tensor  # (batch, seq_len, d_model): x with the token changed


def leak_report(
    attention: Callable[..., Tensor], x: Tensor, mask: Tensor | None, position: int, *, seed: int
) -> LeakReport:
    """Replace the token at `position` by noise, run again, and list the outputs that moved.

    attention: anything called as attention(x, mask=mask) that gives one output a token, such as MultiHeadAttention.
    x (batch, seq_len, d_model). Under a causal mask no earlier output may move, so `leaks` must be empty.
    Raises ValueError for a position outside the text.
    """
    if x.dim() != 3:
        raise ValueError(f"x must be (batch, seq_len, d_model), got shape {tuple(x.shape)}")
    if not isinstance(position, int) or not 0 <= position < x.shape[1]:
        raise ValueError(f"position must lie between 0 and {x.shape[1] - 1}, got {position!r}")
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(x.shape[0], x.shape[2], generator=generator).to(x)  # (batch, d_model)
    edited = x.clone()
    edited[:, position] = edited[:, position] + noise

    with torch.no_grad():
        before, after = attention(x, mask=mask), attention(edited, mask=mask)  # each (batch, seq_len, d_model)
    change = (after - before).abs().amax(dim=(0, 2))  # (seq_len,)
    tolerance = TOLERANCE * max(1.0, before.abs().max().item())
    moved = (change > tolerance).nonzero().flatten().tolist()
    return LeakReport(position, change, moved, [i for i in moved if i < position], tolerance, edited)
