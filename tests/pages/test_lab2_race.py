"""Lab 2, section 5: first a guess, then the race that is stored for the settings, or the offer to run it."""

import dataclasses
import json
import math

import pytest

from engine import jobs
from engine.experiments.markov import entropy
from engine.experiments.norm_race import NormRaceConfig
from engine.jobs.runs import runs_home
from pages.lab2_block import race, race_words


def curves(page, title: str) -> dict[str, list]:
    """The y values of each line of the plot whose title begins so."""
    for figure in page.figures("plots"):
        for plot in figure["plots"]:
            if plot["title"].startswith(title):
                return {series["name"]: series["y"] for series in plot["series"]}
    raise AssertionError(f"no plot is called {title}")


def own_run(config: NormRaceConfig, events: list[dict], outcome: dict) -> str:
    """A learner's run as its files, without the work."""
    run_id = "ab" * 16
    folder = runs_home() / run_id
    folder.mkdir()
    asked = {"name": "norm-race", "config": dataclasses.asdict(config), "seed": config.seed, "created": 0.0}
    asked |= {"formula_seconds": 1.0, "expected_seconds": 1.0}
    (folder / "config.json").write_text(json.dumps(asked))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "outcome.json").write_text(json.dumps({"error": None, "step": None, "seconds": 2.0} | outcome))
    return run_id


def test_nothing_is_shown_before_a_guess(open_lab2):
    page = open_lab2("race")
    assert page.figures("plots") == []
    assert "12 layers" in page.html()
    assert "without warm-up" in page.html()
    labels = [button.label for button in page.app.button]
    assert all(label in labels for label in race.GUESSES.values())
    assert "Race" not in labels


def test_a_guess_brings_the_stored_race_and_stands_beside_what_it_says(open_lab2):
    page = open_lab2("race")
    page.press("Post-LN learns faster")
    assert page.link()["w_guess"] == "post"
    stored = jobs.stored("norm-race-depth-12")
    loss = curves(page, "Loss")
    assert loss["Pre-LN"] == [event["pre"]["loss"] for event in stored.events]
    assert loss["lowest possible"] == [pytest.approx(entropy())] * 2
    halfway = stored.result["pre"]["halfway"]
    assert "You said: <b>Post-LN learns faster</b>. The run says: <b>Pre-LN learns faster</b>." in page.html()
    assert f"Pre-LN after {halfway} steps, Post-LN not in 400 steps" in page.html()
    page.set("w_guess", "pre")
    assert "You were right." in page.html()


def test_the_layers_are_those_of_the_step_and_the_words_quote_them(open_lab2):
    page = open_lab2("race", w_guess="pre", w_step="52")
    event = next(event for event in jobs.stored("norm-race-depth-12").events if event["step"] == 50)
    gradient = curves(page, "Gradient, step 50")
    assert gradient["Post-LN"] == event["post"]["gradient"]
    assert curves(page, "Residual")["Pre-LN"] == event["pre"]["residual"]
    sizes = event["post"]["gradient"]
    assert f"{sizes[-1] / sizes[0]:.0f} times smaller" in page.html()
    assert "Post-LN stands at ln 32 = 3.47" in page.html()
    page.press("The layers at step 1")
    assert page.link()["w_step"] == "1"
    assert curves(page, "Residual")["Post-LN"] == pytest.approx([8] * 12, rel=1e-3)


def test_each_suggestion_shows_its_stored_run(open_lab2):
    page = open_lab2("race", w_guess="same")
    page.press("12 layers with warm-up")
    assert page.link() == {"section": "race", "w_guess": "same", "w_warm": "1"}
    warm = jobs.stored("norm-race-depth-12-warm-up").result
    assert f"Post-LN after {warm['post']['halfway']} steps" in page.html()
    page.press("Only 2 layers")
    assert len(curves(page, "Residual")["Pre-LN"]) == 2


@pytest.mark.parametrize("depth", race.DEPTH.options)
@pytest.mark.parametrize("warm", [False, True])
def test_a_run_is_stored_for_every_depth_with_and_without_warm_up(depth, warm):
    config = NormRaceConfig(n_layers=int(depth), warmup_steps=race.WARMUP_STEPS if warm else 0)
    assert race._stored(config).config == config


def test_other_settings_say_that_nothing_is_stored_and_offer_to_run(open_lab2):
    page = open_lab2("race", w_guess="pre", w_rate="0.003")
    assert "No run is stored for these settings" in page.html()
    assert "learning rate 0.003" in page.html()
    assert "Race" in [button.label for button in page.app.button]
    assert [figure["plots"][0]["title"] for figure in page.figures("plots")] == [
        "Gradient of the last layer’s feed-forward weights"
    ]


def test_step_1_agrees_with_torch_and_the_miniature_with_the_paper(open_lab2):
    page = open_lab2("race", w_guess="pre", w_depth="2")
    assert "ours and torch.nn.TransformerEncoderLayer agree" in page.html()
    assert 'class="labs-audit labs-audit-fails"' not in page.html()
    lines = curves(page, "Gradient of the last")
    assert lines["Pre-LN"] == sorted(lines["Pre-LN"], reverse=True)
    assert lines["Post-LN"][-1] > lines["Post-LN"][0]
    slope = math.log(lines["Pre-LN"][-1] / lines["Pre-LN"][0]) / math.log(16)
    assert f"measured: {slope:+.2f}" in page.html()


def test_an_own_run_is_drawn_over_the_stored_one(open_lab2):
    page = open_lab2("race", w_guess="pre")
    stored = jobs.stored("norm-race-depth-12")
    run_id = own_run(NormRaceConfig(), stored.events[:60], {"state": "stopped"})
    page = open_lab2("race", w_guess="pre", w_run=run_id)
    loss = curves(page, "Loss")
    assert len(loss["Pre-LN"]) == 60
    assert len(loss["Pre-LN, stored run"]) == 400
    assert "Step 60 of 400; loss of Pre-LN at" in page.html()
    page.set("w_depth", "2")
    assert "Your run had other settings" in page.html()
    assert len(curves(page, "Loss")["Pre-LN"]) == 400


def test_a_loss_that_is_no_number_says_at_which_step_and_what_to_change_and_keeps_the_curves(open_lab2):
    events = [{"step": step, "pre": {"loss": 4.0 / step}, "post": {"loss": 4.0 * step**9}} for step in range(1, 5)]
    events += [{"step": step, "pre": {"loss": 0.9}, "post": {"loss": None}} for step in (5, 6)]
    config = NormRaceConfig(learning_rate=1e5)
    open_lab2("race")
    run_id = own_run(config, events, {"state": "stopped"})
    page = open_lab2("race", w_guess="pre", w_run=run_id, w_rate="100000")
    assert "The loss was no number any more: <b>Post-LN</b> at step 5. It stopped there" in page.html()
    assert "Change the <b>learning rate</b>: below 100000." in page.html()
    assert curves(page, "Loss")["Post-LN"] == [4.0 * step**9 for step in range(1, 5)] + [None, None]


def test_a_race_with_too_little_memory_is_refused_beside_its_button(open_lab2, monkeypatch):
    monkeypatch.setattr("engine.budget.free_memory", lambda device: 1_000_000)
    page = open_lab2("race", w_guess="pre")
    assert "training it needs about" in page.html()
    assert next(button for button in page.app.button if button.label == "Race").disabled
    assert page.widget("w_depth") is not None


def test_impossible_values_get_sentences(open_lab2):
    page = open_lab2("race", w_guess="both", w_depth="1000", w_warm="2")
    for sentence in ("w_guess must be one of", "w_depth must be one of", "w_warm must be 0 or 1"):
        assert sentence in page.html()
    page = open_lab2("race", w_guess="pre", w_step="0", w_rate="x", w_seed="-1", w_run="../etc")
    for sentence in ("w_step must be", "w_rate must be", "w_seed must be", "run_id must be 32 hexadecimal digits"):
        assert sentence in page.html()


def test_reset_asks_again(open_lab2):
    page = open_lab2("race", w_guess="pre", w_depth="2")
    page.press("Reset")
    assert page.link() == {"section": "race"}
    assert "What do you expect?" in [heading.value for heading in page.app.subheader]


def test_numbers_are_written_short():
    assert [race_words._short(number) for number in (1.002, 254.3, 0.001855, 12.0)] == ["1.0", "254", "0.0019", "12"]
