"""The second opinion on a trained tokenizer: `tokenizers` trains on the same corpus, and both libraries encode it."""

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from engine.experiments.tokenizer_training import TokenizerTrainingConfig
from engine.tokenizer import GPT2_PATTERN, BPETokenizer
from engine.tokenizer.alphabet import from_visible
from engine.tokenizer.files import save
from engine.tokenizer.own_pattern import library_errors

SAMPLE = 10_000  # characters that are encoded
TRAIN_UP_TO = 3_000_000  # characters; above it a second training would hold the page up


@dataclass(frozen=True)
class Comparison:
    """What was compared, and where the first difference is (None: they agree)."""

    n_ids: int
    ids_differ_at: int | None  # between us and `tokenizers`
    transformers_differs_at: int | None  # between us and transformers.PreTrainedTokenizerFast
    n_merges: int | None  # None: the corpus is too long for a second training
    merges_differ_at: int | None = None


def compare(
    config: TokenizerTrainingConfig, tokenizer: BPETokenizer, text: str, *, complete: bool = True
) -> Comparison:
    """Encode the beginning of the corpus with all three, from one tokenizer.json, and train again with `tokenizers`.

    complete: whether the training went to its end; of one that was stopped only the merges there are are compared.
    Raises ValueError for a pattern that the libraries give up on.
    """
    sample = text[:SAMPLE]
    ours = tokenizer.encode(sample, allowed_special="all")  # the libraries always look for special tokens
    n_merges = at = None
    with library_errors():
        theirs, in_transformers = _library_ids(tokenizer, sample)
        merges = their_merges(config, text) if len(text) <= TRAIN_UP_TO else None
    if merges is not None:
        n_merges = len(tokenizer.merges)
        at = first_difference(tokenizer.merges, merges if complete else merges[:n_merges])
    return Comparison(len(ours), first_difference(ours, theirs), first_difference(ours, in_transformers), n_merges, at)


def _library_ids(tokenizer: BPETokenizer, sample: str) -> tuple[list[int], list[int]]:
    from transformers import PreTrainedTokenizerFast

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        save(tokenizer, path)
        theirs = tokenizers.Tokenizer.from_file(str(path))
        fast = PreTrainedTokenizerFast(tokenizer_file=str(path))
    return theirs.encode(sample, add_special_tokens=False).ids, fast(sample, add_special_tokens=False)["input_ids"]


def their_merges(config: TokenizerTrainingConfig, text: str) -> list[tuple[bytes, bytes]]:
    """The merges that `tokenizers`' BpeTrainer learns from the same text; special tokens are taken out of it first."""
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=config.pattern == GPT2_PATTERN)
    if config.pattern != GPT2_PATTERN:
        split = pre_tokenizers.Split(tokenizers.Regex(config.pattern), "isolated")
        theirs.pre_tokenizer = pre_tokenizers.Sequence([split, theirs.pre_tokenizer])
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size - len(config.special_tokens),
        min_frequency=config.min_count,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    specials = sorted(config.special_tokens, key=len, reverse=True)
    parts = re.split("|".join(map(re.escape, specials)), text) if specials else [text]
    theirs.train_from_iterator(parts, trainer)
    written = _merges_of(theirs)
    return [tuple(map(from_visible, pair)) for pair in written]


def _merges_of(theirs: tokenizers.Tokenizer) -> list[list[str]]:
    merges = json.loads(theirs.to_str())["model"]["merges"]
    return [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]


def first_difference(ours: Sequence, theirs: Sequence) -> int | None:
    """The first place where two lists differ, their ends included; None when they are equal.

    >>> first_difference([1, 2], [1, 2]), first_difference([1, 2], [1, 3]), first_difference([1], [1, 2])
    (None, 1, 1)
    """
    for place, (own, other) in enumerate(zip(ours, theirs)):
        if own != other:
            return place
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))
