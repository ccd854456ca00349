"""A whole encoder: tokens and positions go in, blocks follow one another, one vector a token comes out.

Source: Vaswani et al. 2017, figure 1 (left half), in the form of Devlin et al. 2019 (BERT): positions are learned,
each token also says which of two texts it belongs to, and the sum is normalised before the first block.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.attention import AttentionTrace
from engine.blocks import ACTIVATIONS, NORMS, EncoderBlock, make_norm

POSITIONS = ("learned",)


@dataclass(frozen=True)
class ModelConfig:
    """The settings that make one model. Checked when made: a wrong one raises ValueError and says what would be right.

    >>> ModelConfig(vocab_size=100, d_model=8, n_heads=2, n_layers=1, d_ff=16, max_len=10).head_dim
    4
    """

    vocab_size: int
    d_model: int
    n_heads: int
    n_layers: int
    d_ff: int
    max_len: int
    n_kv_heads: int | None = None  # None: as many as n_heads
    positions: str = "learned"
    n_token_types: int = 0  # BERT has 2: first text, second text
    embedding_norm: bool = True
    norm: str = "layernorm"
    norm_first: bool = False
    norm_eps: float = 1e-5
    activation: str = "gelu"
    dropout: float = 0.0
    bias: bool = True

    @property
    def head_dim(self) -> int:
        """The size of one head's slice."""
        return self.d_model // self.n_heads

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "n_heads", "n_layers", "d_ff", "max_len"):
            _check_whole(name, getattr(self, name), at_least=1)
        _check_whole("n_token_types", self.n_token_types, at_least=0)
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads must divide d_model = {self.d_model} without a remainder, got {self.n_heads}")
        if self.n_kv_heads is not None:
            _check_whole("n_kv_heads", self.n_kv_heads, at_least=1)
            if self.n_heads % self.n_kv_heads:
                raise ValueError(f"n_kv_heads must divide n_heads = {self.n_heads}, got {self.n_kv_heads}")
        for name, allowed in (("positions", POSITIONS), ("norm", NORMS), ("activation", tuple(ACTIVATIONS))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be a share from 0 up to but not including 1, got {self.dropout!r}")
        if not self.norm_eps > 0:
            raise ValueError(f"norm_eps must be above 0, got {self.norm_eps!r}")


@dataclass(frozen=True)
class EncoderTrace:
    """Everything an encoder computed on the way."""

    layers: list[AttentionTrace]  # one for each layer
    hidden_states: list[Tensor]  # n_layers + 1 of (batch, seq_len, d_model): into the first block, out of each block
    output: Tensor  # (batch, seq_len, d_model)


class Encoder(nn.Module):
    """Reads a text in both directions at once and gives one vector for each token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.position_embedding = nn.Embedding(config.max_len, config.d_model)
        types = config.n_token_types
        self.token_type_embedding = nn.Embedding(types, config.d_model) if types else None
        norm = {"eps": config.norm_eps, "bias": config.bias}
        self.embedding_norm = make_norm(config.norm, config.d_model, **norm) if config.embedding_norm else None
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(self._make_block() for _ in range(config.n_layers))
        # Pre-LN blocks add to a stream that nothing has normalised; without this last norm the output drifts.
        self.final_norm = make_norm(config.norm, config.d_model, **norm) if config.norm_first else None

    def _make_block(self) -> EncoderBlock:
        c = self.config
        return EncoderBlock(
            c.d_model,
            c.n_heads,
            c.d_ff,
            norm_first=c.norm_first,
            activation=c.activation,
            norm=c.norm,
            dropout=c.dropout,
            norm_eps=c.norm_eps,
            n_kv_heads=c.n_kv_heads,
            bias=c.bias,
        )

    def forward(
        self,
        ids: Tensor | Sequence,
        attention_mask: Tensor | Sequence | None = None,
        token_type_ids: Tensor | Sequence | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> Tensor:
        """ids (batch, seq_len) to the last hidden state (batch, seq_len, d_model).

        attention_mask (batch, seq_len): 1 or True for a real token. token_type_ids (batch, seq_len): 0 unless given.
        muted_heads: pairs (layer, head), counted from 0, that are switched off.
        """
        ids, mask = self._check_inputs(ids, attention_mask)
        muted = self._muted_by_layer(muted_heads)
        x = self._embed(ids, token_type_ids)  # (batch, seq_len, d_model)
        for block, heads in zip(self.layers, muted, strict=True):
            x = block(x, mask, muted_heads=heads)  # (batch, seq_len, d_model)
        return x if self.final_norm is None else self.final_norm(x)

    def trace(
        self,
        ids: Tensor | Sequence,
        attention_mask: Tensor | Sequence | None = None,
        token_type_ids: Tensor | Sequence | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> EncoderTrace:
        """The same run by the plain path, with every layer's attention and hidden state kept."""
        ids, mask = self._check_inputs(ids, attention_mask)
        muted = self._muted_by_layer(muted_heads)
        x = self._embed(ids, token_type_ids)  # (batch, seq_len, d_model)
        attentions, hidden_states = [], [x]
        for block, heads in zip(self.layers, muted, strict=True):
            step = block.trace(x, mask, muted_heads=heads)
            x = step.output  # (batch, seq_len, d_model)
            attentions.append(step.attention)
            hidden_states.append(x)
        output = x if self.final_norm is None else self.final_norm(x)
        return EncoderTrace(attentions, hidden_states, output)

    def _embed(self, ids: Tensor, token_type_ids: Tensor | Sequence | None) -> Tensor:
        """What each token is, where it stands and which text it belongs to, added up."""
        places = torch.arange(ids.shape[1], device=ids.device)  # (seq_len,)
        x = self.token_embedding(ids) + self.position_embedding(places)  # (batch, seq_len, d_model)
        if self.token_type_embedding is not None:
            types = torch.zeros_like(ids) if token_type_ids is None else torch.as_tensor(token_type_ids).to(ids.device)
            _check_ids("token_type_ids", types, self.config.n_token_types)
            if types.shape != ids.shape:
                raise ValueError(f"token_type_ids must have ids' shape {tuple(ids.shape)}, got {tuple(types.shape)}")
            x = x + self.token_type_embedding(types)
        elif token_type_ids is not None:
            raise ValueError("token_type_ids must be None: this model does not tell texts apart (n_token_types = 0)")
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        return self.dropout(x)

    def _check_inputs(self, ids, attention_mask) -> tuple[Tensor, Tensor | None]:
        """The ids on this model's device, and the attention mask as a mask over keys."""
        device = self.token_embedding.weight.device
        ids = torch.as_tensor(ids, device=device)
        _check_ids("ids", ids, self.config.vocab_size)
        if ids.shape[1] > self.config.max_len:
            raise ValueError(f"ids must hold at most max_len = {self.config.max_len} tokens a text, got {ids.shape[1]}")
        if attention_mask is None:
            return ids, None
        real = torch.as_tensor(attention_mask, device=device)
        if real.shape != ids.shape:
            raise ValueError(f"attention_mask must have the shape of ids {tuple(ids.shape)}, got {tuple(real.shape)}")
        return ids, real.bool()[:, None, None, :]  # (batch, 1, 1, key_len)

    def _muted_by_layer(self, muted_heads: Iterable[tuple[int, int]]) -> list[set[int]]:
        muted = [set() for _ in self.layers]
        for layer, head in muted_heads:
            if not (0 <= layer < self.config.n_layers and 0 <= head < self.config.n_heads):
                raise ValueError(
                    f"muted_heads must be pairs (layer, head) below ({self.config.n_layers}, {self.config.n_heads}), "
                    f"got ({layer}, {head})"
                )
            muted[layer].add(head)
        return muted


def _check_whole(name: str, value: int, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"{name} must be a whole number of {at_least} or more, got {value!r}")


def _check_ids(name: str, ids: Tensor, n_ids: int) -> None:
    if ids.dim() != 2 or ids.numel() == 0 or ids.is_floating_point() or ids.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers (batch, seq_len), got {ids.dtype} of shape {tuple(ids.shape)}")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= n_ids:
        raise ValueError(f"{name} must lie between 0 and {n_ids - 1}, got {low if low < 0 else high}")
