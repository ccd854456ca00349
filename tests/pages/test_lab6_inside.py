"""Lab 6, section 9: what is drawn of the model's inside is what the model has inside, at the token being written."""

import base64
import re

import numpy as np
import pytest
import torch

from components.figures.lens import WEIGHT_STEPS
from engine import models
from engine.decoding import Generation, greedy, sample
from pages.lab6_generation import inside
from pages.lab6_generation.params import START

SPOT = 4  # the token that is being written at the defaults: the dog's name, for the second time


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


def prompt_ids(story, prompt: str) -> list[int]:
    return [*story.tokenizer.start_ids, *story.tokenizer.encode(prompt)]


def written(story) -> Generation:
    """What the model writes behind the prompt of the defaults."""
    eos_id = story.tokenizer.eos_id
    return greedy(story.model, prompt_ids(story, START), max_new_tokens=30, eos_id=eos_id, keep_steps=True)


def numbers(figure: dict, name: str) -> np.ndarray:
    """(n_layers + 1, n_places) or, for "p", (n_layers + 1, n_places, n_top)."""
    lens = figure["lens"]
    shape = (lens["layers"] + 1, lens["n"]) + ((lens["nTop"],) if name == "p" else ())
    return np.frombuffer(base64.b64decode(lens[name]), dtype="<f4").reshape(shape)


def attention(figure: dict) -> np.ndarray:
    """(n_layers, n_heads, n_places, keys)"""
    packed = figure["attention"]
    steps = np.frombuffer(base64.b64decode(packed["weights"]), dtype="<u2")
    return steps.reshape(packed["layers"], packed["heads"], packed["n"], packed["keys"]) / WEIGHT_STEPS


def test_it_opens_where_the_name_comes_back(open_lab6, story):
    page = open_lab6("inside")
    figure = page.figure("lens")
    ids = prompt_ids(story, START) + written(story).ids
    assert list(figure["ids"]) == ids
    place = figure["choice"]["place"]
    assert place == len(prompt_ids(story, START)) + SPOT - 2
    assert (figure["texts"][place], figure["texts"][place + 1]) == (".", " Spot")
    assert figure["texts"][: place + 1].count(" Spot") == 1
    assert "“·Spot” takes the lead" in page.html()
    assert page.link() == {"section": "inside"}
    assert "✗" not in page.html()
    assert page.html().count("✓") == 2


def test_the_last_row_holds_the_probabilities_with_which_the_text_was_written(open_lab6, story):
    figure = open_lab6("inside").figure("lens")
    steps = written(story).steps
    first = figure["places"][0] - figure["lens"]["first"]
    ours = np.log(numbers(figure, "targetP")[-1, first:])
    np.testing.assert_allclose(ours, [step.log_prob for step in steps], atol=1e-4)  # written token by token: rounding
    np.testing.assert_array_equal(numbers(figure, "rank")[-1, first:], [step.rank for step in steps])
    np.testing.assert_allclose(numbers(figure, "entropy")[-1, first:], [step.entropy for step in steps], atol=1e-4)


def test_every_row_is_the_head_over_that_blocks_stream(open_lab6, story):
    page = open_lab6("inside")
    figure = page.figure("lens")
    place = figure["choice"]["place"]
    with torch.inference_mode():
        trace = story.model.trace([list(figure["ids"])[:-1]])
        rows = [story.model.lens(state[0, place]).softmax(dim=-1) for state in trace.hidden_states]
    top = np.array(figure["lens"]["top"]).reshape(numbers(figure, "p").shape)
    column = place - figure["lens"]["first"]
    for depth, row in enumerate(rows):
        assert figure["wordIds"][top[depth, column, 0]] == int(row.argmax())
        assert numbers(figure, "p")[depth, column, 0] == pytest.approx(row.max().item(), abs=1e-5)
    said = re.search(r"After block (\d) “·Spot” takes the lead \((\d\.\d\d)\)", page.html())
    assert f"{rows[int(said[1])][figure['ids'][place + 1]].item():.2f}" == said[2]


def test_attention_is_the_models_own_and_adds_up_to_1(open_lab6, story):
    page = open_lab6("inside", in_view="attention")
    figure = page.figure("lens")
    with torch.inference_mode():
        trace = story.model.trace([list(figure["ids"])[:-1]])
    theirs = torch.stack([layer.weights[0] for layer in trace.layers])[:, :, figure["attention"]["first"] :]
    np.testing.assert_allclose(attention(figure), theirs, atol=1 / WEIGHT_STEPS)
    np.testing.assert_allclose(attention(figure).sum(axis=-1), 1, atol=1e-3)
    choice = figure["choice"]
    row = theirs[choice["layer"] - 1, choice["head"] - 1, choice["place"] - figure["attention"]["first"]]
    assert figure["texts"][int(row.argmax())] == " Spot"
    assert f"reads “·Spot” with weight <b>{row.max():.2f}</b>" in page.html()
    assert "transformers’ eager attention agree" in page.html()


def test_a_mean_over_heads_is_named_and_computed(open_lab6):
    page = open_lab6("inside", in_view="attention", in_layer="3", in_head="0")
    assert "the mean of block 3’s 4 heads reads" in page.html()
    page.set("in_layer", 0)
    figure = page.figure("lens")
    row = attention(figure)[:, :, figure["choice"]["place"] - figure["attention"]["first"]].mean(axis=(0, 1))
    assert f"with weight <b>{row.max():.2f}</b>" in page.html()
    assert "the mean of all 24 heads reads" in page.html()


def test_a_long_prompt_keeps_its_beginning_in_one_chip_and_no_weight_is_lost(open_lab6):
    long = "Tom had a red ball. " * 30
    page = open_lab6("inside", prompt=long, in_view="attention")
    figure = page.figure("lens")
    assert figure["texts"][0].endswith("earlier⟩")
    n_written = figure["places"][1] - figure["places"][0] + 1
    assert len(figure["texts"]) == 1 + inside.inside_study.MOST_BEFORE + n_written
    np.testing.assert_allclose(attention(figure).sum(axis=-1), 1, atol=1e-3)
    assert figure["texts"][figure["choice"]["place"] + 1] == figure["texts"][figure["places"][0] + SPOT]
    assert "✗" not in page.html()


def test_a_prompt_beyond_the_context_says_what_was_left_out(open_lab6):
    page = open_lab6("inside", prompt="Tom had a red ball. " * 120)
    assert "are kept, the first" in page.html()
    assert page.figure("lens")
    assert "✗" not in page.html()


def test_drawn_tokens_follow_the_seed(open_lab6, story):
    page = open_lab6("inside", in_how="sample", seed="3", in_new="10")
    ids = prompt_ids(story, START)
    theirs = sample(story.model, ids, max_new_tokens=10, seed=3, eos_id=story.tokenizer.eos_id).ids
    assert list(page.figure("lens")["ids"]) == ids + theirs
    page.set("seed", 4)
    assert list(page.figure("lens")["ids"]) != ids + theirs


def test_a_token_beyond_the_text_stays_a_wish(open_lab6):
    page = open_lab6("inside", in_new="10", in_step="25")
    assert "Token 25 was not written: this text ends with token 10" in page.html()
    figure = page.figure("lens")
    assert figure["choice"]["place"] == figure["places"][1]
    page.set("in_new", 30)
    assert page.figure("lens")["choice"]["place"] == page.figure("lens")["places"][0] + 24
    assert page.link()["in_step"] == "25"


def test_a_block_and_a_head_that_the_model_lacks_stay_wishes(open_lab6):
    page = open_lab6("inside", in_view="attention", in_layer="9", in_head="7")
    assert "Block goes up to 6 here; 9 comes back" in page.html()
    assert "head 4 of block 6 reads" in page.html()
    assert page.link()["in_layer"] == "9"


@pytest.mark.parametrize(
    "link",
    [
        {"in_step": "0"},
        {"in_step": "x"},
        {"in_layer": "99"},
        {"in_head": "-1"},
        {"in_view": "x"},
        {"in_new": "3"},
        {"seed": "-1"},
    ],
)
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab6, link):
    page = open_lab6("inside", **link)
    assert page.figure("lens")
    assert 'class="labs-problem"' in page.html()


@pytest.mark.parametrize("view", ["grid", "attention", "probability"])
@pytest.mark.parametrize("prompt", ["<b>x</b> **y** $z$", "قطة 😀", "\n\n", "<|endoftext|>", "a"])
def test_any_prompt_is_shown_as_text(open_lab6, prompt, view):
    page = open_lab6("inside", prompt=prompt, in_view=view, in_new="10")
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    assert page.figure("lens")
    assert "✗" not in page.html()


def test_an_empty_prompt_gets_a_sentence_and_nothing_is_lost(open_lab6):
    page = open_lab6("inside", in_step="7")
    page.set("prompt", "")
    assert "The prompt must hold at least one character" in page.html()
    assert page.figures("lens") == []
    page.set("prompt", START)
    figure = page.figure("lens")
    assert figure["choice"]["place"] == figure["places"][0] + 6


def test_the_buttons_set_what_they_say(open_lab6):
    page = open_lab6("inside", prompt="A cat", in_step="2")
    page.press("Which head fetched it")
    assert page.figure("lens")["view"] == "attention"
    assert "head 4 of block 5 reads “·Spot”" in page.html()
    page.press("Draw the tokens instead")
    assert page.figure("lens")["view"] == "probability"
    page.press("Where a name comes back")
    assert page.figure("lens")["view"] == "grid"
    assert page.figure("lens")["texts"][page.figure("lens")["choice"]["place"] + 1] == " Spot"


def test_what_is_chosen_in_the_figure_reaches_the_controls(open_lab6, monkeypatch):
    page = open_lab6("inside", in_view="attention")
    first = page.figure("lens")["places"][0]
    taken = {}
    monkeypatch.setattr(inside.drawing, "result", lambda key: event)
    monkeypatch.setattr(inside.state, "set_value", lambda param, value: taken.update({param.name: value}))
    shown = {inside.STEP: 4, inside.LAYER: 5, inside.HEAD: 4}
    event = {"type": "choice", "place": first + 8, "layer": 2, "head": 0}
    inside._take(first, shown)
    assert taken == {"in_step": 9, "in_layer": 2, "in_head": 0}
    taken.clear()
    event = {"type": "choice", "place": first + 3, "layer": 5, "head": 4}
    inside._take(first, shown)
    assert taken == {}
