"""The two obvious ways to cut a text, whole words and single characters, each with a fixed vocabulary.

What they are for: to see what byte-pair encoding stands between. A vocabulary of words is long and still lacks words;
one of characters is short, makes long sequences, and still lacks characters.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from engine.tokenizer.bpe import BPETokenizer, Token

UNKNOWN = "[unknown]"

# A word: letters with their accents and vowel signs, digits, apostrophes inside. Every other visible sign stands alone.
WORD_PATTERN = r"[\p{L}\p{M}\p{N}]+(?:['’]\p{L}+)*|[^\s\p{L}\p{M}\p{N}]"
CHARACTER_PATTERN = r"[\s\S]"


@dataclass(frozen=True)
class Unit:
    """One piece of a text; id is 0 for what the vocabulary does not hold. start, end: in characters."""

    text: str
    id: int
    start: int
    end: int


class FixedVocabulary:
    """A list of pieces made once from a corpus; every other piece becomes [unknown], whose id is 0.

    >>> words = FixedVocabulary.from_text("the cat and the dog", WORD_PATTERN)
    >>> [unit.id for unit in words.units("the cow")]
    [1, 0]
    """

    def __init__(self, entries: Sequence[str], pattern: str) -> None:
        """entries: the pieces, whose ids count from 1. pattern: what one piece is; the text between is dropped."""
        self.ids = {UNKNOWN: 0} | {entry: number for number, entry in enumerate(entries, start=1)}
        self.pattern = pattern
        self._find = regex.compile(pattern).finditer

    @classmethod
    def from_text(cls, corpus: str, pattern: str, most: int | None = None) -> "FixedVocabulary":
        """The pieces of a corpus, most frequent first (of equals the one met first); at most `most` of them."""
        if most is not None and most < 1:
            raise ValueError(f"most must be at least 1, got {most!r}")
        counts = Counter(regex.findall(pattern, corpus))
        return cls([entry for entry, _ in counts.most_common(most)], pattern)

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, size: int) -> "FixedVocabulary":
        """The vocabulary of the most frequent pieces that has `size` entries, [unknown] included."""
        if size < 2:
            raise ValueError(f"size must be at least 2, [unknown] and one piece, got {size!r}")
        return FixedVocabulary(list(self.ids)[1:size], self.pattern)

    def units(self, text: str) -> list[Unit]:
        """The pieces of a text, in reading order."""
        return [
            Unit(found.group(), self.ids.get(found.group(), 0), found.start(), found.end())
            for found in self._find(text)
        ]


def embedding_parameters(vocab_size: int, d_model: int) -> int:
    """The numbers of an embedding matrix: a row of d_model for each entry of the vocabulary.

    >>> embedding_parameters(50_257, 768)  # GPT-2
    38597376
    """
    return vocab_size * d_model


def pieces_of(word: Unit, tokens: Sequence[Token]) -> list[Token]:
    """The tokens that a word's characters lie in, in reading order."""
    return [token for token in tokens if token.start < word.end and token.end > word.start]


def is_one_token(word: Unit, tokens: Sequence[Token]) -> bool:
    """Whether a word, with the space before it or without, is exactly one token.

    >>> tokenizer = BPETokenizer.train("low low low", 259)
    >>> words = FixedVocabulary.from_text("low lower", WORD_PATTERN).units("low lower")
    >>> [is_one_token(word, tokenizer.tokens("low lower")) for word in words]
    [True, False]
    """
    pieces = pieces_of(word, tokens)
    return len(pieces) == 1 and pieces[0].bytes in (word.text.encode(), b" " + word.text.encode())


def count_whole_words(tokenizer: BPETokenizer, words: FixedVocabulary) -> int:
    """How many tokens of a vocabulary are a whole word of a corpus, with a space before it or without.

    A single letter that is also a word ("a") counts; signs that are no letters or digits do not.
    """
    known = {word.encode() for word in words.ids if word[0].isalnum()}
    return sum(token.removeprefix(b" ") in known for token in tokenizer.vocab)
