"""Lab 6, section 1: both texts are what the model writes, and every bar is what it said there."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TopPLogitsWarper

from components import models
from engine import models as known
from engine.decoding import greedy, measures, sample
from pages.lab6_generation import idea, idea_study


@pytest.fixture(scope="module")
def story():
    return known.load("story-lm")


def prompt_ids(story, text: str) -> list[int]:
    return [*story.tokenizer.start_ids, *story.tokenizer.encode(text)]


def read(tokens: list[str]) -> str:
    return "".join(tokens).removesuffix("⟨end⟩")


def test_it_opens_on_greedy_beside_top_p_and_greedy_repeats_itself_more(open_lab6, story):
    page = open_lab6("idea")
    left, right = page.figure("duel")["sides"]
    ids = prompt_ids(story, idea.BEGINNING.default)
    ours = [
        greedy(story.model, ids, max_new_tokens=80, eos_id=story.tokenizer.eos_id).ids,
        sample(story.model, ids, max_new_tokens=80, eos_id=story.tokenizer.eos_id, top_p=0.9, seed=7).ids,
    ]
    for side, wanted in zip((left, right), ours, strict=True):
        assert read(side["tokens"]) == story.tokenizer.decode(one for one in wanted if one != story.tokenizer.eos_id)
        assert side["repeats"][-1] == pytest.approx(measures.repeated(wanted), abs=1e-4)
        assert f"{measures.repeated(wanted):.0%}" in page.html()
        assert f"{measures.distinct([wanted], 2):.0%}" in page.html()
    assert left["repeats"][-1] > 0.5 > 0.1 > right["repeats"][-1]
    assert page.link() in ({}, {"section": "idea"})
    assert "✗" not in page.html()
    assert "generate(do_sample=False) are the same" in page.html()


@pytest.mark.parametrize("seed", range(0, 50, 5))
def test_samples_of_other_seeds_do_not_walk_in_a_circle_from_this_beginning(story, seed):
    ids = prompt_ids(story, idea.BEGINNING.default)
    found = sample(story.model, ids, max_new_tokens=80, top_p=0.9, seed=seed, eos_id=story.tokenizer.eos_id)
    assert measures.repeated(found.ids) < 0.25


def test_another_seed_changes_the_right_text_and_never_the_left(open_lab6):
    page = open_lab6("idea")
    before = page.figure("duel")
    for seed in (8, 9, 123):
        page.set("seed", seed)
        now = page.figure("duel")
        assert now["sides"][0]["tokens"] == before["sides"][0]["tokens"]
        assert now["sides"][1]["tokens"] != before["sides"][1]["tokens"]
        assert now["name"] != before["name"], "the figure is told that the texts are others"
    assert page.link()["seed"] == "123"


def test_every_bar_is_the_models_probability_and_the_nucleus_is_transformers(open_lab6, story):
    side = open_lab6("idea", seed="3", id_p="0.8").figure("duel")["sides"][1]
    ids = prompt_ids(story, idea.BEGINNING.default)
    new = sample(story.model, ids, max_new_tokens=80, top_p=0.8, seed=3, eos_id=story.tokenizer.eos_id).ids
    with torch.inference_mode():
        logits = models.language_model_reference("story-lm")(torch.tensor([[*ids, *new]])).logits[0, len(ids) - 1 : -1]
    shares, kept = logits.softmax(dim=-1), TopPLogitsWarper(0.8)(None, logits).softmax(dim=-1)
    for place, (rows, taken, n_kept, mass, draw) in enumerate(side["choices"]):
        best = shares[place].sort(descending=True).values
        assert [row[1] for row in rows[:7]] == pytest.approx(best[:7].tolist(), abs=2e-5)
        assert rows[taken][1] == pytest.approx(shares[place][new[place]].item(), abs=2e-5)
        assert rows[taken][2] == pytest.approx(kept[place][new[place]].item(), abs=2e-5)
        assert n_kept == int((kept[place] > 0).sum())
        assert mass == pytest.approx(shares[place][kept[place] > 0].sum().item(), abs=1e-4)
        likelier = kept[place][shares[place] > shares[place][new[place]]].sum().item()
        assert likelier - 1e-5 <= draw <= likelier + kept[place][new[place]].item() + 1e-5, "the pin is on the token"


def test_the_longest_bar_is_what_greedy_takes_and_no_number_is_drawn(open_lab6):
    left = open_lab6("idea").figure("duel")["sides"][0]
    assert all(taken == 0 and draw is None for _, taken, _, _, draw in left["choices"])


def test_a_nucleus_of_nothing_keeps_the_likeliest_token_and_writes_greedys_text(open_lab6):
    page = open_lab6("idea", id_p="0")
    left, right = page.figure("duel")["sides"]
    assert left["tokens"] == right["tokens"]
    assert page.figure("duel")["partsAt"] is None
    assert "Both texts are the same" in page.html()
    assert not any(button.label == "Where they part" for button in page.app.button)


def test_the_chosen_token_is_in_the_link_and_the_button_goes_to_where_they_part(open_lab6):
    page = open_lab6("idea", id_token="12")
    assert page.figure("duel")["token"] == 12
    page.press("Where they part")
    figure = page.figure("duel")
    left, right = (side["tokens"] for side in figure["sides"])
    assert figure["token"] == figure["partsAt"] + 1
    assert left[: figure["partsAt"]] == right[: figure["partsAt"]]
    assert left[figure["partsAt"]] != right[figure["partsAt"]]
    assert page.link()["id_token"] == str(figure["token"])


def test_what_the_figure_reports_is_brought_into_range(monkeypatch):
    taken = {}
    monkeypatch.setattr(idea.state, "set_value", lambda param, value: taken.update({param.name: value}))
    for reported, wanted in ((31, 31), (0, 1), (10**6, idea.TOKEN.high)):
        monkeypatch.setattr(idea.drawing, "result", lambda key, n=reported: {"type": "token", "token": n})
        idea._take()
        assert taken == {"id_token": wanted}


@pytest.mark.parametrize("text", ["", "   ", "<b>x</b> **y** $z$", "<|endoftext|>", "قطة 😀", "word " * 2_000])
def test_any_prompt_is_written_on_or_refused_in_a_sentence(open_lab6, text):
    page = open_lab6("idea")
    page.set("id_prompt", text)
    html = page.html()
    assert "could not be drawn" not in html
    assert "<b>x</b>" not in html
    assert page.widget("id_prompt").value == text
    if not text:
        assert "The prompt must hold at least one character" in html
    else:
        assert page.figure("duel")["beginning"] == text
        assert "✗" not in html
    if len(text) > 1_000:
        assert "left out" in html


@pytest.mark.parametrize("link", [{"id_p": "2"}, {"id_token": "0"}, {"id_token": "81"}, {"seed": "x"}])
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab6, link):
    page = open_lab6("idea", **link)
    assert page.figure("duel")
    assert 'class="labs-problem"' in page.html()


def test_the_audit_line_is_red_when_the_library_writes_something_else(open_lab6, monkeypatch):
    monkeypatch.setattr(idea, "_theirs", lambda *_: [1, 2, 3])
    html = open_lab6("idea").html()
    assert "✗" in html
    assert "from token 1 on ours and transformers&#x27; differ" in html


@given(st.lists(st.integers(0, 3), max_size=40))
def test_the_marks_are_the_runs_that_the_measure_counts(ids):
    found = idea_study.marked_from(ids)
    runs = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
    again = [i for i, run in enumerate(runs) if run in runs[:i]]
    for place, since in enumerate(found):
        covering = [i + 3 for i in again if i <= place <= i + 3]
        assert since == (min(covering) if covering else None)
    if runs:
        assert measures.repeated(ids) == pytest.approx(len(again) / len(runs))
        assert idea_study.repeats(ids)[-1] == pytest.approx(len(again) / len(runs))
