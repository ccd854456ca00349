"""Numbers that a learner types into the cells of components.figures.numbers: what they may be, and how the link keeps
them."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from components import state
from components.figures import numbers

Rows = tuple[tuple[float, ...], ...]

LARGEST = 100  # above it nobody works by hand, and rounding would show


@dataclass(frozen=True)
class Grid(state.Param):
    """A matrix that the learner changed: the corner of it that differs from the numbers given. () = nothing changed."""

    height: int = 3
    width: int = 4
    largest: float = LARGEST
    smallest: float = 0  # a number nearer to 0 than this is refused, 0 itself is not

    def parse(self, raw: str) -> Rows:
        wanted = (
            f"{self.name} must be up to {self.height} rows of up to {self.width} numbers between −{self.largest} and "
            f"{self.largest}, such as 1,0;0,2"
        )
        try:
            rows = tuple(tuple(map(self._read, row.split(","))) for row in raw.split(";"))
        except ValueError:
            raise ValueError(f"{wanted}; the link says {raw[:40]!r}") from None
        if len(rows) > self.height or len({len(row) for row in rows}) != 1 or len(rows[0]) > self.width:
            raise ValueError(f"{wanted}; the link says {raw[:40]!r}")
        return rows

    def _read(self, cell: str) -> float:
        return read_number(cell, self.largest, self.smallest)

    def shown_instead(self) -> str:
        return "the numbers it starts with"

    def format(self, value: Rows) -> str:
        return ";".join(",".join(plain(number) for number in row) for row in value)


@dataclass(frozen=True)
class Notes(state.Param):
    """What the learner wrote into single cells: ((cell, text), ...). In the link: q11=2*s12=abc."""

    codes: tuple[str, ...] = ()  # of the matrices whose cells may be named

    def parse(self, raw: str) -> tuple[tuple[str, str], ...]:
        notes = []
        for part in raw.split("*")[:200]:
            cell, _, text = part.partition("=")
            try:
                code, _, _ = numbers.read_cell_id(cell)
            except ValueError:
                code = ""
            if code not in self.codes:
                raise ValueError(f"{self.name} must name cells, such as {self._example()}; the link says {raw[:40]!r}")
            notes.append((cell, unquote(text)[: numbers.MAX_TYPED]))
        return tuple(dict(notes).items())

    def _example(self) -> str:
        return f"{self.codes[0]}11=2*{self.codes[-1]}12=0.5"

    def format(self, value: tuple[tuple[str, str], ...]) -> str:
        # The link is quoted once more on its way, so only the two signs that separate notes need care here.
        return "*".join(f"{cell}={quote(text, safe=' .,-+/()')}" for cell, text in value)


def read_number(text: str, largest: float | None = LARGEST, smallest: float = 0) -> float:
    """The number in a cell. ValueError's sentence says what is wrong with it and what would be right.

    largest: numbers beyond it are refused; None for a guess, which may be as wrong as it likes. smallest: numbers
    nearer to 0 than this are refused too, but for 0 itself.

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
    if 0 < abs(number) < smallest:
        raise ValueError(f"“{text}” is too near to 0 to work with; write 0, or a number of at least {smallest:g}")
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


def mark_unreadable(
    made: dict[str, numbers.Matrix], typed: Iterable[tuple[str, str]], largest: float = LARGEST, smallest: float = 0
) -> tuple[dict[str, numbers.Matrix], list[str]]:
    """Puts back what the learner typed into cells that could not be read as numbers, with a sentence for each.

    made: the matrices by code. typed: ((cell, text), ...), as `Notes` keeps them.
    """
    problems = []
    for name, text in typed:
        code, r, c = numbers.read_cell_id(name)
        matrix = made.get(code)
        if matrix is None or r >= len(matrix.cells) or c >= len(matrix.cells[r]) or matrix.cells[r][c].kind != "given":
            continue
        cell = matrix.cells[r][c]
        try:
            read_number(text, largest, smallest)
        except ValueError as error:
            problems.append(f"{cell.label}: {error}. Until then the figure uses {cell.text}.")
            cells = [list(row) for row in matrix.cells]
            cells[r][c] = replace(cell, text=text, good=cell.text, mark="bad")
            made = made | {code: replace(matrix, cells=tuple(map(tuple, cells)))}
    return made, problems


def take(name: str, text: str, grid: Grid, base: Rows, unreadable: Notes) -> None:
    """What the learner typed into the cell `name`: a number goes to `grid`, anything else is kept in `unreadable`."""
    _, row, column = numbers.read_cell_id(name)
    wrong = {cell: kept for cell, kept in state.get(unreadable) if cell != name}
    try:
        number = read_number(text, grid.largest, grid.smallest)
    except ValueError:
        wrong[name] = text
    else:
        state.set_value(grid, with_cell(base, state.get(grid), row, column, number))
    state.set_value(unreadable, tuple(wrong.items()))
