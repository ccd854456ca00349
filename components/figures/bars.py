"""Horizontal bars with names, in groups: a few amounts compared, the longest filling the row."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from components.text import escape

ROLES = {"query": "#0072B2", "key": "#E69F00", "value": "#009E73", "output": "#CC79A7", "plain": "#7A8794"}


@dataclass(frozen=True)
class Bar:
    """One amount. before: an earlier one of the same thing, marked by a line across the bar."""

    name: str
    value: float
    shown: str  # the amount in words
    role: str = "query"
    before: float | None = None


def draw(groups: Sequence[tuple[str, Sequence[Bar]]], *, title: str) -> None:
    """Draws (name of the group, its bars) one below the other. All bars share one scale, which begins at 0."""
    bars = [bar for _, group in groups for bar in group]
    most = max([*(bar.value for bar in bars), *(bar.before or 0.0 for bar in bars)], default=0.0) or 1.0
    rows = []
    for name, group in groups:
        rows.append(f'<span class="labs-bar-group">{escape(name)}</span>' if name else "")
        rows += [_row(bar, most) for bar in group]
    st.html(
        f'<p class="labs-label labs-bars-title">{escape(title)}</p>'
        '<div class="labs-bars labs-numbers" role="img" '
        f'aria-label="{escape(describe(groups, title), limit=900)}">{"".join(rows)}</div>'
    )


def describe(groups: Sequence[tuple[str, Sequence[Bar]]], title: str) -> str:
    """The bars in words."""
    said = "; ".join(
        f"{name + ': ' if name else ''}" + ", ".join(f"{bar.name} {bar.shown}" for bar in group)
        for name, group in groups
    )
    return f"{title}. {said}"


def _row(bar: Bar, most: float) -> str:
    ground = "color-mix(in srgb, currentColor 9%, transparent)"
    mark = ""
    if bar.before is not None:
        mark = (
            '<i style="position:absolute;top:-.15rem;bottom:-.15rem;width:0;border-left:2px dashed currentColor;'
            f'left:{bar.before / most:.1%}"></i>'
        )
    return (
        f'<span class="labs-bar-name">{escape(bar.name)}</span>'
        f'<span style="position:relative;height:1.15rem;border-radius:.2rem;background:{ground}">'
        f'<i style="display:block;height:100%;border-radius:.2rem;width:{bar.value / most:.1%};'
        f'background:{ROLES[bar.role]}"></i>{mark}</span><span>{escape(bar.shown)}</span>'
    )
