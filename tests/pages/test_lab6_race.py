"""Lab 6, section 4: each lane is what its strategy writes alone, and a race stays what it is until the next one."""

import re
import time

import pytest
import torch

from components import live, state
from engine import models as known
from engine.decoding import beam_search, greedy, measures, sample
from engine.decoding.race import Lane, Race, RaceConfig, Text
from engine.decoding.settings import Filters
from pages.lab6_generation import race, race_opinion, race_settings
from pages.lab6_generation.params import START

SHORT = {"ra_new": "12"}


@pytest.fixture(scope="module")
def story():
    return known.load("story-lm")


@pytest.fixture(autouse=True)
def _no_races_left():
    live._works.clear()
    yield
    for work in list(live._works.values()):
        work.stopping.set()
    wait_until(lambda: not any(work.active for work in live._works.values()))


def wait_until(holds, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def at_rest(page):
    """The page once its race is over and judged: its clock does not run under AppTest."""
    shown = page.app.session_state[race.SHOWN]
    wait_until(lambda: shown.kept or not shown.work.active)
    if shown.state == "finished":
        wait_until(lambda: shown.work.said is not None)
    page.run()
    return page


def lanes(page) -> dict[str, dict]:
    return {lane["title"]: lane for lane in page.figure("lanes")["lanes"]}


def read(lane: dict) -> str:
    return "".join(lane["tokens"]).removesuffix("⟨end⟩").replace("⏎ ", "\n")


def alone(story, **more):
    tokenizer = story.tokenizer
    ids = [*tokenizer.start_ids, *tokenizer.encode(START)]
    common = {"max_new_tokens": 60, "eos_id": tokenizer.eos_id}
    return {
        "Greedy": greedy(story.model, ids, **common),
        "Beam search": beam_search(story.model, ids, num_beams=4, **common)[0],
        "Sampling": sample(story.model, ids, seed=7, **common),
        "Top-k": sample(story.model, ids, seed=7, top_k=40, **common),
        "Top-p": sample(story.model, ids, seed=7, top_p=0.9, **common),
        "Min-p": sample(story.model, ids, seed=7, min_p=0.1, **common),
    }


def test_it_opens_on_a_race_whose_every_lane_is_what_the_strategy_writes_alone(open_lab6, story):
    page = at_rest(open_lab6("race"))
    found, wanted = lanes(page), alone(story)
    assert list(found) == list(wanted)
    for title, lane in found.items():
        text = wanted[title]
        assert read(lane) == story.tokenizer.decode(text.ids)
        log_prob, _, first, second, repeats, tokens, _ = lane["numbers"]
        assert float(log_prob.replace("−", "-")) == pytest.approx(text.log_prob, abs=0.051)
        assert (first, second) == tuple(f"{measures.distinct([text.ids], n):.2f}" for n in (1, 2))
        assert (repeats, tokens) == (f"{measures.repeated(text.ids):.0%}", "60")
    assert page.link() == {"section": "race"}
    html = page.html()
    assert html.count("✓") == 3
    assert "✗" not in html
    assert "our 240 random numbers" in html
    assert "all 60 of them" in html


def test_the_marks_stand_where_the_texts_part(open_lab6):
    page = at_rest(open_lab6("race", **SHORT))
    figure = page.figure("lanes")
    first = figure["lanes"][0]["tokens"]
    places = []
    for lane in figure["lanes"]:
        differ = [i for i, pair in enumerate(zip(first, lane["tokens"], strict=True)) if pair[0] != pair[1]]
        assert lane["partsAt"] == (differ[0] if differ else None)
        places += differ[:1]
    assert figure["allUntil"] == min(places)
    assert f"The lanes part at token {min(places) + 1}:" in page.html()


def test_the_mean_entropy_is_that_of_transformers_distributions(open_lab6, story):
    page = at_rest(open_lab6("race", ra_lanes="greedy,beam,top-p", **SHORT))
    texts = page.app.session_state[race.SHOWN].texts
    ids = [*story.tokenizer.start_ids, *story.tokenizer.encode(START)]
    theirs = known.load_reference("story-lm")
    for lane, text in zip(page.figure("lanes")["lanes"], texts, strict=True):
        with torch.inference_mode():
            logits = theirs(torch.tensor([[*ids, *text.ids]])).logits[0, len(ids) - 1 : -1]
        entropy = torch.distributions.Categorical(logits=logits).entropy().mean().item()
        assert float(lane["numbers"][1]) == pytest.approx(entropy, abs=0.0051)


def test_a_second_visitor_with_the_same_link_sees_the_same_race_and_nothing_is_computed_again(open_lab6):
    link = {"ra_lanes": "greedy,sample", "seed": "41", **SHORT}
    first = lanes(at_rest(open_lab6("race", **link)))
    assert len(live._works) == 1
    assert lanes(at_rest(open_lab6("race", **link))) == first
    assert len(live._works) == 1
    live._works.clear()  # another server
    again = lanes(at_rest(open_lab6("race", **link)))
    assert [lane["tokens"] for lane in again.values()] == [lane["tokens"] for lane in first.values()]


def test_changed_settings_wait_for_run_and_greedy_ignores_the_seed(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy,top-p", **SHORT))
    before = lanes(page)
    page.set("seed", 11)
    assert lanes(page) == before
    assert "these hold for the next one" in page.html()
    assert page.link()["seed"] == "11"
    page.press("Run")
    after = lanes(at_rest(page))
    assert "these hold for the next one" not in page.html()
    assert after["Greedy"]["tokens"] == before["Greedy"]["tokens"]
    assert after["Top-p"]["tokens"] != before["Top-p"]["tokens"]


def test_a_link_that_arrives_later_is_shown_at_once(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy,top-p", **SHORT))
    before = lanes(page)
    page.app.query_params["seed"] = "11"
    page.run()
    after = lanes(at_rest(page))
    assert "these hold for the next one" not in page.html()
    assert after["Top-p"]["tokens"] != before["Top-p"]["tokens"]


def test_stop_keeps_what_was_written_and_ends_the_work(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy", **SHORT))
    page.set("ra_new", 480)
    page.set("ra_lanes", list(race_settings.TITLES))
    page.press("Run")
    work = page.app.session_state[race.SHOWN].work
    wait_until(lambda: all(text.steps > 2 for text in work.subject.texts))
    page.press("Stop")
    wait_until(lambda: not work.active)
    assert work.state == "stopped"
    kept = lanes(page)
    assert all(len(lane["tokens"]) > 1 for lane in kept.values())
    assert "What was written stays" in page.html()
    page.run()
    assert lanes(page) == kept
    assert "✗" not in page.html()


def test_run_starts_anew_even_with_the_same_settings(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy,sample", **SHORT))
    before, name = lanes(page), page.figure("lanes")["name"]
    page.press("Run")
    after = lanes(at_rest(page))
    assert page.figure("lanes")["name"] != name
    assert [lane["tokens"] for lane in after.values()] == [lane["tokens"] for lane in before.values()]


def test_temperature_0_and_a_nucleus_of_nothing_are_greedy(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy,sample,top-p", ra_t="0", ra_p="0", **SHORT))
    one, two, three = (lane["tokens"] for lane in page.figure("lanes")["lanes"])
    assert one == two == three
    assert "All 3 lanes write the same text" in page.html()
    assert "✗" not in page.html()


def test_ten_thousand_tokens_are_cut_to_what_the_context_leaves(open_lab6, story):
    page = at_rest(open_lab6("race", ra_lanes="greedy", ra_new="10000"))
    n_prompt = len(story.tokenizer.start_ids) + len(story.tokenizer.encode(START))
    assert f"each text may grow by {512 - n_prompt:,}" in page.html()
    assert page.widget("ra_new").value == 10_000
    assert page.app.session_state[race.SHOWN].wish.config.max_new_tokens == 512 - n_prompt
    assert lanes(page)["Greedy"]["note"] == "ended by itself"


def test_a_prompt_longer_than_the_context_keeps_its_end_and_says_so(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy", **SHORT))
    page.set("prompt", "the dog ran. " * 200)
    page.press("Run")
    at_rest(page)
    assert re.search(r"the last \d+ are kept, the first \d+ left out", page.html())
    assert len(page.app.session_state[race.SHOWN].wish.config.prompt_ids) == 512 - 12


def test_a_stop_string_ends_lanes_or_never_comes_and_both_are_said(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy,beam", ra_stop="<zq>", **SHORT))
    assert "&lt;zq&gt;” never came" in page.html()
    page = at_rest(open_lab6("race", ra_lanes="greedy,beam", ra_stop="Spot"))
    assert "ended 2 of 2 lanes" in page.html()
    assert all(read(lane).endswith("Spot") for lane in lanes(page).values())
    assert "✗" not in page.html()
    assert "Beam search is not compared here" in page.html()


def test_a_word_that_must_appear_appears_and_one_that_cannot_gets_a_sentence_in_its_lane(open_lab6):
    page = at_rest(open_lab6("race", ra_lanes="greedy,word", ra_word="zebra", **SHORT))
    assert "zebra" in read(lanes(page)["Beam, a word given"])
    assert "✗" not in page.html()
    page = at_rest(open_lab6("race", ra_lanes="greedy,word", ra_word="zebra " * 30, **SHORT))
    assert "must_include" in lanes(page)["Beam, a word given"]["note"]
    assert lanes(page)["Greedy"]["tokens"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("prompt", "", "The prompt must hold"), ("ra_lanes", [], "Choose at least one strategy")],
)
def test_an_impossible_race_gets_a_sentence_and_the_one_on_screen_stays(open_lab6, name, value, sentence):
    page = at_rest(open_lab6("race", ra_lanes="greedy", **SHORT))
    before = lanes(page)
    page.set(name, value)
    assert sentence in page.html()
    assert lanes(page) == before
    assert next(button for button in page.app.button if button.label == "Run").disabled


@pytest.mark.parametrize("link", [{"ra_lanes": "magic"}, {"ra_new": "0"}, {"ra_t": "-1"}, {"ra_typ": "0"}])
def test_impossible_values_in_a_link_get_a_sentence(open_lab6, link):
    page = open_lab6("race", **{"ra_lanes": "greedy,sample,typical", **SHORT, **link})
    assert 'class="labs-problem"' in page.html()
    assert page.figure("lanes")


@pytest.mark.parametrize("prompt", ["<b>x</b> **y** $z$", "<|endoftext|>", "قطة 😀", "   "])
def test_any_prompt_runs(open_lab6, prompt):
    page = at_rest(open_lab6("race", prompt=prompt, ra_lanes="greedy,sample", **SHORT))
    assert "<b>x</b>" not in page.html()
    assert "could not be drawn" not in page.html()
    assert "✗" not in page.html()


def test_the_audit_line_is_red_when_the_library_writes_something_else(open_lab6, monkeypatch):
    monkeypatch.setattr(race_opinion, "generated", lambda *_, **__: [1])
    html = at_rest(open_lab6("race", ra_lanes="greedy,sample", **SHORT)).html()
    assert "differ from token 1 on" in html
    assert "✗" in html


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(temperature=0.7),
        Filters(temperature=0.0),
        Filters(top_k=5),
        Filters(top_p=0.6),
        Filters(min_p=0.2),
        Filters(typical=0.5),
    ],
    ids=str,
)
def test_draws_are_judged_by_transformers_filters_and_a_swapped_token_is_found(story, filters):
    ids = (*story.tokenizer.start_ids, *story.tokenizer.encode(START))
    lane = Lane("x", "sample", filters)
    done = Race(story.model, RaceConfig(ids, 16, 3, (lane,)), story.tokenizer.decode).run()
    theirs, text = known.load_reference("story-lm"), done.texts[0]
    with torch.inference_mode():
        assert race_opinion._draws_agree(theirs, done, lane, text)
        swapped = Text((*text.ids[:-1], (text.ids[-1] + 1) % 4096), draws=text.draws)
        assert not race_opinion._draws_agree(theirs, done, lane, swapped)


def test_several_names_survive_the_link_and_unknown_ones_are_refused():
    for names in ((), ("greedy",), ("greedy", "typical"), tuple(race_settings.TITLES)):
        assert race_settings.LANES.parse(race_settings.LANES.format(names)) == names
    assert race_settings.LANES.parse("typical,greedy") == ("greedy", "typical")
    with pytest.raises(ValueError, match="ra_lanes must hold names of"):
        race_settings.LANES.parse("greedy,")
    assert isinstance(race_settings.LANES, state.Several)
