"""WordPiece and Unigram by the `tokenizers` library, on the same pieces of text as our BPE; and where cuts agree.

All three see the words that GPT-2's pattern makes. BPE keeps a word's space as a byte, Unigram as the sign ▁ (Kudo and
Richardson 2018), WordPiece drops it.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from engine.tokenizer import wordpiece
from engine.tokenizer.bpe import BPETokenizer
from engine.tokenizer.pieces import GPT2_PATTERN, splitter

UNKNOWN = "[UNK]"
SPACE = "▁"
MOST_LETTERS = 100  # of a word; WordPiece answers a longer one with its unknown token, as BERT's does


@dataclass(frozen=True)
class Piece:
    """One token of a text as its algorithm writes it. start, end: in characters of the text."""

    written: str
    id: int
    start: int
    end: int
    unknown: bool = False


def words_of(text: str) -> Counter[str]:
    """How often each word occurs, without white space."""
    return Counter(word for piece in splitter(GPT2_PATTERN)(text) if (word := piece.strip()))


def train_wordpiece(text: str, vocab_size: int, *, by_likelihood: bool = False) -> tokenizers.Tokenizer:
    """A WordPiece tokenizer of `vocab_size` entries, or as many as its letters need.

    by_likelihood: choose pairs by engine.tokenizer.wordpiece's score; else by the library's own trainer, which counts
    pairs exactly as its BpeTrainer does.
    """
    if by_likelihood:
        vocabulary = [UNKNOWN, *wordpiece.train(words_of(text), vocab_size - 1)]
        vocab = {piece: number for number, piece in enumerate(vocabulary)}
    else:
        vocab = library_pieces(trainers.WordPieceTrainer, models.WordPiece(unk_token=UNKNOWN), text, vocab_size)
    # Built anew from the vocabulary: a trained one would find its seeded letters in any text as special tokens.
    made = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=UNKNOWN, max_input_chars_per_word=MOST_LETTERS))
    made.pre_tokenizer = _words()
    return made


def library_pieces(trainer: type, model: models.Model, text: str, vocab_size: int) -> dict[str, int]:
    """The vocabulary that WordPieceTrainer, or BpeTrainer with WordPiece's prefix, learns.

    The library numbers the pieces "##a" in the order in which its hash table happens to hold the words, and breaks ties
    by these numbers: two trainings differ. Naming the letters first, as special tokens, makes them agree.
    """
    letters = sorted({piece for word in words_of(text) for piece in wordpiece.letters(word)})
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = _words()
    settings = {"continuing_subword_prefix": wordpiece.INSIDE, "special_tokens": [UNKNOWN, *letters]}
    made.train_from_iterator([text], trainer(vocab_size=vocab_size, min_frequency=0, show_progress=False, **settings))
    return made.get_vocab()


def train_unigram(text: str, vocab_size: int) -> tokenizers.Tokenizer:
    """A Unigram tokenizer: the library prunes a large start vocabulary until `vocab_size` is reached.

    A vocabulary smaller than the letters of the text is raised to hold them; a short text may give fewer pieces.
    """
    made = tokenizers.Tokenizer(models.Unigram())
    spaces = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="never", split=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([_split(), spaces])
    settings = {"special_tokens": [UNKNOWN], "unk_token": UNKNOWN, "show_progress": False}
    least = len(set(text) | {SPACE}) + 2  # below it the library refuses: all letters, the unknown one, and one to learn
    made.train_from_iterator([text], trainers.UnigramTrainer(vocab_size=max(vocab_size, least), **settings))
    # The library's hash tables give equal pieces another order, and the last digits of their scores, at each training.
    learned = json.loads(made.to_str())["model"]["vocab"]
    rounded = sorted((piece, round(score, 4)) for piece, score in learned if piece != UNKNOWN)
    made.model = models.Unigram([(UNKNOWN, 0.0), *rounded], unk_id=0)
    return made


def pieces(tokenizer: "tokenizers.Tokenizer | BPETokenizer", text: str) -> list[Piece]:
    """The tokens of a text by any of the three. BPE's are written as their characters."""
    if isinstance(tokenizer, BPETokenizer):
        return [
            Piece(token.bytes.decode("utf-8", "replace"), token.id, token.start, token.end)
            for token in tokenizer.tokens(text)
        ]
    found = tokenizer.encode(text, add_special_tokens=False)
    unknown = tokenizer.token_to_id(UNKNOWN)
    return [
        Piece(written, number, start, end, number == unknown)
        for written, number, (start, end) in zip(found.tokens, found.ids, found.offsets, strict=True)
    ]


def inner_places(text: str) -> set[int]:
    """The places inside words at which a text could be cut: after each letter of a word but the last.

    >>> sorted(inner_places("a new ox"))
    [3, 4, 7]
    """
    places, start = set(), 0
    for piece in splitter(GPT2_PATTERN)(text):
        word = piece.strip()
        first = start + piece.find(word) if word else start
        places.update(range(first + 1, first + len(word)))
        start += len(piece)
    return places


def cuts(found: Iterable[Piece], inner: set[int]) -> set[int]:
    """Where the tokens cut words. Two tokens within one character cut no place between characters."""
    return {piece.start for piece in found if piece.start in inner}


def shared(one: set[int], other: set[int]) -> float:
    """The share of the places cut by either that both cut; 1 when neither cuts at all.

    >>> shared({3, 4}, {4, 7})
    0.3333333333333333
    """
    return len(one & other) / len(one | other) if one | other else 1.0


def _split() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(tokenizers.Regex(GPT2_PATTERN), "isolated")


def _words() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([_split(), pre_tokenizers.WhitespaceSplit()])
