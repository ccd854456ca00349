"""Tokenizers that learners keep: a tokenizer.json under LABS_HOME/tokenizers and a card beside it."""

import json
from dataclasses import dataclass

from engine import kept
from engine.tokenizer.bpe import BPETokenizer
from engine.tokenizer.files import from_json, to_json

KIND = "tokenizers"
MAX_TITLE = 60  # characters


@dataclass(frozen=True)
class SavedTokenizer:
    """What is known of a saved tokenizer without reading it."""

    id: str  # of its content
    title: str  # as the learner named it
    vocab_size: int
    corpus: str  # what it was trained on, in words
    created: float  # seconds since 1970
    special_tokens: tuple[str, ...] = ()
    corpus_name: str = ""  # as engine.kept_corpora knows it; "" where it is not known


def save_tokenizer(tokenizer: BPETokenizer, title: str, *, corpus: str = "", corpus_name: str = "") -> str:
    """Keep `tokenizer` under `title`; returns its id. The same tokenizer is kept once, its last title wins.

    Raises ValueError for a title without a letter or longer than 60 characters.
    """
    title = " ".join(title.split())
    if not title or len(title) > MAX_TITLE:
        raise ValueError(f"the name must have 1 to {MAX_TITLE} characters, got {len(title)}")
    card = {"title": title, "vocab_size": len(tokenizer), "corpus": corpus}
    card["special_tokens"] = list(tokenizer.special_tokens)
    card["corpus_name"] = corpus_name
    return kept.keep(KIND, file_content(tokenizer), card)


def saved_tokenizers() -> list[SavedTokenizer]:
    """All that are saved on this machine, newest first."""
    return [saved_tokenizer(name) for name in kept.names(KIND)]


def saved_tokenizer(name: str) -> SavedTokenizer:
    """The card of one. ValueError when it is not kept on this machine."""
    card = kept.card(KIND, name)
    return SavedTokenizer(
        name,
        card["title"],
        card["vocab_size"],
        card["corpus"],
        card["created"],
        tuple(card["special_tokens"]),
        card.get("corpus_name", ""),
    )


def load_saved(name: str) -> BPETokenizer:
    """The tokenizer itself. ValueError when it is not kept on this machine."""
    return from_content(kept.content(KIND, name), saved_tokenizer(name).title)


def file_content(tokenizer: BPETokenizer) -> bytes:
    """The bytes of its tokenizer.json."""
    return json.dumps(to_json(tokenizer), ensure_ascii=False, indent=1).encode()


def identity(content: bytes) -> str:
    """The id that a tokenizer.json of this content is saved under."""
    return kept.name_of(content)


def from_content(content: bytes, name: str) -> BPETokenizer:
    """A tokenizer from the bytes of a tokenizer.json, such as an uploaded one.

    Raises ValueError when they are no JSON, no byte-level BPE, or hold merges that do not fit the vocabulary.
    """
    try:
        written = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} must be a tokenizer.json, and it is no JSON: {error}") from None
    _check_merges(written, name)
    try:
        return from_json(written, name)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{name} must be a tokenizer.json as the tokenizers library writes it, and a part of it is missing or of "
            f"another kind: {error}"
        ) from None


def _check_merges(written: object, name: str) -> None:
    """ValueError naming the first merge that is no pair of tokens; everything else is left to `from_json`."""
    model = written.get("model") if isinstance(written, dict) else None
    merges = model.get("merges") if isinstance(model, dict) else None
    for rank, merge in enumerate(merges if isinstance(merges, list) else [], start=1):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise ValueError(f"{name} must hold pairs of tokens as its merges, and merge {rank} is {str(merge)[:60]!r}")
