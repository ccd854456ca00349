"""The fast trainer: the same merges as engine.tokenizer.plain, without counting everything again after each of them.

A merge changes the counts of its neighbours only. Each pair knows where it occurs, and a heap gives the next one. What
the heap says may be out of date (counts that have fallen since, places that another merge has eaten), so it is checked
when it is used. The order is the one of `tokenizers`' BpeTrainer: the highest count, then the smallest pair of ids.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from engine.tokenizer.row import EATEN, LOW, SHIFT, Places, Row


@dataclass(frozen=True)
class Learned:
    """One merge as a trainer finds it: `new_id` is the id of the joined bytes, which may have existed before."""

    pair: tuple[int, int]
    new_id: int
    count: int


def learn(
    words: Mapping[bytes, int],
    alphabet: list[bytes],
    vocab_size: int,
    min_count: int = 1,
    *,
    watch: Callable[["Standing"], None] | None = None,
) -> Iterator[Learned]:
    """Merges in the order learned, until the vocabulary has `vocab_size` entries or no pair with `min_count` is left.

    words: each distinct piece of the text and how often it occurs. alphabet: the single bytes by id. watch: is given
    the trainer's standing once, before the first merge; it can be asked between any two.
    """
    long_enough = {word: count for word, count in words.items() if len(word) > 1}
    tokens, ids = list(alphabet), {token: number for number, token in enumerate(alphabet)}
    row = Row(long_enough, long_enough.values(), ids)
    queue = _Queue(row, max(1, min_count))
    if watch is not None:
        watch(Standing(row, queue, sum(count for word, count in words.items() if len(word) == 1)))
    while len(ids) < vocab_size:
        found = queue.next()
        if found is None:
            return
        key, count, places = found
        first, second = key >> SHIFT, key & LOW
        joined = tokens[first] + tokens[second]
        new_id = ids.setdefault(joined, len(tokens))  # two ways to the same bytes share one id
        if new_id == len(tokens):
            tokens.append(joined)
            row.lengths.append(len(joined))
        queue.change(*row.join(first, second, new_id, places))
        yield Learned((first, second), new_id, count)


class Standing:
    """How far a trainer is: what can be asked of it between two merges."""

    def __init__(self, row: Row, queue: "_Queue", n_single: int) -> None:
        self._row, self._queue, self._n_single = row, queue, n_single

    def n_tokens(self) -> int:
        """How many tokens the corpus has with the merges so far. Looks at every place of the row."""
        return int(self._row.weights[self._row.symbols >= 0].sum()) + self._n_single

    def pair_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Every pair that stands in the corpus now (one number: first id << SHIFT | second id), and how often."""
        return self._row.pairs_now()

    def joined(self) -> np.ndarray:
        """For each place of the row of words whether its byte has been joined to the one before it."""
        return self._row.symbols == EATEN

    def n_waiting(self) -> int:
        """How many entries the queue of pairs has, those that are out of date included."""
        return len(self._queue)


class _Queue:
    """The counts of all pairs, and which comes next."""

    def __init__(self, row: Row, min_count: int) -> None:
        self._min_count = min_count
        self._number = itertools.count()  # places have no order, and a pair can stand here twice
        self._counts: dict[int, int] = {}
        self._heap: list[tuple[int, int, int, Places]] = []  # (-count, pair, number, places)
        for key, count, places in row.pairs():
            self._counts[key] = count
            if count >= min_count:
                self._heap.append((-count, key, next(self._number), places))
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def next(self) -> tuple[int, int, Places] | None:
        """(pair, count, places) of the pair to merge next, or None when none is left."""
        heap = self._heap
        while heap:
            said, key, number, places = heapq.heappop(heap)
            count = self._counts[key]
            if count == -said:
                return key, count, places
            if count >= self._min_count:
                heapq.heappush(heap, (-count, key, number, places))
        return None

    def change(self, gone, come) -> None:
        """Take the pairs that a merge has broken from the counts, and put in those that it has made."""
        counts, heap, min_count = self._counts, self._heap, self._min_count
        for key, weight in gone:
            counts[key] = counts.get(key, 0) - weight
        for key, weight, _ in (come := list(come)):
            counts[key] = counts.get(key, 0) + weight
        for key, _, places in come:
            if counts[key] >= min_count:
                heapq.heappush(heap, (-counts[key], key, next(self._number), places))
