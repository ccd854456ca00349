"""Corpora by name: the bundled ones, and the learner's own, kept under LABS_HOME by the hash of their text.

A training run, a link and an upload name a corpus and never hold it, so none of them can lose it.
"""

from dataclasses import dataclass

from engine import kept
from engine.corpus_files import check_corpus, check_size
from engine.tokenizer.pieces import check_unicode

KIND = "corpora"
MINE = "my:"  # before the hash of the learner's own


@dataclass(frozen=True)
class Upload:
    """A file as it was brought, whether or not it can be read."""

    id: str
    name: str  # of the file
    kind: str  # "txt", "csv" or "jsonl"
    n_bytes: int


def keep_upload(raw: bytes, name: str, kind: str) -> str:
    """Keep a file as it is; returns its id. ValueError for one of more than 50 MB."""
    check_size(len(raw), name)
    return kept.keep(KIND, raw, {"title": name[:200], "kind": kind, "n_bytes": len(raw)})


def upload(identity: str) -> Upload:
    """What is known of a kept file. ValueError when it is not kept on this machine."""
    card = kept.card(KIND, identity)
    return Upload(identity, card["title"], card["kind"], card["n_bytes"])


def upload_content(identity: str) -> bytes:
    """The bytes of a kept file. ValueError when it is not kept on this machine."""
    return kept.content(KIND, identity)


def keep_corpus(text: str, title: str) -> str:
    """Keep a text for training; returns its name, "my:" and its hash.

    Raises ValueError for a text that is blank, of one character, larger than 50 MB or no valid Unicode.
    """
    check_corpus(text, title)
    check_unicode(text, title)
    content = text.encode()
    check_size(len(content), title)
    return MINE + kept.keep(KIND, content, {"title": title[:200], "kind": "txt", "n_bytes": len(content)})


def corpus_text(name: str) -> str:
    """The text of a corpus. ValueError for a name that means none here."""
    if name.startswith(MINE):
        return upload_content(name[len(MINE) :]).decode()
    return _bundled().corpus_text(name)


def corpus_title(name: str) -> str:
    """A corpus in words; the title of an own one is the learner's text. ValueError as `corpus_text`."""
    if name.startswith(MINE):
        return upload(name[len(MINE) :]).name
    return _card(name).title


def corpus_bytes(name: str) -> int:
    """The size of a corpus. ValueError as `corpus_text`."""
    return upload(name[len(MINE) :]).n_bytes if name.startswith(MINE) else _card(name).n_bytes


def _card(name: str):
    for corpus in _bundled().corpora():
        if corpus.name == name:
            return corpus
    names = ", ".join(corpus.name for corpus in _bundled().corpora())
    raise ValueError(f"corpus must be one of {names}, or {MINE} and the hash of a kept one, got {name[:40]!r}")


def _bundled():
    from engine import corpora

    return corpora
