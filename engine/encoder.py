"""A whole encoder: it reads a text in both directions at once and gives one vector for each token.

Source: Vaswani et al. 2017, figure 1 (left half). With learned positions, token types and a norm before the first
block it is the encoder of Devlin et al. 2019 (BERT).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.attention import AttentionTrace
from engine.blocks import BlockTrace, EncoderBlock
from engine.budget import check_fits
from engine.initial import seeded
from engine.inputs import muted_by_layer, read_attention_mask, read_ids
from engine.model_config import ModelConfig
from engine.stack import Stack


@dataclass(frozen=True)
class EncoderTrace:
    """Everything an encoder computed on the way."""

    layers: list[AttentionTrace]  # one for each layer
    hidden_states: list[Tensor]  # n_layers + 1 of (batch, seq_len, d_model): into the first block, out of each block
    output: Tensor  # (batch, seq_len, d_model)
    blocks: list[BlockTrace] = field(default_factory=list)  # one for each layer, with every stage


class Encoder(Stack):
    """Reads a text in both directions at once and gives one vector for each token.

    The same config and seed give the same weights; seed=None leaves them to torch's global random state.
    Raises ValueError when the config needs more memory than the device has free.
    """

    def __init__(
        self, config: ModelConfig, *, seed: int | torch.Generator | None = 0, embedding_norm: bool = True
    ) -> None:
        check_fits(config, "encoder")
        with seeded(self, seed):
            sizes = config.d_model, config.n_heads, config.d_ff
            blocks = (EncoderBlock(*sizes, **config.block_settings) for _ in range(config.n_layers))
            super().__init__(config, blocks, embedding_norm=embedding_norm)

    def forward(
        self,
        ids: Tensor | Sequence,
        attention_mask: Tensor | Sequence | None = None,
        token_type_ids: Tensor | Sequence | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> Tensor:
        """ids (batch, seq_len) to the last hidden state (batch, seq_len, d_model).

        attention_mask (batch, seq_len): 1 or True for a real token; as in BERT positions count from the first column,
        so padding belongs behind the text. token_type_ids (batch, seq_len): 0 unless given.
        muted_heads: pairs (layer, head), counted from 0, that are switched off.
        """
        x, settings = self._begin(ids, attention_mask, token_type_ids)  # (batch, seq_len, d_model)
        muted = muted_by_layer(muted_heads, self.config.n_layers, self.config.n_heads)
        for block, heads in zip(self.layers, muted, strict=True):
            x = block(x, **settings, muted_heads=heads)  # (batch, seq_len, d_model)
        return self.normalise(x)

    def trace(
        self,
        ids: Tensor | Sequence,
        attention_mask: Tensor | Sequence | None = None,
        token_type_ids: Tensor | Sequence | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> EncoderTrace:
        """The same run by the plain path, with every layer's attention and hidden state kept."""
        x, settings = self._begin(ids, attention_mask, token_type_ids)  # (batch, seq_len, d_model)
        muted = muted_by_layer(muted_heads, self.config.n_layers, self.config.n_heads)
        blocks, hidden_states = [], [x]
        for block, heads in zip(self.layers, muted, strict=True):
            blocks.append(block.trace(hidden_states[-1], **settings, muted_heads=heads))
            hidden_states.append(blocks[-1].output)  # (batch, seq_len, d_model)
        output = self.normalise(hidden_states[-1])
        return EncoderTrace([step.attention for step in blocks], hidden_states, output, blocks)

    def _begin(self, ids, attention_mask, token_type_ids) -> tuple[Tensor, dict]:
        """The stream into the first block, and what every block is told: who may be read, and where tokens stand."""
        ids = read_ids("ids", ids, self.config.vocab_size, self.device)
        self.check_length(ids.shape[1])
        mask = None
        if attention_mask is not None:
            real = read_attention_mask("attention_mask", attention_mask, self.device)
            if real.shape != ids.shape:
                wanted, got = tuple(ids.shape), tuple(real.shape)
                raise ValueError(f"attention_mask must have the shape of ids {wanted}, got {got}")
            mask = real[:, None, None, :]  # (batch, 1, 1, key_len)
        positions = torch.arange(ids.shape[1], device=self.device)  # (seq_len,)
        x = self.embed(ids, positions, self._token_types(ids, token_type_ids))  # (batch, seq_len, d_model)
        return x, {"mask": mask, "bias": self.bias_between(positions, positions), "positions": positions}

    def _token_types(self, ids: Tensor, token_type_ids: Tensor | Sequence | None) -> Tensor | None:
        if self.token_type_embedding is None:
            if token_type_ids is not None:
                raise ValueError(
                    "token_type_ids must be None: this model does not tell texts apart (n_token_types = 0)"
                )
            return None
        if token_type_ids is None:
            return torch.zeros_like(ids)
        types = read_ids("token_type_ids", token_type_ids, self.config.n_token_types, self.device)
        if types.shape != ids.shape:
            raise ValueError(f"token_type_ids must have ids' shape {tuple(ids.shape)}, got {tuple(types.shape)}")
        return types
