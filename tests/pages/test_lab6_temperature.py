"""Lab 6, section 8: the curves are the stored numbers, the texts those of the chosen temperature, the words true."""

import html
import math
import re

import pytest
import torch

from engine import jobs, models
from engine.decoding import sample
from engine.experiments import beginnings
from engine.experiments.temperatures import BUNDLED_STORIES, as_ids
from engine.known_words import known_words
from pages.lab6_generation import temperature, temperature_texts, temperature_words
from pages.lab6_generation.params import START


def plot(page, title: str) -> dict:
    return next(one for one in page.figure("plots")["plots"] if one["title"].startswith(title))


def texts(page) -> list[str]:
    whole = page.html()[page.html().index('<div class="labs-stories"') :]
    found = re.findall(r'<div class="labs-story"[^>]*>(.*?)</div>', whole, flags=re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", one)) for one in found]


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


def test_the_page_opens_on_the_stored_curves_and_its_link_is_bare(open_lab6):
    page, stored = open_lab6("temperature"), jobs.stored("temperature")
    assert page.link() == {"section": "temperature"}
    assert "✗" not in page.html()
    assert 'class="labs-problem"' not in page.html()
    alike = plot(page, "How alike")["series"][0]
    assert alike["x"] == list(stored.config.temperatures)
    assert alike["y"] == [row["self_bleu"] for row in stored.events]
    known = plot(page, "Words that are words")["series"][0]["y"]
    assert known == pytest.approx([100 * row["known_words"] for row in stored.events])
    assert page.figure("plots")["selected"] == 1
    assert stored.command in page.html()


def test_the_texts_are_those_of_the_chosen_temperature_and_seed(open_lab6, story):
    page = open_lab6("temperature", te_t="0.7", te_tokens="40", seed="11")
    ids = [*story.tokenizer.start_ids, *story.tokenizer.encode(START)]
    written = sample(
        story.model, ids, max_new_tokens=40, temperature=0.7, seed=11, eos_id=story.tokenizer.eos_id, num_return=3
    )
    own = [[one for one in text.ids if one != story.tokenizer.eos_id] for text in written]
    assert texts(page) == [START + story.tokenizer.decode(one) for one in own]
    assert page.figure("plots")["selected"] == 0.7


def test_words_that_are_none_are_underlined_and_no_others():
    text = "The dog blorfed. It WAS happy, said Lily's mom; zxq!"
    pieces = temperature_texts.pieces(text)
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.text for piece in pieces if piece.mark] == ["blorfed", "zxq"]
    assert {"the", "dog", "lily's"} <= known_words()


def test_the_stored_cross_entropy_is_what_transformers_says(open_lab6, story):
    bent = jobs.stored("temperature").result["bent"]
    reference = models.load_reference("story-lm")
    ids = as_ids(story, beginnings.bundled_stories(BUNDLED_STORIES))
    for at in (bent["temperatures"].index(0.7), bent["temperatures"].index(1.0)):
        theirs = temperature_texts.cross_entropy_by_transformers(reference, ids, bent["temperatures"][at])
        assert math.log(bent["bundled"][at]) == pytest.approx(theirs, abs=1e-3)
    page = open_lab6("temperature", te_t="0.7")
    assert "cross-entropy at temperature 0.7, now and in the stored study: ours and transformers’ own model agree" in (
        html.unescape(page.html())
    )


def test_the_draws_are_counted_against_the_distribution(open_lab6, story):
    page = open_lab6("temperature", te_t="1.5")
    ids = torch.tensor([[*story.tokenizer.start_ids, *story.tokenizer.encode(START)]])
    theirs = (models.load_reference("story-lm")(ids).logits[0, -1] / 1.5).softmax(dim=-1)
    first = int(theirs.argmax())
    said = re.search(r"2,000 first tokens drawn at this temperature: (\S+) (\d+) times \((\d+) expected\)", page.html())
    assert said[1].strip("·") == story.tokenizer.decode([first]).strip()
    assert int(said[3]) == round(2000 * theirs[first].item())
    assert abs(int(said[2]) - int(said[3])) < 4.5 * math.sqrt(2000 * theirs[first].item() * (1 - theirs[first].item()))


def test_draws_that_do_not_fit_are_told_apart():
    right = temperature_texts.Draws(((5, 1010, 1000.0), (None, 990, 1000.0)))
    wrong = temperature_texts.Draws(((5, 1200, 1000.0), (None, 800, 1000.0)))
    assert right.fits
    assert not wrong.fits


def test_the_words_come_from_the_rows_on_screen(open_lab6):
    page, stored = open_lab6("temperature", te_t="1.6"), jobs.stored("temperature")
    here = next(row for row in stored.events if row["temperature"] == 1.6)
    assert f"At 1.6 self-BLEU is {here['self_bleu']:.2f}" in page.html()
    assert f"{here['known_words']:.1%} of the words are known ones" in page.html()


def test_where_human_text_is_predicted_best_is_read_from_the_curve():
    bent = {"temperatures": [0.5, 1.0, 2.0], "heldout": [9.0, 8.0, 7.0], "bundled": [9.0, 8.0, 8.5]}
    assert "lowest, 7.00, at temperature 2" in temperature_words.smarter(bent, 1.0)
    assert "surer than it should be" not in temperature_words.smarter(bent, 1.0)
    bent["heldout"] = [7.5, 8.0, 9.0]
    assert "lowest, 7.50, at temperature 0.5" in temperature_words.smarter(bent, 1.0)
    assert "it is lowest at 1: there the model is surer" in temperature_words.smarter(bent, 1.0)
    bent["heldout"] = None
    assert "this project’s own stories its perplexity is lowest, 8.00, at temperature 1" in (
        temperature_words.smarter(bent, 0.5)
    )


def test_the_curve_of_human_text_ends_where_it_grows_too_large(open_lab6):
    for line in plot(open_lab6("temperature"), "Perplexity of human text")["series"]:
        assert line["y"][0] is None
        assert max(value for value in line["y"] if value) <= 1000


def test_an_empty_prompt_keeps_the_curves(open_lab6):
    page = open_lab6("temperature")
    page.set("prompt", "")
    assert "must hold at least one character" in page.html()
    assert page.figure("plots")["plots"]


@pytest.mark.parametrize("prompt", ["<b>x</b> **y** $z$ <|endoftext|>", "word " * 600, "قطة 😀"])
def test_any_prompt_is_shown_literally(open_lab6, prompt):
    page = open_lab6("temperature", te_tokens="20")
    page.set("prompt", prompt)
    assert "<b>x</b>" not in page.html()
    assert len(texts(page)) == 3
    assert "could not be drawn" not in page.html()
    assert page.widget("prompt").value == prompt


@pytest.mark.parametrize(
    "link", [{"te_t": "0"}, {"te_t": "warm"}, {"te_tokens": "10000"}, {"te_run": "x"}, {"seed": "-1"}]
)
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab6, link):
    page = open_lab6("temperature", **link)
    assert 'class="labs-problem"' in page.html()
    assert page.figures("plots")


def test_every_control_is_in_the_link():
    assert len({param.name for param in temperature.PARAMS}) == len(temperature.PARAMS)
