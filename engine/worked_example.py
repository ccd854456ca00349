"""Attention small enough to do by hand: every stage is a matrix of its own, and the usual mistakes are switches.

With the switches at their defaults this is `engine.attention.scaled_dot_product_attention`, cut into its stages.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Matrix = tuple[tuple[float, ...], ...]
FILLS = {"-inf": -torch.inf, "-1e9": -1e9}
AXES = {"keys": -1, "queries": -2}


@dataclass(frozen=True)
class HandExample:
    """Everything that goes into the sum on paper: one row of numbers a token, and three small weight matrices."""

    tokens: tuple[str, ...] = ("the", "cat", "sat")
    x: Matrix = ((1.0, 0.0), (0.0, 2.0), (1.0, 1.0))
    query_weight: Matrix = ((1.0, 0.0), (1.0, 2.0))
    key_weight: Matrix = ((1.0, 1.0), (0.0, 1.0))
    value_weight: Matrix = ((2.0, 0.0), (0.0, 1.0))

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.x):
            raise ValueError(f"x must have one row a token, {len(self.tokens)}, got {len(self.x)}")
        for name in ("x", "query_weight", "key_weight", "value_weight"):
            rows = getattr(self, name)
            if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
                raise ValueError(f"{name} must be rows of the same length, got {rows!r}")
            if not all(isinstance(n, (int, float)) and math.isfinite(n) for row in rows for n in row):
                raise ValueError(f"{name} must hold finite numbers only, got {rows!r}")
            if name != "x" and len(rows) != len(self.x[0]):
                raise ValueError(f"{name} must have one row for each of x's {len(self.x[0])} columns, got {len(rows)}")

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, each (seq_len, head_dim)."""
        x = torch.tensor(self.x, dtype=torch.float32)  # (seq_len, d_model)
        weights = (self.query_weight, self.key_weight, self.value_weight)
        query, key, value = (project(x, torch.tensor(weight, dtype=torch.float32)) for weight in weights)
        return query, key, value


@dataclass(frozen=True)
class HandTrace:
    """Each stage of the sum. Rows are queries (who reads), columns are keys (what is read)."""

    query: Tensor  # (query_len, head_dim)
    key: Tensor  # (key_len, head_dim)
    value: Tensor  # (key_len, value_dim)
    scores: Tensor  # (query_len, key_len)
    scaled: Tensor  # (query_len, key_len)
    masked: Tensor  # (query_len, key_len)
    weights: Tensor  # (query_len, key_len)
    output: Tensor  # (query_len, value_dim)
    row_sums: Tensor  # (query_len,): 1 for each row when the softmax runs over the keys; 0 for a row that reads nothing
    entropy: Tensor  # (query_len,), in bits: how spread out a row is; 0 when all its weight lies on one key
    saturation: Tensor  # (query_len,): the largest weight of each row
    gradient_room: Tensor  # (query_len,): 1 - sum of squared weights; near 0 a row can hardly learn any more


def work_by_hand(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    scaled: bool = True,
    softmax_over: Literal["keys", "queries"] = "keys",
    fill: Literal["-inf", "-1e9"] = "-inf",
) -> HandTrace:
    """Attention step by step (Vaswani et al. 2017, equation 1), right or with one of three mistakes.

    - scaled=False leaves out the division by sqrt(head_dim): rows saturate.
    - softmax_over="queries" normalises the wrong axis: columns add up to 1, rows do not.
    - fill="-1e9" hides masked scores behind a large number instead of -inf: the same numbers, except in a row that
      may read nothing. There all scores are equally low, so it reads the mean of all values, the hidden ones too.

    query (query_len, head_dim), key (key_len, head_dim), value (key_len, value_dim); mask (query_len, key_len) bool,
    True = may read. Raises ValueError for shapes that do not fit and for switches set to anything else.

    >>> one = work_by_hand(torch.tensor([[1.0]]), torch.tensor([[1.0], [1.0]]), torch.tensor([[2.0], [4.0]]))
    >>> one.weights.tolist(), one.output.tolist(), one.entropy.tolist()
    ([[0.5, 0.5]], [[3.0]], [1.0])
    """
    _check(query, key, value, mask, softmax_over, fill)
    scores = query @ key.T  # (query_len, key_len)
    scaled_scores = scores / math.sqrt(query.shape[-1]) if scaled else scores
    masked = scaled_scores if mask is None else scaled_scores.masked_fill(~mask, FILLS[fill])
    weights = masked.softmax(dim=AXES[softmax_over])  # (query_len, key_len)
    nothing_to_share = (masked == -torch.inf).all(dim=AXES[softmax_over], keepdim=True)
    weights = weights.masked_fill(nothing_to_share, 0.0)  # softmax of nothing but -inf is 0 / 0: we define it as 0
    output = weights @ value  # (query_len, value_dim)
    return HandTrace(
        query,
        key,
        value,
        scores,
        scaled_scores,
        masked,
        weights,
        output,
        row_sums=weights.sum(dim=-1),
        entropy=-torch.xlogy(weights, weights).sum(dim=-1) / math.log(2) + 0.0,  # + 0.0 turns -0 into 0
        saturation=weights.amax(dim=-1),
        gradient_room=1 - weights.square().sum(dim=-1),
    )


def project(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply each token's row by a weight matrix: x (seq_len, d_model), weight (d_model, head_dim).

    >>> project(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.5, 3.0]])).tolist()
    [[2.0, 6.0]]
    """
    if x.dim() != 2 or weight.dim() != 2 or x.shape[1] != weight.shape[0]:
        raise ValueError(f"weight must have x's {tuple(x.shape)} number of columns as rows, got {tuple(weight.shape)}")
    return x @ weight  # (seq_len, head_dim)


def write_dot_product(left: Tensor, right: Tensor, *, digits: int = 3) -> str:
    """Write a dot product out, the way it is done on paper. Numbers are rounded for reading, not for the sum.

    >>> write_dot_product(torch.tensor([1.0, 0.0, -1.0]), torch.tensor([0.5, 2.0, 3.0]))
    '1·0.5 + 0·2 + (-1)·3 = -2.5'
    """
    if left.dim() != 1 or left.shape != right.shape or len(left) == 0:
        raise ValueError(f"right must be as long as left {tuple(left.shape)}, got {tuple(right.shape)}")
    numbers = zip(left.tolist(), right.tolist(), strict=True)
    terms = [f"{_factor(a, digits)}·{_factor(b, digits)}" for a, b in numbers]
    return f"{' + '.join(terms)} = {_number(float(left @ right), digits)}"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _factor(value: float, digits: int) -> str:
    text = _number(value, digits)
    return f"({text})" if text.startswith("-") else text


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, softmax_over: str, fill: str) -> None:
    if softmax_over not in AXES:
        raise ValueError(f"softmax_over must be one of {', '.join(AXES)}, got {softmax_over!r}")
    if fill not in FILLS:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.dim() != 2 or tensor.numel() == 0:
            raise ValueError(f"{name} must be a matrix with at least one number, got shape {tuple(tensor.shape)}")
    if key.shape[1] != query.shape[1]:
        raise ValueError(f"key must have the query's {query.shape[1]} columns, got {key.shape[1]}")
    if value.shape[0] != key.shape[0]:
        raise ValueError(f"value must have one row for each of the {key.shape[0]} keys, got {value.shape[0]}")
    shape = (query.shape[0], key.shape[0])
    if mask is not None and (mask.dtype != torch.bool or tuple(mask.shape) != shape):
        raise ValueError(f"mask must be bool of shape {shape}, got {mask.dtype} of shape {tuple(mask.shape)}")
