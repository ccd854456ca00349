"""Output heads: one text's tokens on top, under them each head's stages with their shapes, and its answer as bars."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Bar:
    """One row: what it is, how much, and the number as it is written."""

    label: str
    value: float
    text: str
    role: str = "query"
    marked: bool = False  # the one to look for
    faint: bool = False  # shown, but it does not count


@dataclass(frozen=True)
class Bars:
    """Rows under one title. signed: the bars leave a middle line to both sides."""

    title: str
    rows: Sequence[Bar]
    high: float = 1.0  # the value of a full bar
    signed: bool = False
    compact: bool = False  # many rows


@dataclass(frozen=True)
class Head:
    """One head: its stages as (what is done, shape after it), and what comes out."""

    title: str
    stages: Sequence[tuple[str, str]]
    bars: Sequence[Bars]
    foot: Sequence[str] = field(default_factory=tuple)


def draw(
    tokens: Sequence[str],
    heads: Sequence[Head],
    *,
    key: str,
    alt: str,
    caption: str,
    shape: str,
    chosen: int | None = None,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the heads side by side. A click on a token (not the first or last) reports {"type": "select", "index"}.

    caption, shape: what the tokens have become, over the strip. chosen: the token that is framed, from 0.
    """
    data = {
        "tokens": list(tokens),
        "chosen": chosen,
        "caption": caption,
        "shape": shape,
        "heads": [_plain(head) for head in heads],
    }
    return drawing.draw("heads", data, key=key, alt=alt, on_change=on_change)


def _plain(head: Head) -> dict[str, Any]:
    bars = [{**vars(group), "rows": [dict(vars(row)) for row in group.rows]} for group in head.bars]
    return {
        "title": head.title,
        "stages": [list(stage) for stage in head.stages],
        "bars": bars,
        "foot": list(head.foot),
    }
