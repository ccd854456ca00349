"""Lab 2, section 10: at every place and depth the page shows what the model's head reads from the stream there."""

import base64
import re

import numpy as np
import pytest
import torch

from engine import models
from pages.lab2_block import lens
from tests.browser.labs import sections


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


def ids_of(story, text: str) -> list[int]:
    """The text as the model reads it, and the token that it would go on with."""
    ids = [*story.tokenizer.start_ids, *story.tokenizer.encode(text)]
    return [*ids, int(story.model.next_logits([ids]).argmax())]


def numbers(figure: dict, name: str) -> np.ndarray:
    held = figure["lens"]
    shape = (held["layers"] + 1, held["n"]) + ((held["nTop"],) if name == "p" else ())
    return np.frombuffer(base64.b64decode(held[name]), dtype="<f4").reshape(shape)


def test_it_is_the_last_section_of_lab_2():
    last = [one for one in sections() if one.path == "/lab2"][-1]
    assert (last.name, last.label, last.module) == ("lens", "Logit lens", lens)


def test_it_opens_on_the_place_where_a_name_must_come(open_lab2, story):
    page = open_lab2("lens")
    figure = page.figure("lens")
    assert list(figure["ids"]) == ids_of(story, lens.GIVES_BACK[0])
    place = figure["choice"]["place"]
    assert (figure["texts"][place], figure["texts"][place + 1]) == (" to", " Lily")
    assert place == figure["places"][1]
    assert "“·Lily” takes the lead after block" in page.html()
    assert "the model’s own answer" in page.html()
    assert page.link() == {"section": "lens"}
    assert "✗" not in page.html()
    assert 'class="labs-problem"' not in page.html()


def test_every_cell_is_the_head_over_the_stream_at_that_depth_and_place(open_lab2, story):
    figure = open_lab2("lens").figure("lens")
    ids = list(figure["ids"])
    with torch.inference_mode():
        states = story.model.trace([ids[:-1]]).hidden_states
        theirs = torch.stack([story.model.lens(state[0]).softmax(dim=-1) for state in states])  # (depth, place, vocab)
    top = theirs.topk(5, dim=-1)
    np.testing.assert_allclose(numbers(figure, "p"), top.values, atol=1e-5)
    named = np.array(figure["wordIds"])[np.array(figure["lens"]["top"])].reshape(top.indices.shape)
    np.testing.assert_array_equal(named[..., 0], top.indices[..., 0])
    right = theirs.gather(-1, torch.tensor(ids[1:]).expand(len(states), -1)[..., None])
    np.testing.assert_allclose(numbers(figure, "targetP"), right[..., 0], atol=1e-5)
    np.testing.assert_array_equal(numbers(figure, "rank"), (theirs > right).sum(dim=-1))


def test_one_place_shows_its_curves_and_its_words_follow(open_lab2, story):
    page = open_lab2("lens", le_view="layers", le_place="8")
    figure, plots = page.figure("lens"), page.figure("plots")["plots"]
    assert figure["view"] == "layers"
    assert figure["texts"][8] == " Tom"
    share, rank = (plot["series"][0]["y"] for plot in plots)
    np.testing.assert_allclose(share, numbers(figure, "targetP")[:, 7], rtol=1e-6)
    np.testing.assert_allclose(rank, numbers(figure, "rank")[:, 7] + 1)
    said = re.search(r"Block (\d) adds the most to it: .* goes from (\d\.\d\d) to (\d\.\d\d)\.", page.html())
    most = int(np.diff(share).argmax()) + 1
    assert said.groups() == (str(most), f"{share[most - 1]:.2f}", f"{share[most]:.2f}")


def test_the_lengths_of_the_stream_are_the_models(open_lab2, story):
    html = open_lab2("lens").html()
    with torch.inference_mode():
        states = story.model.trace([ids_of(story, lens.GIVES_BACK[0])[:-1]]).hidden_states
    assert ", ".join(f"{state[0, -1].norm():.1f}" for state in states) in html


@pytest.mark.parametrize("text", [lens.GIVES_BACK, lens.CANNOT_FLY, lens.COLD])
def test_a_prepared_text_has_as_many_tokens_as_its_button_says(story, text):
    assert len(ids_of(story, text[0])) - 1 == text[1]


def test_the_buttons_open_the_last_place_of_their_text(open_lab2):
    page = open_lab2("lens")
    page.press("A bird that could not …")
    figure = page.figure("lens")
    assert figure["choice"]["place"] == figure["places"][1]
    assert figure["texts"][-1] == " fly"
    page.press("Put on his warm …")
    assert page.figure("lens")["texts"][-1] == " coat"
    assert page.figure("lens")["view"] == "layers"


def test_a_place_beyond_the_text_comes_back_with_a_longer_one(open_lab2):
    page = open_lab2("lens")
    page.set("le_text", "A cat")
    assert "17 comes back with a longer text" in page.html()
    assert page.figure("lens")["choice"]["place"] == 2
    page.set("le_text", lens.GIVES_BACK[0])
    assert page.figure("lens")["choice"]["place"] == 16


def test_a_long_text_is_cut_and_says_so(open_lab2, story):
    text = "Tom had a red ball. " * 20
    page = open_lab2("lens", le_text=text)
    n_tokens = len(ids_of(story, text)) - 1
    assert f"Only the first 40 tokens are read, so that all stay legible; {n_tokens - 40:,} not" in page.html()
    assert len(page.figure("lens")["texts"]) == 41
    assert "✗" not in page.html()


def test_an_empty_text_gets_a_sentence_and_nothing_is_lost(open_lab2):
    page = open_lab2("lens", le_place="5")
    page.set("le_text", "")
    assert "The text must hold at least one character" in page.html()
    page.set("le_text", lens.GIVES_BACK[0])
    assert page.figure("lens")["choice"]["place"] == 4


@pytest.mark.parametrize("text", ["<b>x</b> **y** $z$", "قطة 😀", "\n\n", "<|endoftext|>", "a"])
@pytest.mark.parametrize("view", ["grid", "layers"])
def test_any_text_is_shown_as_text(open_lab2, text, view):
    page = open_lab2("lens", le_text=text, le_view=view)
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    assert page.figure("lens")
    assert "✗" not in page.html()


@pytest.mark.parametrize("link", [{"le_place": "0"}, {"le_place": "41"}, {"le_view": "x"}])
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab2, link):
    page = open_lab2("lens", **link)
    assert 'class="labs-problem"' in page.html()
    assert page.figure("lens")


def test_what_is_chosen_in_the_figure_reaches_the_control(monkeypatch):
    taken = {}
    monkeypatch.setattr(lens.drawing, "result", lambda key: {"type": "choice", "place": 5, "layer": 0, "head": 0})
    monkeypatch.setattr(lens.state, "set_value", lambda param, value: taken.update({param.name: value}))
    lens._take()
    assert taken == {"le_place": 6}


def test_no_name_of_a_control_is_taken_by_another_section_of_the_lab():
    names = [param.name for one in sections() if one.path == "/lab2" for param in set(one.module.PARAMS)]
    own = {param.name for param in lens.PARAMS}
    assert all(names.count(name) == 1 for name in own)
