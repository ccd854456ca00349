"""Every text there is, one after the other: what a search with required and banned phrases must agree with.

Only for a handful of tokens, and slow on purpose: nothing here knows of automata, banks or beams.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

MOST_TEXTS = 100_000


class TableModel:
    """A language model in which the next token depends on the last one alone. logits (vocab_size, vocab_size)."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def next_logits(self, ids: Tensor) -> Tensor:
        return self.logits[torch.as_tensor(ids)[:, -1]]


@dataclass(frozen=True)
class Enumeration:
    """What the enumeration found. best: the texts that hold what they must, best first."""

    n_texts: int
    best: list[tuple[tuple[int, ...], float]]  # (ids, log probability)


def every_text(
    model: TableModel,
    start: int,
    *,
    length: int,
    must_include: Sequence[Sequence[Sequence[int]]] = (),
    banned: Sequence[Sequence[int]] = (),
) -> Enumeration:
    """All texts of `length` tokens after the token `start`, and which of them hold what is required.

    must_include: for each item its alternatives, each a list of ids; an item that is listed n times must start at n
    places. Raises ValueError when there are more than MOST_TEXTS.

    >>> coin = TableModel(torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log())
    >>> found = every_text(coin, 0, length=2, must_include=[[[1]]])
    >>> found.n_texts, [(ids, round(log_prob, 2)) for ids, log_prob in found.best]
    (4, [((0, 1), -1.43), ((1, 0), -1.43), ((1, 1), -1.83)])
    """
    log_probs = model.logits.double().log_softmax(dim=-1).tolist()
    vocab_size = len(log_probs)
    if vocab_size**length > MOST_TEXTS:
        raise ValueError(f"length must leave at most {MOST_TEXTS:,} texts, got {vocab_size}**{length}")
    items = [[tuple(phrase) for phrase in item] for item in must_include]
    best = []
    for ids in product(range(vocab_size), repeat=length):
        enough = all(_starts(ids, item) >= items.count(item) for item in items)
        if enough and not _starts(ids, [tuple(phrase) for phrase in banned]):
            best.append((ids, sum(log_probs[last][token] for last, token in zip((start, *ids), ids))))
    return Enumeration(vocab_size**length, sorted(best, key=lambda text: -text[1]))


def _starts(ids: tuple[int, ...], phrases: Sequence[tuple[int, ...]]) -> int:
    """The places of ids where one of the phrases starts."""
    return sum(any(ids[place : place + len(phrase)] == phrase for phrase in phrases) for place in range(len(ids)))
