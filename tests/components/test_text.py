"""Learner's text stays text."""

import html

from hypothesis import given
from hypothesis import strategies as st

from components import text


@given(st.text(max_size=200))
def test_escaped_text_holds_no_markup_and_says_the_same(value):
    escaped = text.escape(value)
    assert not set(escaped) & set("<>\"'")
    assert html.unescape(escaped) == value or "&" in value


def test_markup_is_shown_literally():
    assert text.escape('<b>x</b> & "y"') == "&lt;b&gt;x&lt;/b&gt; &amp; &quot;y&quot;"


@given(st.text(min_size=21, max_size=100), st.integers(2, 20))
def test_a_text_beyond_the_limit_is_cut_and_marked(value, limit):
    shown = html.unescape(text.escape(value.replace("&", "+"), limit))
    assert len(shown) <= limit
    assert shown.endswith("…")


def test_what_is_no_text_is_shown_as_text():
    assert text.escape(3.5) == "3.5"
