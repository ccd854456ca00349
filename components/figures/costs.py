"""What a model costs, as a picture: a tower of boxes whose areas are parameters, and beside it each cost with its
formula, its numbers, and its terms.

Pointing at a part lights it up everywhere; a click on a cost opens its terms. Nothing of that asks the server.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Box:
    """One part of the tower. part: what it belongs to, which gives its colour."""

    name: str
    part: str
    value: int
    text: str


@dataclass(frozen=True)
class Stack:
    """One tower: what is below its layers, one of its layers, how many there are, and what is above them."""

    title: str
    below: Sequence[Box]
    layer: Sequence[Box]
    n_layers: int
    above: Sequence[Box]


@dataclass(frozen=True)
class Row:
    """One term of a cost, with its formula in names and in numbers. share: 0 to 1."""

    name: str
    part: str
    formula: str
    worked: str
    text: str
    share: float


@dataclass(frozen=True)
class Cost:
    """One cost: its sum in words, one formula for all of it, and its terms."""

    name: str
    text: str
    note: str
    formula: str
    worked: str
    rows: Sequence[Row]


def draw(
    ground: Sequence[Box], stacks: Sequence[Stack], top: Sequence[Box], costs: Sequence[Cost], *, key: str, alt: str
) -> Any:
    """Draws the tower and the costs. ground and top: boxes that all stacks share, below and above them."""
    data = {
        "ground": [asdict(box) for box in ground],
        "stacks": [asdict(stack) for stack in stacks],
        "top": [asdict(box) for box in top],
        "costs": [asdict(cost) for cost in costs],
    }
    return drawing.draw("costs", data, key=key, alt=alt)
