"""One text cut by several tokenizers, one row each, letter under letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Block:
    """The letters of one token; several tokens within one character are one block. start, end: in characters."""

    start: int
    end: int
    prefix: str  # written small before the letters, such as ##
    note: str  # under the pointer
    n_tokens: int = 1
    alone: bool = False  # only this row cuts before it
    unknown: bool = False


@dataclass(frozen=True)
class CutRow:
    name: str
    detail: str
    role: str
    blocks: Sequence[Block]


def draw(text: str, rows: Sequence[CutRow], *, key: str, alt: str) -> Any:
    """Draws the text once a row, letter under letter, each token as a block."""
    data = {
        "letters": list(text),
        "names": [row.name for row in rows],
        "details": [row.detail for row in rows],
        "row_roles": [row.role for row in rows],
        "blocks": [
            [
                [block.start, block.end, block.prefix, block.note, block.n_tokens, block.alone, block.unknown]
                for block in row.blocks
            ]
            for row in rows
        ],
    }
    return drawing.draw("cuts", data, key=key, alt=alt)
