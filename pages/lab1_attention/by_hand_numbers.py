"""The numbers of "By hand": what the learner may type, how it stands in the link, and what is wrong with it."""

import math
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from components import state
from components.figures import numbers

Rows = tuple[tuple[float, ...], ...]

LARGEST = 100  # above it nobody works by hand, and rounding would show
WORDS = 3
MAX_DIMS = 4

# The upper left corner is used for fewer dimensions, so that going from 4 to 2 and back loses nothing. Chosen so that
# with 2, 3 and 4 dimensions all scores are whole numbers up to 12 and each word finds another one to read.
GIVEN: dict[str, Rows] = {
    "x": ((1, 0, -1, 1), (0, 2, 0, 0), (1, 1, 1, 0)),
    "wq": ((1, 0, -1, 0), (1, 2, -1, 0), (1, 2, 2, 2), (-1, 0, 0, -1)),
    "wk": ((1, 1, 0, 0), (0, 1, -1, 0), (0, 0, 2, 0), (0, -1, 0, 1)),
    "wv": ((2, 0, 0, 1), (0, 1, 0, 0), (-1, 2, 0, -1), (0, 1, 0, 0)),
}
NAMES = {
    "x": "X",
    "wq": "W_Q",
    "wk": "W_K",
    "wv": "W_V",
    "q": "Q",
    "k": "K",
    "v": "V",
    "s": "scores",
    "d": "scaled",
    "m": "masked",
    "w": "weights",
    "o": "output",
}
RESULTS = ("q", "k", "v", "s", "d", "m", "w", "o")


@dataclass(frozen=True)
class Grid(state.Param):
    """A matrix that the learner changed: the corner of it that differs from the numbers given. () = nothing changed."""

    height: int = WORDS

    def parse(self, raw: str) -> Rows:
        wanted = (
            f"{self.name} must be up to {self.height} rows of up to {MAX_DIMS} numbers between −{LARGEST} and "
            f"{LARGEST}, such as 1,0;0,2"
        )
        try:
            rows = tuple(tuple(read_number(cell) for cell in row.split(",")) for row in raw.split(";"))
        except ValueError:
            raise ValueError(f"{wanted}; the link says {raw[:40]!r}") from None
        if len(rows) > self.height or len({len(row) for row in rows}) != 1 or len(rows[0]) > MAX_DIMS:
            raise ValueError(f"{wanted}; the link says {raw[:40]!r}")
        return rows

    def shown_instead(self) -> str:
        return "the numbers it starts with"

    def format(self, value: Rows) -> str:
        return ";".join(",".join(plain(number) for number in row) for row in value)


@dataclass(frozen=True)
class Notes(state.Param):
    """What the learner wrote into single cells: ((cell, text), ...). In the link: q11=2*s12=abc."""

    def parse(self, raw: str) -> tuple[tuple[str, str], ...]:
        notes = []
        for part in raw.split("*")[:200]:
            cell, _, text = part.partition("=")
            try:
                code, _, _ = numbers.read_cell_id(cell)
            except ValueError:
                code = ""
            if code not in NAMES:
                raise ValueError(f"{self.name} must name cells, such as q11=2*s12=0.5; the link says {raw[:40]!r}")
            notes.append((cell, unquote(text)[: numbers.MAX_TYPED]))
        return tuple(dict(notes).items())

    def format(self, value: tuple[tuple[str, str], ...]) -> str:
        # The link is quoted once more on its way, so only the two signs that separate notes need care here.
        return "*".join(f"{cell}={quote(text, safe=' .,-+/()')}" for cell, text in value)


@dataclass(frozen=True)
class CellName(state.Param):
    """The cell whose arithmetic is written out; "none" for none."""

    def parse(self, raw: str) -> str:
        found = re.fullmatch(r"([a-z]+)[1-9][1-9]", raw)
        if raw != "none" and (not found or found[1] not in (*NAMES, *"efg")):
            raise ValueError(f"{self.name} must name a cell, such as s12 for scores, row 1, column 2; got {raw[:40]!r}")
        return raw


def read_number(text: str, largest: float | None = LARGEST) -> float:
    """The number in a cell. ValueError's sentence says what is wrong with it and what would be right.

    largest: numbers beyond it are refused; None for a guess, which may be as wrong as it likes.

    >>> read_number(" −1.5 ")
    -1.5
    """
    clean = text.strip().replace("−", "-")
    if not clean:
        raise ValueError("it is empty; write a number, such as 0 or 1.5")
    if re.fullmatch(r"[-+]?\d*,\d+", clean):
        raise ValueError(f"“{text}” has a comma; write it with a point, {clean.replace(',', '.')}")
    try:
        number = float(clean.replace("_", "?"))  # Python would read 1_0 as 10
    except ValueError:
        raise ValueError(f"“{text}” is not a number; write one such as 2 or −0.5") from None
    if not math.isfinite(number):
        raise ValueError(f"“{text}” cannot be worked with; write a finite number such as 2 or −0.5")
    if largest is not None and abs(number) > largest:
        raise ValueError(f"“{text}” is too large to work with by hand; write a number from −{largest} to {largest}")
    return number


def plain(number: float) -> str:
    """A number as short as it can be written without losing anything: "2", "-0.5"."""
    return str(int(number)) if number == int(number) else repr(number)


def overlay(base: Rows, typed: Rows, columns: int) -> Rows:
    """`base` with the learner's corner laid over it, cut or filled with 0 to `columns`.

    >>> overlay(((1, 2, 3), (4, 5, 6)), ((9,),), columns=2)
    ((9.0, 2.0), (4.0, 5.0))
    """

    def cell(row: int, column: int) -> float:
        for rows in (typed, base):
            if row < len(rows) and column < len(rows[row]):
                return float(rows[row][column])
        return 0.0

    return tuple(tuple(cell(r, c) for c in range(columns)) for r in range(len(base)))


def with_cell(base: Rows, typed: Rows, row: int, column: int, number: float) -> Rows:
    """The learner's corner after one more cell was typed; () again when nothing differs from `base` any more.

    >>> with_cell(((1, 2), (3, 4)), (), 0, 1, 7.0)
    ((1.0, 7.0),)
    >>> with_cell(((1, 2), (3, 4)), ((1.0, 7.0),), 0, 1, 2.0)
    ()
    """
    width = max([column + 1, *(len(r) for r in typed)])
    height = max(row + 1, len(typed))
    cells = [list(r) for r in overlay(base, typed, columns=width)[:height]]
    cells[row][column] = number
    changed = tuple(tuple(r) for r in cells)
    return () if changed == overlay(base, (), columns=width)[:height] else changed
