"""Applying learned merges to one piece: the lowest rank anywhere first, the leftmost among equals, and again.

Source: Sennrich et al. 2016, section 3.2. Not the longest match, and not from left to right: "merge the pair that was
learned earliest" gives other tokens than both. `apply_plainly` is the rule as it stands, `apply` gives the same
quicker: short pieces with less looking, long ones in the trainer's row, so that the time for a word of a megabyte does
not grow with the square of its length.
"""

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from engine.tokenizer.row import EATEN, SHIFT, Places, Row

SHORT = 48  # symbols; up to here looking through the piece again for each merge is quickest


class Merges:
    """The merges of a tokenizer, ready to be applied. Ranks count from 0 in the order learned."""

    def __init__(self, alphabet: Mapping[bytes, int], merges: Sequence[tuple[int, int, int]]) -> None:
        """alphabet: the ids of the single bytes. merges: (first id, second id, joined id) in the order learned."""
        self._alphabet = dict(alphabet)
        self._of_byte = {token[0]: number for token, number in alphabet.items()}
        self._merges = list(merges)
        self._joined = [joined for _, _, joined in merges]
        self._ranks: dict[int, int] = {}
        for rank, (first, second, _) in enumerate(merges):
            self._ranks.setdefault(first << SHIFT | second, rank)
        self._lengths = _lengths(self._alphabet.values(), merges)
        self._parts_come_first = _parts_come_first(merges)

    def rank(self, first: int, second: int) -> int | None:
        """When this pair was learned, or None if it is no merge."""
        return self._ranks.get(first << SHIFT | second)

    def apply(self, piece: bytes) -> list[int]:
        """The ids of one piece."""
        if len(piece) > SHORT and self._parts_come_first:
            return self._join_in_a_row(piece)
        symbols = [self._of_byte[byte] for byte in piece]
        return self._join_short(symbols) if len(piece) <= SHORT else self._join_with_a_heap(symbols)

    def apply_plainly(self, piece: bytes) -> list[int]:
        """The rule as it stands, for any piece."""
        symbols = [self._of_byte[byte] for byte in piece]
        while True:
            ranks = [self.rank(first, second) for first, second in itertools.pairwise(symbols)]
            known = [rank for rank in ranks if rank is not None]
            if not known:
                return symbols
            place = ranks.index(min(known))
            symbols = [*symbols[:place], self._joined[ranks[place]], *symbols[place + 2 :]]

    def _join_short(self, symbols: list[int]) -> list[int]:
        """The same, keeping the ranks and looking up only the two that a merge changes. `symbols` is used up."""
        known, none = self._ranks.get, len(self._joined)
        ranks = [known(first << SHIFT | second, none) for first, second in itertools.pairwise(symbols)]
        while ranks and (rank := min(ranks)) < none:
            place = ranks.index(rank)
            symbols[place : place + 2] = [self._joined[rank]]
            del ranks[place]
            if place:
                ranks[place - 1] = known(symbols[place - 1] << SHIFT | symbols[place], none)
            if place < len(ranks):
                ranks[place] = known(symbols[place] << SHIFT | symbols[place + 1], none)
        return symbols

    def _join_in_a_row(self, piece: bytes) -> list[int]:
        """All places of the lowest rank at once, which is the rule where a joined symbol is only used later."""
        row = Row([piece], [1], self._alphabet)
        row.lengths = self._lengths
        waiting: dict[int, list[Places]] = {}
        ranks: list[int] = []

        def wait(found: Iterable[tuple[int, int, Places]]) -> None:
            for key, _, places in found:
                rank = self._ranks.get(key)
                if rank is not None:
                    if rank not in waiting:
                        waiting[rank] = []
                        heapq.heappush(ranks, rank)
                    waiting[rank].append(places)

        wait(row.pairs())
        while ranks:
            rank = heapq.heappop(ranks)
            groups = waiting.pop(rank)
            places = groups[0] if len(groups) == 1 else np.concatenate(groups)
            wait(row.join(*self._merges[rank], places)[1])
        return row.word()

    def _join_with_a_heap(self, symbols: list[int]) -> list[int]:
        """One place after the other, the next one from a heap: for merges in whatever order a file has them."""
        end = len(symbols)
        before, after = list(range(-1, end - 1)), list(range(1, end + 1))
        waiting: list[tuple[int, int]] = []  # (rank, place), the leftmost first among equals

        def wait(place: int) -> None:
            if place >= 0 and after[place] < end:
                rank = self.rank(symbols[place], symbols[after[place]])
                if rank is not None:
                    heapq.heappush(waiting, (rank, place))

        for place in range(end - 1):
            wait(place)
        while waiting:
            rank, place = heapq.heappop(waiting)
            first, second, joined = self._merges[rank]
            follower = after[place]
            if symbols[place] != first or follower == end or symbols[follower] != second:
                continue
            symbols[place], symbols[follower], after[place] = joined, EATEN, after[follower]
            if after[place] < end:
                before[after[place]] = place
            wait(before[place])
            wait(place)
        return [symbol for symbol in symbols if symbol != EATEN]


def _lengths(single: Iterable[int], merges: Sequence[tuple[int, int, int]]) -> list[int]:
    """The length of every token in bytes, by id; `single` are the ids of the single bytes."""
    lengths = [1] * (1 + max([*single, *(joined for _, _, joined in merges)]))
    for first, second, joined in merges:
        lengths[joined] = lengths[first] + lengths[second]
    return lengths


def _parts_come_first(merges: Sequence[tuple[int, int, int]]) -> bool:
    """Whether every joined symbol is a part only of merges learned after all that make it, as trainers have it."""
    made = {joined: rank for rank, (_, _, joined) in enumerate(merges)}
    return all(made.get(part, -1) < rank for rank, (*parts, _) in enumerate(merges) for part in parts)
