"""Lab 4, section 4: the text, its tokens and ids as the browser gets them, and what wrong input gives."""

import json

import pytest
import tokenizers as library

from components import drawing, state, tokenizers
from components.figures.token_strip import Chip, columns, readable
from components.figures.token_tree import written
from engine.corpora import corpus_text
from engine.tokenizer import BPETokenizer
from engine.tokenizer.files import to_json
from pages.lab4_tokenizer import tokens
from pages.lab4_tokenizer import tokens_words as words


def live(page) -> dict:
    (data,) = page.figures("tokens_live")
    return data


def test_ids_are_those_of_tokenizers(open_lab4):
    data = live(open_lab4("tokens", text="The  old keeper's café\n\tcosts 12345 żółw 🦤."))
    theirs = library.Tokenizer.from_str(json.dumps(to_json(tokenizers.bundled())))
    assert data["ids"] == theirs.encode(data["text"]).ids


def test_counters_count_characters_bytes_and_tokens(open_lab4):
    data = live(open_lab4("tokens", text="żółw 🦤"))
    n = len(data["ids"])
    wanted = [["characters", "6"], ["bytes", "12"], ["tokens", str(n)], ["bytes per token", f"{12 / n:.2f}"]]
    assert data["counters"] == wanted


def test_the_agreement_line_and_the_two_misconceptions_stand_there(open_lab4):
    page = open_lab4("tokens")
    assert "ours and tokenizers agree: the same" in page.html()
    assert "are not one token" in page.html()
    assert "longest token" in page.html()


def test_the_button_shows_words_that_the_longest_match_cuts_otherwise(open_lab4):
    page = open_lab4("tokens")
    page.press("Where the longest match differs")
    assert live(page)["text"] == words.LONGEST
    assert "Encoding does not take the longest token that fits" in page.html()


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ({"type": "text", "text": "two  owls"}, {"text": "two  owls"}),
        ({"type": "token", "index": 3, "id": 300}, {"s_id": 300}),
        (None, {}),
    ],
)
def test_what_is_typed_or_clicked_sets_its_control(monkeypatch, event, wanted):
    taken = {}
    monkeypatch.setattr(drawing, "result", lambda key: event)
    monkeypatch.setattr(state, "set_value", lambda param, value: taken.update({param.name: value}))
    tokens._take()
    assert taken == wanted


@pytest.mark.parametrize("number", ["0", "300", "2047"])
def test_a_chosen_id_is_taken_apart(open_lab4, number):
    page = open_lab4("tokens", s_id=number)
    (tree,) = page.figures("token_tree")
    token = tokenizers.bundled().token_bytes(int(number))
    assert tree["texts"][-1] == written(token)
    assert live(page)["selectedId"] == int(number)
    assert f"id {int(number):,}" in page.html()


def test_an_id_beyond_the_vocabulary_gives_a_sentence_and_the_longest_token(open_lab4):
    page = open_lab4("tokens", s_id="50000")
    assert "This vocabulary’s ids go up to 2,047; 50,000 comes back with a larger one." in page.html()
    assert page.link()["s_id"] == "50000"
    assert page.figures("token_tree")


@pytest.mark.parametrize("wrong", ["abc", "-1", "9999999", "1.5"])
def test_an_impossible_id_in_the_link_gives_a_sentence(open_lab4, wrong):
    page = open_lab4("tokens", s_id=wrong)
    assert "s_id must be a whole number" in page.html()
    assert "the longest token of your text" in page.html()


def test_an_empty_text_has_no_tokens_and_asks_for_one(open_lab4):
    page = open_lab4("tokens", text="")
    assert live(page)["ids"] == []
    assert ["bytes per token", "–"] in live(page)["counters"]
    assert "Type a text" in page.html()


def test_a_text_that_is_too_long_gives_a_sentence_and_is_kept(open_lab4, monkeypatch):
    monkeypatch.setattr("pages.lab4_tokenizer.tokens.MOST_CHARACTERS", 20)
    page = open_lab4("tokens", text="a" * 21)
    assert "must have at most 20 characters here, and it has 21" in page.html()
    assert live(page)["text"] == "a" * 21


def test_a_long_text_draws_its_first_tokens_and_counts_all(open_lab4):
    page = open_lab4("tokens", text="🦤ש<b>x</b>" * 1_000)
    data = live(page)
    assert len(data["ids"]) == 2_000
    assert data["left"] > 2_000
    assert data["counters"][0] == ["characters", "10,000"]


def test_half_a_surrogate_pair_gives_a_sentence_and_a_link(open_lab4):
    page = open_lab4("tokens")
    page.app.session_state["link.values"]["lab4.text"] = "half \ud83e"  # no link holds it, a script can type it
    page.run()
    assert "half a surrogate pair" in page.html()
    assert page.link()["text"].startswith("~")


@pytest.mark.parametrize("markup", ["<b>html</b>", "**y** $z$ :smile:", "<script>alert(1)</script>"])
def test_markup_is_text(open_lab4, markup):
    page = open_lab4("tokens", text=f"one {markup} two")
    assert "".join(live(page)["texts"]) == f"one {markup} two"
    assert markup not in page.html()


def test_a_saved_tokenizer_shows_the_lines_of_its_own_corpus(open_lab4):
    trained = BPETokenizer.train(corpus_text("dialogue"), 400)
    name = tokenizers.save(trained, "Mine", corpus="Dialogue", corpus_name="dialogue")
    page = open_lab4("tokens", s_tokenizer=f"my:{name}", s_id="258")
    assert "When it was learned it stood" in page.html()
    assert "Dialogue, " in page.html()


def test_a_tokenizer_of_an_unknown_corpus_says_so(open_lab4):
    name = tokenizers.save(BPETokenizer.train("low lower lowest", 260), "<b>Mine</b>")
    page = open_lab4("tokens", s_tokenizer=f"my:{name}", s_id="258")
    assert "What &lt;b&gt;Mine&lt;/b&gt; was learned from is not written in its file" in page.html()


def test_bytes_of_half_a_character_are_told_to_the_browser():
    given = columns([Chip("a", 1, raw=b"a"), Chip(readable(b"\xe2\x82"), 2, raw=b"\xe2\x82")])
    assert given["raws"] == ["", "E2 82"]


def test_signs_that_show_nothing_are_named():
    assert written("\u200d".encode()) == "ZWJ"
    assert written("\u200d".encode() + b"\xf0\x9f").startswith("ZWJ⟨F0")
    assert written("👩\u200d🚀".encode()) == "👩\u200d🚀"
