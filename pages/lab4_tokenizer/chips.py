"""Tokens as chips, and pieces of text in sentences with their white space visible."""

from collections.abc import Collection, Iterable

from components.figures.token_strip import Chip, readable
from components.text import escape
from components.white_space import visible
from engine.tokenizer import BPETokenizer
from engine.tokenizer.faults import is_partial


def from_ids(tokenizer: BPETokenizer, ids: Iterable[int], *, marked: Collection[int] | None = None) -> list[Chip]:
    """Chips of ids. marked: places in the colour of warnings; all others are then grey, and special tokens purple.

    Without `marked` neighbours have different tints, so that a token is told from the next one.
    """
    specials = set(tokenizer.special_tokens.values())
    found, n_before = [], 0  # characters that have begun before the token
    for place, number in enumerate(ids):
        token = tokenizer.token_bytes(number)
        begins = [byte & 0xC0 != 0x80 for byte in token]  # a byte 10xxxxxx goes on with a character
        start, end = n_before - (not begins[0]), n_before + sum(begins)
        role = "" if marked is None else _role(place in marked, number in specials)
        found.append(
            Chip(readable(token), number, max(start, 0), end, role, _note(token, number in specials), raw=token)
        )
        n_before = end
    return found


def of_text(tokenizer: BPETokenizer, text: str) -> list[Chip]:
    """Chips of a text, encoded as ordinary text."""
    return from_ids(tokenizer, tokenizer.encode(text))


def _role(marked: bool, special: bool) -> str:
    return "negative" if marked else "output" if special else "plain"


def _note(token: bytes, special: bool) -> str:
    if special:
        return "a special token"
    return "holds a part of a character" if is_partial(token) else ""


def quote(piece: str | bytes) -> str:
    """A token or a short text within a sentence, as HTML: white space visible, bytes of a cut character in hex."""
    shown = escape(visible(readable(piece) if isinstance(piece, bytes) else piece), 60)
    return f"<code style='unicode-bidi: isolate'>{shown}</code>"


def count(n_tokens: int) -> str:
    """How many tokens there are, after a title."""
    plural = "" if n_tokens == 1 else "s"
    return f"<span class='labs-numbers' style='opacity: .75; margin-left: .7em'>{n_tokens:,} token{plural}</span>"
