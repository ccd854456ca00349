"""Lab 4, what goes wrong: each case computes on the learner's own input, and wrong input gives a sentence."""

import html
import re

import pytest

from components import tokenizers
from engine.corpora import corpus_text
from pages.lab4_tokenizer import wrong

CASES = list(wrong.CASES)


def prose(page) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.html()))


@pytest.mark.parametrize("case", CASES)
def test_each_case_shows_chips_a_number_a_reason_and_a_cure(open_lab4, case):
    page = open_lab4("wrong", x_case=case)
    said = prose(page)
    assert page.figures("token_strip")
    for part in ("What to notice", "Why.", "What one does about it."):
        assert part in said
    assert "✗" not in said
    assert "✓" in said


def test_a_trailing_space_changes_the_tokens_of_a_prompt(open_lab4):
    said = prose(open_lab4("wrong", x_prompt="The cat sat on the", x_word="mat"))
    assert "its lone last space is gone" in said


def test_half_characters_are_counted(open_lab4):
    page = open_lab4("wrong", x_case="half", x_half="a🦤", x_cut="2")
    said = prose(page)
    assert "held back" in said
    assert "The first 2 tokens decode to a�" in said
    page.set("x_half", "a\ufffd🦤\ufffd")
    assert "✗" not in prose(page)
    page.set("x_half", "plain words")
    assert "hold whole characters here" in prose(page)


def test_unused_tokens_are_those_that_the_corpus_lacks(open_lab4):
    page = open_lab4("wrong", x_case="glitch", x_corpus="code")
    tokenizer = tokenizers.bundled()
    missing = set(tokenizer.vocab.values()) - set(tokenizer.encode(corpus_text("code")))
    said = prose(page)
    assert f"{len(missing):,} of {len(tokenizer.vocab):,} tokens" in said
    assert f"ours counts {len(missing):,} unused tokens" in said


@pytest.mark.parametrize(
    ("case", "name", "value", "sentence"),
    [
        ("spaces", "x_word", " ", "one of them is empty"),
        ("numbers", "x_numbers", "none", "needs numbers"),
        ("capitals", "x_capitals", "", "needs a word"),
        ("capitals", "x_capitals", "東京", "has one form only"),
        ("emoji", "x_emoji", " ", "needs at least one emoji"),
        ("indent", "x_code", "", "needs a few lines of code"),
        ("half", "x_half", "", "needs a text"),
    ],
)
def test_input_that_shows_nothing_is_a_sentence(open_lab4, case, name, value, sentence):
    page = open_lab4("wrong", x_case=case)
    page.set(name, value)
    assert sentence in prose(page)
    assert page.widget(name).value == value


def test_long_and_strange_input_is_cut_and_never_read_as_markup(open_lab4):
    page = open_lab4("wrong", x_case="capitals")
    page.set("x_capitals", "<b>word</b> **y** $z$ :smile: " * 3_000)
    assert "characters are used here" in prose(page)
    assert "<b>word</b>" not in page.html()


def test_impossible_values_in_the_link_give_sentences(open_lab4):
    said = prose(open_lab4("wrong", x_case="half", x_cut="0", x_tokenizer="gpt9"))
    assert "x_cut must be a whole number from 1 to 60" in said
    assert "x_tokenizer must be one of" in said
