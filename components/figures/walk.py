"""A learner as the decoder: the tokens chosen so far, the ones that could come next, and others' texts beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Chosen:
    """A token of the text, and what the model thought at that step."""

    text: str
    probability: float
    entropy: float
    rank: int  # 1 is the likeliest


@dataclass(frozen=True)
class Choice:
    """A token that could come next."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True)
class Row:
    """One text that is compared: its log probability and its mean a token."""

    name: str
    text: str
    log_prob: float
    mean: float
    role: str


@dataclass(frozen=True)
class Fork:
    """One of the learner's texts. `shared`: its beginning that the active text has too."""

    shared: str
    own: str
    n_tokens: int
    log_prob: float
    mean: float


def draw(
    prompt: str,
    chosen: Sequence[Chosen],
    choices: Sequence[Choice],
    *,
    rows: Sequence[Row],
    forks: Sequence[Fork],
    active: int,
    over: str = "",
    key: str,
    alt: str,
    on_change: Callable[[], None],
) -> Any:
    """Draws it all; every part answers to a click.

    A click on a choice reports {"type": "take", "id"}, on a token {"type": "fork", "place"} (how many tokens stand
    before it), on a fork {"type": "switch", "index"}, on its cross {"type": "drop", "index"}; Backspace over the
    choices {"type": "back"}. over: why nothing can be chosen, in place of the choices.
    """
    data = {
        "prompt": prompt,
        "chosen": [vars(one) for one in chosen],
        "choices": [vars(one) for one in choices],
        "rows": [vars(one) for one in rows],
        "forks": [vars(one) for one in forks],
        "active": active,
        "over": over,
    }
    return drawing.draw("walk", data, key=key, alt=alt, on_change=on_change)
