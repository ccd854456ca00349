"""Encoder and decoder together: one text is read, another is written while looking at it.

Source: Vaswani et al. 2017, figure 1, made for translation. In training the decoder is given the right answer shifted
by one place, and its causal mask keeps it from peeking.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.budget import check_fits
from engine.causal_lm import last_real, read_out
from engine.decoder import Decoder, DecoderTrace
from engine.encoder import Encoder, EncoderTrace
from engine.initial import seeded
from engine.model_config import ModelConfig


@dataclass(frozen=True)
class EncoderDecoderTrace:
    """Everything both halves computed on the way. decoder.cross_layers holds the alignment of the two texts."""

    encoder: EncoderTrace
    decoder: DecoderTrace
    logits: Tensor  # (batch, target_len, vocab_size)


class EncoderDecoder(nn.Module):
    """Reads a source text, and scores what comes next in a target text.

    Both texts share one vocabulary. With tie_embeddings both sides and the head share one matrix (Vaswani et al. 2017,
    section 3.4). The same config and seed give the same weights; seed=None leaves them to torch's random state.
    Raises ValueError when the config needs more memory than the device has free.
    """

    def __init__(self, config: ModelConfig, *, seed: int | torch.Generator | None = 0) -> None:
        check_fits(config, "encoder-decoder")
        super().__init__()
        self.config = config
        with seeded(self, seed):
            self.encoder = Encoder(config, seed=None, embedding_norm=False)
            self.decoder = Decoder(config, seed=None)
            self.lm_head = None
            if config.tie_embeddings:
                self.encoder.token_embedding = self.decoder.token_embedding
            else:
                self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    def forward(
        self,
        source_ids: Tensor | Sequence,
        target_ids: Tensor | Sequence,
        *,
        source_mask: Tensor | Sequence | None = None,
        target_mask: Tensor | Sequence | None = None,
    ) -> Tensor:
        """source_ids (batch, source_len), target_ids (batch, target_len) to logits (batch, target_len, vocab_size).

        The logits at a target token are the scores for the one after it. source_mask and target_mask have the shape
        of their ids: 1 or True for a real token.
        """
        memory = self.encoder(source_ids, source_mask)  # (batch, source_len, d_model)
        hidden = self.decoder(target_ids, memory, attention_mask=target_mask, memory_mask=source_mask)
        return self.head(hidden)  # (batch, target_len, vocab_size)

    def trace(
        self,
        source_ids: Tensor | Sequence,
        target_ids: Tensor | Sequence,
        *,
        source_mask: Tensor | Sequence | None = None,
        target_mask: Tensor | Sequence | None = None,
    ) -> EncoderDecoderTrace:
        """The same run by the plain path, with everything kept."""
        read = self.encoder.trace(source_ids, source_mask)
        written = self.decoder.trace(target_ids, read.output, attention_mask=target_mask, memory_mask=source_mask)
        logits = self.head(written.output)  # (batch, target_len, vocab_size)
        return EncoderDecoderTrace(read, replace(written, logits=logits), logits)

    def head(self, hidden: Tensor) -> Tensor:
        """The decoder's hidden states (..., d_model) to logits (..., vocab_size)."""
        return read_out(hidden, self.decoder.token_embedding, self.lm_head)

    @torch.no_grad()
    def reading(
        self, source_ids: Tensor | Sequence, source_mask: Tensor | Sequence | None = None
    ) -> "DecoderOfOneSource":
        """Read the source once. What comes back writes: it has next_logits(target_ids) like a language model."""
        return DecoderOfOneSource(self, self.encoder(source_ids, source_mask), source_mask)


class DecoderOfOneSource:
    """A decoder with the source already read. Made by EncoderDecoder.reading; engine.decoding takes it as a model."""

    def __init__(self, model: EncoderDecoder, memory: Tensor, memory_mask: Tensor | Sequence | None) -> None:
        self.model, self.memory, self.memory_mask = model, memory, memory_mask

    @torch.no_grad()
    def next_logits(self, ids: Tensor | Sequence, *, attention_mask: Tensor | Sequence | None = None) -> Tensor:
        """Target ids so far (batch, target_len) to the scores for the next token (batch, vocab_size).

        One source may be written to in several ways at once: a single source goes with any number of targets.
        """
        batch = len(ids)
        memory, memory_mask = self.memory, self.memory_mask
        if memory.shape[0] == 1 and batch > 1:
            memory = memory.expand(batch, -1, -1)  # (batch, source_len, d_model)
            if memory_mask is not None:
                memory_mask = torch.as_tensor(memory_mask).expand(batch, -1)  # (batch, source_len)
        hidden = self.model.decoder(ids, memory, attention_mask=attention_mask, memory_mask=memory_mask)
        return self.model.head(last_real(hidden, attention_mask))  # (batch, vocab_size)
