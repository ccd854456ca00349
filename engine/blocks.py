"""The encoder block: attention, then a small network for each token, each with a shortcut around it.

Source: Vaswani et al. 2017, sections 3.1 and 3.3. The normalisation stands after each part (Post-LN, the paper, BERT)
or before it (Pre-LN, Xiong et al. 2020, nearly everything since).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.attention import AttentionTrace, MultiHeadAttention

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,  # Hendrycks & Gimpel 2016: x times the share of a normal distribution that lies below x
    "gelu_tanh": partial(F.gelu, approximate="tanh"),  # their cheaper formula with tanh, which GPT-2 uses
}
NORMS = ("layernorm", "rmsnorm")


class FeedForward(nn.Module):
    """Two matrices with a bend between them, applied to each token alone (Vaswani et al. 2017, equation 2)."""

    def __init__(self, d_model: int, d_ff: int, *, activation: str = "gelu", dropout: float = 0.0, bias: bool = True):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        if not isinstance(d_ff, int) or d_ff < 1:
            raise ValueError(f"d_ff must be a whole number of 1 or more, got {d_ff!r}")
        self.activation = ACTIVATIONS[activation]
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, seq_len, d_model) to the same shape."""
        hidden = self.activation(self.up_proj(x))  # (batch, seq_len, d_ff)
        return self.down_proj(self.dropout(hidden))  # (batch, seq_len, d_model)


@dataclass(frozen=True)
class BlockTrace:
    """Every stage of one encoder block, each (batch, seq_len, d_model) but for the attention's own trace."""

    input: Tensor
    attention: AttentionTrace
    after_attention: Tensor  # the stream after attention, its shortcut and, in Post-LN, its norm
    feed_forward: Tensor  # what the small network alone gives
    output: Tensor


class EncoderBlock(nn.Module):
    """One layer of an encoder.

    norm_first=False: x = norm(x + part(x)), as in the 2017 paper. norm_first=True: x = x + part(norm(x)).
    residual=False leaves the shortcuts out, to see what breaks without them. dropout follows each part and stands
    inside the small network; it is off in eval mode.

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
    ) -> None:
        super().__init__()
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a share between 0 and 1, got {dropout!r}")
        self.norm_first, self.residual = norm_first, residual
        self.attention = MultiHeadAttention(d_model, n_heads, n_kv_heads=n_kv_heads, bias=bias)
        self.attention_norm = make_norm(norm, d_model, eps=norm_eps, bias=bias)
        self.feed_forward = FeedForward(d_model, d_ff, activation=activation, dropout=dropout, bias=bias)
        self.feed_forward_norm = make_norm(norm, d_model, eps=norm_eps, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, bias: Tensor | None = None, muted_heads: Iterable[int] = ()
    ) -> Tensor:
        """x (batch, seq_len, d_model) to the same shape; mask and bias as in MultiHeadAttention."""
        after_attention = self._attend(x, partial(self.attention, mask=mask, bias=bias, muted_heads=muted_heads))
        return self._feed(after_attention, self.feed_forward)

    def trace(
        self, x: Tensor, mask: Tensor | None = None, *, bias: Tensor | None = None, muted_heads: Iterable[int] = ()
    ) -> BlockTrace:
        """The same block with its stages kept. Both paths run through `_attend` and `_feed`; only attention differs."""
        kept = {}

        def attention(normed: Tensor) -> Tensor:
            kept["attention"] = self.attention.trace(normed, mask=mask, bias=bias, muted_heads=muted_heads)
            return kept["attention"].output

        def feed_forward(normed: Tensor) -> Tensor:
            kept["feed_forward"] = self.feed_forward(normed)
            return kept["feed_forward"]

        after_attention = self._attend(x, attention)
        output = self._feed(after_attention, feed_forward)
        return BlockTrace(x, kept["attention"], after_attention, kept["feed_forward"], output)

    def _attend(self, x: Tensor, attention: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm_first:
            return self._add(x, attention(self.attention_norm(x)))
        return self.attention_norm(self._add(x, attention(x)))

    def _feed(self, x: Tensor, feed_forward: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm_first:
            return self._add(x, feed_forward(self.feed_forward_norm(x)))
        return self.feed_forward_norm(self._add(x, feed_forward(x)))

    def _add(self, x: Tensor, part: Tensor) -> Tensor:
        part = self.dropout(part)
        return x + part if self.residual else part

    @classmethod
    def from_torch(cls, layer: nn.TransformerEncoderLayer) -> "EncoderBlock":
        """Our block with the weights of torch's own layer, copied. Always (batch, seq_len, d_model), batch first."""
        block = cls(
            layer.self_attn.embed_dim,
            layer.self_attn.num_heads,
            layer.linear1.out_features,
            norm_first=layer.norm_first,
            activation=_activation_name(layer.activation),
            dropout=layer.dropout.p,
            norm_eps=layer.norm1.eps,
            bias=layer.linear1.bias is not None,
        ).to(layer.linear1.weight.device, layer.linear1.weight.dtype)
        block.attention = MultiHeadAttention.from_torch(layer.self_attn)
        copies = (
            (block.feed_forward.up_proj, layer.linear1),
            (block.feed_forward.down_proj, layer.linear2),
            (block.attention_norm, layer.norm1),
            (block.feed_forward_norm, layer.norm2),
        )
        for ours, theirs in copies:
            ours.load_state_dict(theirs.state_dict())
        return block.train(layer.training)


def make_norm(norm: str, d_model: int, *, eps: float = 1e-5, bias: bool = True) -> nn.Module:
    """LayerNorm (Ba et al. 2016: mean 0, spread 1, then stretch and shift) or RMSNorm (Zhang & Sennrich 2019: only the
    size is set right, nothing is subtracted, and there is no shift)."""
    if norm == "layernorm":
        return nn.LayerNorm(d_model, eps=eps, bias=bias)
    if norm == "rmsnorm":
        return nn.RMSNorm(d_model, eps=eps)
    raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")


def _activation_name(activation: Callable) -> str:
    """The name of what torch's layer was given: a function, or a module such as nn.GELU(approximate="tanh")."""
    if activation is F.relu or activation is torch.relu or isinstance(activation, nn.ReLU):
        return "relu"
    if activation is F.gelu:
        return "gelu"
    if isinstance(activation, nn.GELU):
        return "gelu_tanh" if activation.approximate == "tanh" else "gelu"
    raise ValueError(f"layer must use relu or gelu, got {activation!r}")
