"""A mask painted by the learner, as a link carries it: the number of tokens, then its cells as hexadecimal digits."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from components import state
from engine.masks import causal_mask

MOST_TOKENS = 12
CAUSAL = "causal"  # where painting starts
_SHAPE = re.compile(r"(\d{1,2})-([0-9a-f]{1,36})")


@dataclass(frozen=True)
class PaintedMask(state.Param):
    """The value is the text in the link, such as "3-9b8" for three tokens; CAUSAL when nothing was painted yet."""

    def parse(self, raw: str) -> str:
        if raw != CAUSAL:
            unpack(raw, self.name)
        return raw


def pack(mask: Tensor) -> str:
    """bool (n, n), row by row, four cells a digit; the last digit is filled up with zeros.

    >>> pack(causal_mask(3))
    '3-9b8'
    """
    return pack_cells("".join("01"[int(cell)] for cell in mask.flatten().tolist()))


def pack_cells(cells: str) -> str:
    """The same from a string of 0 and 1. ValueError when it is no square of 1 to 12 tokens."""
    n = int(len(cells) ** 0.5)
    if set(cells) - {"0", "1"} or n * n != len(cells) or not 1 <= n <= MOST_TOKENS:
        raise ValueError(f"cells must be 0 or 1, one for each pair of 1 to {MOST_TOKENS} tokens, got {len(cells)}")
    digits = -(-len(cells) // 4)
    return f"{n}-{int(cells.ljust(4 * digits, '0'), 2):0{digits}x}"


def unpack(packed: str, name: str = "painted") -> Tensor:
    """bool (n, n). ValueError says what a painted mask looks like in a link.

    >>> unpack("3-9b8").int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    found = _SHAPE.fullmatch(packed)
    n = int(found[1]) if found else 0
    digits = -(-n * n // 4)
    bits = bin(int(found[2], 16))[2:].zfill(4 * digits) if found else ""
    if not 1 <= n <= MOST_TOKENS or len(found[2]) != digits or "1" in bits[n * n :]:
        raise ValueError(
            f"{name} must be the number of tokens (1 to {MOST_TOKENS}), a dash and the mask's cells as hexadecimal "
            f"digits, such as 3-9b8; the link says {packed[:40]!r}"
        )
    return torch.tensor([bit == "1" for bit in bits[: n * n]]).view(n, n)


def painted_for(packed: str, n: int) -> tuple[Tensor, str | None]:
    """The painted mask for a text of `n` tokens, and a sentence when it was painted for another number of them.

    Cells that both have are kept; new ones are as in a causal mask, which is also where painting starts.
    """
    mask = causal_mask(n)  # (n, n)
    if packed == CAUSAL:
        return mask, None
    painted = unpack(packed)
    both = min(n, len(painted))
    mask[:both, :both] = painted[:both, :both]
    if len(painted) == n:
        return mask, None
    return mask, f"This mask was painted for {len(painted)} tokens, the text has {n}: cells that both have are kept."
