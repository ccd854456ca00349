"""A whole decoder: it reads a text up to each token and no further, and an encoder's output if there is one.

Source: Vaswani et al. 2017, figure 1 (right half). Texts of a batch may differ in length: each token's position is
counted from its own text's first real token, so padding on either side changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.attention import AttentionTrace
from engine.blocks import DecoderBlock, DecoderBlockTrace
from engine.budget import check_fits
from engine.cache import KeyValueCache
from engine.initial import seeded
from engine.inputs import muted_by_layer, read_attention_mask, read_ids
from engine.masks import causal_mask
from engine.model_config import ModelConfig
from engine.stack import Stack


@dataclass(frozen=True)
class DecoderTrace:
    """Everything a decoder computed on the way."""

    layers: list[AttentionTrace]  # the reading within the text, one for each layer
    hidden_states: list[Tensor]  # n_layers + 1 of (batch, seq_len, d_model): into the first block, out of each block
    output: Tensor  # (batch, seq_len, d_model), after the final norm
    blocks: list[DecoderBlockTrace] = field(default_factory=list)  # one for each layer, with every stage
    cross_layers: list[AttentionTrace] = field(default_factory=list)  # the reading of the encoder's output, if any
    logits: Tensor | None = None  # (batch, seq_len, vocab_size) where a language-model head follows


class Decoder(Stack):
    """Reads a text from left to right. With cross_attention=False it is the body of a causal language model.

    The same config and seed give the same weights; seed=None leaves them to torch's global random state.
    Raises ValueError when the config needs more memory than the device has free.
    """

    def __init__(
        self, config: ModelConfig, *, cross_attention: bool = True, seed: int | torch.Generator | None = 0
    ) -> None:
        if config.n_token_types:
            raise ValueError(f"n_token_types must be 0 in a decoder, got {config.n_token_types}")
        check_fits(config, "decoder" if cross_attention else "causal")
        with seeded(self, seed):
            sizes, settings = (config.d_model, config.n_heads, config.d_ff), config.block_settings
            blocks = (DecoderBlock(*sizes, cross_attention=cross_attention, **settings) for _ in range(config.n_layers))
            super().__init__(config, blocks, embedding_norm=False)

    def forward(
        self,
        ids: Tensor | Sequence,
        memory: Tensor | None = None,
        *,
        attention_mask: Tensor | Sequence | None = None,
        memory_mask: Tensor | Sequence | None = None,
        cache: KeyValueCache | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> Tensor:
        """ids (batch, seq_len) to the last hidden state (batch, seq_len, d_model).

        memory (batch, memory_len, d_model): an encoder's output; memory_mask (batch, memory_len): 1 or True for its
        real tokens. attention_mask (batch, seq_len): likewise for ids; with a cache it may also cover the cached
        tokens, which are otherwise remembered. cache: what was read before; ids are then the tokens that follow, and
        it holds them afterwards. muted_heads: pairs (layer, head), counted from 0, that are switched off.
        """
        muted = muted_by_layer(muted_heads, self.config.n_layers, self.config.n_heads)
        x, settings, new_len = self._begin(ids, memory, attention_mask, memory_mask, cache)
        for layer, block in enumerate(self.layers):
            kept = None if cache is None else cache[layer]
            x = block(x, memory, **settings, cache=kept, muted_heads=muted[layer])  # (batch, seq_len, d_model)
        return self.normalise(x[:, -new_len:])

    def trace(
        self,
        ids: Tensor | Sequence,
        memory: Tensor | None = None,
        *,
        attention_mask: Tensor | Sequence | None = None,
        memory_mask: Tensor | Sequence | None = None,
        cache: KeyValueCache | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> DecoderTrace:
        """The same run by the plain path, with every layer's attention and hidden state kept."""
        muted = muted_by_layer(muted_heads, self.config.n_layers, self.config.n_heads)
        x, settings, new_len = self._begin(ids, memory, attention_mask, memory_mask, cache)
        blocks, hidden_states = [], [x]
        for layer, block in enumerate(self.layers):
            kept = None if cache is None else cache[layer]
            step = block.trace(hidden_states[-1], memory, **settings, cache=kept, muted_heads=muted[layer])
            blocks.append(step)
            hidden_states.append(step.output)  # (batch, seq_len, d_model)
        own = [step.attention for step in blocks]
        cross = [step.cross_attention for step in blocks if step.cross_attention is not None]
        return DecoderTrace(own, hidden_states, self.normalise(hidden_states[-1][:, -new_len:]), blocks, cross)

    def new_cache(self, batch: int, max_len: int) -> KeyValueCache:
        """An empty cache with room for max_len tokens of each of `batch` texts, padding included."""
        c, weight = self.config, self.token_embedding.weight
        sizes = {"n_kv_heads": c.key_value_heads, "max_len": max_len, "head_dim": c.head_dim}
        return KeyValueCache.reserve(c.n_layers, batch, **sizes, device=weight.device, dtype=weight.dtype)

    def _begin(self, ids, memory, attention_mask, memory_mask, cache) -> tuple[Tensor, dict, int]:
        """The stream into the first block, what every block is told, and how many tokens are new."""
        ids = read_ids("ids", ids, self.config.vocab_size, self.device)
        new_len = asked_len = ids.shape[1]
        key_len = new_len + (0 if cache is None else cache.length)
        self._check_room(cache, ids.shape[0], key_len)
        real = self._real_tokens(ids, attention_mask, cache)  # (batch, key_len), or None when all are
        positions = torch.arange(key_len, device=self.device)  # (key_len,)
        if real is not None:  # counted from each text's first real token; padding gets some place that nobody reads
            positions = (real.cumsum(dim=1) - 1).clamp(min=0)  # (batch, key_len)
        self.check_length(key_len if real is None else int(positions.max()) + 1)
        memory_mask = self._read_memory_mask(memory, memory_mask)  # (batch, 1, 1, memory_len)
        if cache is not None:
            ids = cache.remember(ids, real)  # (batch, key_len)
            if self._stretches(key_len):
                cache.forget_numbers()
                new_len = key_len
            ids = ids[:, -new_len:]  # (batch, new_len)
        new = positions[..., -new_len:]  # (new_len,) or (batch, new_len)
        x = self.embed(ids, new)  # (batch, new_len, d_model)
        settings = {"mask": self._mask(new_len, key_len, real), "bias": self.bias_between(new, positions)}
        settings |= {"positions": positions, "memory_mask": memory_mask}
        return x, settings, asked_len

    def _stretches(self, length: int) -> bool:
        """Whether a text of this length turns all its tokens anew: then nothing in a cache can be used again.

        That is the price of dynamic scaling: beyond the trained length every new token changes all earlier ones.
        """
        c = self.config
        dynamic = c.positions == "rotary" and c.rotary_scaling == "dynamic"
        return dynamic and length > c.scaling["original_max_len"]

    def _real_tokens(self, ids, attention_mask, cache) -> Tensor | None:
        """bool (batch, cached + new_len): which tokens are text and not padding. None when all are."""
        batch, new_len = ids.shape
        cached, held = (0, None) if cache is None else (cache.length, cache.real)
        if attention_mask is None and held is None:
            return None
        real = torch.ones_like(ids, dtype=torch.bool)  # (batch, new_len)
        if attention_mask is not None:
            real = read_attention_mask("attention_mask", attention_mask, self.device)
        if real.shape == (batch, new_len) and cached:
            held = real.new_ones(batch, cached) if held is None else held
            real = torch.cat([held, real], dim=1)  # (batch, cached + new_len)
        if real.shape != (batch, cached + new_len):
            also = f" or, the cached tokens included, {(batch, cached + new_len)}" if cached else ""
            raise ValueError(
                f"attention_mask must have the shape of ids {(batch, new_len)}{also}, got {tuple(real.shape)}"
            )
        return None if bool(real.all()) else real

    def _mask(self, new_len: int, key_len: int, real: Tensor | None) -> Tensor | None:
        """Nobody reads what comes later, and nobody reads padding."""
        if real is None and new_len == 1:
            return None  # one new token may read all there is
        causal = causal_mask(new_len, key_len).to(self.device)  # (new_len, key_len)
        return causal if real is None else causal & real[:, None, None, :]  # (batch, 1, new_len, key_len)

    def _read_memory_mask(self, memory: Tensor | None, memory_mask: Tensor | Sequence | None) -> Tensor | None:
        if memory_mask is None:
            return None
        if memory is None:
            raise ValueError("memory_mask must be None without a memory")
        real = read_attention_mask("memory_mask", memory_mask, self.device)
        if real.shape != memory.shape[:2]:
            raise ValueError(f"memory_mask must have memory's shape {tuple(memory.shape[:2])}, got {tuple(real.shape)}")
        return real[:, None, None, :]  # (batch, 1, 1, memory_len)

    def _check_room(self, cache: KeyValueCache | None, batch: int, key_len: int) -> None:
        """Checked before any layer is touched, so that a refused call does not leave the cache half filled."""
        if cache is None:
            return
        if len(cache) != self.config.n_layers:
            raise ValueError(f"cache must have {self.config.n_layers} layers as the model does, got {len(cache)}")
        if cache.batch not in (None, batch):
            raise ValueError(f"ids must have the cache's batch of {cache.batch}, got {batch}")
        if cache.max_len is not None and key_len > cache.max_len:
            raise ValueError(
                f"cache must have room for {key_len} tokens, but it was made for max_len = {cache.max_len}"
            )
