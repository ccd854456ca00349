"""The filters of one decoding run together, in the order in which they are applied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.decoding import filters


@dataclass(frozen=True)
class Filters:
    """All filters at once; the defaults change nothing. Checked when made.

    The order is that of transformers: what is written already comes first (penalty, n-grams, banned phrases), then
    temperature, top-k, top-p, min-p and typical, each on what the one before it has left.

    >>> [name for name, _ in Filters(temperature=0.7, top_p=0.9).stages(torch.zeros(1, 3), [[0]], [[]])]
    ['temperature', 'top_p']
    """

    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    banned: tuple[tuple[int, ...], ...] = ()
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0

    def __post_init__(self) -> None:
        one = torch.zeros(1, 1)
        tried = {
            "repetition_penalty": lambda: filters.repetition_penalty(one, [[0]], self.repetition_penalty),
            "no_repeat_ngram_size": lambda: filters.no_repeat_ngram(one, [[]], self.no_repeat_ngram_size),
            "temperature": lambda: filters.temperature(one, self.temperature),
            "top_k": lambda: filters.top_k(one, self.top_k),
            "top_p": lambda: filters.top_p(one, self.top_p),
            "min_p": lambda: filters.min_p(one, self.min_p),
            "typical": lambda: filters.typical(one, self.typical),
        }
        for name, attempt in tried.items():
            try:
                attempt()
            except ValueError as error:  # each filter checks its own argument and names it in its own way
                raise ValueError(f"{name}{str(error)[str(error).index(' ') :]}") from None
        object.__setattr__(self, "banned", tuple(checked_phrase("banned", phrase) for phrase in self.banned))

    @property
    def changes_nothing(self) -> bool:
        return self == Filters()

    def stages(
        self, logits: Tensor, ids: Sequence[Sequence[int]], new_ids: Sequence[Sequence[int]]
    ) -> Iterator[tuple[str, Tensor]]:
        """(name, logits after it) for every filter that is switched on, in their order.

        logits (batch, vocab_size); ids: for each text all its tokens; new_ids: those that were written.
        """
        if self.repetition_penalty != 1:
            logits = torch.cat(
                [filters.repetition_penalty(r[None], [i], self.repetition_penalty) for r, i in zip(logits, ids)]
            )
            yield "repetition_penalty", logits
        if self.no_repeat_ngram_size:
            yield "no_repeat_ngram_size", (logits := filters.no_repeat_ngram(logits, ids, self.no_repeat_ngram_size))
        if self.banned:
            yield "banned", (logits := filters.banned(logits, new_ids, self.banned))
        if self.temperature != 1:
            yield "temperature", (logits := filters.temperature(logits, self.temperature))
        if self.top_k:
            yield "top_k", (logits := filters.top_k(logits, self.top_k))
        if self.top_p != 1:
            yield "top_p", (logits := filters.top_p(logits, self.top_p))
        if self.min_p:
            yield "min_p", (logits := filters.min_p(logits, self.min_p))
        if self.typical != 1:
            yield "typical", (logits := filters.typical(logits, self.typical))

    def apply(self, logits: Tensor, ids: Sequence[Sequence[int]], new_ids: Sequence[Sequence[int]]) -> Tensor:
        """What all filters together leave of logits (batch, vocab_size); see stages."""
        for _, filtered in self.stages(logits, ids, new_ids):
            logits = filtered
        return logits


def checked_phrase(name: str, phrase: Sequence[int]) -> tuple[int, ...]:
    """A phrase as a tuple of ids; ValueError when it is empty or holds anything but whole numbers."""
    if isinstance(phrase, (str, bytes)) or not hasattr(phrase, "__iter__"):
        raise ValueError(f"{name} must hold phrases, each a list of token ids, got {phrase!r}")
    ids = tuple(phrase)
    if not ids or not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in ids):
        raise ValueError(f"{name} must hold phrases of one token id or more, got {list(ids)!r}")
    return ids
