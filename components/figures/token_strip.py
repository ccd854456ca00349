"""Tokens as coloured chips in reading order: what a text is cut into, with ids, visible white space and bytes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components import drawing
from components.white_space import visible
from engine.tokenizer import Token

if TYPE_CHECKING:
    from engine.text_interface import TextInterface

NARROW = "\u202f"
MOST_CHIPS = 2_000  # more cannot be read, and a browser needs a second for them


@dataclass(frozen=True)
class Chip:
    """One token. start, end: its characters in the text; `raw`: its bytes where they are not those of `text`."""

    text: str
    id: int | None = None
    start: int = 0
    end: int = 0
    role: str | None = None  # a role's colour, "special" or "marked"; None takes the next of four calm tints
    note: str = ""  # a sentence shown under the pointer
    raw: bytes | None = None
    share: float | None = None  # 0 to 1: how far the chip is filled, from the bottom up; its number stands below it


def word(tokenizer: "TextInterface", number: int) -> str:
    """A token of a model's text with its white space, the end token by name; data, to be escaped like any text."""
    return "⟨end⟩" if number == tokenizer.eos_id else readable(tokenizer.token_bytes(number))


def shown(tokenizer: "TextInterface", number: int) -> str:
    """The same with signs for its white space, as figures write a token that stands alone."""
    return visible(word(tokenizer, number))


def readable(token: bytes) -> str:
    r"""A token as text; bytes that are no whole character stand between angle brackets, in hexadecimal.

    Narrow spaces part these bytes, so that no figure takes them for spaces of the text.

    >>> readable(b" caf\xc3\xa9"), readable(b"a\xe2\x82").replace(NARROW, "_")
    (' café', 'a⟨E2_82⟩')
    """
    shown, start = "", 0
    while start < len(token):
        try:
            return shown + token[start:].decode()
        except UnicodeDecodeError as error:
            bad, end = start + error.start, start + error.end
            shown += f"{token[start:bad].decode()}⟨{token[bad:end].hex(':').upper().replace(':', NARROW)}⟩"
            start = end
    return shown.replace("⟩⟨", NARROW)


def chips(tokens: Iterable[Token], *, roles: Sequence[str] = (), notes: Sequence[str] = ()) -> list[Chip]:
    """The chips of an engine tokenizer's tokens; roles and notes, where given, one a token."""
    return [
        Chip(
            readable(token.bytes),
            token.id,
            token.start,
            token.end,
            roles[place] if roles else None,
            notes[place] if notes else "",
            token.bytes,
        )
        for place, token in enumerate(tokens)
    ]


def draw(
    tokens: Sequence[Chip],
    *,
    key: str,
    alt: str | None = None,
    selectable: bool = False,
    selected: int | None = None,
    on_change: Callable[[], None] | None = None,
    show_ids: bool = True,
    show_space: bool = True,
    share_name: str = "share",
) -> Any:
    """Draws the chips, wrapping lines; pointing at one shows its bytes, its characters and its note.

    selectable: a click is reported as {"type": "token", "index"}, and `selected` is framed. show_space: a space is
    written as a dot, a tab as an arrow, a line end as its sign, and a new line begins after it either way.
    share_name: what the chips' shares are, such as "probability"; pointing at a chip says it with three decimals.
    """
    if alt is None:
        first = ", ".join(chip.text.strip() or "white space" for chip in tokens[:8])
        alt = f"{len(tokens):,} tokens: {first}{' and more' if len(tokens) > 8 else ''}"
    return drawing.draw(
        "token_strip",
        {
            **columns(tokens[:MOST_CHIPS]),
            "left": max(0, len(tokens) - MOST_CHIPS),
            "selectable": selectable,
            "selected": selected,
            "showIds": show_ids and any(chip.id is not None for chip in tokens),
            "showSpace": show_space,
            "shareName": share_name,
        },
        key=key,
        alt=alt,
        on_change=on_change,
    )


def columns(tokens: Sequence[Chip]) -> dict[str, list]:
    """The chips as the browser takes them: one list a field, and lists that would say nothing left empty."""
    plain = [chip.raw is None or chip.raw == chip.text.encode("utf-8", "replace") for chip in tokens]
    return {
        "texts": [chip.text for chip in tokens],
        "ids": [chip.id for chip in tokens],
        "starts": [chip.start for chip in tokens],
        "ends": [chip.end for chip in tokens],
        "roles_of": [chip.role or "" for chip in tokens] if any(chip.role for chip in tokens) else [],
        "notes": [chip.note for chip in tokens] if any(chip.note for chip in tokens) else [],
        "shares": [chip.share for chip in tokens] if any(chip.share is not None for chip in tokens) else [],
        "raws": []
        if all(plain)
        else ["" if same else chip.raw.hex(" ").upper() for chip, same in zip(tokens, plain, strict=True)],
    }
