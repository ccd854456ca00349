"""The study of temperatures: its job tells the same after a stop, its measures are those of the texts, and the stored
run bears what the page says of it."""

from dataclasses import replace
from statistics import fmean

import pytest

from engine import jobs, models
from engine.decoding import sample
from engine.decoding.measures import distinct, self_bleu
from engine.experiments import beginnings, temperatures
from engine.experiments.temperatures import BENT, TemperatureConfig
from engine.known_words import FILE, collect, count_known, find_words, known_words
from tests.engine.runs import run_in

TINY = TemperatureConfig(prompts=2, texts=2, new_tokens=10, temperatures=(0.2, 1.0))


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


@pytest.fixture
def small(monkeypatch):
    """Fewer human texts and temperatures to judge them at."""
    monkeypatch.delenv("LABS_DATA", raising=False)
    monkeypatch.setattr(temperatures, "BENT", (0.5, 1.0, 2.0))
    monkeypatch.setattr(temperatures, "BUNDLED_STORIES", 2)


def test_a_stopped_run_goes_on_to_the_same_numbers_and_without_data_no_held_out_curve_is_made_up(tmp_path, small):
    whole = run_in(tmp_path / "whole", temperatures.measure, TINY)
    assert [row["temperature"] for row in whole[1]] == [0.2, 1.0]
    assert whole[0]["rows"] == whole[1]
    assert whole[0]["bent"]["heldout"] is None
    assert len(whole[0]["bent"]["bundled"]) == 3
    assert run_in(tmp_path / "stopped", temperatures.measure, TINY, looks=1)[0] is None
    assert run_in(tmp_path / "stopped", temperatures.measure, TINY) == whole


def test_a_row_is_what_the_texts_are_like(story):
    written = temperatures.write(story, TINY, 1.0)
    row = temperatures.summary(written, story, TINY)
    first, second = ([one.ids for one in written[start : start + 2]] for start in (0, 2))
    assert row["self_bleu"] == pytest.approx((self_bleu(first) + self_bleu(second)) / 2)
    assert row["distinct_2"] == pytest.approx((distinct(first, 2) + distinct(second, 2)) / 2)
    assert row["entropy"] == pytest.approx(fmean(value for one in written for value in one.entropies))
    alone = sample(story.model, beginnings.prompts(story.tokenizer, 1)[0], max_new_tokens=10, seed=TINY.seed)
    assert written[0].ids == alone.ids


def test_a_word_that_was_cut_off_is_not_judged():
    assert temperatures.whole_words("the dog bl", finished=False) == "the dog"
    assert temperatures.whole_words("the dog ran", finished=True) == "the dog ran"


def test_the_known_words_are_those_that_stand_three_times(tmp_path):
    assert collect(["A dog. The dog", "one dog’s dog"]) == ["dog"]
    listed = FILE.read_text(encoding="utf-8").split()
    assert listed == sorted(set(listed))
    assert all(find_words(word) == [word] for word in listed)
    assert count_known("Once upon a time there was a frobnicated dog.") == (8, 9)
    assert len(known_words()) > 5000


@pytest.fixture(scope="module")
def stored():
    return jobs.stored("temperature")


def test_the_stored_study_is_the_one_that_its_command_makes(stored):
    assert stored.config == TemperatureConfig()
    assert stored.command == "python -m engine.jobs temperature temperature"
    assert [row["temperature"] for row in stored.events] == list(stored.config.temperatures)
    assert tuple(stored.result["bent"]["temperatures"]) == BENT


def test_a_row_of_the_stored_study_is_measured_again(stored, story):
    again = temperatures.summary(temperatures.write(story, stored.config, 0.1), story, stored.config)
    assert again == {name: pytest.approx(stored.events[0][name], abs=0.02) for name in again}  # other machines round so


def test_variety_grows_and_sense_goes_with_the_temperature(stored):
    alike = [row["self_bleu"] for row in stored.events]
    entropies = [row["entropy"] for row in stored.events]
    assert alike == sorted(alike, reverse=True)
    assert entropies == sorted(entropies)
    assert stored.events[0]["known_words"] > 0.99
    assert stored.events[-1]["known_words"] < 0.8


def test_human_text_is_predicted_best_near_temperature_one(stored):
    bent = stored.result["bent"]
    best = bent["temperatures"][min(range(len(BENT)), key=bent["heldout"].__getitem__)]
    assert 0.9 <= best <= 1.1
    assert bent["heldout"][0] > 10 * min(bent["heldout"])
    assert bent["heldout"][-1] > 2 * min(bent["heldout"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"texts": 1}, "texts must be a whole number from 2 to 50, got 1"),
        ({"temperatures": (0.0,)}, "temperatures must be numbers above 0 and at most 10, got 0.0"),
        ({"prompts": True}, "prompts must be a whole number"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        replace(TINY, **change)
