"""One token taken apart: the merges that made it, how often it is used, and the lines of a corpus that hold it.

Also what encoding does not do: take the longest token that fits, from left to right. Merges are applied in the order in
which they were learned (Sennrich et al. 2016, section 3.2), and the two can cut the same word differently.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.tokenizer.bpe import BPETokenizer
from engine.tokenizer.merges import Merges
from engine.tokenizer.pieces import splitter


@dataclass(frozen=True)
class Part:
    """A token on the way to a larger one. `parts` are the places of its two parts in the list; None: a single byte."""

    id: int
    bytes: bytes
    start: int  # its first byte within the whole token
    rank: int | None  # of the merge that made it, from 0
    height: int  # 0: a single byte; else 1 + the larger height of its two parts
    parts: tuple[int, int] | None

    @property
    def end(self) -> int:
        return self.start + len(self.bytes)


@dataclass(frozen=True)
class Uses:
    """How often one token is met in a corpus."""

    used: int  # as a token, when the corpus is encoded with all merges
    learned: int | None  # when its merge was applied first, before later merges took some into longer tokens
    pieces: tuple[tuple[str, int], ...]  # the pieces in which the merge was applied, the most frequent ones first


@dataclass(frozen=True)
class Line:
    """A line of a corpus, and the characters in it that are the token. `number` counts from 1."""

    number: int
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Cut:
    """A piece that merges in their order and the longest match cut differently."""

    piece: str
    by_merges: tuple[bytes, ...]
    by_length: tuple[bytes, ...]


def merge_tree(tokenizer: BPETokenizer, number: int) -> list[Part]:
    """The token and everything it was merged from, the token last and parts before what they make.

    Where two merges give the same bytes, the one learned first is shown. ValueError for an id that is not there.

    >>> low = BPETokenizer.train("low low lower", 259)
    >>> [(part.bytes, part.rank) for part in merge_tree(low, low.vocab[b"low"])]
    [(b'l', None), (b'o', None), (b'lo', 0), (b'w', None), (b'low', 1)]
    """
    token, made_by = tokenizer.token_bytes(number), _made_by(tokenizer)
    found: list[Part] = []
    done: list[int] = []  # places of finished parts that wait for the one they make
    # A trained token can be as deep as it is long, deeper than Python calls itself: hence a list of what is to do.
    to_do: list[tuple[bytes, int, bool]] = [(token, 0, False)]
    while to_do:
        part, start, parts_done = to_do.pop()
        rank = made_by.get(part)
        if rank is not None and not parts_done:
            first, second = tokenizer.merges[rank]
            to_do += [(part, start, True), (second, start + len(first), False), (first, start, False)]
            continue
        parts = None
        if parts_done:
            right, left = done.pop(), done.pop()
            parts = (left, right)
        height = 1 + max(found[place].height for place in parts) if parts else 0
        found.append(Part(tokenizer.vocab.get(part, number), part, start, rank, height, parts))
        done.append(len(found) - 1)
    return found


def uses(tokenizer: BPETokenizer, number: int, pieces: Mapping[str, int]) -> Uses:
    """How often a token is used in a corpus that is given as its distinct pieces and their counts.

    A single byte has no merge of its own: it is learned nowhere, and its pieces are those that still hold it.
    """
    token, rank = tokenizer.token_bytes(number), _made_by(tokenizer).get(tokenizer.token_bytes(number))
    holding = {piece: count for piece, count in pieces.items() if token in piece.encode()}
    finally_used = {piece: tokenizer.encode(piece).count(number) * count for piece, count in holding.items()}
    if rank is None:
        met, learned = finally_used, None
    else:
        early = _merges_until(tokenizer, rank)
        met = {piece: early.apply(piece.encode()).count(number) * count for piece, count in holding.items()}
        learned = sum(met.values())
    most = sorted(((piece, n) for piece, n in met.items() if n), key=lambda one: (-one[1], one[0]))
    return Uses(sum(finally_used.values()), learned, tuple(most))


def lines_with(tokenizer: BPETokenizer, found: Uses, number: int, lines: Iterable[str]) -> Iterator[Line]:
    """The lines that hold one of the token's pieces, with the place of the token's bytes in them."""
    token, wanted = tokenizer.token_bytes(number), {piece for piece, _ in found.pieces}
    cut = splitter(tokenizer.pattern)
    try:
        sought = token.decode()
    except UnicodeDecodeError:
        sought = ""
    for place, line in enumerate(lines, start=1):
        if not wanted or (sought and sought.strip("\n") not in line):
            continue
        start = 0
        for piece in cut(line):
            if piece in wanted:
                within = max(piece.find(sought), 0) if sought else 0
                yield Line(place, line, start + within, start + within + len(sought or piece))
                break
            start += len(piece)


def cut_differently(tokenizer: BPETokenizer, text: str) -> Iterator[Cut]:
    """The distinct pieces of a text that the longest match would cut otherwise than the merges in their order do.

    The longest match: always the longest token of the vocabulary that fits, from left to right, as WordPiece cuts.
    """
    longest = _longest(tokenizer)
    for piece in dict.fromkeys(splitter(tokenizer.pattern)(text)):
        by_length = _longest_matches(piece.encode(), tokenizer.vocab, longest)
        by_merges = tuple(map(tokenizer.token_bytes, tokenizer.encode(piece)))
        if by_length != by_merges:
            yield Cut(piece, by_merges, by_length)


def _longest_matches(piece: bytes, vocab: Mapping[bytes, int], longest: int) -> tuple[bytes, ...]:
    found, start = [], 0
    while start < len(piece):
        end = min(start + longest, len(piece))
        while end - start > 1 and piece[start:end] not in vocab:
            end -= 1
        found.append(piece[start:end])
        start = end
    return tuple(found)


@functools.lru_cache(maxsize=8)
def _made_by(tokenizer: BPETokenizer) -> dict[bytes, int]:
    """The rank of the first merge that makes each token."""
    ranks: dict[bytes, int] = {}
    for rank, (first, second) in enumerate(tokenizer.merges):
        ranks.setdefault(first + second, rank)
    return ranks


@functools.lru_cache(maxsize=8)
def _longest(tokenizer: BPETokenizer) -> int:
    return max(map(len, tokenizer.vocab))


def _merges_until(tokenizer: BPETokenizer, rank: int) -> Merges:
    """The merges as they were when the one of this rank had just been learned."""
    vocab = tokenizer.vocab
    alphabet = {token: number for token, number in vocab.items() if len(token) == 1}
    merges = [(vocab[a], vocab[b], vocab[a + b]) for a, b in tokenizer.merges[: rank + 1]]
    return Merges(alphabet, merges)
