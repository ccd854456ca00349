"""Written texts side by side, with the words marked that a section talks about."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from components.text import escape

LOOP, LOOP_AGAIN, AGAIN, UNKNOWN = "loop", "loop-again", "again", "unknown"
NO_LIMIT = 10**6


@dataclass(frozen=True)
class Piece:
    """A stretch of a text with one mark: LOOP and LOOP_AGAIN by turns for the times a phrase is said in a row, AGAIN
    for a run of tokens that stood there before, UNKNOWN for a word that is none; "" for none."""

    text: str
    mark: str = ""


@dataclass(frozen=True)
class Story:
    """One written text under its title. `given` is what it goes on from, `note` a line of plain words above it."""

    title: str
    pieces: Sequence[Piece]
    given: str = ""
    note: str = ""


def draw(stories: Sequence[Story], *, height: str = "") -> None:
    """Draws the texts in columns, literally, line ends kept. height: of a text at most, in CSS; then it scrolls."""
    columns = "".join(_column(story) for story in stories)
    limit = f"--height:{height};" if height else ""
    st.html(f'<div class="labs-stories" style="--n:{len(stories)};{limit}">{columns}</div>')


def _column(story: Story) -> str:
    given = f'<span class="labs-story-given">{_literal(story.given)}</span>' if story.given else ""
    note = f'<p class="labs-reading">{escape(story.note)}</p>' if story.note else ""
    body, title = "".join(_marked(piece) for piece in story.pieces), escape(story.title)
    return (
        f'<div><p class="labs-label">{title}</p>{note}'
        f'<div class="labs-story" tabindex="0" role="group" aria-label="{title}">{given}{body}</div></div>'
    )


def _marked(piece: Piece) -> str:
    if not piece.mark:
        return _literal(piece.text)
    return f'<mark class="labs-story-{piece.mark}">{_literal(piece.text)}</mark>'


def _literal(text: str) -> str:
    return escape(text, limit=NO_LIMIT)
