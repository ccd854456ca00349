"""LayerNorm and RMSNorm small enough to do by hand: every stage kept, and two usual mistakes as switches.

With the switches at their defaults this is what `engine.blocks.make_norm` builds, cut into its stages.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

NORMS = ("layernorm", "rmsnorm")
OVER = {"features": -1, "tokens": 0}  # the axis that a statistic is taken along


@dataclass(frozen=True)
class NormTrace:
    """Each stage. A statistic has one number for each token, (seq_len, 1); over tokens, one for each column."""

    mean: Tensor | None  # (seq_len, 1); None for RMSNorm, which has no mean
    centred: Tensor  # (seq_len, d_model): what lies above or below the mean; for RMSNorm x itself
    squares: Tensor  # (seq_len, d_model)
    variance: Tensor  # (seq_len, 1): the mean of the squares
    root: Tensor  # (seq_len, 1): the square root of variance + eps
    divided: Tensor  # (seq_len, d_model)
    scaled: Tensor  # (seq_len, d_model)
    output: Tensor  # (seq_len, d_model): shifted, for LayerNorm


def trace_norm(
    x: Tensor,
    norm: Literal["layernorm", "rmsnorm"] = "layernorm",
    *,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    eps: float = 1e-5,
    unbiased: bool = False,
    over: Literal["features", "tokens"] = "features",
) -> NormTrace:
    """Normalise each token's numbers, step by step, right or with one of two mistakes.

    LayerNorm (Ba, Kiros & Hinton 2016, equations 3 and 4): subtract the mean, divide by the standard deviation, scale,
    shift. RMSNorm (Zhang & Sennrich 2019, equation 4): divide by the root of the mean square, scale.

    - unbiased=True divides the squares' sum by n - 1 instead of n, as statistics books do for a sample.
    - over="tokens" takes the statistics down each column, over the tokens, as batch normalisation does.

    x (seq_len, d_model); scale and shift (d_model,), 1 and 0 unless given. eps: added under the root.
    Raises ValueError for shapes that do not fit, an eps below 0, a shift for RMSNorm and too few numbers to average.

    >>> import torch
    >>> trace = trace_norm(torch.tensor([[1.0, 3.0, 3.0, 9.0]]), eps=0.0)
    >>> trace.mean.item(), trace.variance.item(), trace.root.item(), trace.divided[0, :2].tolist()
    (4.0, 9.0, 3.0, [-1.0, -0.3333333432674408])
    >>> trace_norm(torch.tensor([[1.0, 3.0, 3.0, 9.0]]), "rmsnorm", eps=0.0).root.item()
    5.0
    """
    _check(x, norm, scale, shift, eps, unbiased, over)
    dim = OVER[over]
    mean = x.mean(dim, keepdim=True) if norm == "layernorm" else None  # (seq_len, 1)
    centred = x if mean is None else x - mean  # (seq_len, d_model)
    squares = centred.square()
    n = x.shape[dim] - 1 if unbiased else x.shape[dim]
    variance = squares.sum(dim, keepdim=True) / n  # (seq_len, 1)
    root = (variance + eps).sqrt()
    divided = centred / root  # (seq_len, d_model); 0 / 0 is NaN, as in torch
    scaled = divided if scale is None else divided * scale
    output = scaled if shift is None else scaled + shift
    return NormTrace(mean, centred, squares, variance, root, divided, scaled, output)


def _check(x: Tensor, norm: str, scale: Tensor | None, shift: Tensor | None, eps: float, unbiased: bool, over: str):
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    if over not in OVER:
        raise ValueError(f"over must be one of {', '.join(OVER)}, got {over!r}")
    if x.dim() != 2 or x.numel() == 0:
        raise ValueError(f"x must be (seq_len, d_model) with at least one number, got shape {tuple(x.shape)}")
    if not eps >= 0:
        raise ValueError(f"eps must be 0 or more, got {eps!r}")
    if norm == "rmsnorm" and shift is not None:
        raise ValueError("shift must be None: RMSNorm has none")
    for name, given in (("scale", scale), ("shift", shift)):
        if given is not None and given.shape != x.shape[1:]:
            raise ValueError(f"{name} must have one number a column, {(x.shape[1],)}, got {tuple(given.shape)}")
    if unbiased and x.shape[OVER[over]] < 2:
        raise ValueError("unbiased must be False for a single number: it would divide by 0")
