"""Attention: every token looks at the others and takes a weighted mix of what they hold.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2. Read from the top: the plain function that is
equation 1, the fused one that computes the same without keeping the table of weights, then the module with many
heads. `trace()` takes the plain path and keeps every intermediate value; `forward()` takes the fused one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.attention_checks import check_heads, check_mask_and_bias, check_shapes
from engine.cache import KeyValueCache, LayerCache
from engine.masks import causal_mask, padding_mask, prefix_mask, sliding_window_mask
from engine.rotary import apply_rotary, rotary_turns, turn

__all__ = [
    "AttentionTrace",
    "MultiHeadAttention",
    "attention_scores",
    "causal_mask",
    "fused_attention",
    "masked_softmax",
    "merge_heads",
    "padding_mask",
    "prefix_mask",
    "scaled_dot_product_attention",
    "sliding_window_mask",
    "split_heads",
]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Each query compares itself with every key, and takes the values in proportion.

    Source: Vaswani et al. 2017, equation 1: softmax(Q K^T / sqrt(d_k)) V.

    query (..., query_len, head_dim), key (..., key_len, head_dim), value (..., key_len, value_dim).
    mask: bool, True = may read. bias: added to the scaled scores. Both must broadcast to (..., query_len, key_len).
    scale: 1 / sqrt(head_dim) unless given.
    Returns output (..., query_len, value_dim) and weights (..., query_len, key_len). A query that may read nothing
    gets weights 0 and output 0, never NaN. Raises ValueError when shapes or the mask's type do not fit.

    >>> query, key = torch.tensor([[1.0, 0.0]]), torch.tensor([[8.0, 0.0], [0.0, 8.0]])
    >>> output, weights = scaled_dot_product_attention(query, key, torch.tensor([[1.0], [2.0]]))
    >>> [round(w, 4) for w in weights[0].tolist()], round(output.item(), 4)
    ([0.9965, 0.0035], 1.0035)
    """
    check_shapes(query, key, value, mask, bias)
    scores = attention_scores(query, key, bias=bias, scale=scale)  # (..., query_len, key_len)
    weights = masked_softmax(scores, mask)  # (..., query_len, key_len)
    output = weights @ value  # (..., query_len, value_dim)
    return output, weights


def attention_scores(query: Tensor, key: Tensor, *, bias: Tensor | None = None, scale: float | None = None) -> Tensor:
    """How well each query fits each key: their dot product, scaled, plus the bias if there is one.

    Dot products of longer vectors spread wider, by sqrt(head_dim) for independent numbers of spread 1. Dividing by it
    keeps the softmax from settling on one key before it has learned anything (Vaswani et al. 2017, section 3.2.1).
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale  # (..., query_len, key_len)
    return scores if bias is None else scores + bias


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Turn scores into weights: positive, adding up to 1 over the keys, exactly 0 where the mask is False."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    # A row that is all -inf would be 0 / 0. It reads something harmless first and is silenced after, so that neither
    # the result nor its gradient is ever NaN.
    reads_nothing = (scores == -torch.inf).all(dim=-1, keepdim=True)  # (..., query_len, 1)
    weights = scores.masked_fill(reads_nothing, 0.0).softmax(dim=-1)  # (..., query_len, key_len)
    return weights.masked_fill(reads_nothing, 0.0)


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """The same output by torch's fused kernel, which never holds the whole table of weights.

    Source: Dao et al. 2022 (FlashAttention), algorithm 1. Same arguments and output as the plain function; there are
    no weights to give back, because they were never all there at once.
    """
    check_shapes(query, key, value, mask, bias)
    if bias is not None:
        mask = bias.to(query.dtype) if mask is None else bias.to(query.dtype).masked_fill(~mask, -torch.inf)
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value, scale=scale)
    # Kernels differ in what a row without any key gives (0 or NaN), so no such row is handed to them.
    blocked = ~mask if mask.dtype == torch.bool else mask == -torch.inf
    reads_nothing = blocked.all(dim=-1, keepdim=True)  # (..., query_len, 1)
    mask = mask | reads_nothing if mask.dtype == torch.bool else mask.masked_fill(reads_nothing, 0.0)
    if mask.dim() == 3 and query.dim() == 4:  # the kernel knows masks of two and four axes; else it takes a slower way
        mask = mask.unsqueeze(0)  # (1, n_heads, query_len, key_len)
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    return output.masked_fill(reads_nothing, 0.0)  # (..., query_len, value_dim)


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """Cut each token's vector into `n_heads` pieces, and put the heads before the tokens.

    Both steps are needed. `view` alone, straight to (batch, n_heads, seq_len, head_dim), has the right shape and the
    wrong numbers: it mixes tokens with one another.

    >>> split_heads(torch.tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]]), n_heads=2).tolist()
    [[[[1, 2], [5, 6]], [[3, 4], [7, 8]]]]
    """
    batch, seq_len, d_model = x.shape
    x = x.reshape(batch, seq_len, n_heads, d_model // n_heads)  # (batch, seq_len, n_heads, head_dim)
    return x.transpose(1, 2)  # (batch, n_heads, seq_len, head_dim)


def merge_heads(x: Tensor) -> Tensor:
    """Lay the heads' results side by side again: `split_heads` backwards.

    >>> x = torch.arange(24.0).reshape(1, 3, 8)
    >>> bool((merge_heads(split_heads(x, n_heads=4)) == x).all())
    True
    """
    x = x.transpose(1, 2)  # (batch, seq_len, n_heads, head_dim)
    return x.flatten(start_dim=2)  # (batch, seq_len, d_model)


@dataclass(frozen=True)
class AttentionTrace:
    """Every intermediate value of one multi-head attention.

    Keys and values are given as each query head meets them: with grouped queries, heads of one group hold the same.
    """

    query: Tensor  # (batch, n_heads, query_len, head_dim), turned by its position where positions are rotary
    key: Tensor  # (batch, n_heads, key_len, head_dim), likewise
    value: Tensor  # (batch, n_heads, key_len, head_dim)
    scores: Tensor  # (batch, n_heads, query_len, key_len), scaled, bias added, not yet masked
    weights: Tensor  # (batch, n_heads, query_len, key_len)
    context: Tensor  # (batch, n_heads, query_len, head_dim), 0 for muted heads
    output: Tensor  # (batch, query_len, d_model)
    mask: Tensor | None = None  # as it was given: bool, True = may read


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in its own slice of the vector, then mixed together.

    Source: Vaswani et al. 2017, section 3.2.2. With fewer `n_kv_heads` than `n_heads`, groups of query heads share
    one key and value head (Ainslie et al. 2023, grouped-query attention). With `rotary_base`, queries and keys are
    turned by their positions (half-split layout), stretched as `rotary_scaling` says (see rotary_frequencies; seq_len
    is filled in from the text). The weights themselves are never dropped out.

    Raises ValueError when d_model is not divisible by n_heads, or n_heads by n_kv_heads.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        n_kv_heads: int | None = None,
        bias: bool = True,
        rotary_base: float | None = None,
        rotary_scaling: dict | None = None,
    ) -> None:
        super().__init__()
        n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        check_heads(d_model, n_heads, n_kv_heads)
        self.d_model, self.n_heads, self.n_kv_heads = d_model, n_heads, n_kv_heads
        self.head_dim = d_model // n_heads
        self.rotary_base, self.rotary_scaling = rotary_base, rotary_scaling
        if rotary_base is not None and self.head_dim % 2:
            raise ValueError(f"d_model / n_heads must be even for rotary positions, got {d_model} / {n_heads}")
        self.query_proj = nn.Linear(d_model, n_heads * self.head_dim, bias=bias)
        self.key_proj = nn.Linear(d_model, n_kv_heads * self.head_dim, bias=bias)
        self.value_proj = nn.Linear(d_model, n_kv_heads * self.head_dim, bias=bias)
        self.out_proj = nn.Linear(n_heads * self.head_dim, d_model, bias=bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        positions: Tensor | None = None,
        cache: LayerCache | KeyValueCache | None = None,
        muted_heads: Iterable[int] = (),
    ) -> Tensor:
        """Let every token of x read: x itself, or `memory` when it is given (cross-attention).

        x (batch, query_len, d_model), memory (batch, key_len, d_model). mask: bool, True = may read, and bias: added
        to the scores; both broadcast to (batch, n_heads, query_len, key_len), where key_len counts cached tokens.
        positions (query_len,) or (batch, query_len): used with rotary positions only; they go on from the cache
        unless given, and may also start with those of the cached tokens. muted_heads: heads, counted from 0, whose
        result is replaced by 0 before the final mix.
        Returns (batch, query_len, d_model).
        """
        query, key, value = self._project(x, memory, mask, bias, positions, cache)
        context = fused_attention(query, key, value, mask, bias=bias)  # (batch, n_heads, query_len, head_dim)
        context = self._mute(context, muted_heads)  # (batch, n_heads, query_len, head_dim)
        return self.out_proj(merge_heads(context))  # (batch, query_len, d_model)

    def trace(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        positions: Tensor | None = None,
        cache: LayerCache | KeyValueCache | None = None,
        muted_heads: Iterable[int] = (),
    ) -> AttentionTrace:
        """The plain path: the same as `forward`, with every intermediate value kept to look at."""
        query, key, value = self._project(x, memory, mask, bias, positions, cache)
        scores = attention_scores(query, key, bias=bias)  # (batch, n_heads, query_len, key_len)
        weights = masked_softmax(scores, mask)  # (batch, n_heads, query_len, key_len)
        context = self._mute(weights @ value, muted_heads)  # (batch, n_heads, query_len, head_dim)
        output = self.out_proj(merge_heads(context))  # (batch, query_len, d_model)
        return AttentionTrace(query, key, value, scores, weights, context, output, mask)

    def _project(
        self,
        x: Tensor,
        memory: Tensor | None,
        mask: Tensor | None,
        bias: Tensor | None,
        positions: Tensor | None,
        cache: LayerCache | KeyValueCache | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Make queries from x, keys and values from what is read, and lay them out by head."""
        self._check_inputs(x, memory, mask, bias, cache)
        source = x if memory is None else memory
        query = split_heads(self.query_proj(x), self.n_heads)  # (batch, n_heads, query_len, head_dim)
        key = split_heads(self.key_proj(source), self.n_kv_heads)  # (batch, n_kv_heads, key_len, head_dim)
        value = split_heads(self.value_proj(source), self.n_kv_heads)  # (batch, n_kv_heads, key_len, head_dim)
        if self.rotary_base is not None:
            query, key, value = self._turn(query, key, value, positions, cache)
        elif cache is not None:
            key, value = cache.append(key, value)  # each (batch, n_kv_heads, cached + query_len, head_dim)
        group = self.n_heads // self.n_kv_heads  # query heads that share one key head
        key = key.repeat_interleave(group, dim=1) if group > 1 else key  # (batch, n_heads, key_len, head_dim)
        value = value.repeat_interleave(group, dim=1) if group > 1 else value  # (batch, n_heads, key_len, head_dim)
        return query, key, value

    def _turn(self, query, key, value, positions, cache) -> tuple[Tensor, Tensor, Tensor]:
        """Turn queries and keys by their positions, and add keys and values to the cache.

        Keys are kept turned. Only with "dynamic" scaling, where every longer text turns all of them anew, they are
        kept as they were, and turned each time they are read.
        """
        query_len, cached = query.shape[2], 0 if cache is None else cache.length
        if positions is None:  # a cached text goes on where it stopped
            positions = torch.arange(cached + query_len, device=query.device)  # (cached + query_len,)
        new, scaling, turns_anew = positions[..., -query_len:], self.rotary_scaling, False
        if scaling is not None and scaling["type"] == "dynamic":
            scaling, turns_anew = scaling | {"seq_len": int(positions.max()) + 1}, True
            if positions.shape[-1] != cached + query_len:
                raise ValueError(
                    f"positions must be those of all {cached + query_len} tokens, the cached ones first, with dynamic "
                    f"scaling, got {positions.shape[-1]}"
                )
        rotary = {"base": self.rotary_base, "scaling": scaling}
        turns = rotary_turns(query, new, **rotary)
        query = turn(query, turns)  # (batch, n_heads, query_len, head_dim)
        if not turns_anew:
            key = turn(key, turns)  # (batch, n_kv_heads, query_len, head_dim)
        if cache is not None:
            key, value = cache.append(key, value)  # each (batch, n_kv_heads, cached + query_len, head_dim)
        return query, apply_rotary(key, positions, **rotary) if turns_anew else key, value

    def _mute(self, context: Tensor, muted_heads: Iterable[int]) -> Tensor:
        """Put 0 in place of what the muted heads found."""
        muted = sorted(set(muted_heads))
        for head in muted:
            if not 0 <= head < self.n_heads:
                raise ValueError(f"muted_heads must lie between 0 and {self.n_heads - 1}, got {head!r}")
        if not muted:
            return context
        keep = torch.ones(self.n_heads, 1, 1, dtype=context.dtype, device=context.device)  # (n_heads, 1, 1)
        keep[muted] = 0.0
        return context * keep  # (batch, n_heads, query_len, head_dim)

    def _check_inputs(self, x, memory, mask, bias, cache) -> None:
        for name, tensor in (("x", x), ("memory", memory)):
            if tensor is not None and (tensor.dim() != 3 or tensor.shape[-1] != self.d_model):
                raise ValueError(
                    f"{name} must be (batch, seq_len, d_model = {self.d_model}), got shape {tuple(tensor.shape)}"
                )
        if memory is not None and memory.shape[0] != x.shape[0]:
            raise ValueError(f"memory must have x's batch of {x.shape[0]}, got {memory.shape[0]}")
        if memory is not None and (cache is not None or self.rotary_base is not None):
            raise ValueError("memory must be None with a cache or rotary positions: both follow one text as it grows")
        # Checked before the cache is touched, so that a wrong mask does not leave it half filled.
        source_len = x.shape[1] if memory is None else memory.shape[1]
        key_len = source_len + (0 if cache is None else cache.length)
        shape = (x.shape[0], self.n_heads, x.shape[1], key_len)
        check_mask_and_bias(mask, bias, shape)

    @classmethod
    def from_torch(cls, layer: nn.MultiheadAttention) -> "MultiHeadAttention":
        """Our module with the weights of torch's own, copied. Mind that its masks mean the opposite of ours."""
        if layer.in_proj_weight is None or layer.bias_k is not None or layer.add_zero_attn:
            raise ValueError("layer must be an nn.MultiheadAttention without kdim, vdim, add_bias_kv and add_zero_attn")
        ours = cls(layer.embed_dim, layer.num_heads, bias=layer.in_proj_bias is not None)
        ours = ours.to(layer.in_proj_weight.device, layer.in_proj_weight.dtype)
        inputs = (ours.query_proj, ours.key_proj, ours.value_proj)
        with torch.no_grad():
            # torch keeps the three stacked on top of each other
            for proj, weight in zip(inputs, layer.in_proj_weight.chunk(3), strict=True):
                proj.weight.copy_(weight)
            ours.out_proj.weight.copy_(layer.out_proj.weight)
            if layer.in_proj_bias is not None:
                for proj, bias in zip(inputs, layer.in_proj_bias.chunk(3), strict=True):
                    proj.bias.copy_(bias)
                ours.out_proj.bias.copy_(layer.out_proj.bias)
        return ours.train(layer.training)
