"""Lab 1, section 1: the picture is the model's own numbers, and every link and text gets an answer."""

import base64

import numpy as np
import pytest
import torch

from engine.patterns import head_patterns
from pages.lab1_attention.idea import HABITS


def weights_of(page) -> dict[str, float]:
    figure = page.figure("reading")
    n = len(figure["tokens"])
    values = np.frombuffer(base64.b64decode(figure["weights"]), dtype="<f4").reshape(n, n)
    return dict(zip(figure["tokens"], values[figure["reader"]].tolist(), strict=True))


def test_it_opens_on_it_reading_animal(open_lab1):
    page = open_lab1("idea")
    figure = page.figure("reading")
    assert figure["tokens"][figure["reader"]] == "it"
    assert weights_of(page)["animal"] == pytest.approx(0.68, abs=0.005)
    assert "0.68" in page.html()
    assert "ours and torch agree" in page.html()


def test_one_button_changes_tired_to_wide_and_animal_falls(open_lab1):
    page = open_lab1("idea")
    page.press("“tired” becomes “wide”")
    weights = weights_of(page)
    assert weights["animal"] == pytest.approx(0.28, abs=0.005)
    assert weights["street"] == pytest.approx(0.12, abs=0.005)
    assert weights["[CLS]"] == pytest.approx(0.33, abs=0.005)
    assert "wide" in page.link()["text"]


def test_the_sentence_layer_head_and_reader_come_from_the_link_and_go_back_into_it(open_lab1):
    page = open_lab1("idea", text="dogs chase cats", layer="1", head="3", reader="3")
    figure = page.figure("reading")
    assert figure["tokens"] == ["[CLS]", "dogs", "chase", "cats", "[SEP]"]
    assert figure["reader"] == 2
    assert page.link() == {"text": "dogs chase cats", "layer": "1", "head": "3", "reader": "3"}


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "at least one letter"), ("   ", "at least one letter"), ("word " * 100, "cut after 40 tokens")],
)
def test_a_text_that_cannot_be_shown_whole_gets_a_sentence_and_stays(open_lab1, text, says):
    page = open_lab1("idea")
    page.set("text", text)
    assert says in page.html()
    assert page.widget("text").value == text


@pytest.mark.parametrize("text", ["<b>bold</b> **stars** $x$ :smile:", "שלום עולם", "🙂🙃", "x"])
def test_hostile_and_foreign_text_is_only_text(open_lab1, text):
    page = open_lab1("idea", text=text)
    assert page.widget("text").value == text
    assert "<b>bold" not in page.html()
    assert page.figure("reading")["tokens"][0] == "[CLS]"


def test_impossible_links_say_what_would_be_right(open_lab1):
    page = open_lab1("idea", layer="99", head="x")
    assert "layer must be a whole number from 1 to 6; the link says 99" in page.html()
    assert "head must be a whole number from 1 to 12" in page.html()
    assert page.widget("layer").value == 4


def test_a_reader_beyond_a_short_text_is_said_and_comes_back(open_lab1):
    page = open_lab1("idea")
    page.set("text", "dogs chase cats")
    assert page.figure("reading")["reader"] == 3, "the last word, not [SEP]"
    assert "Reading token 11: this text has 5 tokens" in page.html()
    page.set("text", "The animal didn't cross the street because it was too tired.")
    assert page.figure("reading")["tokens"][page.figure("reading")["reader"]] == "it"
    assert "this text has" not in page.html()


def test_every_pattern_has_its_words():
    special = torch.tensor([True, False, False, True])
    (pattern,) = head_patterns(torch.full((1, 4, 4), 0.25), special)
    assert {*pattern.scores, "mixed"} == set(HABITS)
