"""Positions: attention alone cannot tell "dog bites man" from "man bites dog", so each model tells it in some way.

Four ways, from the oldest: add a fixed pattern of waves to each token (sinusoidal), add a learned vector (learned),
turn queries and keys (rotary, in engine.rotary), or take something off the scores for distance (ALiBi).
"""

import math

import torch
from torch import Tensor, nn

from engine.rotary import apply_rotary, rotary_frequencies

__all__ = [
    "LearnedPositions",
    "alibi_bias",
    "alibi_bias_between",
    "alibi_slopes",
    "apply_rotary",
    "rotary_frequencies",
    "sinusoidal_encoding",
    "sinusoids_at",
]


def sinusoidal_encoding(seq_len: int, d_model: int, *, base: float = 10000.0) -> Tensor:
    """A pattern for each place: waves of many lengths, like the digits of a counter that run at different speeds.

    Source: Vaswani et al. 2017, section 3.5. Even columns hold sines, odd columns the cosines of the same angles; the
    angle of columns 2i and 2i + 1 at place p is p / base ** (2i / d_model). Some models (Marian) keep all sines in the
    left half instead: the same numbers in another order, which must not be mixed with this one.

    Returns (seq_len, d_model). Raises ValueError for sizes under 1 and a base not above 1.

    >>> [[round(x, 4) for x in row] for row in sinusoidal_encoding(2, 4).tolist()]
    [[0.0, 1.0, 0.0, 1.0], [0.8415, 0.5403, 0.01, 0.9999]]
    """
    _check_whole("seq_len", seq_len, at_least=1)
    return sinusoids_at(torch.arange(seq_len), d_model, base=base)  # (seq_len, d_model)


def sinusoids_at(positions: Tensor, d_model: int, *, base: float = 10000.0) -> Tensor:
    """The same pattern for any places: positions (...,) to (..., d_model)."""
    _check_whole("d_model", d_model, at_least=1)
    if not 1 < base < math.inf:
        raise ValueError(f"base must be a finite number above 1 (10000 is usual), got {base!r}")
    columns = torch.arange(d_model, device=positions.device)  # (d_model,)
    # float32 for the exponent's power would already be off in the fourth digit at place 1000
    exact = torch.float32 if positions.device.type == "mps" else torch.float64
    wave_lengths = base ** (2 * (columns // 2) / d_model).to(exact)  # (d_model,), over 2 pi
    angles = positions[..., None] / wave_lengths  # (..., d_model)
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos()).float()  # (..., d_model)


class LearnedPositions(nn.Embedding):
    """One vector for each place, learned like any other weight (Gehring et al. 2017; Vaswani et al. 2017, table 3 E).

    There is nothing to read beyond the last place: a position of max_len or more raises ValueError.
    """

    def __init__(self, max_len: int, d_model: int) -> None:
        _check_whole("max_len", max_len, at_least=1)
        _check_whole("d_model", d_model, at_least=1)
        super().__init__(max_len, d_model)

    def forward(self, positions: Tensor) -> Tensor:
        """positions (...,) whole numbers from 0 to max_len - 1, to (..., d_model)."""
        if positions.is_floating_point() or positions.dtype == torch.bool:
            raise ValueError(f"positions must be whole numbers, got {positions.dtype}")
        if positions.numel():
            low, high = int(positions.min()), int(positions.max())
            if low < 0 or high >= self.num_embeddings:
                wrong = low if low < 0 else high
                raise ValueError(
                    f"positions must lie between 0 and max_len - 1 = {self.num_embeddings - 1}, got {wrong}"
                )
        return super().forward(positions)


def alibi_slopes(n_heads: int) -> Tensor:
    """How strongly each head minds distance: a falling row of powers of one half.

    Source: Press et al. 2022 (ALiBi), section 3, and for other numbers of heads the function in their code. For n_heads
    a power of two, head h (from 1) has slope 2 ** (-8 h / n_heads). Otherwise the slopes of the next smaller power
    of two come first, and every second slope of the next larger one fills the rest.

    Returns (n_heads,). Raises ValueError for n_heads under 1.

    >>> alibi_slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    >>> alibi_slopes(3).tolist()
    [0.0625, 0.00390625, 0.25]
    """
    _check_whole("n_heads", n_heads, at_least=1)
    smaller = 2 ** int(math.log2(n_heads))  # the next power of two, downwards
    slopes = _slopes_of_power_of_two(smaller)
    slopes += _slopes_of_power_of_two(2 * smaller)[0::2][: n_heads - smaller]
    return torch.tensor(slopes)  # (n_heads,)


def alibi_bias(n_heads: int, query_len: int, key_len: int | None = None) -> Tensor:
    """What ALiBi takes off each score: the head's slope times the distance between the two tokens.

    Source: Press et al. 2022, equation in section 3. It is added to the scaled scores, as `bias`. With fewer queries
    than keys the queries are the last ones, as in `causal_mask`. The distance is counted in both directions, so an
    encoder can use it too; a decoder also needs its causal mask.

    Returns (n_heads, query_len, key_len), 0 for the token itself and negative elsewhere.

    >>> alibi_bias(1, 1, 3).tolist()  # the one head of slope 1 / 256
    [[[-0.0078125, -0.00390625, 0.0]]]
    """
    key_len = query_len if key_len is None else key_len
    _check_whole("query_len", query_len, at_least=0)
    _check_whole("key_len", key_len, at_least=0)
    keys = torch.arange(key_len)  # (key_len,)
    queries = torch.arange(query_len) + key_len - query_len  # (query_len,)
    return alibi_bias_between(alibi_slopes(n_heads), queries, keys)


def alibi_bias_between(slopes: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """The same for places that do not simply count up, as when texts of a batch are padded.

    query_positions (..., query_len) and key_positions (..., key_len) to (..., n_heads, query_len, key_len).
    """
    distance = (query_positions[..., :, None] - key_positions[..., None, :]).abs()  # (..., query_len, key_len)
    slopes = slopes.to(distance.device)[:, None, None]  # (n_heads, 1, 1)
    return slopes * -distance[..., None, :, :]  # (..., n_heads, query_len, key_len)


def _slopes_of_power_of_two(n_heads: int) -> list[float]:
    return [2.0 ** (-8 * head / n_heads) for head in range(1, n_heads + 1)]


def _check_whole(name: str, value: int, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"{name} must be a whole number of {at_least} or more, got {value!r}")
