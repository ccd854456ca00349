"""A constrained beam search, step by step: its texts as cards in banks, by how many required tokens they hold."""

from collections.abc import Callable, Sequence
from typing import Any

from components import drawing
from engine.decoding import BeamStep

TAIL = 46  # characters of a text's end on its card


def draw(
    steps: Sequence[BeamStep],
    *,
    names: Sequence[str],
    times: Sequence[int],
    needed: int,
    winner: Sequence[int],
    decode: Callable[[list[int]], str],
    shown: int,
    turn: int,
    key: str,
    alt: str,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the banks after step `shown` under those of the step before; every other step is there as well.

    names, times: of each required item its words, and at how many places they must stand. needed: the tokens that hold
    them all, which is the last bank. winner: the nodes of the best text. Events and `turn` as in beam_tree.draw.
    """
    ids: dict[int, list[int]] = {0: []}
    drawn = []
    for step in steps:
        cards = []
        for one in step.candidates:
            if one.status == "pruned":
                continue
            ids[one.node] = [*ids[one.parent], one.token_id]
            cards.append(
                {
                    "node": one.node,
                    "parent": one.parent,
                    "bank": max(0, one.bank),
                    "text": tail(decode(ids[one.node])),
                    "total": one.total_log_prob,
                    "met": [count >= wanted for count, wanted in zip(one.met, times, strict=True)],
                    "ends": one.status == "finished",
                    "wins": one.node in winner,
                }
            )
        drawn.append(cards)
    data = {"steps": drawn, "names": list(names), "needed": needed, "shown": shown, "turn": turn}
    return drawing.draw("banks", data, key=key, alt=alt, on_change=on_change)


def tail(text: str) -> str:
    """The end of a text, in one line.

    >>> tail("One day\\nSpot ran.")
    'One day⏎Spot ran.'
    """
    line = text.replace("\n", "⏎")
    return line if len(line) <= TAIL else "…" + line[-TAIL:]
