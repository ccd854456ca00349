"""Rotary positions: a token's place is told by turning its vectors, not by adding anything to them.

Source: Su et al. 2021 (RoFormer), equations 14, 15 and 34. The head's dimensions are taken two at a time. Each pair
is a point in the plane and is turned by (position x frequency): fast for the first pair, ever slower for later ones.
Query and key turn alike, so their dot product depends only on how far apart the two tokens stand.
"""

import math

import torch
from torch import Tensor

SCALINGS = ("linear", "dynamic", "yarn")
SCALING_KEYS = {"type", "factor", "original_max_len", "seq_len"}
# Full turns within the trained length: beta and alpha of Peng et al. 2023, section 3.2.
YARN_FAST, YARN_SLOW = 32.0, 1.0


def rotary_frequencies(head_dim: int, *, base: float = 10000.0, scaling: dict | None = None) -> Tensor:
    """How far each pair of dimensions turns from one token to the next, in radians.

    Without scaling: frequency of pair i is base ** (-2 i / head_dim) (Su et al. 2021, equation 15). A `scaling`
    stretches the turns, so that a model reads texts longer than those it was trained on:

    - "linear" divides every frequency by `factor` (Chen et al. 2023): positions are squeezed together.
    - "dynamic" raises the base once the text, `seq_len`, is longer than `original_max_len`: fast pairs hardly change.
    - "yarn" leaves pairs alone that turn often within `original_max_len`, divides those that never finish a turn, and
      blends in between (Peng et al. 2023, equation 13).

    Returns (head_dim // 2,). Raises ValueError for an odd head_dim, a base not above 1, or a wrong scaling.

    >>> [round(f, 6) for f in rotary_frequencies(4).tolist()]  # 10000 ** 0 and 10000 ** (-2 / 4)
    [1.0, 0.01]
    """
    _check_rotary(head_dim, base, scaling)
    if scaling is None:
        return _plain_frequencies(head_dim, base)  # (head_dim // 2,)
    factor = float(scaling["factor"])
    if scaling["type"] == "linear":
        return _plain_frequencies(head_dim, base) / factor
    original_max_len = scaling["original_max_len"]
    if scaling["type"] == "dynamic":
        stretch = factor * max(scaling["seq_len"], original_max_len) / original_max_len - (factor - 1)
        return _plain_frequencies(head_dim, base * stretch ** (head_dim / (head_dim - 2)))
    kept = _yarn_share_kept(head_dim, base, original_max_len)  # (head_dim // 2,)
    plain = _plain_frequencies(head_dim, base)
    return plain / factor * (1 - kept) + plain * kept  # (head_dim // 2,)


def apply_rotary(
    x: Tensor, positions: Tensor, *, base: float = 10000.0, scaling: dict | None = None, interleaved: bool = False
) -> Tensor:
    """Turn every query or key by its position.

    Source: Su et al. 2021, equation 34. With `interleaved=True` the pairs are neighbours (0, 1), (2, 3) ... as in the
    paper; with False they are (0, half), (1, half + 1) ... as in Llama checkpoints. The two give the same model when
    the weights are permuted to match, and nonsense when they are mixed up.

    x (..., seq_len, head_dim); positions (seq_len,), or (batch, seq_len) for x (batch, ..., seq_len, head_dim).
    Returns the shape of x. With "yarn" the result is also lengthened by 0.1 ln(factor) + 1 (Peng et al. 2023,
    equation 15), as the checkpoints made with it expect. Raises ValueError when the shapes do not fit.

    >>> quarter_turn = torch.tensor([math.pi / 2])
    >>> apply_rotary(torch.tensor([[1.0, 0.0]]), quarter_turn).round().tolist()
    [[-0.0, 1.0]]
    """
    turns = rotary_turns(x, positions, base=base, scaling=scaling)
    return turn(x, turns, interleaved=interleaved)


def rotary_turns(
    x: Tensor, positions: Tensor, *, base: float = 10000.0, scaling: dict | None = None
) -> tuple[Tensor, Tensor]:
    """The cosine and sine of every turn, to be used for queries and keys alike; see apply_rotary.

    Returns two of (seq_len, head_dim // 2), or (batch, 1, ..., seq_len, head_dim // 2) for positions by text.
    """
    positions = _check_positions(x, positions)
    frequencies = rotary_frequencies(x.shape[-1], base=base, scaling=scaling).to(x.device)
    angles = positions[..., None].float() * frequencies  # (seq_len, head_dim // 2) or (batch, seq_len, head_dim // 2)
    if angles.dim() == 3:
        for _ in range(x.dim() - 3):  # every axis between batch and seq_len, such as n_heads, turns alike
            angles = angles.unsqueeze(1)  # (batch, 1, seq_len, head_dim // 2)
    length = _length_factor(scaling)
    return (angles.cos() * length).to(x.dtype), (angles.sin() * length).to(x.dtype)


def turn(x: Tensor, turns: tuple[Tensor, Tensor], *, interleaved: bool = False) -> Tensor:
    """Turn each pair of x's dimensions: a point (left, right) of the plane by the angle that rotary_turns gave."""
    cos, sin = turns
    if interleaved:
        left, right = x[..., 0::2], x[..., 1::2]  # each (..., seq_len, head_dim // 2)
    else:
        left, right = x.chunk(2, dim=-1)  # each (..., seq_len, head_dim // 2)
    turned_left = left * cos - right * sin
    turned_right = left * sin + right * cos
    if interleaved:
        return torch.stack([turned_left, turned_right], dim=-1).flatten(-2)  # (..., seq_len, head_dim)
    return torch.cat([turned_left, turned_right], dim=-1)  # (..., seq_len, head_dim)


def _plain_frequencies(head_dim: int, base: float) -> Tensor:
    exponents = torch.arange(0, head_dim, 2).float() / head_dim  # (head_dim // 2,)
    return 1.0 / base**exponents


def _yarn_share_kept(head_dim: int, base: float, original_max_len: int) -> Tensor:
    """1 for pairs that keep their frequency, 0 for pairs that are stretched in full, a ramp between them."""

    def pair_that_turns(n_turns: float) -> float:  # solves: original_max_len * base ** (-2 i / head_dim) = 2 pi n_turns
        return head_dim * math.log(original_max_len / (2 * math.pi * n_turns)) / (2 * math.log(base))

    # Rounded outwards and kept in range the way released checkpoints do it, or their numbers would not come out.
    first = max(math.floor(pair_that_turns(YARN_FAST)), 0)
    last = min(math.ceil(pair_that_turns(YARN_SLOW)), head_dim - 1)
    width = last - first or 0.001  # a ramp of no width is a step
    ramp = (torch.arange(head_dim // 2).float() - first) / width  # (head_dim // 2,)
    return 1 - ramp.clamp(0, 1)


def _length_factor(scaling: dict | None) -> float:
    if scaling is None or scaling["type"] != "yarn" or scaling["factor"] <= 1:
        return 1.0
    return 0.1 * math.log(scaling["factor"]) + 1.0


def _check_rotary(head_dim: int, base: float, scaling: dict | None) -> None:
    if not isinstance(head_dim, int) or head_dim < 2 or head_dim % 2:
        raise ValueError(f"head_dim must be an even number of 2 or more, got {head_dim!r}: dimensions turn in pairs")
    if not 1 < base < math.inf:
        raise ValueError(f"base must be a finite number above 1 (10000 is usual), got {base!r}")
    if scaling is None:
        return
    kind = scaling.get("type")
    if kind not in SCALINGS:
        raise ValueError(f"scaling type must be one of {', '.join(SCALINGS)}, got {kind!r}")
    if unknown := set(scaling) - SCALING_KEYS:
        raise ValueError(f"scaling has unknown entries {sorted(unknown)}; it may hold {sorted(SCALING_KEYS)}")
    needed = {"linear": ["factor"], "dynamic": ["factor", "original_max_len", "seq_len"]}
    for name in needed.get(kind, ["factor", "original_max_len"]):
        if not isinstance(scaling.get(name), (int, float)) or not 1 <= scaling[name] < math.inf:
            raise ValueError(f"scaling {name!r} must be a number of 1 or more, got {scaling.get(name)!r}")
    if kind == "dynamic" and head_dim == 2:
        raise ValueError(
            "head_dim must be 4 or more for dynamic scaling, got 2: its exponent is head_dim / (head_dim - 2)"
        )


def _check_positions(x: Tensor, positions: Tensor) -> Tensor:
    if x.dim() < 2:
        raise ValueError(f"x must be (..., seq_len, head_dim), got shape {tuple(x.shape)}")
    positions = torch.as_tensor(positions, device=x.device)
    fits = positions.dim() == 1 or (positions.dim() == 2 and x.dim() >= 3 and positions.shape[0] in (1, x.shape[0]))
    if not fits or positions.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"positions must be (seq_len,) or (batch, seq_len) for x of shape {tuple(x.shape)}, "
            f"got shape {tuple(positions.shape)}"
        )
    return positions
