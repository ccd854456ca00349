"""Every vocabulary size out of one training: merges are nested, so a smaller tokenizer is the first merges of a larger.

A text is cut into its pieces once, and the merges are applied to all of them in the order learned. After each merge the
text is what the tokenizer of that size makes of it, so one pass measures every size. Joining in order gives the same as
`encode` because a merge only joins what earlier merges have made.
"""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.tokenizer.alphabet import BYTES
from engine.tokenizer.bpe import BPETokenizer
from engine.tokenizer.counting import count_corpus
from engine.tokenizer.row import SHIFT, Places, Row


@dataclass(frozen=True)
class SizeCurve:
    """One text under every size of one tokenizer: entry k of each list is after the first k merges."""

    vocab_sizes: list[int]  # bytes and merged tokens; special tokens are left out
    n_tokens: list[int]  # of the text
    n_unused: list[int]  # entries of the vocabulary that the text never uses

    def at(self, vocab_size: int) -> int:
        """The entry of the largest vocabulary of at most `vocab_size` entries."""
        return max(0, bisect.bisect_right(self.vocab_sizes, vocab_size) - 1)


@dataclass(frozen=True)
class Knee:
    """Where a curve that rises ever more slowly turns from steep to flat."""

    index: int  # among the points that were given
    gain: float  # share of the whole rise that is reached there
    cost: float  # share of the whole way that has been gone
    distance: float  # gain - cost: how far the curve stands above the straight line between its ends, 0 to 1


def measure_sizes(tokenizer: BPETokenizer, text: str) -> SizeCurve:
    """What each prefix of the tokenizer's merges makes of `text`.

    Raises ValueError for merges in an order in which they cannot have been learned.

    >>> curve = measure_sizes(BPETokenizer.train("low low lower", 258), "low slow")
    >>> curve.vocab_sizes, curve.n_tokens
    ([256, 257, 258], [8, 6, 4])
    """
    counts = count_corpus(text, tokenizer.pattern, processes=1)
    pieces = Pieces(tokenizer, {piece.encode(): count for piece, count in counts.items()})
    known = set(BYTES)
    sizes, n_tokens, n_unused = [len(known)], [pieces.n_tokens], [len(known) - pieces.n_used]
    for parts in tokenizer.merges:
        known.add(parts[0] + parts[1])
        pieces.join(*parts)
        sizes.append(len(known))
        n_tokens.append(pieces.n_tokens)
        n_unused.append(len(known) - pieces.n_used)
    return SizeCurve(sizes, n_tokens, n_unused)


def truncated(tokenizer: BPETokenizer, vocab_size: int) -> BPETokenizer:
    """The tokenizer of at most `vocab_size` entries that the same training made on its way. No special tokens.

    Raises ValueError for a vocab_size below 256.
    """
    if vocab_size < len(BYTES):
        raise ValueError(f"vocab_size must be at least {len(BYTES)}, the single bytes, got {vocab_size}")
    vocab, merges = {token: tokenizer.vocab[token] for token in BYTES}, []
    for first, second in tokenizer.merges:
        if first + second not in vocab and len(vocab) == vocab_size:
            break
        vocab[first + second] = tokenizer.vocab[first + second]
        merges.append((first, second))
    return BPETokenizer(vocab, merges, pattern=tokenizer.pattern)


def find_knee(x: Sequence[float], y: Sequence[float]) -> Knee | None:
    """Where a curve stands highest above the straight line between its ends, both axes stretched to 0 ... 1.

    Source: Satopää et al. 2011, "Finding a 'Kneedle' in a Haystack", section III, for all points at once and without
    smoothing. None when no point stands above the line.

    >>> find_knee([0, 1, 2, 10], [0, 6, 8, 10])
    Knee(index=2, gain=0.8, cost=0.2, distance=0.6000000000000001)
    """
    if len(x) < 3 or x[-1] == x[0] or y[-1] == y[0]:
        return None
    gains = [(value - y[0]) / (y[-1] - y[0]) for value in y]
    costs = [(place - x[0]) / (x[-1] - x[0]) for place in x]
    index = max(range(len(x)), key=lambda place: gains[place] - costs[place])
    distance = gains[index] - costs[index]
    return Knee(index, gains[index], costs[index], distance) if distance > 0 else None


class Pieces:
    """A text as a row of symbols, and how often each of them stands in it."""

    def __init__(self, tokenizer: BPETokenizer, words: dict[bytes, int]) -> None:
        self._vocab = tokenizer.vocab
        self._row = Row(words, words.values(), {token: tokenizer.vocab[token] for token in BYTES})
        self._row.lengths = [1] * (1 + max(self._vocab.values()))
        for token, number in self._vocab.items():
            self._row.lengths[number] = len(token)
        # The pairs that are still to be merged, and where they stand.
        self._waiting: dict[int, list[Places]] = {self._key(*parts): [] for parts in tokenizer.merges}
        self._merged: set[int] = set()
        self._wait(self._row.pairs())
        self._count = self._first_counts()
        self.n_tokens = sum(self._count.values())
        self.n_used = sum(count > 0 for count in self._count.values())

    def join(self, first: bytes, second: bytes) -> None:
        """Join one pair everywhere."""
        key, new_id = self._key(first, second), self._vocab[first + second]
        places = self._waiting.pop(key, [])
        self._merged.add(key)
        if not places:
            return
        at = np.unique(np.concatenate([np.asarray(some, dtype=np.int64) for some in places]))
        _, come = self._row.join(self._vocab[first], self._vocab[second], new_id, at)
        self._wait(come)
        joined = int(self._row.weights[at[self._row.symbols[at] == new_id]].sum())
        for number, change in ((self._vocab[first], -joined), (self._vocab[second], -joined), (new_id, joined)):
            before = self._count.get(number, 0)
            self._count[number] = before + change
            self.n_used += (before + change > 0) - (before > 0)
        self.n_tokens -= joined

    def _key(self, first: bytes, second: bytes) -> int:
        return self._vocab[first] << SHIFT | self._vocab[second]

    def _wait(self, found: Iterable[tuple[int, int, Places]]) -> None:
        for key, _, places in found:
            if key in self._waiting:
                self._waiting[key].append(places)
            elif key in self._merged:
                raise ValueError("merges must stand in the order learned, and one of these uses what a later one makes")

    def _first_counts(self) -> dict[int, int]:
        """How often each single byte stands in the text, by its id."""
        places = np.flatnonzero(self._row.symbols >= 0)
        counts = np.bincount(self._row.symbols[places], weights=self._row.weights[places])
        return {number: int(count) for number, count in enumerate(counts) if count}
