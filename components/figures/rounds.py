"""Speculative decoding, round by round: what was drafted, what was kept, and what the large model put after it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components import drawing
from components.white_space import visible


@dataclass(frozen=True)
class Proposed:
    """One drafted token. chance: of being kept, None where the round ended before it was checked."""

    text: str
    chance: float | None
    kept: bool


@dataclass(frozen=True)
class RoundRow:
    """One round. own: the large model's own token, None where the text ended before it."""

    proposed: Sequence[Proposed]
    own: str | None

    @property
    def rejected(self) -> bool:
        return any(one.chance is not None and not one.kept for one in self.proposed)


def draw(prompt: str, rounds: Sequence[RoundRow], *, key: str, reads: str = "large model") -> Any:
    """Draws the text with its tokens coloured by who wrote them, and below it the rounds, in columns.

    Pointing at a round lights up what it added to the text. prompt: the end of what stood before.
    """
    data = {"prompt": prompt, "rounds": [asdict(row) for row in rounds], "reads": reads}
    return drawing.draw("rounds", data, key=key, alt=describe(rounds))


def describe(rounds: Sequence[RoundRow]) -> str:
    """The rounds in words, from their numbers."""
    drafted = sum(len(row.proposed) for row in rounds)
    kept = sum(one.kept for row in rounds for one in row.proposed)
    first = [
        f"round {number}: proposed {', '.join(visible(one.text) for one in row.proposed) or 'nothing'}, "
        f"{sum(one.kept for one in row.proposed)} kept, then {visible(row.own or 'the end')}"
        for number, row in enumerate(rounds[:3], start=1)
    ]
    return f"{len(rounds)} rounds, {drafted} tokens drafted, {kept} kept; {'; '.join(first)}"
