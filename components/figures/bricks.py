"""Tensors as bricks: each with its name, its shape by axis names, and every number of it as a small coloured cell.

All are drawn by one rule, so that a view and a transpose can be followed by eye: the axis before the last two makes
blocks from left to right, the last but one makes rows, the last makes columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components import drawing
from components.figures import matrix

if TYPE_CHECKING:
    import torch

NOBODY = 255  # the owner of a number that belongs to no single token or head


@dataclass(frozen=True)
class Brick:
    """One tensor. `owners` names for each number whose it is (index into the figure's `labels`), or NOBODY."""

    name: str
    title: str
    shape: Sequence[int]
    axes: Sequence[str]
    owners: "torch.Tensor"  # whole numbers, same shape
    code: str
    comment: str
    role: str = "plain"
    wrong: "torch.Tensor | None" = field(default=None)  # bool, same shape: numbers that should not stand there


def draw(
    lines: Sequence[Sequence[Brick | None]],
    *,
    key: str,
    alt: str,
    labels: Sequence[str],
    legend: str,
    selected: str,
    wrong_label: str = "not the number that belongs here",
    picture_height: int = 54,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws lines of bricks in a grid. A click reports {"type": "select", "name"}; labels: whose the colours are."""
    data = {
        "lines": [[_plain(brick) for brick in line] for line in lines],
        "labels": list(labels),
        "legend": legend,
        "selected": selected,
        "wrongLabel": wrong_label,
        "pictureHeight": picture_height,
    }
    return drawing.draw("bricks", data, key=key, alt=alt, on_change=on_change)


def _plain(brick: Brick | None) -> dict[str, Any] | None:
    if brick is None:
        return None
    plain = {
        "name": brick.name,
        "title": brick.title,
        "shape": list(brick.shape),
        "axes": list(brick.axes),
        "owners": matrix.flags(brick.owners),
        "code": brick.code,
        "comment": brick.comment,
        "role": brick.role,
    }
    if brick.wrong is not None:
        plain["wrong"] = matrix.flags(brick.wrong)
    return plain
