"""Two lists of merges side by side: what is gone, what is new, what has moved; and what each line of a corpus is worth.

A tokenizer is what its corpus made it. Deleting one line changes counts, the counts change the order of merges, and a
merge that comes too late is not learned at all.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.tokenizer.alphabet import BYTES
from engine.tokenizer.learning import learn
from engine.tokenizer.pieces import GPT2_PATTERN, check_unicode, splitter

Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class CountedMerge:
    """One merge of a list: the two tokens that were joined and how often they stood side by side."""

    first: bytes
    second: bytes
    count: int

    @property
    def pair(self) -> Pair:
        return self.first, self.second

    @property
    def joined(self) -> bytes:
        return self.first + self.second


@dataclass(frozen=True)
class Comparison:
    """What became of the merges of one list in another. Places count from 0."""

    vanished: list[int]  # places in the list before
    new: list[int]  # places in the list after
    kept: list[tuple[int, int]]  # (place before, place after) of each merge that stands in both

    @property
    def moved(self) -> list[tuple[int, int]]:
        """Of those that stand in both the ones whose place has changed."""
        return [(before, after) for before, after in self.kept if before != after]

    @property
    def n_changed(self) -> int:
        """How many merges of the list before are gone or stand elsewhere."""
        return len(self.vanished) + len(self.moved)


def compare(before: Sequence[Pair], after: Sequence[Pair]) -> Comparison:
    """What became of the merges of `before` in `after`. A merge is its two parts, not only what they give together.

    >>> compare([(b"a", b"b"), (b"c", b"d"), (b"e", b"f")], [(b"c", b"d"), (b"a", b"b"), (b"g", b"h")])
    Comparison(vanished=[2], new=[2], kept=[(0, 1), (1, 0)])
    """
    place_after = {pair: place for place, pair in enumerate(after)}
    seen = set(before)
    return Comparison(
        vanished=[place for place, pair in enumerate(before) if pair not in place_after],
        new=[place for place, pair in enumerate(after) if pair not in seen],
        kept=[(place, place_after[pair]) for place, pair in enumerate(before) if pair in place_after],
    )


class Lines:
    """A corpus of lines whose words are counted once, so that it can be trained again without any of them."""

    def __init__(self, lines: Sequence[str], pattern: str = GPT2_PATTERN) -> None:
        """Each line is a text of its own. ValueError for half a surrogate pair, naming the line."""
        cut = splitter(pattern)
        for number, line in enumerate(lines, start=1):
            check_unicode(line, f"line {number}")
        self._counts = [Counter(piece.encode() for piece in cut(line)) for line in lines]

    def train(self, n_merges: int, without: Collection[int] = ()) -> list[CountedMerge]:
        """The first `n_merges` merges, or fewer when no pair is left. without: numbers of lines, from 0."""
        words: Counter[bytes] = Counter()
        for number, counts in enumerate(self._counts):
            if number not in without:
                words.update(counts)
        tokens, merges = list(BYTES), []
        for learned in learn(words, BYTES, len(BYTES) + n_merges):
            first, second = (tokens[part] for part in learned.pair)
            if learned.new_id == len(tokens):
                tokens.append(first + second)
            merges.append(CountedMerge(first, second, learned.count))
        return merges

    def influence(self, n_merges: int) -> list[Comparison]:
        """For each line: what happens to the merges when that line alone is deleted."""
        whole = [merge.pair for merge in self.train(n_merges)]
        return [
            compare(whole, [merge.pair for merge in self.train(n_merges, {number})])
            for number in range(len(self._counts))
        ]
