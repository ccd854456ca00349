"""Learner's text as data. Everything typed by a person passes through `escape` before it stands in HTML."""

import html

import streamlit as st


def escape(text: object, limit: int = 200) -> str:
    """`text` as HTML that shows it literally; beyond `limit` characters the end is cut and marked."""
    text = str(text)
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return html.escape(shown, quote=True)


def prose(text: str, css_class: str = "labs-prose") -> None:
    """A paragraph of the page's own HTML, if there is anything to say.

    Markdown is not used here, because it would also read the learner's text.
    """
    if text:
        st.html(f'<p class="{css_class}">{text}</p>')


def problem(sentence: str | None) -> None:
    """What is wrong and what would be right, beside the control that it concerns. Nothing when there is no problem."""
    if sentence:
        st.html(f'<p class="labs-problem" role="alert">{escape(sentence, limit=600)}</p>')
