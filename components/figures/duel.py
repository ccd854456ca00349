"""Two texts from one beginning, token by token, and for the chosen token the distribution it was chosen from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Row:
    """One token that could have come: what it is, its share for the model, and its share after the filter (0: out)."""

    label: str
    probability: float
    filtered: float
    rank: int  # 0 for the likeliest


@dataclass(frozen=True)
class Choice:
    """What one token was chosen from. `rows` best first; `taken` is the place of the chosen one among them."""

    rows: Sequence[Row]
    taken: int
    n_kept: int  # tokens the filter left
    kept_mass: float  # their share of the model's probability
    draw: float | None  # the random number; None where none was drawn


@dataclass(frozen=True)
class Side:
    """One of the two texts."""

    title: str
    rule: str  # how it chooses, in a few words
    tokens: Sequence[str]
    choices: Sequence[Choice]  # one a token
    marked_from: Sequence[int | None]  # the token, from 0, whose arrival shows that this one stands in a repeated run
    repeats: Sequence[float]  # the share of repeated runs in the text up to each token
    role: str
    ended: bool = False  # by itself, so that the other one may be longer


def draw(
    sides: Sequence[Side],
    *,
    key: str,
    name: str,
    beginning: str,
    token: int,
    parts_at: int | None,
    alt: str,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the two texts up to `token` (from 1), with a slider and a button that lets them grow.

    name: of the two texts; others bring the figure to `token`. parts_at: the first token, from 0, where they differ.
    Coming to rest at another token reports {"type": "token", "token"}.
    """
    data = {
        "name": name,
        "beginning": beginning,
        "token": token,
        "partsAt": parts_at,
        "sides": [_plain(side) for side in sides],
    }
    return drawing.draw("duel", data, key=key, alt=alt, on_change=on_change)


def _plain(side: Side) -> dict[str, Any]:
    return {
        "title": side.title,
        "rule": side.rule,
        "tokens": list(side.tokens),
        "markedFrom": list(side.marked_from),
        "repeats": [round(share, 4) for share in side.repeats],
        "role": side.role,
        "ended": side.ended,
        "choices": [
            [
                [[row.label, round(row.probability, 5), round(row.filtered, 5), row.rank] for row in choice.rows],
                choice.taken,
                choice.n_kept,
                round(choice.kept_mass, 4),
                choice.draw,
            ]
            for choice in side.choices
        ],
    }
