"""The second opinion under "Merge by merge": `tokenizers` trained on the same text, by its own BpeTrainer."""

import json

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from engine.tokenizer.alphabet import from_visible


def train(text: str, vocab_size: int, pattern: str | None) -> tokenizers.Tokenizer:
    """Byte-level BPE by the library. pattern: cuts the text into pieces; None: the text is one piece."""
    theirs = tokenizers.Tokenizer(models.BPE())
    steps = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    if pattern is not None:
        steps.insert(0, pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"))
    theirs.pre_tokenizer = pre_tokenizers.Sequence(steps)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=0, show_progress=False, initial_alphabet=alphabet
    )
    theirs.train_from_iterator([text], trainer)
    return theirs


def merges(theirs: tokenizers.Tokenizer) -> list[tuple[bytes, bytes]]:
    """Its merges in the order learned, as bytes."""
    return [tuple(map(from_visible, pair)) for pair in json.loads(theirs.to_str())["model"]["merges"]]


def tokens(theirs: tokenizers.Tokenizer, text: str) -> list[bytes]:
    """How it cuts a text, as bytes."""
    return [from_visible(token) for token in theirs.encode(text).tokens]
