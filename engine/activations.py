"""The bends of the feed-forward part as formulas, the way a textbook writes them, and how steep each of them is.

`engine.feed_forward` runs torch's fast versions of the same four; here is what they compute, tested equal.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def relu(x: Tensor) -> Tensor:
    """Below 0 nothing, above 0 everything (Vaswani et al. 2017, equation 2)."""
    return torch.where(x > 0, x, 0.0)


def gelu(x: Tensor) -> Tensor:
    """x times the share of a standard normal distribution that lies below x (Hendrycks & Gimpel 2016, section 2)."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh(x: Tensor) -> Tensor:
    """Their cheaper formula for the same, with tanh; GPT-2 was trained with it."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x: Tensor) -> Tensor:
    """x times its own sigmoid: the gate of SwiGLU, where it multiplies a second projection (Shazeer 2020)."""
    return x / (1 + torch.exp(-x))


FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {"relu": relu, "gelu": gelu, "gelu_tanh": gelu_tanh, "silu": silu}


def slope(bend: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """How steeply `bend` rises at each of `x`: what a gradient is multiplied by on its way back. Same shape as x.

    >>> slope(relu, torch.tensor([-1.0, 2.0])).tolist()
    [0.0, 1.0]
    """
    with torch.inference_mode(False), torch.enable_grad():
        at = x.detach().clone().requires_grad_()
        (steepness,) = torch.autograd.grad(bend(at).sum(), at)
    return steepness
