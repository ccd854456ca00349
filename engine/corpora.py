"""Texts to train a tokenizer on: those that come with the project, and texts from the hub.

What each bundled text is and how it was made stands in assets/corpora/README.md.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "assets" / "corpora"
LICENCE = "written for this project"
LANGUAGES = (
    "English", "German", "French", "Spanish", "Turkish", "Finnish",
    "Russian", "Greek", "Arabic", "Hindi", "Chinese", "Japanese",
)  # fmt: skip
MAX_HUB_BYTES = 50_000_000
CHECK_SECONDS = 5.0


@dataclass(frozen=True)
class Corpus:
    """One bundled text."""

    name: str  # in links and calls
    title: str
    what: str
    licence: str
    n_bytes: int


_ABOUT = {
    "stories": ("Stories", "Short stories in simple English, fourteen plots told again and again with other words"),
    "dialogue": ("Dialogue", "Everyday conversations in English, with names, questions, times and contractions"),
    "code": ("Code", "The Python source of this project’s own engine, as it is on this machine"),
    "languages": (
        f"{len(LANGUAGES)} languages",
        f"The same 25 sentences in each of {len(LANGUAGES)} languages, in seven scripts",
    ),
    "emoji-numbers": ("Emoji and numbers", "Prices, dates, scores and measures, with emoji and flags"),
}


def corpora() -> list[Corpus]:
    """Every bundled text, in the order in which a page offers them."""
    return [
        Corpus(name, title, what, LICENCE, len(corpus_text(name).encode())) for name, (title, what) in _ABOUT.items()
    ]


@cache
def corpus_text(name: str) -> str:
    """The whole text of a bundled corpus. ValueError for a name that there is not."""
    if name not in _ABOUT:
        raise ValueError(f"name must be one of {', '.join(_ABOUT)}, got {name!r}")
    if name == "code":
        return "\n".join(path.read_text(encoding="utf-8") for path in _engine_files())
    if name == "languages":
        return "".join(language_texts().values())
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def language_texts() -> dict[str, str]:
    """The same sentences in each language: {"English": "The sun is shining today.\\n...", "German": ...}."""
    return {name: (FOLDER / "languages" / f"{name.lower()}.txt").read_text(encoding="utf-8") for name in LANGUAGES}


def _engine_files() -> list[Path]:
    return sorted(Path(__file__).parent.rglob("*.py"))


def hub_texts(name: str, *, column: str = "text", limit_bytes: int = 1_000_000) -> Iterator[str]:
    """Texts of a data set on the hub, one row after the other, until they hold `limit_bytes` bytes of UTF-8.

    Streamed: what is not asked for is not fetched. name: "owner/data set", or "owner/data set:configuration".
    Raises ValueError, before the first text, without a network, for a data set that there is not or that is closed,
    for a column that it does not have, and for a limit that is not between 1 and 50 MB.
    """
    name = name.strip()
    parts = name.partition(":")[0].split("/")
    if not 1 <= len(parts) <= 2 or not all(part.replace("-", "").replace("_", "").replace(".", "") for part in parts):
        raise ValueError(f"name must be a data set of the hub, such as roneneldan/TinyStories, got {name[:80]!r}")
    if not 1 <= limit_bytes <= MAX_HUB_BYTES:
        raise ValueError(f"limit_bytes must be from 1 to {MAX_HUB_BYTES:,}, got {limit_bytes!r}")
    _check_network(name)
    rows = iter(_attempt(name, lambda: _stream(name)))
    first = _attempt(name, lambda: next(rows, None))
    if first is None:
        raise ValueError(f"{name} must hold at least one row, and it holds none")
    if not isinstance(first.get(column), str):
        there = ", ".join(key for key, value in first.items() if isinstance(value, str)) or "none"
        raise ValueError(f"column must name a column of texts of {name} ({there}), got {column!r}")
    return _until(name, first, rows, column, limit_bytes)


def _until(name: str, first: dict, rows: Iterator[dict], column: str, limit_bytes: int) -> Iterator[str]:
    left, row = limit_bytes, first
    while row is not None and left > 0:
        text = row[column] or ""
        size = len(text.encode("utf-8", "replace"))
        yield text if size <= left else text.encode("utf-8", "replace")[:left].decode("utf-8", "ignore")
        left -= size
        row = _attempt(name, lambda: next(rows, None)) if left > 0 else None


def _stream(name: str) -> Iterator[dict]:
    from datasets import load_dataset

    path, _, configuration = name.partition(":")
    return load_dataset(path, configuration or None, split="train", streaming=True)


def _attempt(name: str, make: Callable):
    """What `make` gives; whatever the hub answers instead becomes one sentence."""
    try:
        return make()
    except Exception as error:  # datasets, huggingface_hub, httpx and pyarrow each have errors of their own
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise ValueError(f"{name} could not be read from the hub: {reason}") from None


def _check_network(name: str) -> None:
    """ValueError at once when there is no way to the hub: the libraries would try again for minutes."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    instead = "The bundled texts, your own text and your own file work without a network."
    if constants.is_offline_mode():
        raise ValueError(f"{name} is on the hub, and this server is set to work offline (HF_HUB_OFFLINE). {instead}")
    if getproxies():
        return  # the way out is a proxy, and only it knows
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname, port), timeout=CHECK_SECONDS).close()
    except OSError:
        raise ValueError(
            f"{name} is on the hub, and {address.hostname} cannot be reached from this machine. {instead}"
        ) from None
