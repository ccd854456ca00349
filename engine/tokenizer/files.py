"""Tokenizers in files: tokenizer.json, as the `tokenizers` library reads and writes it, and GPT-2's own two files."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

from engine.tokenizer.alphabet import from_visible, visible
from engine.tokenizer.bpe import BPETokenizer
from engine.tokenizer.pieces import GPT2_PATTERN

GPT2_SPECIAL = "<|endoftext|>"  # in GPT-2's vocabulary, and never made by a merge


def save(tokenizer: BPETokenizer, path: str | PathLike) -> None:
    """Write `tokenizer` as a tokenizer.json with which `tokenizers` gives the same ids."""
    Path(path).write_text(json.dumps(to_json(tokenizer), ensure_ascii=False, indent=1), encoding="utf-8")


def to_json(tokenizer: BPETokenizer) -> dict[str, Any]:
    """The content of a tokenizer.json.

    Raises ValueError for ids with a gap: `tokenizers` numbers special tokens itself, from the end of the vocabulary on.
    """
    ids = sorted([*tokenizer.vocab.values(), *tokenizer.special_tokens.values()])
    if ids != list(range(len(ids))):
        raise ValueError(f"ids must run from 0 to {len(ids) - 1} without a gap to be saved, got up to {ids[-1]}")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    if tokenizer.pattern == GPT2_PATTERN:
        before = byte_level | {"use_regex": True}
    else:
        split = {"type": "Split", "pattern": {"Regex": tokenizer.pattern}, "behavior": "Isolated", "invert": False}
        before = {"type": "Sequence", "pretokenizers": [split, byte_level | {"use_regex": False}]}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": text} | flags
            for text, number in sorted(tokenizer.special_tokens.items(), key=lambda item: item[1])
        ],
        "normalizer": None,
        "pre_tokenizer": before,
        "post_processor": None,
        "decoder": byte_level | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {visible(token): number for token, number in tokenizer.vocab.items()},
            "merges": [[visible(first), visible(second)] for first, second in tokenizer.merges],
        },
    }


def load(path: str | PathLike) -> BPETokenizer:
    """Read a tokenizer.json. ValueError says what is wrong, or what it asks for that this tokenizer does not do."""
    return from_json(_read_json(path), str(path))


def from_json(content: dict[str, Any], name: str = "the file") -> BPETokenizer:
    """A tokenizer from the content of a tokenizer.json."""
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE" or "merges" not in model:
        kind = model.get("type") if isinstance(model, dict) else None
        raise ValueError(f"{name} must hold a BPE model, and it holds {kind or 'none'}")
    for setting in (
        "dropout",
        "unk_token",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "byte_fallback",
        "ignore_merges",
    ):
        if model.get(setting):
            raise ValueError(
                f"{name} must be a plain byte-level tokenizer, and it sets {setting} to {model[setting]!r}"
            )
    if content.get("normalizer"):
        raise ValueError(
            f"{name} must leave the text as it is, and it has a normalizer {content['normalizer']['type']}"
        )
    specials = {token["content"]: token["id"] for token in content.get("added_tokens") or []}
    written = {token: number for token, number in model["vocab"].items() if token not in specials}
    vocab = {from_visible(token): number for token, number in written.items()}
    merges = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
    pairs = [(from_visible(first), from_visible(second)) for first, second in merges]
    return BPETokenizer(vocab, pairs, special_tokens=specials, pattern=_pattern(content.get("pre_tokenizer"), name))


def from_gpt2_files(vocab_json: str | PathLike, merges_txt: str | PathLike) -> BPETokenizer:
    """Read a vocabulary {"token": id} and a list of merges, one a line, both in the byte alphabet.

    Raises ValueError for a merges file that does not fit the vocabulary.
    """
    written = _read_json(vocab_json)
    lines = Path(merges_txt).read_text(encoding="utf-8").split("\n")
    merges = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        parts = line.split(" ")
        if len(parts) != 2:
            raise ValueError(f"{merges_txt} must hold two tokens a line, and line {number} is {line[:60]!r}")
        merges.append((from_visible(parts[0]), from_visible(parts[1])))
    specials = {GPT2_SPECIAL: written.pop(GPT2_SPECIAL)} if GPT2_SPECIAL in written else {}
    vocab = {from_visible(token): number for token, number in written.items()}
    return BPETokenizer(vocab, merges, special_tokens=specials)


def _pattern(before: dict[str, Any] | None, name: str) -> str:
    """The split pattern of a pre_tokenizer: ByteLevel alone, or a Split by a regular expression and ByteLevel."""
    parts = (before or {}).get("pretokenizers", [before])
    kinds = [(part or {}).get("type") for part in parts]
    if kinds[-1] == "ByteLevel" and not parts[-1].get("add_prefix_space"):
        if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
            return GPT2_PATTERN
        split = parts[0]
        if kinds == ["Split", "ByteLevel"] and not parts[1].get("use_regex", True):
            regex = split["pattern"].get("Regex")
            if regex and split["behavior"] == "Isolated" and not split.get("invert"):
                return regex
    raise ValueError(
        f"{name} must split its text by ByteLevel without a prefix space, or by one pattern and ByteLevel; "
        f"it has {', '.join(map(str, kinds))}"
    )


def _read_json(path: str | PathLike) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} must be a JSON file, and it is not: {error}") from None
