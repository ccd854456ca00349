"""Shapes: what multi-head attention does to its tensors, line by line, and the reshape that goes wrong."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.attention import MultiHeadAttention, attention_scores, masked_softmax, split_heads


@dataclass(frozen=True)
class TensorStep:
    """One tensor of a real run, with the line of code that made it."""

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]  # a name for each number in shape
    tensor: Tensor
    code: str
    comment: str


@dataclass(frozen=True)
class ScrambledHeads:
    """For each number of the wrong split: whose it is. All tensors are (n_heads, seq_len, head_dim)."""

    token: Tensor  # the token the number came from
    feature: Tensor  # its place in that token's vector
    expected_token: Tensor
    expected_feature: Tensor
    is_scrambled: Tensor  # bool: it should not stand here
    share: float  # of numbers that stand in the wrong place


def shape_walk(attention: MultiHeadAttention, x: Tensor, *, transpose: bool = True) -> list[TensorStep]:
    """Run `attention` on x (batch, seq_len, d_model) one line at a time and keep every tensor on the way.

    The last step is what `attention(x)` gives. With transpose=False the heads are cut by the classic mistake, straight
    to the shape one wants (see `split_heads_without_transpose`): every shape is right, the numbers are not.

    Raises ValueError for x of another shape, and for grouped queries or rotary positions, which would add lines that
    this walk does not show.
    """
    if attention.n_kv_heads != attention.n_heads or attention.rotary_base is not None:
        raise ValueError("attention must be plain (n_kv_heads = n_heads, no rotary positions) to be walked through")
    if x.dim() != 3 or x.shape[-1] != attention.d_model:
        raise ValueError(f"x must be (batch, seq_len, d_model = {attention.d_model}), got shape {tuple(x.shape)}")
    steps: list[TensorStep] = []

    def keep(name: str, tensor: Tensor, axes: str, code: str, comment: str) -> Tensor:
        steps.append(TensorStep(name, tuple(tensor.shape), tuple(axes.split()), tensor, code, comment))
        return tensor

    keep("x", x, "batch seq_len d_model", "x", "one vector for each token")
    query, key, value = (_walk_to_heads(attention, name, x, keep, transpose) for name in ("query", "key", "value"))
    scores = attention_scores(query, key)  # (batch, n_heads, query_len, key_len)
    by_pair, by_head = "batch n_heads query_len key_len", "batch n_heads seq_len head_dim"
    keep("scores", scores, by_pair, "query @ key.transpose(-2, -1) / sqrt(head_dim)", "every query meets every key")
    weights = masked_softmax(scores)  # (batch, n_heads, query_len, key_len)
    keep("weights", weights, by_pair, "scores.softmax(dim=-1)", "each row adds up to 1")
    context = keep("context", weights @ value, by_head, "weights @ value", "each head's mix of values")
    code, comment = "context.transpose(1, 2)", "tokens before heads again"
    context = keep("context, tokens first", context.transpose(1, 2), "batch seq_len n_heads head_dim", code, comment)
    code, comment = "context.flatten(start_dim=2)", "the heads side by side in one vector"
    merged = keep("merged", context.flatten(start_dim=2), "batch seq_len d_model", code, comment)
    keep("output", attention.out_proj(merged), "batch seq_len d_model", "out_proj(merged)", "the heads mixed together")
    return steps


def _walk_to_heads(attention: MultiHeadAttention, name: str, x: Tensor, keep, transpose: bool) -> Tensor:
    """The three lines that make one head-wise tensor: project, cut, transpose. Or the two of the classic mistake."""
    batch, seq_len, _ = x.shape
    n_heads, head_dim = attention.n_heads, attention.head_dim
    proj = getattr(attention, f"{name}_proj")
    flat = keep(name, proj(x), "batch seq_len d_model", f"{name}_proj(x)", f"one {name} for each token")
    if not transpose:
        by_head = split_heads_without_transpose(flat, n_heads)  # (batch, n_heads, seq_len, head_dim)
        code, comment = f"{name}.view(batch, n_heads, seq_len, head_dim)", "the shape one wants, and the wrong numbers"
        return keep(f"{name}, by head", by_head, "batch n_heads seq_len head_dim", code, comment)
    code = f"{name}.view(batch, seq_len, n_heads, head_dim)"
    cut = flat.view(batch, seq_len, n_heads, head_dim)  # (batch, seq_len, n_heads, head_dim)
    keep(
        f"{name}, cut",
        cut,
        "batch seq_len n_heads head_dim",
        code,
        "the same numbers in order, cut into heads",
    )
    by_head = cut.transpose(1, 2)  # (batch, n_heads, seq_len, head_dim)
    code, comment = f"{name}.transpose(1, 2)", "heads first: each head has its own table of tokens"
    return keep(f"{name}, by head", by_head, "batch n_heads seq_len head_dim", code, comment)


def split_heads_without_transpose(x: Tensor, n_heads: int) -> Tensor:
    """The classic mistake: straight to the shape one wants. It runs, the shape is right, the numbers are not.

    x (batch, seq_len, d_model) to (batch, n_heads, seq_len, head_dim). Compare `engine.attention.split_heads`.

    >>> split_heads_without_transpose(torch.tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]]), n_heads=2).tolist()
    [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]
    """
    batch, seq_len, d_model = x.shape
    if n_heads < 1 or d_model % n_heads:
        raise ValueError(f"n_heads must divide d_model = {d_model} without a remainder, got {n_heads}")
    return x.reshape(batch, n_heads, seq_len, d_model // n_heads)  # (batch, n_heads, seq_len, head_dim)


def scrambled_heads(seq_len: int, d_model: int, n_heads: int) -> ScrambledHeads:
    """Which numbers the wrong split moves where they do not belong.

    Found by sending numbered places through both splits, not by a formula.

    >>> scrambled_heads(seq_len=2, d_model=4, n_heads=2).share
    0.5
    >>> scrambled_heads(seq_len=2, d_model=4, n_heads=1).share  # with a single head the mistake has no effect
    0.0
    """
    if seq_len < 1 or d_model < 1:
        raise ValueError(f"seq_len and d_model must be 1 or more, got {seq_len} and {d_model}")
    places = torch.arange(seq_len * d_model).reshape(1, seq_len, d_model)  # (1, seq_len, d_model)
    wrong = split_heads_without_transpose(places, n_heads)[0]  # (n_heads, seq_len, head_dim)
    right = split_heads(places, n_heads)[0]  # (n_heads, seq_len, head_dim)
    moved = wrong != right
    share = moved.float().mean().item()
    return ScrambledHeads(wrong // d_model, wrong % d_model, right // d_model, right % d_model, moved, share)
