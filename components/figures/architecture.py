"""The picture of a transformer: tokens, embedding and position, N blocks, output head. Each box is a button."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Box:
    """One step of the architecture and the lab that it leads to.

    place: "tokens", "embedding", "attention", "block", "label" or "word". open: whether the lab can be entered.
    """

    place: str
    lab: int
    title: str
    text: str
    open: bool


def draw(boxes: Sequence[Box], *, key: str, on_open: Callable[[], None]) -> Any:
    """Draws the picture. A click on an open box calls `on_open`; `opened_lab(key)` then names its lab.

    The box of a lab that is not open yet brings the element with the id "lab-<number>" into view instead.
    """
    data = {"boxes": [asdict(box) for box in boxes]}
    return drawing.draw("architecture", data, key=key, alt=describe(boxes), on_change=on_open)


def opened_lab(key: str) -> int | None:
    """The lab whose box was clicked. For use in `on_open`."""
    event = drawing.result(key)
    return int(event["lab"]) if event else None


def describe(boxes: Sequence[Box]) -> str:
    """The picture in a sentence."""
    steps = ", then ".join(f"{box.title} (Lab {box.lab}{'' if box.open else ', not open yet'})" for box in boxes)
    return f"A transformer, in the order in which a text passes it: {steps}."
