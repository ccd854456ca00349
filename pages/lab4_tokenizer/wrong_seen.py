"""What each case of "What goes wrong" gives to be seen: rows of tokens, sentences, numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.figures.token_strip import Chip


@dataclass(frozen=True)
class Row:
    """One text as tokens, with its title above it."""

    title: str  # HTML
    chips: list[Chip]


@dataclass(frozen=True)
class Seen:
    """One case on the learner's input: everything that is drawn and said."""

    lines: list[list[Row]]  # rows of one line stand side by side
    reading: str  # HTML, how to read the figure
    notice: str  # HTML, from the numbers on screen
    why: str  # HTML
    cure: str  # HTML, what one does about it
    table: list[dict]
    texts: Sequence[str] = ()  # what was encoded, for the second opinion
    below: str = ""  # HTML under the chips: a table or bars
    problems: list[str] = field(default_factory=list)  # what was cut, and why
