"""Texts too long for a link: kept under LABS_HOME by the hash of their content, so that a link can name them."""

import hashlib
import os
import re

from engine.home import labs_home

_HASH = re.compile(r"[0-9a-f]{32}")


def keep_text(text: str) -> str:
    """Stores `text` and returns the 32 hexadecimal digits it can be found by again."""
    content = text.encode("utf-8", "surrogatepass")
    name = hashlib.sha256(content).hexdigest()[:32]
    folder = labs_home() / "texts"
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)
    return name


def stored_text(name: str) -> str:
    """The text kept under `name`. ValueError when the name is malformed or nothing is kept under it here."""
    if not _HASH.fullmatch(name):
        raise ValueError(f"the link names a stored text as {name[:40]!r}; a name is 32 hexadecimal digits")
    path = labs_home() / "texts" / name
    if not path.exists():
        raise ValueError("the link names a long text that is stored on another machine; paste the text here instead")
    return path.read_bytes().decode("utf-8", "surrogatepass")
