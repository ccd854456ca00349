"""Where a text repeats itself: phrases that stand several times in a row, and runs of tokens that were there before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.decoding.measures import Tokens


@dataclass(frozen=True)
class Stretch:
    """A stretch of a text, from token `start` up to `end`, in which one phrase of `length` tokens is said again and
    again; the last time may be broken off."""

    start: int
    length: int
    end: int

    @property
    def times(self) -> int:
        """How often it stands there in full."""
        return (self.end - self.start) // self.length


def find_loops(text: Tokens, *, least_length: int = 2, least_times: int = 3) -> list[Stretch]:
    """Every place where a phrase of two tokens or more stands three times or more in a row, in the order of the text.

    The condition is that of Holtzman et al. 2020 (see engine.decoding.measures.ending_loop), asked of every place and
    not of the end alone. Of stretches that overlap, the longest is taken, with its shortest phrase.

    >>> find_loops(list("so it goes it goes it goes on"))
    [Stretch(start=2, length=8, end=27)]
    """
    text = list(text)
    found = [loop for length in range(least_length, len(text) // least_times + 1) for loop in _stretches(text, length)]
    found = [loop for loop in found if loop.times >= least_times]
    found.sort(key=lambda loop: (loop.start - loop.end, loop.length, loop.start))
    taken: list[Stretch] = []
    for loop in found:
        if all(loop.end <= other.start or other.end <= loop.start for other in taken):
            taken.append(loop)
    return sorted(taken, key=lambda loop: loop.start)


def _stretches(text: Sequence, length: int) -> Iterator[Stretch]:
    """The longest stretches in which each token equals the one `length` places before it."""
    same = 0
    for place in range(length, len(text) + 1):
        if place < len(text) and text[place] == text[place - length]:
            same += 1
        elif same:
            yield Stretch(place - same - length, length, place)
            same = 0


def said_before(text: Tokens, n: int = 4) -> list[bool]:
    """For each token, whether it belongs to a run of n tokens that stood in the text before.

    >>> said_before(list("abcabd"), 2)
    [False, False, False, True, True, False]
    """
    text = list(text)
    seen, marked = set(), [False] * len(text)
    for start in range(len(text) - n + 1):
        run = tuple(text[start : start + n])
        if run in seen:
            marked[start : start + n] = [True] * n
        seen.add(run)
    return marked
