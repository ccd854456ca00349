"""Lab 6, section 5: the tree is the engine's search, the texts are transformers', and the try-this cases keep word."""

import json
import re

import pytest

from engine import models
from engine.decoding import beam_search
from pages.lab6_generation import beam
from pages.lab6_generation.beam_study import PENALTIES
from pages.lab6_generation.params import START


@pytest.fixture(scope="module")
def loaded():
    return models.load("story-lm")


def sentence_ends(tokenizer) -> list[int]:
    """The end token, and every token that is nothing but the end of a sentence."""
    texts = {number: tokenizer.token_bytes(number).decode("utf-8", "replace") for number in range(tokenizer.vocab_size)}
    return [
        tokenizer.eos_id,
        *(number for number, text in texts.items() if re.fullmatch(r"[.!?]+[\"”']*\s*", text)),
    ]


def found(loaded, values: dict) -> list:
    """What beam search finds with the settings of a try-this button."""
    named = {param.name: value for param, value in values.items()}
    tokenizer = loaded.tokenizer
    return beam_search(
        loaded.model,
        [*tokenizer.start_ids, *tokenizer.encode(named["prompt"])],
        num_beams=named["be_beams"],
        max_new_tokens=named["be_max"],
        length_penalty=named["be_penalty"],
        early_stopping={"never": "never", "0": False, "1": True}[named["be_early"]],
        eos_id=sentence_ends(tokenizer),
    )


def test_the_length_penalty_of_the_buttons_changes_the_winner(loaded):
    short, long = (found(loaded, values)[0] for values in (beam.SHORT, beam.LONG))
    assert {**beam.SHORT, beam.PENALTY: None} == {**beam.LONG, beam.PENALTY: None}
    assert short.ids != long.ids
    assert len(short.ids) < len(long.ids)


def test_the_early_stopping_of_the_buttons_changes_the_winner(loaded):
    early, patient = (found(loaded, values)[0] for values in (beam.EARLY, beam.PATIENT))
    assert {**beam.EARLY, beam.EARLY_STOPPING: None} == {**beam.PATIENT, beam.EARLY_STOPPING: None}
    assert early.ids != patient.ids
    assert early.score < patient.score


def test_the_page_opens_on_a_whole_tree_and_its_link_is_bare(open_lab6):
    page = open_lab6("beam")
    assert page.link() == {"section": "beam"}
    tree = page.figure("beam_tree")
    assert tree["columns"] == tree["shown"] == 10
    assert {one["status"] for one in tree["nodes"]} == {"kept", "finished", "pruned"}
    assert "✗" not in page.html()
    assert "the ids of all 4 texts that transformers’ generate returns are ours" in page.html()
    assert "Drawn: the first 10 of" in page.html()
    assert page.html().count("What to notice") == 1


def test_the_tree_is_the_search_of_the_engine(open_lab6, loaded):
    page = open_lab6("beam", be_beams="3", be_early="0", be_max="8")
    ids = [*loaded.tokenizer.start_ids, *loaded.tokenizer.encode(START)]
    ours = beam_search(
        loaded.model, ids, num_beams=3, max_new_tokens=8, eos_id=sentence_ends(loaded.tokenizer), keep_steps=True
    )
    drawn = {one["node"]: one for one in page.figure("beam_tree")["nodes"]}
    for step in ours[0].steps:
        for one in step.candidates:
            if one.status != "pruned":
                assert drawn[one.node]["total"] == pytest.approx(one.total_log_prob, abs=1e-4)
                assert (drawn[one.node]["parent"], drawn[one.node]["status"]) == (one.parent, one.status)
    wins = [one for one in drawn.values() if one["wins"]]
    assert wins[-1]["text"] == loaded.tokenizer.decode(ours[0].ids)
    assert len(wins) == len(ours[0].ids)


def test_the_table_of_penalties_names_each_winner(open_lab6, loaded):
    page = open_lab6("beam", prompt=beam.SAD, be_early="0")
    html = page.html()
    for penalty in PENALTIES:
        best = found(loaded, beam.SHORT | {beam.PENALTY: penalty})[0]
        assert f"“{loaded.tokenizer.decode(best.ids)}”" in html
    assert "kept the same beams in all steps that two share" in html
    assert "✗" not in html


def test_greedy_is_beside_it_and_likelier_is_not_called_better(open_lab6):
    html = open_lab6("beam", prompt=beam.SAD, be_early="0").html()
    assert "Greedy decoding writes “ she had a big dream.”" in html
    assert "times as probable" in html
    assert "Likelier is not better" in html


@pytest.mark.parametrize("label", ["Penalty −2: a short text wins", "Early stopping True", "False: another wins"])
def test_a_button_sets_its_controls_and_agrees_with_transformers(open_lab6, label):
    page = open_lab6("beam")
    page.press(label)
    assert page.widget("prompt").value == beam.SAD
    assert "✗" not in page.html()
    assert "texts that transformers’ generate returns are ours" in page.html()


@pytest.mark.parametrize(
    "link",
    [
        {"be_beams": "1", "be_early": "0"},
        {"be_penalty": "-2", "be_early": "1"},
        {"be_penalty": "3", "be_beams": "5", "be_max": "12"},
        {"ends": "story", "be_max": "12"},
        {"be_ngram": "2", "prompt": "The sun was hot, so the sun", "be_early": "0"},
    ],
)
def test_settings_agree_with_transformers(open_lab6, link):
    html = open_lab6("beam", **link).html()
    assert "✗" not in html
    assert html.count("✓") == 3


def test_texts_cut_off_at_the_length_say_so(open_lab6):
    page = open_lab6("beam", ends="story", be_max="8")
    assert page.html().count("(cut off)") == 4
    assert "the most new tokens were reached" in page.html()
    assert page.figure("beam_tree")["columns"] == 8


@pytest.mark.parametrize(("step", "shown"), [("0", 0), ("2", 2), ("10", 3)])
def test_the_step_of_a_link_is_shown_as_far_as_the_search_went(open_lab6, step, shown):
    page = open_lab6("beam", be_early="0", be_step=step)
    assert page.figure("beam_tree")["shown"] == shown
    json.dumps(page.figure("beam_tree"), allow_nan=False)


@pytest.mark.parametrize("text", ["<b>x</b> **y** $z$", "<|end|>", "قطة 😀", "word " * 600, "\n\n"])
def test_any_prompt_is_searched_and_shown_as_data(open_lab6, text):
    page = open_lab6("beam", be_max="4", be_beams="2")
    page.set("prompt", text)
    assert page.figure("beam_tree")["nodes"]
    assert "<b>x</b>" not in page.html()
    assert "could not be drawn" not in page.html()


def test_an_empty_prompt_gets_a_sentence_and_a_new_one_the_tree(open_lab6):
    page = open_lab6("beam", prompt="")
    assert "The prompt must hold at least one character" in page.html()
    assert not page.figures("beam_tree")
    page.set("prompt", "A cat")
    assert page.figure("beam_tree")["nodes"]


@pytest.mark.parametrize("link", [{"be_beams": "9"}, {"be_penalty": "x"}, {"be_early": "maybe"}, {"be_max": "10000"}])
def test_impossible_values_in_a_link_get_a_sentence_and_the_tree_stays(open_lab6, link):
    page = open_lab6("beam", **link)
    assert 'class="labs-problem"' in page.html()
    assert page.figures("beam_tree")
