"""A causal language model: a decoder without an encoder, and a head that scores every word of the vocabulary.

Source: Radford et al. 2019 (GPT-2), section 2.3. With ModelConfig it is GPT-2, Llama, or anything between them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.budget import check_fits
from engine.cache import KeyValueCache
from engine.decoder import Decoder, DecoderTrace
from engine.initial import seeded
from engine.inputs import read_attention_mask
from engine.model_config import ModelConfig


class CausalLM(nn.Module):
    """At each token of a text: how likely is every word of the vocabulary to come next?

    The same config and seed give the same weights; seed=None leaves them to torch's global random state.
    Raises ValueError when the config needs more memory than the device has free.
    """

    def __init__(self, config: ModelConfig, *, seed: int | torch.Generator | None = 0) -> None:
        check_fits(config, "causal")
        super().__init__()
        self.config = config
        with seeded(self, seed):
            self.decoder = Decoder(config, cross_attention=False, seed=None)
            tied = config.tie_embeddings
            self.lm_head = None if tied else nn.Linear(config.d_model, config.vocab_size, bias=False)

    def forward(
        self,
        ids: Tensor | Sequence,
        *,
        attention_mask: Tensor | Sequence | None = None,
        cache: KeyValueCache | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> Tensor:
        """ids (batch, seq_len) to logits (batch, seq_len, vocab_size): the scores for what follows each token.

        attention_mask (batch, seq_len): 1 or True for a real token; padding may stand on either side. cache: what was
        read before (see new_cache); ids are then only the tokens that follow it. muted_heads: pairs (layer, head).
        """
        options = {"attention_mask": attention_mask, "cache": cache, "muted_heads": muted_heads}
        return self.head(self.decoder(ids, **options))  # (batch, seq_len, vocab_size)

    @torch.no_grad()
    def next_logits(
        self,
        ids: Tensor | Sequence,
        *,
        attention_mask: Tensor | Sequence | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """The scores for what follows the last real token of each text: (batch, vocab_size). For generating, so no
        gradients are kept."""
        hidden = self.decoder(ids, attention_mask=attention_mask, cache=cache)  # (batch, seq_len, d_model)
        return self.head(last_real(hidden, attention_mask))  # (batch, vocab_size)

    def trace(
        self,
        ids: Tensor | Sequence,
        *,
        attention_mask: Tensor | Sequence | None = None,
        cache: KeyValueCache | None = None,
        muted_heads: Iterable[tuple[int, int]] = (),
    ) -> DecoderTrace:
        """The same run by the plain path, with every layer's attention, every stage and the logits kept."""
        options = {"attention_mask": attention_mask, "cache": cache, "muted_heads": muted_heads}
        trace = self.decoder.trace(ids, **options)
        return replace(trace, logits=self.head(trace.output))

    def head(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., d_model), after the final norm, to logits (..., vocab_size)."""
        return read_out(hidden, self.decoder.token_embedding, self.lm_head)

    def lens(self, hidden: Tensor) -> Tensor:
        """What the head would say of a hidden state from between the blocks (nostalgebraist 2020, the logit lens)."""
        return self.head(self.decoder.normalise(hidden))  # (..., vocab_size)

    def new_cache(self, batch: int, max_len: int) -> KeyValueCache:
        """An empty cache with room for max_len tokens of each of `batch` texts, padding included."""
        return self.decoder.new_cache(batch, max_len)


def read_out(hidden: Tensor, token_embedding: nn.Embedding, lm_head: nn.Linear | None) -> Tensor:
    """Logits by a head of its own, or without one by the embedding read backwards: which token is it most like?"""
    weight = token_embedding.weight if lm_head is None else lm_head.weight  # (vocab_size, d_model)
    return F.linear(hidden, weight)  # (..., vocab_size)


def last_real(hidden: Tensor, attention_mask: Tensor | Sequence | None) -> Tensor:
    """The hidden state of each text's last real token: (batch, seq_len, d_model) to (batch, d_model)."""
    if attention_mask is None:
        return hidden[:, -1]
    seq_len = hidden.shape[1]
    real = read_attention_mask("attention_mask", attention_mask, hidden.device)[:, -seq_len:]  # (batch, seq_len)
    if not bool(real.any(dim=1).all()):
        raise ValueError("attention_mask must leave each text at least one real token to go on from")
    places = torch.arange(seq_len, device=hidden.device)  # (seq_len,)
    last = (real * places).amax(dim=1)  # (batch,)
    return hidden[torch.arange(hidden.shape[0], device=hidden.device), last]  # (batch, d_model)
