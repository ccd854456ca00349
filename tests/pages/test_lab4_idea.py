"""Lab 4, the idea: three cuts of one text, what each loses, and that the numbers are those of the library."""

import html
import re

import pytest

from components import tokenizers
from engine.tokenizer.sizes import truncated
from pages.lab4_tokenizer import idea

DEFAULT = idea.TEXT.default


def prose(page) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page.html())))


def rows(page) -> list[dict]:
    found = page.figures("token_strip")
    assert len(found) == 3
    return found


def test_words_lose_what_tokens_write_in_parts(open_lab4):
    page = open_lab4("idea")
    words, tokens, characters = rows(page)
    assert words["texts"].count("[unknown]") == 2
    assert [number for number in words["ids"] if number == 0] == [0, 0]
    assert "".join(tokens["texts"]) == "".join(characters["texts"]) == DEFAULT
    assert tokens["ids"] == truncated(tokenizers.bundled(), 512).encode(DEFAULT)
    said = prose(page)
    assert "[unknown] for “newest”, “widest”" in said
    assert "“newest” as ·ne + w + est" in said
    assert f"{len(characters['texts']) ** 2:,}" in said
    assert f"{512 * 384:,}" in said


def test_the_audit_lines_agree(open_lab4):
    said = prose(open_lab4("idea"))
    assert "byte-pair encoding: ours and tokenizers give the same ids" in said
    assert "words (WordLevel): ours and tokenizers give the same ids" in said
    assert "different ids" not in said


def test_with_256_entries_tokens_are_bytes(open_lab4):
    page = open_lab4("idea", i_size="256", i_small="bytes", text="naïve 😀")
    _, tokens, smallest = rows(page)
    assert tokens["ids"] == smallest["ids"]
    assert len(tokens["ids"]) == len("naïve 😀".encode())
    assert "exactly as long as tokens" in prose(page)


def test_more_entries_make_fewer_tokens_and_fewer_unknown_words(open_lab4):
    page = open_lab4("idea")
    before = rows(page)
    page.set("i_size", 2048)
    after = rows(page)
    assert len(after[1]["ids"]) < len(before[1]["ids"])
    assert "[unknown]" not in after[0]["texts"]
    assert "happens to hold all of yours" in prose(page)


def test_another_script_is_lost_to_words_and_characters_and_not_to_bytes(open_lab4):
    page = open_lab4("idea", text="오늘은 해가 빛난다", i_size="2048")
    words, _, characters = rows(page)
    assert set(words["texts"]) == {"[unknown]"}
    assert "[unknown]" in characters["texts"]
    page.set("i_small", "bytes")
    assert "[unknown]" not in rows(page)[2]["texts"]
    assert "and still lack" not in prose(page)


@pytest.mark.parametrize("label", ["Room for 2,048", "Words never met", "Another script, as bytes"])
def test_each_thing_to_try_shows_what_it_says(open_lab4, label):
    page = open_lab4("idea")
    page.press(label)
    assert page.link()["i_size"] == "2048"
    words = rows(page)[0]
    assert ("[unknown]" in words["texts"]) == (label != "Room for 2,048")


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧‍👦 🇫🇮 ½",
        "مرحبا بالعالم",
        "שלום עולם",
        "<b>x</b> **y** $z$ :smile:",
        "a",
        "...",
        "\t\ta\n\nb",
        "1 000,5",
        "\x00",
    ],
)
def test_any_text_is_drawn_and_agrees_with_the_library(open_lab4, text):
    page = open_lab4("idea", text=text)
    tokens = rows(page)[1]
    assert tokens["ids"] == truncated(tokenizers.bundled(), 512).encode(text)
    assert "different ids" not in prose(page)
    assert "<b>x</b>" not in page.html()


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_text_without_words_asks_for_one_and_keeps_its_field(open_lab4, text):
    page = open_lab4("idea")
    page.set("text", text)
    assert page.figures("token_strip") == []
    assert "Text must hold at least one character" in prose(page)
    page.set("text", "back again")
    assert len(rows(page)[1]["ids"]) > 1


def test_half_a_surrogate_pair_is_named_with_its_position(monkeypatch):
    """No browser sends one (UTF-8 has none), so the section is asked without one."""
    monkeypatch.setattr(idea.state, "get", lambda param: "ab\ud83dc" if param is idea.TEXT else param.default)
    with pytest.raises(ValueError, match="position 2 is half a surrogate pair"):
        idea._study()


def test_a_very_long_text_is_cut_with_a_sentence_and_kept_in_its_field(open_lab4):
    page = open_lab4("idea")
    page.set("text", "tower " * 20_000)
    assert "Only the first 200 characters are used here" in prose(page)
    assert len(rows(page)[2]["texts"]) == 200
    assert len(page.widget("text").value) == 120_000


@pytest.mark.parametrize(
    ("name", "value"), [("i_size", "100"), ("i_size", "many"), ("i_small", "letters"), ("i_width", "1e9")]
)
def test_an_impossible_link_gives_a_sentence_and_the_default(open_lab4, name, value):
    page = open_lab4("idea", **{name: value})
    assert f"{name} must be" in prose(page)
    assert len(rows(page)[0]["ids"]) == 12
