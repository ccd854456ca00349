"""How one token came to be: its single bytes at the bottom, and a merge above every two parts."""

import re
from collections.abc import Sequence
from typing import Any

from components import drawing
from components.figures.token_strip import readable
from components.white_space import visible
from engine.tokenizer.anatomy import Part

INVISIBLE = {"\u200b": "ZWSP", "\u200c": "ZWNJ", "\u200d": "ZWJ", "\u2060": "WJ", "\ufeff": "BOM", "\u00ad": "SHY"}
INVISIBLE |= {"\ufe0e": "VS15", "\ufe0f": "VS16"}
_ALONE = re.compile("^[\u200b-\u200d\u2060\ufeff\ufe0e\ufe0f\u00ad]+|[\u200b-\u200d\u2060\ufeff\u00ad]+(?=$|⟨)")


def draw(parts: Sequence[Part], *, key: str) -> Any:
    """Draws the tree of `engine.tokenizer.anatomy.merge_tree`; merges are numbered from 1."""
    return drawing.draw("token_tree", {**columns(parts), "step": 1}, key=key, alt=describe(parts))


def columns(parts: Sequence[Part]) -> dict[str, list]:
    """The parts as the browser takes them: one list a field."""
    return {
        "texts": [written(part.bytes) for part in parts],
        "ranks": [part.rank for part in parts],
        "heights": [part.height for part in parts],
        "starts": [part.start for part in parts],
        "ends": [part.end for part in parts],
        "parts": [part.parts and list(part.parts) for part in parts],
    }


def written(token: bytes) -> str:
    r"""A token with its white space as signs; bytes that are no whole character in hexadecimal.

    Signs that show nothing are named where they join no two others.

    >>> written(b" the"), written(b"\xe2")
    ('·the', 'E2')
    """
    named = _ALONE.sub(lambda found: " ".join(INVISIBLE[sign] for sign in found.group()), readable(token))
    shown = visible(named)
    return shown[1:-1] if shown[:1] == "⟨" and shown.find("⟩") == len(shown) - 1 else shown


def describe(parts: Sequence[Part]) -> str:
    """The tree in words."""
    whole = parts[-1]
    if whole.parts is None:
        return f"{written(whole.bytes)} was not made by a merge"
    left, right = (written(parts[place].bytes) for place in whole.parts)
    merges = sum(part.parts is not None for part in parts)
    return f"{written(whole.bytes)} is {left} and {right}, merge {whole.rank + 1:,}; {merges} merges made it in all"
