"""WordPiece's two ideas, small: pairs chosen by a likelihood ratio, and words cut by the longest match.

Sources: Schuster and Nakajima 2012, "Japanese and Korean Voice Search", and Wu et al. 2016 (arXiv 1609.08144), section
4.1: add the unit that raises the likelihood of the training text most. Neither paper prints a formula; the score here,
count(ab) / (count(a) count(b)), is the usual reading of it. Pieces inside a word are written with ## as in BERT.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping

INSIDE = "##"
Pair = tuple[str, str]
Score = Callable[[int, int, int], float]


def by_count(both: int, first: int, second: int) -> float:
    """BPE: how often the pair stands there."""
    return both


def by_likelihood(both: int, first: int, second: int) -> float:
    """How much more often the pair stands there than its parts' own counts would make it.

    >>> by_likelihood(10, 1000, 500) < by_likelihood(3, 3, 4)
    True
    """
    return both / (first * second)


def letters(word: str) -> list[str]:
    """The pieces a word begins as.

    >>> letters("low")
    ['l', '##o', '##w']
    """
    return [word[0], *(INSIDE + letter for letter in word[1:])]


def join(first: str, second: str) -> str:
    """Two pieces that stand side by side as one.

    >>> join("l", "##o"), join("##o", "##w")
    ('lo', '##ow')
    """
    return first + second.removeprefix(INSIDE)


def train(words: Mapping[str, int], vocab_size: int, score: Score = by_likelihood, min_count: int = 2) -> list[str]:
    """The vocabulary: all letters of the words, then one piece a merge, until it has `vocab_size` entries.

    words: each word and how often it occurs. min_count: pairs that are rarer wait for ever; without it the first pieces
    would be letters that occur once in the whole corpus, side by side. Of equal scores the pair that is first in the
    alphabet is taken. Stops early when no pair is left.

    >>> train({"low": 5, "lower": 2}, 7, by_count)[-2:]
    ['##ow', 'low']
    """
    texts = [(letters(word), count) for word, count in words.items() if word]
    vocabulary = dict.fromkeys(sorted({piece for pieces, _ in texts for piece in pieces}))
    counts = _Counts(texts)
    while len(vocabulary) < vocab_size:
        best = counts.best(score, min_count)
        if best is None:
            break
        counts.merge(best)
        vocabulary.setdefault(join(*best))
    return list(vocabulary)


class _Counts:
    """How often each piece and each pair stands in the words, kept up to date merge by merge."""

    def __init__(self, texts: list[tuple[list[str], int]]) -> None:
        self._texts = texts
        self.pieces: Counter[str] = Counter()
        self.pairs: Counter[Pair] = Counter()
        self._where: defaultdict[Pair, set[int]] = defaultdict(set)
        for number in range(len(texts)):
            self._add(number, 1)

    def best(self, score: Score, min_count: int) -> Pair | None:
        """The pair with the highest score."""
        pieces = self.pieces
        scored = (
            (-score(both, pieces[pair[0]], pieces[pair[1]]), pair)
            for pair, both in self.pairs.items()
            if both >= min_count
        )
        return min(scored, default=(0, None))[1]

    def merge(self, pair: Pair) -> None:
        """Join the pair in every word that has it."""
        for number in list(self._where[pair]):
            self._add(number, -1)
            pieces, count = self._texts[number]
            self._texts[number] = (list(_joined(pieces, pair)), count)
            self._add(number, 1)

    def _add(self, number: int, sign: int) -> None:
        pieces, count = self._texts[number]
        for piece in pieces:
            self.pieces[piece] += sign * count
        for pair in itertools.pairwise(pieces):
            self.pairs[pair] += sign * count
            if self.pairs[pair] == 0:
                del self.pairs[pair]
            (self._where[pair].add if sign > 0 else self._where[pair].discard)(number)


def _joined(pieces: list[str], pair: Pair) -> Iterator[str]:
    place = 0
    while place < len(pieces):
        if tuple(pieces[place : place + 2]) == pair:
            yield join(*pair)
            place += 2
        else:
            yield pieces[place]
            place += 1


def longest_match(word: bytes, vocabulary: Collection[bytes]) -> list[bytes]:
    """A word cut from the left, each time at the longest token there is: WordPiece's rule, on the tokens of a BPE.

    vocabulary: must hold every single byte of the word; ValueError names one that is missing.

    >>> longest_match(b"lowest", {b"l", b"o", b"w", b"e", b"s", b"t", b"lo", b"low", b"lowe", b"est"})
    [b'lowe', b's', b't']
    """
    found, start = [], 0
    while start < len(word):
        ends = range(len(word), start, -1)
        end = next((end for end in ends if word[start:end] in vocabulary), None)
        if end is None:
            raise ValueError(f"vocabulary must hold every byte of the word, and {word[start : start + 1]!r} is missing")
        found.append(word[start:end])
        start = end
    return found
