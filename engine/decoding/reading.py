"""How a model is asked for the next token: with its key/value cache where it has one, else with the whole text again.

Every strategy reads through one of these: the prompt once, then each new token of each text. All texts of a reader
have the same length; `rows` says which text of the step before each of the new ones goes on from.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from engine.causal_lm import CausalLM
from engine.decoding.fixed import FixedReader, fixed_can_read
from engine.decoding.lean import LeanReader, lean_can_read

READINGS = ("auto", "lean", "cached", "fixed", "whole")


class Reader(Protocol):
    """What a strategy needs of a model. Logits are float32, (texts, vocab_size)."""

    def start(self, prompt_ids: Sequence[int]) -> Tensor:
        """Read the prompt; the logits after it, (1, vocab_size)."""

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> Tensor:
        """Text i becomes text rows[i] and tokens[i] after it; the logits after each, (len(tokens), vocab_size)."""

    def extend(self, tokens: Sequence[int]) -> Tensor:
        """Read several tokens of the only text at once; the logits after each of them, (len(tokens), vocab_size)."""

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens, the prompt's included."""


def open_reader(model: object, max_len: int, *, reading: str = "auto") -> Reader:
    """A reader for texts of up to max_len tokens.

    reading: "whole" reads the whole text again at each step, which any model with next_logits can do; "cached" goes
    through the modules of a CausalLM with their cache; "lean" is the same arithmetic without the modules, for the
    shapes it knows on a processor; "fixed" reads one text in steps that a CUDA graph can repeat; "auto" is lean, else
    cached, else whole.
    Raises ValueError for a reading that is unknown or that this model cannot do.
    """
    if reading not in READINGS:
        raise ValueError(f"reading must be one of {', '.join(READINGS)}, got {reading!r}")
    if not callable(getattr(model, "next_logits", None)):
        raise ValueError(f"model must have next_logits(ids), got a {type(model).__name__}")
    causal = isinstance(model, CausalLM)
    if reading == "whole" or not causal:
        if reading in ("lean", "cached", "fixed"):
            raise ValueError(f"reading must be whole for a {type(model).__name__}: it has no cache, got {reading!r}")
        return WholeReader(model)
    if reading in ("auto", "lean") and lean_can_read(model):
        return LeanReader(model, max_len)
    if reading == "fixed" and fixed_can_read(model):
        return FixedReader(model, max_len)
    if reading in ("lean", "fixed"):
        raise ValueError(f"reading must be cached or whole for this model: {reading} does not know its shape")
    return CachedReader(model, max_len)


class WholeReader:
    """Asks for the whole text each time. Slow, and right for every model."""

    def __init__(self, model: object) -> None:
        self.model = model
        self.texts: list[list[int]] = []

    def start(self, prompt_ids: Sequence[int]) -> Tensor:
        self.texts = [list(prompt_ids)]
        return self._logits(self.texts)

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> Tensor:
        self.texts = [[*self.texts[row], token] for row, token in zip(rows, tokens, strict=True)]
        return self._logits(self.texts)

    def extend(self, tokens: Sequence[int]) -> Tensor:
        return torch.cat([self.advance([token], [0]) for token in tokens])

    def truncate(self, length: int) -> None:
        self.texts = [text[:length] for text in self.texts]

    def _logits(self, texts: list[list[int]]) -> Tensor:
        with torch.no_grad():
            return self.model.next_logits(torch.tensor(texts)).float()


class CachedReader:
    """Reads through the modules of a CausalLM with their key/value cache, on whatever device the model is."""

    def __init__(self, model: CausalLM, max_len: int) -> None:
        self.model, self.max_len = model, max_len
        self.cache = None

    def start(self, prompt_ids: Sequence[int]) -> Tensor:
        self.cache = self.model.new_cache(1, self.max_len)
        return self.model.next_logits([list(prompt_ids)], cache=self.cache).float()

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> Tensor:
        if list(rows) != list(range(self.cache.batch)):
            self.cache.reorder(rows)
        return self.model.next_logits([[token] for token in tokens], cache=self.cache).float()

    @torch.no_grad()
    def extend(self, tokens: Sequence[int]) -> Tensor:
        return self.model([list(tokens)], cache=self.cache)[0].float()

    def truncate(self, length: int) -> None:
        self.cache.truncate(length)
