"""The browser part: one components-v2 part that draws every figure a server round trip would make slow.

`frontend/main.js` hands the data to the module that is named by `kind`; each module is one kind of figure.
Text is only ever set as text there (textContent, fillText), so nothing a learner types can become markup.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from components import state
from components.figures import theme

_PART = None


def draw(
    kind: str,
    data: dict[str, Any],
    *,
    key: str,
    alt: str,
    on_change: Callable[[], None] | None = None,
    width: str | int = "stretch",
) -> Any:
    """Draws one figure and returns what the learner did to it.

    kind: the name of a module in frontend/ ("heatmap", "lines", ...). data: plain values and lists for that module.
    key: stable name of the figure; it keeps its state over reruns. alt: a sentence made from the figure's numbers.
    on_change: called when the learner changed something that the page must know; `result(key)` holds it.
    """
    global _PART
    if _PART is None:
        # Registered at the first figure rather than on import: the registry exists only under a running server.
        _PART = st.components.v2.component(
            "components.drawing", html='<div class="drawing"></div>', css="drawing.css", js="main.js"
        )
    frame = {"kind": kind, "alt": alt, "roles": theme.role_colours(), "scale": _scale(), **data}
    # Streamlit looks for data frames in lists and dicts, never in tuples, and imports pandas for that look.
    frame = {name: tuple(value) if isinstance(value, list) else value for name, value in frame.items()}
    return _PART(key=key, data=frame, on_event_change=on_change or _ignore, width=width)


def result(key: str) -> Any:
    """What the figure `key` last reported (a dict), or None. For use in its `on_change`."""
    held = st.session_state.get(key)
    return held.get("event") if held else None


def _ignore() -> None:
    """An event that no page listens to."""


def _scale() -> float:
    return theme.PRESENTER_SCALE if state.presenting() else 1.0
