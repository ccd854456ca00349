"""Matrices as coloured cells: one large, or many small multiples on one canvas. Rows are queries, columns are keys."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components import drawing

if TYPE_CHECKING:
    import torch

LEGIBLE_CELLS = 96  # rows or columns; above it cells are averaged in blocks, and the figure says so


@dataclass(frozen=True)
class Panel:
    """One matrix. `masked` (bool, True = may not be read) is drawn hatched, never as zero."""

    values: "torch.Tensor"  # (rows, columns)
    rows: Sequence[str]
    columns: Sequence[str]
    title: str = ""
    note: str = ""
    role: str = "query"
    signed: bool = False  # scores: symmetric about 0, negative to positive
    low: float | None = 0.0
    high: float | None = 1.0
    digits: int = 2
    masked: "torch.Tensor | None" = None  # bool (rows, columns)
    muted: bool = False
    marks: Sequence[tuple[int, int]] = field(default_factory=tuple)  # (row, column) of framed cells
    mark_role: str = "negative"  # the colour of what is wrong, unless the frames mean something else
    dividers: Sequence[int] = ()  # columns before which a line is drawn
    framed: int | None = None  # a column framed over all rows
    framed_row: int | None = None  # a row framed over all columns
    texts: Sequence[str] | None = None  # one for each cell, row major, written instead of its number
    cell_width: int | None = None  # CSS pixels, for cells that hold words; square unless given. With shared_rows only


def positions(tokens: Sequence[str]) -> list[str]:
    """Tokens with their position, so that repeats stay apart: "3 the"."""
    return [f"{index} {token}" for index, token in enumerate(tokens, start=1)]


def draw(
    panels: Sequence[Panel],
    *,
    key: str,
    alt: str | None = None,
    row_axis: str = "query",
    column_axis: str = "key",
    max_cell: int | None = None,
    cell_height: int | None = None,
    per_row: int | None = None,
    numbers: bool = True,
    legend: bool = True,
    legend_panel: int = 0,
    shared_rows: bool = False,
    selectable: bool = False,
    selected: dict[str, int] | None = None,
    paint: "torch.Tensor | None" = None,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the panels with one cell size, so that they can be compared.

    cell_height: for matrices much wider than high; cells are square without it.
    shared_rows: all panels are about the same rows, whose labels stand once, on the left.
    paint: bool (rows, columns), True = may be read, of the first panel; the learner paints it cell by cell and
    `on_change` is called with `drawing.result(key)` = {"type": "paint", "cells": "0110..."}.
    selectable: a click reports {"type": "select", "panel", "row", "column"}.
    """
    data: dict[str, Any] = {
        "panels": [_plain(panel) for panel in panels],
        "rowAxis": row_axis,
        "columnAxis": column_axis,
        "numbers": numbers,
        "legend": legend,
        "legendPanel": legend_panel,
        "sharedRows": shared_rows,
        "selectable": selectable,
        "selected": selected,
    }
    if max_cell is not None:
        data["maxCell"] = max_cell
    if per_row is not None:
        data["perRow"] = per_row
    if cell_height is not None:
        data["cellHeight"] = cell_height
    if paint is not None:
        data["paint"] = {"cells": flags(paint)}
    return drawing.draw("heatmap", data, key=key, alt=alt or describe(panels), on_change=on_change)


def describe(panels: Sequence[Panel]) -> str:
    """A sentence from the numbers: the strongest cell of each of the first panels."""
    parts = []
    for panel in list(panels)[:4]:
        values = panel.values.detach().float()
        if panel.masked is not None:
            values = values.masked_fill(panel.masked, float("-inf"))
        if values.numel() == 0:
            continue
        row, column = divmod(int(values.argmax()), values.shape[1])
        name = f"{panel.title}: " if panel.title else ""
        parts.append(f"{name}strongest {panel.rows[row]} to {panel.columns[column]}, {values[row, column]:.2f}")
    more = f"; and {len(panels) - 4} more" if len(panels) > 4 else ""
    return "; ".join(parts) + more


def pool(values: "torch.Tensor", labels: Sequence[str]) -> tuple["torch.Tensor", list[str], int]:
    """Square `values` averaged in blocks until it can be drawn legibly: (values, labels, tokens per block)."""
    import torch.nn.functional as F

    block = -(-len(labels) // LEGIBLE_CELLS)
    if block == 1:
        return values, list(labels), 1
    pooled = F.avg_pool2d(values.detach()[None].float(), block, ceil_mode=True, count_include_pad=False)[0]
    starts = range(0, len(labels), block)
    return pooled, [f"{start + 1}–{min(start + block, len(labels))}" for start in starts], block


def _plain(panel: Panel) -> dict[str, Any]:
    plain = {
        "title": panel.title,
        "note": panel.note,
        "rows": list(panel.rows),
        "columns": list(panel.columns),
        "values": floats(panel.values),
        "role": panel.role,
        "signed": panel.signed,
        "low": panel.low,
        "high": panel.high,
        "digits": panel.digits,
        "muted": panel.muted,
        "dividers": list(panel.dividers),
        "framed": panel.framed,
        "framedRow": panel.framed_row,
        "marks": [list(mark) for mark in panel.marks],
        "markRole": panel.mark_role,
    }
    if panel.texts is not None:
        plain["texts"] = list(panel.texts)
    if panel.cell_width is not None:
        plain["cellWidth"] = panel.cell_width
    if panel.masked is not None:
        plain["masked"] = flags(panel.masked)
    return plain


def floats(values: "torch.Tensor") -> str:
    """Numbers as the browser parts take them: float32, row major, base64."""
    return base64.b64encode(values.detach().float().cpu().contiguous().numpy().tobytes()).decode()


def flags(marked: "torch.Tensor") -> str:
    """Bools, or whole numbers below 256, as the browser parts take them: one byte each, base64."""
    return base64.b64encode(marked.detach().cpu().byte().contiguous().numpy().tobytes()).decode()
