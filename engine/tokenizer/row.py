"""Words as one row of symbols in which pairs are joined: what the fast trainer and the encoder of long words share.

The symbols of all words stand behind one another in one array, one place a byte. Joining a pair writes the new symbol
at the first place and marks where the second began; the next symbol is as many places away as the symbol has bytes.
Pairs with many places are joined by numpy in one go, those with few one by one, which is quicker there.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

MANY = 96  # places from which numpy is quicker
ENDS = -1  # stands between two words
EATEN = -2  # the symbol here has become part of the one before
SHIFT = 32  # a pair in one number: the first id above these bits, the second below
LOW = (1 << SHIFT) - 1

Places = list[int] | np.ndarray


class Row:
    """The symbols of some words, each word with a weight (how often it occurs)."""

    def __init__(self, words: Iterable[bytes], weights: Iterable[int], ids: Mapping[bytes, int]) -> None:
        """ids: of the 256 single bytes."""
        words = list(words)
        self.lengths = [1] * len(ids)  # of each token in bytes
        bytes_in_a_row = b"\0".join([b"", *words, b""]) if words else b"\0"
        spans = np.fromiter(map(len, words), dtype=np.int64, count=len(words)) + 1
        between = np.concatenate([[0], np.cumsum(spans)])  # before each word, and after the last
        id_of = np.zeros(256, dtype=np.int32)
        for token, number in ids.items():
            id_of[token[0]] = number
        self.symbols = id_of[np.frombuffer(bytes_in_a_row, dtype=np.uint8)]
        self.symbols[between] = ENDS
        self.starts = np.arange(len(bytes_in_a_row), dtype=np.int32)  # at a symbol's last byte: where it begins
        each = np.fromiter(weights, dtype=np.int64, count=len(words))
        self.weights = np.concatenate([[0], np.repeat(each, spans)])
        # Single numbers are read and written several times faster through these views.
        self._symbols, self._starts = memoryview(self.symbols), memoryview(self.starts)
        self._weights = memoryview(self.weights)

    def pairs(self) -> Iterator[tuple[int, int, Places]]:
        """(pair, its weight, its places) for every pair in the row as it stands at the start."""
        first, second = self.symbols[:-1].astype(np.int64), self.symbols[1:].astype(np.int64)
        places = np.flatnonzero((first >= 0) & (second >= 0))
        return _grouped(first[places] << SHIFT | second[places], self.weights[places], places)

    def join(
        self, first: int, second: int, new_id: int, places: Places
    ) -> tuple[Iterable[tuple[int, int]], Iterable[tuple[int, int, Places]]]:
        """Join the pair at those of `places` where it still stands, from left to right where they overlap.

        Returns the pairs that are gone, (pair, weight), and those that have come, (pair, weight, places).
        """
        if len(places) < MANY:
            few = places if isinstance(places, list) else places.tolist()
            return self._join_one_by_one(first, second, new_id, few)
        return self._join_together(first, second, new_id, np.asarray(places, dtype=np.int64))

    def pairs_now(self) -> tuple[np.ndarray, np.ndarray]:
        """(pairs, their weights) for every pair that stands in the row now, in the order of the ids."""
        left = np.flatnonzero(self.symbols != EATEN)
        first, second = self.symbols[left[:-1]].astype(np.int64), self.symbols[left[1:]].astype(np.int64)
        inside = (first >= 0) & (second >= 0)
        pairs, which = np.unique(first[inside] << SHIFT | second[inside], return_inverse=True)
        return pairs, np.bincount(which, weights=self.weights[left[:-1][inside]]).astype(np.int64)

    def word(self) -> list[int]:
        """The symbols that are left, of all words in their order."""
        return self.symbols[self.symbols >= 0].tolist()

    def _join_one_by_one(self, first: int, second: int, new_id: int, places: list[int]) -> tuple:
        symbols, starts, weights = self._symbols, self._starts, self._weights
        reach, whole = self.lengths[first], self.lengths[first] + self.lengths[second]
        gone: list[tuple[int, int]] = []
        come: dict[int, list[int]] = {}
        heavy: dict[int, int] = {}
        for place in sorted(places) if first == second else places:
            if symbols[place] != first or symbols[place + reach] != second:
                continue
            weight, after = weights[place], place + whole
            before = starts[place - 1]
            left, right = symbols[before], symbols[after]
            symbols[place], symbols[place + reach], starts[after - 1] = new_id, EATEN, place
            if left >= 0:
                gone.append((left << SHIFT | first, weight))
                key = left << SHIFT | new_id
                heavy[key] = heavy.get(key, 0) + weight
                come.setdefault(key, []).append(before)
            if right >= 0:
                gone.append((second << SHIFT | right, weight))
                key = new_id << SHIFT | right
                heavy[key] = heavy.get(key, 0) + weight
                come.setdefault(key, []).append(place)
        # A pair that came and went within this very join ("abab") is told as both, and they cancel.
        return gone, [(key, heavy[key], where) for key, where in come.items()]

    def _join_together(self, first: int, second: int, new_id: int, places: np.ndarray) -> tuple:
        symbols, starts = self.symbols, self.starts
        reach, whole = self.lengths[first], self.lengths[first] + self.lengths[second]
        places = places[(symbols[places] == first) & (symbols[places + reach] == second)]
        if first == second:
            places = _every_other(np.sort(places), reach)
        after, before = places + whole, starts[places - 1].astype(np.int64)
        left, right = symbols[before].astype(np.int64), symbols[after].astype(np.int64)
        symbols[places], symbols[places + reach], starts[after - 1] = new_id, EATEN, places
        weights = self.weights[places]

        joined = symbols[before] == EATEN  # the symbol before was joined in this same merge ("abab")
        new_left, before = np.where(joined, new_id, left), np.where(joined, before - reach, before)
        at_left, at_right = left >= 0, (right >= 0) & (symbols[after] == right)  # a joined one is counted by its left
        gone = np.concatenate([left[at_left] << SHIFT | first, second << SHIFT | right[at_right]])
        come = np.concatenate([new_left[at_left] << SHIFT | new_id, new_id << SHIFT | right[at_right]])
        where = np.concatenate([before[at_left], places[at_right]])
        weights = np.concatenate([weights[at_left], weights[at_right]])
        return ((key, weight) for key, weight, _ in _grouped(gone, weights, None)), _grouped(come, weights, where)


def _every_other(places: np.ndarray, reach: int) -> np.ndarray:
    """Of places that overlap ("aaa"), those that joining from left to right takes."""
    begins = np.ones(len(places), dtype=bool)
    begins[1:] = np.diff(places) != reach
    number = np.arange(len(places))
    return places[(number - np.maximum.accumulate(np.where(begins, number, 0))) % 2 == 0]


def _grouped(
    keys: np.ndarray, weights: np.ndarray, places: np.ndarray | None
) -> Iterator[tuple[int, int, Places | None]]:
    """(key, sum of its weights, its places) for each distinct key."""
    if not len(keys):
        return
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sums = np.add.reduceat(weights[order], begins).tolist()
    if places is None:
        yield from ((key, weight, None) for key, weight in zip(keys[begins].tolist(), sums))
        return
    places = places[order]
    ends = [*begins[1:].tolist(), len(keys)]
    for key, weight, begin, end in zip(keys[begins].tolist(), sums, begins.tolist(), ends):
        there = places[begin:end]
        yield key, weight, there if end - begin >= MANY else there.tolist()
