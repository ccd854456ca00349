"""The block: attention, then a small network for each token, each with a shortcut around it.

Source: Vaswani et al. 2017, sections 3.1 and 3.3. The normalisation stands after each part (Post-LN, the paper, BERT)
or before it (Pre-LN, Xiong et al. 2020, nearly everything since). A decoder's block has a part more, with which it
reads what an encoder has made; without that part it is the block of a language model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from engine.attention import AttentionTrace, MultiHeadAttention
from engine.cache import KeyValueCache, LayerCache
from engine.feed_forward import ACTIVATIONS, FeedForward, activation_name

__all__ = [
    "ACTIVATIONS",
    "NORMS",
    "Block",
    "BlockTrace",
    "DecoderBlock",
    "DecoderBlockTrace",
    "EncoderBlock",
    "FeedForward",
    "make_norm",
]

NORMS = ("layernorm", "rmsnorm")


@dataclass(frozen=True)
class BlockTrace:
    """Every stage of one block, each (batch, seq_len, d_model) but for the attention's own trace and `hidden`."""

    input: Tensor
    attention: AttentionTrace
    after_attention: Tensor  # the stream after attention, its shortcut and, in Post-LN, its norm
    feed_forward: Tensor  # what the small network alone gives
    output: Tensor
    attention_input: Tensor  # what attention was given: in Pre-LN the normalised stream, else the stream
    feed_forward_input: Tensor  # likewise
    hidden: Tensor  # (batch, seq_len, d_ff), how strongly each hidden unit fires on each token
    attention_sum: Tensor  # the stream right after attention is added: in Pre-LN after_attention, in Post-LN not normed
    feed_forward_sum: Tensor  # likewise: in Pre-LN the output


@dataclass(frozen=True)
class DecoderBlockTrace(BlockTrace):
    """The same, and what was read from the encoder; None where the block has read nothing from one."""

    cross_attention: AttentionTrace | None = None
    after_cross_attention: Tensor | None = None
    cross_attention_sum: Tensor | None = None


class Block(nn.Module):
    """What every block has: attention within the text, a feed-forward part, and a norm for each.

    norm_first=False: x = norm(x + part(x)), as in the 2017 paper. norm_first=True: x = x + part(norm(x)).
    residual=False leaves the shortcuts out, to see what breaks without them. dropout follows each part and stands
    inside the small network; it is off in eval mode. `bias` is for all parts; attention_bias and feed_forward_bias
    overrule it for theirs.

    Raises ValueError for an unknown activation or norm, a dropout outside 0 to 1, or heads that do not divide d_model.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        norm_first: bool,
        activation: str = "gelu",
        norm: str = "layernorm",
        dropout: float = 0.0,
        residual: bool = True,
        norm_eps: float = 1e-5,
        n_kv_heads: int | None = None,
        bias: bool = True,
        attention_bias: bool | None = None,
        feed_forward_bias: bool | None = None,
        rotary_base: float | None = None,
        rotary_scaling: dict | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a share between 0 and 1, got {dropout!r}")
        self.norm_first, self.residual = norm_first, residual
        attention_bias = bias if attention_bias is None else attention_bias
        feed_forward_bias = bias if feed_forward_bias is None else feed_forward_bias
        heads = {"n_kv_heads": n_kv_heads, "bias": attention_bias}
        rotary = {"rotary_base": rotary_base, "rotary_scaling": rotary_scaling}
        self.attention = MultiHeadAttention(d_model, n_heads, **heads, **rotary)
        self.attention_norm = make_norm(norm, d_model, eps=norm_eps, bias=bias)
        self.feed_forward = FeedForward(d_model, d_ff, activation=activation, dropout=dropout, bias=feed_forward_bias)
        self.feed_forward_norm = make_norm(norm, d_model, eps=norm_eps, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def _around(
        self, x: Tensor, norm: nn.Module, part: Callable[[Tensor], Tensor], kept: dict | None = None, name: str = ""
    ) -> Tensor:
        """One part with its norm and its shortcut. Both paths of every block, plain and fused, run through here.

        kept: where a trace keeps the sum, under the part's `name`.
        """
        added = self._add(x, part(norm(x) if self.norm_first else x))
        if kept is not None:
            kept[f"{name}_sum"] = added
        return added if self.norm_first else norm(added)

    def _add(self, x: Tensor, part: Tensor) -> Tensor:
        part = self.dropout(part)
        return x + part if self.residual else part

    def _traced_attention(self, kept: dict, name: str, attention: MultiHeadAttention, *arguments, **options):
        """A part that does what `attention` does and keeps its trace under `name`."""

        def part(normed: Tensor) -> Tensor:
            kept[f"{name}_input"] = normed
            kept[name] = attention.trace(normed, *arguments, **options)
            return kept[name].output

        return part

    def _traced_feed_forward(self, kept: dict) -> Callable[[Tensor], Tensor]:
        def part(normed: Tensor) -> Tensor:
            kept["feed_forward_input"], kept["hidden"] = normed, self.feed_forward.hidden(normed)
            kept["feed_forward"] = self.feed_forward.contract(kept["hidden"])
            return kept["feed_forward"]

        return part

    def _copy_torch(self, copies: Iterable[tuple[nn.Module, nn.Module]]) -> None:
        for ours, theirs in copies:
            ours.load_state_dict(theirs.state_dict())


class EncoderBlock(Block):
    """One layer of an encoder. See Block for the settings."""

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        positions: Tensor | None = None,
        muted_heads: Iterable[int] = (),
    ) -> Tensor:
        """x (batch, seq_len, d_model) to the same shape; the others as in MultiHeadAttention."""
        options = {"mask": mask, "bias": bias, "positions": positions, "muted_heads": muted_heads}
        x = self._around(x, self.attention_norm, lambda normed: self.attention(normed, **options))
        return self._around(x, self.feed_forward_norm, self.feed_forward)

    def trace(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        positions: Tensor | None = None,
        muted_heads: Iterable[int] = (),
    ) -> BlockTrace:
        """The same block by attention's plain path, with its stages kept."""
        kept = {}
        options = {"mask": mask, "bias": bias, "positions": positions, "muted_heads": muted_heads}
        attention = self._traced_attention(kept, "attention", self.attention, **options)
        after_attention = self._around(x, self.attention_norm, attention, kept, "attention")
        feed_forward = self._traced_feed_forward(kept)
        output = self._around(after_attention, self.feed_forward_norm, feed_forward, kept, "feed_forward")
        return BlockTrace(input=x, after_attention=after_attention, output=output, **kept)

    @classmethod
    def from_torch(cls, layer: nn.TransformerEncoderLayer) -> "EncoderBlock":
        """Our block with the weights of torch's own layer, copied. Always (batch, seq_len, d_model), batch first."""
        block = cls(*_torch_sizes(layer), **_torch_settings(layer))
        block = block.to(layer.linear1.weight.device, layer.linear1.weight.dtype)
        block.attention = MultiHeadAttention.from_torch(layer.self_attn)
        block._copy_torch(
            (
                (block.feed_forward.up_proj, layer.linear1),
                (block.feed_forward.down_proj, layer.linear2),
                (block.attention_norm, layer.norm1),
                (block.feed_forward_norm, layer.norm2),
            )
        )
        return block.train(layer.training)


class DecoderBlock(Block):
    """One layer of a decoder: it reads its own text, then (with cross_attention=True) the encoder's, then thinks.

    The encoder's output is read as it is: only the decoder's own stream is normalised. See Block for the settings.
    """

    def __init__(self, d_model: int, n_heads: int, d_ff: int, *, cross_attention: bool = True, **settings) -> None:
        super().__init__(d_model, n_heads, d_ff, **settings)
        self.cross_attention = self.cross_attention_norm = None
        if cross_attention:
            own = self.attention  # positions belong to one text, so the reading of another has no rotary turns
            bias = own.out_proj.bias is not None
            self.cross_attention = MultiHeadAttention(d_model, n_heads, n_kv_heads=own.n_kv_heads, bias=bias)
            norm, eps = settings.get("norm", "layernorm"), settings.get("norm_eps", 1e-5)
            self.cross_attention_norm = make_norm(norm, d_model, eps=eps, bias=settings.get("bias", True))

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        positions: Tensor | None = None,
        cache: LayerCache | KeyValueCache | None = None,
        muted_heads: Iterable[int] = (),
    ) -> Tensor:
        """x (batch, seq_len, d_model) to the same shape.

        memory (batch, memory_len, d_model): what the encoder made; None leaves the reading of it out. mask: who reads
        whom within x; nothing is causal unless `causal_mask` says so. memory_mask: which of memory may be read.
        bias, positions, cache and muted_heads are for the attention within x, as in MultiHeadAttention.
        """
        self._check_memory(memory)
        options = {"mask": mask, "bias": bias, "positions": positions, "cache": cache, "muted_heads": muted_heads}
        x = self._around(x, self.attention_norm, lambda normed: self.attention(normed, **options))
        if memory is not None:
            x = self._around(
                x, self.cross_attention_norm, lambda normed: self.cross_attention(normed, memory, memory_mask)
            )
        return self._around(x, self.feed_forward_norm, self.feed_forward)

    def trace(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        positions: Tensor | None = None,
        cache: LayerCache | KeyValueCache | None = None,
        muted_heads: Iterable[int] = (),
    ) -> DecoderBlockTrace:
        """The same block by attention's plain path, with its stages kept."""
        self._check_memory(memory)
        kept, options = {}, {"mask": mask, "bias": bias, "positions": positions}
        options |= {"cache": cache, "muted_heads": muted_heads}
        attention = self._traced_attention(kept, "attention", self.attention, **options)
        after_attention = after = self._around(x, self.attention_norm, attention, kept, "attention")
        if memory is not None:
            reading = self._traced_attention(kept, "cross_attention", self.cross_attention, memory, memory_mask)
            after = self._around(after_attention, self.cross_attention_norm, reading, kept, "cross_attention")
            del kept["cross_attention_input"]
            kept["after_cross_attention"] = after
        feed_forward = self._traced_feed_forward(kept)
        output = self._around(after, self.feed_forward_norm, feed_forward, kept, "feed_forward")
        return DecoderBlockTrace(input=x, after_attention=after_attention, output=output, **kept)

    def _check_memory(self, memory: Tensor | None) -> None:
        if memory is not None and self.cross_attention is None:
            raise ValueError("memory must be None: this block was built with cross_attention=False")

    @classmethod
    def from_torch(cls, layer: nn.TransformerDecoderLayer) -> "DecoderBlock":
        """Our block with the weights of torch's own layer, copied. Mind that its masks mean the opposite of ours."""
        block = cls(*_torch_sizes(layer), **_torch_settings(layer))
        block = block.to(layer.linear1.weight.device, layer.linear1.weight.dtype)
        block.attention = MultiHeadAttention.from_torch(layer.self_attn)
        block.cross_attention = MultiHeadAttention.from_torch(layer.multihead_attn)
        block._copy_torch(
            (
                (block.feed_forward.up_proj, layer.linear1),
                (block.feed_forward.down_proj, layer.linear2),
                (block.attention_norm, layer.norm1),
                (block.cross_attention_norm, layer.norm2),
                (block.feed_forward_norm, layer.norm3),
            )
        )
        return block.train(layer.training)


def make_norm(norm: str, d_model: int, *, eps: float = 1e-5, bias: bool = True) -> nn.Module:
    """LayerNorm (Ba et al. 2016: mean 0, spread 1, then stretch and shift) or RMSNorm (Zhang & Sennrich 2019: only the
    size is set right, nothing is subtracted, and there is no shift)."""
    if norm == "layernorm":
        return nn.LayerNorm(d_model, eps=eps, bias=bias)
    if norm == "rmsnorm":
        return nn.RMSNorm(d_model, eps=eps)
    raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")


def _torch_sizes(layer: nn.Module) -> tuple[int, int, int]:
    return layer.self_attn.embed_dim, layer.self_attn.num_heads, layer.linear1.out_features


def _torch_settings(layer: nn.Module) -> dict:
    return {
        "norm_first": layer.norm_first,
        "activation": activation_name(layer.activation),
        "dropout": layer.dropout.p,
        "norm_eps": layer.norm1.eps,
        "bias": layer.linear1.bias is not None,
    }
