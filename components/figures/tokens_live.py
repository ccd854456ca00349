"""A text that is typed, with its tokens and their ids below it: pointing at any of the three lights up the others."""

from collections.abc import Callable, Sequence
from typing import Any

from components import drawing
from components.figures.token_strip import MOST_CHIPS, Chip, columns


def draw(
    text: str,
    tokens: Sequence[Chip],
    counters: Sequence[tuple[str, str]],
    *,
    n_tokens: int,
    key: str,
    label: str,
    alt: str,
    selected_id: int | None = None,
    show_space: bool = True,
    on_change: Callable[[], None],
) -> Any:
    """Draws the text area, the chips of `tokens` and their ids, and the counters above them.

    Typing is reported at once as {"type": "text", "text"}; while the answer is on its way, the newest text waits for
    it. A click on a token or an id is {"type": "token", "index", "id"}. counters: (name, value as it is
    written). n_tokens: of the whole text, where `tokens` are only its first.
    """
    return drawing.draw(
        "tokens_live",
        {
            **columns(tokens[:MOST_CHIPS]),
            "text": text,
            "label": label,
            "counters": [list(one) for one in counters],
            "left": max(0, n_tokens - MOST_CHIPS),
            "selectable": True,
            "selected": None,
            "selectedId": selected_id,
            "showIds": False,
            "showSpace": show_space,
        },
        key=key,
        alt=alt,
        on_change=on_change,
    )
