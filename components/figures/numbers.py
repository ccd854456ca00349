"""Small matrices as real tables: numbers to type, numbers to click, and the arithmetic behind each written out.

The browser part (drawing/frontend/numbers.js) lights up the cells that a number was made from and shows its
arithmetic without asking the server; only what the learner types is sent to Python, which judges it.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing

Piece = tuple[str, str, bool]  # text, role that colours it ("" for none), whether it stands raised as an exponent
_CELL = re.compile(r"([a-z]{1,3})([1-9])([1-9])")
MAX_TYPED = 24  # characters in one cell
UNSAID = ("", (), None, False)  # what the browser takes as given when a cell does not say it


@dataclass(frozen=True)
class Cell:
    """One number. `kind`: "given" (the learner may type), "result" (click it), "covered" (waits for a guess)."""

    text: str
    kind: str = "result"
    label: str = ""  # which number it is: "scores: cat reads sat"
    where: str = ""  # where it comes from, in words
    says: tuple[Piece, ...] = ()  # the arithmetic; empty while covered
    reads: tuple[str, ...] = ()  # ids of the cells it was made from
    mark: str = ""  # "bad" (cannot be read as a number), "right" or "wrong" (a guess)
    verdict: str = ""  # what to say about a guess or a cell that cannot be read
    good: str = ""  # the last number that could be read, for a cell marked "bad"
    masked: bool = False  # may not be read: hatched
    share: float | None = None  # 0 to 1: how far the cell is filled with its role's colour
    span: int = 1  # columns it takes; the cells of a row take as many together as there are columns


@dataclass(frozen=True)
class Matrix:
    """A named table of cells. `code` is short and lower case; the cell in row 1, column 2 is called code + "12"."""

    code: str
    title: str
    formula: str
    cells: tuple[tuple[Cell, ...], ...]
    role: str = "plain"
    rows: Sequence[str] | None = None
    columns: Sequence[str] | None = None
    wide: float = 1.0  # width of its cells, for columns with longer names
    label_room: int = 58  # CSS pixels that the rows' names may take


def cell_id(code: str, row: int, column: int) -> str:
    """The name of a cell; rows and columns are counted from 0 in Python and from 1 in the name."""
    return f"{code}{row + 1}{column + 1}"


def read_cell_id(name: str) -> tuple[str, int, int]:
    """(code, row, column), counted from 0. ValueError for a name that is none.

    >>> read_cell_id("wq12")
    ('wq', 0, 1)
    """
    found = _CELL.fullmatch(name)
    if not found:
        raise ValueError(f"a cell's name is letters, its row and its column, such as wq12; got {name[:40]!r}")
    return found[1], int(found[2]) - 1, int(found[3]) - 1


def show(value: float) -> str:
    """A number as it stands in a cell: whole numbers plain, others with two decimals, large ones shorter.

    >>> [show(v) for v in (2.0, -0.7071, 1234.56, -1e9, float("-inf"))]
    ['2', '−0.71', '1235', '−1e9', '−∞']
    """
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) >= 100_000:
        text = re.sub(r"(\.0)?e\+0?", "e", f"{value:.1e}")
    elif abs(value - round(value)) < 1e-9:
        text = str(round(value))
    else:
        text = f"{value:.{digits(value)}f}"
    return text.replace("-", "−")


def digits(value: float) -> int:
    """Decimals that `show` writes for a number that is not whole."""
    return 0 if abs(value) >= 1_000 else 1 if abs(value) >= 100 else 2


def number(value: float) -> str:
    """A number inside a calculation: up to three decimals, powers of ten when very large or very small."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and (abs(value) >= 1e7 or abs(value) < 5e-4):
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def draw(
    blocks: Sequence[Sequence[Sequence[Matrix | None]]],
    *,
    key: str,
    alt: str,
    hint: str,
    selected: str = "",
    problems: Sequence[str] = (),
    acknowledged: int = 0,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws blocks of matrices, each block a grid of rows; a block of one row breaks where the page is narrow.

    hint: shown while no cell is chosen. selected: the id of the chosen cell. problems: sentences about cells that
    cannot be read. acknowledged: the highest edit id that Python has taken in (see `edits`).
    """
    data = {
        "blocks": [[[_plain(matrix) for matrix in line] for line in block] for block in blocks],
        "hint": hint,
        "selected": selected,
        "problems": list(problems),
        "acknowledged": acknowledged,
        "maxTyped": MAX_TYPED,
    }
    return drawing.draw("numbers", data, key=key, alt=alt, on_change=on_change)


def edits(key: str, after: int) -> tuple[list[tuple[int, str, str]], str]:
    """What the learner did in figure `key`: ([(edit id, cell id, typed text)] newer than `after`, chosen cell).

    The browser repeats its last edits in every event, because Streamlit may skip an event when two follow each other
    faster than the page runs.
    """
    event = drawing.result(key) or {}
    taken = []
    for edit in event.get("edits", []):
        if edit["id"] > after:
            read_cell_id(edit["cell"])
            taken.append((int(edit["id"]), edit["cell"], str(edit["text"])[:MAX_TYPED]))
    return taken, str(event.get("selected") or "")


def _plain(matrix: Matrix | None) -> dict[str, Any] | None:
    if matrix is None:
        return None
    cells = [
        [
            {
                "id": cell_id(matrix.code, r, c),
                **{name: value for name, value in vars(cell).items() if name != "span" and value not in UNSAID},
                **({"span": cell.span} if cell.span > 1 else {}),
                "text": cell.text,
                "kind": cell.kind,
            }
            for c, cell in enumerate(row)
        ]
        for r, row in enumerate(matrix.cells)
    ]
    return {
        "code": matrix.code,
        "title": matrix.title,
        "formula": matrix.formula,
        "role": matrix.role,
        "rows": list(matrix.rows) if matrix.rows else None,
        "columns": list(matrix.columns) if matrix.columns else None,
        "wide": matrix.wide,
        "labelRoom": matrix.label_room,
        "cells": cells,
    }
