"""The numbers of "By hand": what the learner starts from, and what each matrix is called."""

import re
from dataclasses import dataclass

from components import state
from components.typed_numbers import Rows

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
class CellName(state.Param):
    """The cell whose arithmetic is written out; "none" for none."""

    def parse(self, raw: str) -> str:
        found = re.fullmatch(r"([a-z]+)[1-9][1-9]", raw)
        if raw != "none" and (not found or found[1] not in (*NAMES, *"efg")):
            raise ValueError(f"{self.name} must name a cell, such as s12 for scores, row 1, column 2; got {raw[:40]!r}")
        return raw
