"""Texts that grow side by side, one lane a strategy: where each parts from the first, and its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Lane:
    """One strategy's text."""

    title: str
    setting: str  # its one knob, as it is written; "" for none
    tokens: Sequence[str]
    numbers: Sequence[str]  # one a column
    parts_at: int | None = None  # the token, from 0, at which it leaves the first lane's text
    note: str = ""  # why it ended, or what went wrong
    role: str = "plain"


def draw(
    lanes: Sequence[Lane],
    columns: Sequence[tuple[str, str]],
    *,
    key: str,
    alt: str,
    name: str,
    all_until: int | None = None,
    running: bool = False,
) -> Any:
    """Draws the lanes. While `running`, a long text is kept at its end.

    columns: (heading, a sentence under the pointer) of the numbers. name: of what is drawn; another one starts anew.
    all_until: the first token, from 0, at which not all lanes have the same.

    Raises ValueError for a lane with another count of numbers than there are columns.
    """
    for lane in lanes:
        if len(lane.numbers) != len(columns):
            raise ValueError(f"{lane.title!r} needs {len(columns)} numbers, got {len(lane.numbers)}")
    data = {
        "name": name,
        "columns": [list(column) for column in columns],
        "lanes": [_plain(lane) for lane in lanes],
        "allUntil": all_until,
        "running": running,
    }
    return drawing.draw("lanes", data, key=key, alt=alt)


def _plain(lane: Lane) -> dict[str, Any]:
    return {
        "title": lane.title,
        "setting": lane.setting,
        "tokens": list(lane.tokens),
        "numbers": list(lane.numbers),
        "partsAt": lane.parts_at,
        "note": lane.note,
        "role": lane.role,
    }
