"""The next token's distribution at every stage between the model and the draw: tokens as rows, stages as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing

NICE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # what a full bar may stand for


@dataclass(frozen=True)
class Column:
    """One stage. `probabilities`: one a row, None for a token that is not there any more."""

    title: str
    setting: str
    on: bool  # False: drawn narrow, because it changes nothing
    probabilities: Sequence[float | None]
    rest: float  # what the tokens without a row have together
    rest_kept: int  # how many of them are left
    n_kept: int
    kept_mass: float
    entropy: float


@dataclass(frozen=True)
class Dart:
    """A random number, and the tokens side by side that it was thrown at."""

    title: str
    share: float  # in [0, 1)
    pieces: Sequence[tuple[str, float]]  # (token, probability), in the order of the throw
    hit: int  # which of the pieces


def draw(
    tokens: Sequence[str], columns: Sequence[Column], *, n_rest: int, drawn: int | None, dart: Dart, key: str, alt: str
) -> Any:
    """Draws the stages side by side with one scale for all bars, and the dart below.

    tokens: the rows' names. n_rest: how many tokens have no row. drawn: the row that the dart hit.
    """
    data = {
        "tokens": list(tokens),
        "columns": [vars(column) | {"probabilities": list(column.probabilities)} for column in columns],
        "full": full_bar(columns),
        "nRest": n_rest,
        "drawn": drawn,
        "dart": vars(dart) | {"pieces": [list(piece) for piece in dart.pieces]},
    }
    return drawing.draw("distribution", data, key=key, alt=alt)


def full_bar(columns: Sequence[Column]) -> float:
    """The probability of a bar that fills its column: a round number that none on screen exceeds."""
    highest = max(max((one or 0.0 for one in column.probabilities), default=0.0) for column in columns)
    highest = max(highest, *(column.rest for column in columns))
    return next((one for one in NICE if highest <= one), 1.0)
