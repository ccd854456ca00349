"""What learners bring or make, kept under LABS_HOME by the hash of its content, with a card (small JSON) beside it.

The name of a thing follows from what it is, so the same thing is kept once, a link can carry the name, and whoever
opens the link reads exactly what was meant.
"""

import hashlib
import json
import os
import re
import time
from pathlib import Path

from engine.home import labs_home

NAME = re.compile(r"[0-9a-f]{32}")


def keep(kind: str, content: bytes, card: dict) -> str:
    """Keep `content` and its card in the folder `kind`; returns the 32 hexadecimal digits it is found by.

    Kept once more under the same content, the card is replaced: the last title wins.
    """
    name = name_of(content)
    folder = labs_home() / kind
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        _write(folder / name, content)
    card = {"created": time.time()} | card
    _write(folder / f"{name}.json", json.dumps(card, ensure_ascii=False).encode())  # last: with it the thing is there
    return name


def name_of(content: bytes) -> str:
    """The name that this content has, or would have."""
    return hashlib.sha256(content).hexdigest()[:32]


def is_kept(kind: str, name: str) -> bool:
    """Whether this machine has it."""
    return bool(NAME.fullmatch(name)) and (labs_home() / kind / f"{name}.json").is_file()


def content(kind: str, name: str) -> bytes:
    """What was kept. ValueError when the name is malformed or nothing is kept under it here."""
    return _path(kind, name).read_bytes()


def card(kind: str, name: str) -> dict:
    """What was written down about it. ValueError as `content`."""
    return json.loads(_path(kind, name).with_name(f"{name}.json").read_text(encoding="utf-8"))


def names(kind: str) -> list[str]:
    """Everything that is kept of this kind, newest first."""
    folder = labs_home() / kind
    found = [(path.stat().st_mtime_ns, path.stem) for path in folder.glob("*.json") if NAME.fullmatch(path.stem)]
    return [name for _, name in sorted(found, reverse=True)]


def _path(kind: str, name: str) -> Path:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"a name in {kind} must be 32 hexadecimal digits, got {str(name)[:40]!r}")
    if not is_kept(kind, name):
        raise ValueError(f"{name[:8]}… must name something kept in {kind} on this machine, and it is not here")
    return labs_home() / kind / name


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
