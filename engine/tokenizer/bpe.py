"""The tokenizer: text to ids and back, by byte-pair encoding on bytes as in GPT-2 (Radford et al. 2019)."""

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike

from engine.tokenizer.alphabet import BYTES
from engine.tokenizer.counting import count_corpus
from engine.tokenizer.learning import Learned, learn
from engine.tokenizer.merges import Merges
from engine.tokenizer.pieces import GPT2_PATTERN, check_unicode, segments, splitter

MAX_KEPT = 200_000  # segments, and pieces, whose ids are remembered
LONG = 64  # characters; longer ones are rarely met again and are not remembered


@dataclass(frozen=True)
class Merge:
    """One merge as it is learned."""

    rank: int  # from 0
    pair: tuple[int, int]
    new_id: int
    count: int  # how often the pair stood in the corpus
    token_bytes: bytes


@dataclass(frozen=True)
class Token:
    """One token of a text. start, end: in characters; a token that is part of a character spans that character."""

    id: int
    bytes: bytes
    start: int
    end: int


class BPETokenizer:
    """A byte-level BPE tokenizer.

    >>> tokenizer = BPETokenizer.train("low lower lowest", 259)
    >>> [token.bytes for token in tokenizer.tokens("lowest")]
    [b'low', b'e', b's', b't']
    >>> tokenizer.decode(tokenizer.encode("lowest"))
    'lowest'
    """

    def __init__(
        self,
        vocab: dict[bytes, int],
        merges: Sequence[tuple[bytes, bytes]],
        *,
        special_tokens: dict[str, int] | None = None,
        pattern: str = GPT2_PATTERN,
    ) -> None:
        """vocab: every token but the special ones, and its id. merges: in the order learned.

        Raises ValueError for a vocabulary that lacks a byte or a token of a merge, ids that occur twice, special tokens
        that are empty or also ordinary tokens of the vocabulary's ids, and a pattern that is no regular expression.
        """
        specials = dict(special_tokens or {})
        _check(vocab, merges, specials)
        self.vocab, self.merges, self.special_tokens = dict(vocab), list(merges), specials
        self.pattern = pattern
        self._bytes_of = {number: token for token, number in self.vocab.items()}
        self._text_of = {number: text for text, number in specials.items()}
        as_ids = [(vocab[first], vocab[second], vocab[first + second]) for first, second in self.merges]
        alphabet = {single: vocab[single] for single in BYTES}
        self._merges = Merges(alphabet, as_ids)
        self._cut, self._segments = splitter(pattern), segments(pattern)
        self._pieces = _Known(self._encode_piece)
        self._known = self._pieces if self._segments is None else _Known(self._encode_segment)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        special_tokens: Sequence[str] = (),
        pattern: str = GPT2_PATTERN,
        min_count: int = 1,
        on_merge: Callable[[Merge], None] | None = None,
        processes: int | None = None,
    ) -> "BPETokenizer":
        """Learn merges from texts until the vocabulary, bytes and special tokens included, has `vocab_size` entries.

        Of pairs that occur equally often the one with the smallest ids is taken. Stops early when no pair with
        `min_count` is left. on_merge is called for each merge; what it raises ends the training. processes: how many
        may count the corpus, None: one a core.
        Raises ValueError for a vocab_size below 256 and the special tokens, a min_count below 1, special tokens that
        are empty or stand twice, and a text that is no valid Unicode.
        """
        special_tokens = list(special_tokens)
        _check_training(vocab_size, special_tokens, min_count)
        counts = count_corpus(texts, pattern, special=special_tokens, processes=processes)
        words = {piece.encode(): count for piece, count in counts.items()}
        return cls._from_merges(
            learn(words, BYTES, vocab_size - len(special_tokens), min_count), special_tokens, pattern, on_merge
        )

    @classmethod
    def _from_merges(
        cls,
        learned: Iterable[Learned],
        special_tokens: Sequence[str],
        pattern: str,
        on_merge: Callable[[Merge], None] | None,
    ) -> "BPETokenizer":
        tokens, merges = list(BYTES), []
        for rank, found in enumerate(learned):
            first, second = (tokens[part] for part in found.pair)
            if found.new_id == len(tokens):
                tokens.append(first + second)
            merges.append((first, second))
            if on_merge is not None:
                on_merge(Merge(rank, found.pair, found.new_id, found.count, first + second))
        specials = {text: len(tokens) + place for place, text in enumerate(special_tokens)}
        vocab = {token: number for number, token in enumerate(tokens)}
        return cls(vocab, merges, special_tokens=specials, pattern=pattern)

    def __len__(self) -> int:
        return len(self.vocab) + len(self.special_tokens)

    def encode(self, text: str, *, allowed_special: str | Collection[str] = ()) -> list[int]:
        """The ids of a text. What reads like a special token is ordinary text unless it is allowed: "all", or names.

        Raises ValueError for half a surrogate pair, naming its position, and for an allowed token that there is not.
        """
        check_unicode(text)
        allowed = self._allowed(allowed_special)
        if not allowed:
            return self._encode_ordinary(text)
        ids: list[int] = []
        for part in _between(allowed).split(text):
            ids += [self.special_tokens[part]] if part in allowed else self._encode_ordinary(part)
        return ids

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        """The text of ids. Bytes that are no whole character become U+FFFD, or what `errors` of bytes.decode says.

        Raises ValueError for an id that the vocabulary does not have.
        """
        return b"".join([self.token_bytes(number) for number in ids]).decode("utf-8", errors)

    def token_bytes(self, number: int) -> bytes:
        """The bytes of one token. ValueError for an id that the vocabulary does not have."""
        found = self._bytes_of.get(number)
        if found is None:
            special = self._text_of.get(number)
            if special is None:
                raise ValueError(f"ids must be ids of this vocabulary of {len(self):,} tokens, got {number!r}")
            found = special.encode()
        return found

    def tokens(self, text: str, *, allowed_special: str | Collection[str] = ()) -> list[Token]:
        """The tokens of a text with their bytes and the characters they stand for."""
        ids = self.encode(text, allowed_special=allowed_special)  # first: it says where half a surrogate pair stands
        found, character_of = [], _characters(text)
        start = 0
        for number in ids:
            token = self.token_bytes(number)
            end = start + len(token)
            found.append(Token(number, token, character_of[start], character_of[end - 1] + 1))
            start = end
        return found

    def save(self, path: str | PathLike) -> None:
        """Write a tokenizer.json that the `tokenizers` library loads; see engine.tokenizer.files."""
        from engine.tokenizer.files import save

        save(self, path)

    @classmethod
    def load(cls, path: str | PathLike) -> "BPETokenizer":
        """Read a tokenizer.json of a byte-level BPE tokenizer. ValueError says what it holds that this cannot do."""
        from engine.tokenizer.files import load

        return load(path)

    @classmethod
    def from_gpt2_files(cls, vocab_json: str | PathLike, merges_txt: str | PathLike) -> "BPETokenizer":
        """Read GPT-2's two files (encoder.json and vocab.bpe, also named vocab.json and merges.txt)."""
        from engine.tokenizer.files import from_gpt2_files

        return from_gpt2_files(vocab_json, merges_txt)

    def _encode_ordinary(self, text: str) -> list[int]:
        cut = self._segments or self._cut
        return list(itertools.chain.from_iterable(map(self._known.__getitem__, cut(text))))

    def _encode_segment(self, segment: str) -> tuple[int, ...]:
        return tuple(itertools.chain.from_iterable(map(self._pieces.__getitem__, self._cut(segment))))

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        return tuple(self._merges.apply(piece.encode()))

    def _allowed(self, allowed_special: str | Collection[str]) -> set[str]:
        if allowed_special == "all":
            return set(self.special_tokens)
        allowed = {allowed_special} if isinstance(allowed_special, str) else set(allowed_special)
        if unknown := allowed - set(self.special_tokens):
            there = ", ".join(self.special_tokens) or "none"
            raise ValueError(f"allowed_special must name special tokens ({there}), got {sorted(unknown)[0]!r}")
        return allowed


class _Known(dict):
    """What was met before and its ids; what is new is encoded when it is asked for."""

    def __init__(self, encode: Callable[[str], tuple[int, ...]]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, segment: str) -> tuple[int, ...]:
        ids = self._encode(segment)
        if len(segment) <= LONG:
            if len(self) >= MAX_KEPT:
                self.clear()
            self[segment] = ids
        return ids


def _between(specials: Collection[str]) -> re.Pattern:
    """Splits a text at special tokens and keeps them; of two that begin alike the longer one is found."""
    return re.compile("(" + "|".join(map(re.escape, sorted(specials, key=len, reverse=True))) + ")")


def _characters(text: str) -> list[int]:
    """For each byte of the text the number of the character it belongs to."""
    if text.isascii():
        return list(range(len(text)))
    return [place for place, sign in enumerate(text) for _ in range(len(sign.encode()))]


def _check_training(vocab_size: int, special_tokens: Sequence[str], min_count: int) -> None:
    least = len(BYTES) + len(special_tokens)
    if not isinstance(vocab_size, int) or isinstance(vocab_size, bool) or vocab_size < least:
        specials = f" and {len(special_tokens)} special tokens" if special_tokens else ""
        raise ValueError(
            f"vocab_size must be a whole number of at least {least}: 256 bytes{specials}, got {vocab_size!r}"
        )
    if not isinstance(min_count, int) or isinstance(min_count, bool) or min_count < 1:
        raise ValueError(f"min_count must be a whole number of at least 1, got {min_count!r}")
    for place, text in enumerate(special_tokens):
        if not isinstance(text, str) or not text:
            raise ValueError(f"special_tokens must be texts that are not empty, and number {place + 1} is {text!r}")
        if text in special_tokens[:place]:
            raise ValueError(f"special_tokens must differ from each other, and {text!r} stands there twice")
        check_unicode(text, f"special token {place + 1}")


def _check(vocab: dict[bytes, int], merges: Sequence[tuple[bytes, bytes]], specials: dict[str, int]) -> None:
    for single in BYTES:
        if single not in vocab:
            raise ValueError(f"vocab must hold all 256 single bytes, and {single!r} is missing")
    seen = [*vocab.values(), *specials.values()]
    if len(set(seen)) < len(seen) or any(number < 0 for number in seen):
        raise ValueError("vocab must give each token an id of its own, 0 or more, and two share one or one is below 0")
    if "" in specials:
        raise ValueError("special_tokens must be texts that are not empty")
    for rank, (first, second) in enumerate(merges):
        for token in (first, second, first + second):
            if token not in vocab:
                raise ValueError(
                    f"merges must fit the vocabulary, and merge {rank + 1} ({first!r} + {second!r}) needs "
                    f"{token!r}, which is not in it"
                )
