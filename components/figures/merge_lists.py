"""A corpus line by line and the merges it leads to, beside the merges without some of its lines."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Line:
    """One line of the corpus. vanished, moved: how many merges change when it alone is deleted."""

    text: str
    gone: bool
    vanished: int
    moved: int


@dataclass(frozen=True)
class Row:
    """One merge, with its white space already visible."""

    first: str
    second: str
    joined: str
    count: int


def draw(
    lines: Sequence[Line],
    before: Sequence[Row],
    after: Sequence[Row],
    kept: Sequence[tuple[int, int]],
    *,
    key: str,
    alt: str,
    titles: tuple[str, str],
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the lines and the two lists; strokes join the places (before, after) in `kept`, all others are marked.

    A click on a line is reported as {"type": "line", "index"}.
    """
    data = {
        "lines": [asdict(line) for line in lines],
        "before": [asdict(row) for row in before],
        "after": [asdict(row) for row in after],
        "kept": [list(pair) for pair in kept],
        "titles": list(titles),
    }
    return drawing.draw("merge_lists", data, key=key, alt=alt, on_change=on_change)
