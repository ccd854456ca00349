"""Colours by role, the same in every figure (Okabe and Ito's palette, safe for colour-blind readers)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RoleColour:
    light: str  # on the light theme
    dark: str  # its lighter twin, on the dark theme


ROLES = {
    "query": RoleColour("#0072B2", "#56B4E9"),
    "key": RoleColour("#E69F00", "#F2B93B"),
    "value": RoleColour("#009E73", "#35C79B"),
    "output": RoleColour("#CC79A7", "#E3A3C6"),
    "negative": RoleColour("#D55E00", "#FF8B45"),
    "plain": RoleColour("#5B6875", "#A9B4BF"),
}

PRESENTER_SCALE = 1.45  # figure labels: 13 px for one reader, 19 px for a room


def role_colours() -> list[tuple[str, str, str]]:
    """The roles as the browser parts take them: (name, light, dark)."""
    return [(name, colour.light, colour.dark) for name, colour in ROLES.items()]
