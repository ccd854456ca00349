"""What every stack of blocks has, encoder or decoder: tokens and positions go in, blocks follow, a last norm.

Source: Vaswani et al. 2017, figure 1. `Encoder`, `Decoder` and through it `CausalLM` are built on this one class.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from engine.blocks import Block, make_norm
from engine.model_config import ModelConfig
from engine.positions import LearnedPositions, alibi_bias_between, alibi_slopes, sinusoids_at


class Stack(nn.Module):
    """Embeddings, blocks and the final norm, with the four ways to tell positions."""

    def __init__(self, config: ModelConfig, blocks: Iterable[Block], *, embedding_norm: bool) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        learned = config.positions == "learned"
        self.position_embedding = LearnedPositions(config.max_len, config.d_model) if learned else None
        types = config.n_token_types
        self.token_type_embedding = nn.Embedding(types, config.d_model) if types else None
        norm = {"eps": config.norm_eps, "bias": config.bias}
        embedding_norm = embedding_norm if config.embedding_norm is None else config.embedding_norm
        self.embedding_norm = make_norm(config.norm, config.d_model, **norm) if embedding_norm else None
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(blocks)
        # Pre-LN blocks add to a stream that nothing has normalised; without this last norm the output drifts.
        self.final_norm = make_norm(config.norm, config.d_model, **norm) if config.norm_first else None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.token_embedding.weight.device

    def embed(self, ids: Tensor, positions: Tensor, token_types: Tensor | None = None) -> Tensor:
        """What each token is, where it stands and which text it belongs to, added up.

        ids (batch, seq_len), positions (seq_len,) or (batch, seq_len). Returns (batch, seq_len, d_model).
        """
        x = self.token_embedding(ids)  # (batch, seq_len, d_model)
        if self.config.scale_embeddings:
            x = x * self.config.d_model**0.5
        if self.position_embedding is not None:
            x = x + self.position_embedding(positions)
        elif self.config.positions == "sinusoidal":
            x = x + sinusoids_at(positions, self.config.d_model).to(x.dtype)
        if token_types is not None:
            x = x + self.token_type_embedding(token_types)
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        return self.dropout(x)

    def bias_between(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """What is added to the scores for distance: ALiBi's share, or None. Broadcasts to (batch, n_heads, ...)."""
        if self.config.positions != "alibi":
            return None
        dtype = self.token_embedding.weight.dtype
        slopes = alibi_slopes(self.config.n_heads).to(self.device, dtype)  # (n_heads,)
        return alibi_bias_between(slopes, query_positions, key_positions)  # (..., n_heads, query_len, key_len)

    def normalise(self, x: Tensor) -> Tensor:
        """The norm after the last block, where there is one."""
        return x if self.final_norm is None else self.final_norm(x)

    def check_length(self, length: int) -> None:
        """Raises ValueError where learned positions end; every other way to tell positions goes on."""
        if self.position_embedding is not None and length > self.config.max_len:
            raise ValueError(f"ids must hold at most max_len = {self.config.max_len} tokens a text, got {length}")
