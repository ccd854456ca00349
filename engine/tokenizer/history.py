"""A whole training as it can be looked at afterwards, merge by merge: computed once, then read at any place.

Merges only ever take away boundaries between bytes, and each boundary goes with exactly one merge. So one small
number a boundary, the merge that took it, holds the corpus after every merge: a boundary is still there as long as its
number has not been reached.
"""

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np

from engine.tokenizer.alphabet import BYTES
from engine.tokenizer.learning import Learned, Standing, learn
from engine.tokenizer.pieces import GPT2_PATTERN, check_unicode, splitter
from engine.tokenizer.row import LOW, SHIFT

MOST_MERGES = 200  # below 256, so that a boundary's number fits one byte
NEVER = 0  # the number of a boundary that no merge has taken
N_CANDIDATES = 8


@dataclass(frozen=True)
class Moment:
    """The corpus between two merges."""

    candidates: tuple[
        tuple[tuple[int, int], int], ...
    ]  # the most frequent pairs and their counts, the next merge first
    n_pairs: int  # different pairs
    n_tied: int  # pairs that stand as often as the most frequent one
    n_tokens: int  # of the whole corpus


@dataclass(frozen=True)
class History:
    """A training on one text. Rank r is the corpus after r merges; rank 0 is single bytes."""

    pieces: list[str]  # the different pieces, in the order of the text
    order: list[int]  # the text as pieces: an index into `pieces` each
    merges: list[Learned]
    tokens: list[bytes]  # by id
    taken: list[bytes]  # for each piece, for each boundary between its bytes: the merge that took it, from 1, or NEVER
    moments: list[Moment]  # at each rank: one more than merges

    def cut(self, piece: int, rank: int) -> list[bytes]:
        """The tokens of one piece after `rank` merges."""
        whole = self.pieces[piece].encode()
        ends = [place for place, merge in enumerate(self.taken[piece], 1) if merge == NEVER or merge > rank]
        return [whole[start:end] for start, end in itertools.pairwise([0, *ends, len(whole)])]

    def corpus(self, rank: int) -> list[bytes]:
        """The tokens of the whole text after `rank` merges."""
        cuts = [self.cut(piece, rank) for piece in range(len(self.pieces))]
        return [token for piece in self.order for token in cuts[piece]]


def build_history(text: str, pattern: str = GPT2_PATTERN, *, most_merges: int = MOST_MERGES) -> History:
    """Train on `text` until no pair is left or `most_merges` are made, and keep what there is to see.

    Merges, counts and ties are those of engine.tokenizer.learning. Raises ValueError for an empty text, for half a
    surrogate pair, for a pattern that is no regular expression, and for most_merges outside 1 to 200.

    >>> history = build_history("low lower")
    >>> [history.tokens[merge.new_id] for merge in history.merges[:2]]
    [b'lo', b'low']
    >>> history.corpus(1)
    [b'lo', b'w', b' ', b'lo', b'w', b'e', b'r']
    """
    if not text:
        raise ValueError("text must hold at least one character: without pairs there is nothing to merge")
    if not 1 <= most_merges <= MOST_MERGES:
        raise ValueError(f"most_merges must be from 1 to {MOST_MERGES}, got {most_merges!r}")
    check_unicode(text)
    cut = splitter(pattern)(text)
    counts = Counter(cut)  # in the order of the first time
    number = {piece: place for place, piece in enumerate(counts)}
    words = {piece.encode(): count for piece, count in counts.items()}
    recorder = _Recorder()
    learned = learn(words, BYTES, len(BYTES) + most_merges, watch=recorder.begin)
    merges = [recorder.after(merge) for merge in itertools.islice(learned, most_merges)]
    return History(
        list(counts),
        [number[piece] for piece in cut],
        merges,
        recorder.tokens,
        recorder.taken_of(words),
        [_next_first(moment, merge) for moment, merge in itertools.zip_longest(recorder.moments, merges)],
    )


class _Recorder:
    """Asks the trainer between the merges."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.tokens = list(BYTES)

    def begin(self, standing: Standing) -> None:
        self._standing = standing
        self._taken = np.zeros(len(standing.joined()), dtype=np.uint8)
        self._look()

    def after(self, merge: Learned) -> Learned:
        first, second = merge.pair
        if merge.new_id == len(self.tokens):
            self.tokens.append(self.tokens[first] + self.tokens[second])
        # A place is told by the first byte of the token that was eaten; the boundary before that byte is the one gone.
        self._taken[self._standing.joined() & (self._taken == NEVER)] = len(self.moments)
        self._look()
        return merge

    def _look(self) -> None:
        pairs, counts = self._standing.pair_counts()
        best = np.lexsort((pairs, -counts))[:N_CANDIDATES]  # the most frequent; of equals the smallest ids
        candidates = tuple(
            ((pair >> SHIFT, pair & LOW), count) for pair, count in zip(pairs[best].tolist(), counts[best].tolist())
        )
        n_tied = int((counts == counts[best[0]]).sum()) if len(best) else 0
        self.moments.append(Moment(candidates, len(pairs), n_tied, self._standing.n_tokens()))

    def taken_of(self, words: dict[bytes, int]) -> list[bytes]:
        """The boundaries' numbers, word by word. In the trainer's row one place stands before each word of two or more
        bytes, and shorter ones are left out."""
        found, place = [], 1
        for word in words:
            if len(word) < 2:
                found.append(b"")
                continue
            found.append(self._taken[place + 1 : place + len(word)].tobytes())
            place += len(word) + 1
        return found


def _next_first(moment: Moment, merge: Learned | None) -> Moment:
    """The moment with the pair that is merged next in front.

    It stands there already, but for one case: where a token was made in two ways, the trainer counts its pairs as
    `tokenizers` does, twice.
    """
    if merge is None or moment.candidates[0][0] == merge.pair:
        return moment
    others = [candidate for candidate in moment.candidates if candidate[0] != merge.pair]
    candidates = ((merge.pair, merge.count), *others[: N_CANDIDATES - 1])
    return Moment(candidates, moment.n_pairs, 1, moment.n_tokens)
