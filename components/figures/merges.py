"""The history of a tokenizer's training, played merge by merge in the browser: text, pair counts and vocabulary."""

import base64
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from components import drawing
from components.white_space import SIGNS

if TYPE_CHECKING:
    from engine.tokenizer.history import History

_WIDE = 5  # characters of a long token that are shown at each end


def draw(
    history: "History",
    rank: int,
    *,
    key: str,
    name: str,
    most_merges: int,
    turn: int = 0,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the corpus after `rank` merges; every other rank is there as well and is reached without Python.

    name: differs when the history does. A pause reports {"type": "rank", "rank", "turn"}; the turn that Python heard
    last goes back as `turn`, so that an answer to an earlier report does not take the learner back.
    """
    merges, moments = history.merges, history.moments
    corpus = set("".join(history.pieces).encode())  # its bytes
    data = {
        "name": name,
        "rank": rank,
        "turn": turn,
        "pieces": history.pieces,
        "order": history.order,
        "taken": base64.b64encode(b"".join(history.taken)).decode(),
        "tokens": [shown(token) for token in history.tokens],
        "sizes": [len(token) for token in history.tokens],
        "merges": [[*merge.pair, merge.new_id, merge.count] for merge in merges],
        "moments": [
            [moment.n_pairs, moment.n_tied, moment.n_tokens, [[*pair, count] for pair, count in moment.candidates]]
            for moment in moments
        ],
        "used": [number for number, token in enumerate(history.tokens[:256]) if token[0] in corpus],
        "capped": len(merges) == most_merges and bool(moments[-1].candidates),
    }
    return drawing.draw("merges", data, key=key, alt=_alt(history, rank), on_change=on_change)


def shown(token: bytes) -> str:
    """A token as a reader can see it: white space as signs, bytes that are no whole character in hexadecimal.

    >>> shown(b" the"), shown("é".encode()[:1])
    ('·the', 'C3')
    """
    try:
        text = token.decode()
    except UnicodeDecodeError:
        signs = token.hex(" ").upper()
    else:
        signs = "".join(map(_sign, text))
    return signs if len(signs) <= 2 * _WIDE + 1 else f"{signs[:_WIDE]}…{signs[-_WIDE:]}"


def _sign(character: str) -> str:
    if character in SIGNS:
        return SIGNS[character]
    if unicodedata.combining(character):
        return "◌" + character  # an accent alone needs something to stand on
    return character if character.isprintable() else f"U+{ord(character):04X}"


def _alt(history: "History", rank: int) -> str:
    moment, n_merges = history.moments[rank], len(history.merges)
    said = f"After {rank} of {n_merges} merges the text has {moment.n_tokens:,} tokens. "
    if rank == n_merges:
        return said + "This is the last one."
    merge = history.merges[rank]
    first, second = (shown(history.tokens[part]) for part in merge.pair)
    return said + f"Next are joined: {first} and {second}, which stand side by side {merge.count:,} times."
