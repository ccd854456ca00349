"""Lines over a number, one plot or several small ones side by side, drawn by the browser: quick enough to follow a run.

A new set of numbers repaints the same canvas, so a curve can grow twice a second under a pointer that reads it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Series:
    """One line. None, NaN or infinity in `y` is a gap; series of one name are one entry of the legend."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    role: str = "query"  # whose colour, and whose shape of point, so that colour is not the only carrier
    dashed: bool = False
    faint: bool = False
    points: bool = False  # a point at every value, not only at the last one


@dataclass(frozen=True)
class Plot:
    """One pair of axes. What a logarithmic axis cannot show (0 and below) is a gap."""

    title: str
    series: Sequence[Series]
    x_title: str = ""
    y_title: str = ""
    log_x: bool = False
    log_y: bool = False
    x_range: tuple[float | None, float | None] | None = None  # None: from the numbers
    y_range: tuple[float | None, float | None] | None = None
    marks: Sequence[tuple[float, str]] = ()  # vertical lines with a word
    note: str = ""
    x_ticks: Sequence[float] = ()  # where the x axis is labelled; chosen unless given


def draw(
    plots: Sequence[Plot],
    *,
    key: str,
    alt: str | None = None,
    per_row: int | None = None,
    height: int = 240,
    selected: float | None = None,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the plots in rows, with one legend above them; pointing at one reads all its values there.

    per_row: at most so many side by side; fewer where the screen is narrow. height: of one plot with its titles, in
    CSS pixels. alt: made from the numbers unless given. selected: an x that is marked in every plot.
    on_change: makes the plots clickable; `drawing.result(key)` is then {"type": "x", "plot", "x"}.

    Raises ValueError when a series has not as many x as y.
    """
    data: dict[str, Any] = {
        "plots": [_plain(plot) for plot in plots],
        "height": height,
        "selected": selected,
        "selectable": on_change is not None,
    }
    if per_row is not None:
        data["perRow"] = per_row
    return drawing.draw("plots", data, key=key, alt=alt or describe(plots), on_change=on_change)


def describe(plots: Sequence[Plot]) -> str:
    """A sentence from the numbers: where the lines of the first plots begin and end."""
    parts = []
    for plot in list(plots)[:4]:
        held = (_described(series, plot.x_title) for series in list(plot.series)[:4])
        lines = ", ".join(line for line in held if line)
        parts.append(f"{plot.title}: {lines or 'no values yet'}")
    more = f"; and {len(plots) - 4} more" if len(plots) > 4 else ""
    return "; ".join(parts) + more


def _described(series: Series, x_title: str) -> str:
    points = [(x, y) for x, y in zip(series.x, numbers(series.y), strict=True) if y is not None]
    if not points:
        return ""
    (first_x, first), (last_x, last) = points[0], points[-1]
    place = f"{x_title} " if x_title else ""
    way = f"{first:.3g} at {place}{first_x:g}"
    return f"{series.name} {way}" + (f" to {last:.3g} at {place}{last_x:g}" if len(points) > 1 else "")


def numbers(values: Iterable[float | None]) -> list[float | None]:
    """Plain numbers, as JSON can hold them: what is missing, NaN or infinite is None."""
    plain = (None if value is None else float(value) for value in values)
    return [value if value is None or math.isfinite(value) else None for value in plain]


def _plain(plot: Plot) -> dict[str, Any]:
    return {
        "title": plot.title,
        "note": plot.note,
        "xTitle": plot.x_title,
        "yTitle": plot.y_title,
        "logX": plot.log_x,
        "logY": plot.log_y,
        "xRange": list(plot.x_range or (None, None)),
        "yRange": list(plot.y_range or (None, None)),
        "xTicks": list(plot.x_ticks),
        "marks": [[float(x), word] for x, word in plot.marks],
        "series": [_plain_series(series) for series in plot.series],
    }


def _plain_series(series: Series) -> dict[str, Any]:
    if len(series.x) != len(series.y):
        raise ValueError(f"{series.name!r} needs as many x as y, got {len(series.x)} and {len(series.y)}")
    return {
        "name": series.name,
        "x": numbers(series.x),
        "y": numbers(series.y),
        "role": series.role,
        "dashed": series.dashed,
        "faint": series.faint,
        "points": series.points,
    }
