"""The study of repetition: its job tells the same after a stop, its measures are those of the texts, and the sentences
that the page makes of the stored run are true of its numbers."""

from dataclasses import replace

import pytest

from engine import jobs, models
from engine.decoding import beam_search, greedy
from engine.decoding.loops import find_loops
from engine.decoding.measures import distinct, ending_loop, repeated
from engine.experiments import beginnings
from engine.experiments import repetition as study
from engine.experiments.repetition import HUMAN, STRATEGIES, RepetitionConfig
from tests.engine.runs import run_in

TINY = RepetitionConfig(texts=2, new_tokens=20, num_beams=2)


@pytest.fixture(autouse=True)
def without_data(monkeypatch):
    monkeypatch.delenv("LABS_DATA", raising=False)


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LABS_DATA", raising=False)
        return run_in(tmp_path_factory.mktemp("runs") / "whole", study.measure, TINY)


def test_every_strategy_is_measured_both_ways_and_without_data_no_human_row_is_made_up(whole):
    result, events = whole
    assert [(row["strategy"], row["free"]) for row in events] == [
        (name, way) for way in (False, True) for name in STRATEGIES
    ]
    assert result == {"rows": events, "prompts": 2}
    assert all(row["ended"] == 0 and row["tokens"] == 20 for row in events if not row["free"])


def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path, whole):
    stopped, _ = run_in(tmp_path / "stopped", study.measure, TINY, looks=7)
    assert stopped is None  # after the first of the two beam searches
    assert run_in(tmp_path / "stopped", study.measure, TINY) == whole


def test_a_row_is_what_the_texts_written_one_by_one_are_like(whole, story):
    end = story.tokenizer.eos_id
    prompts = beginnings.prompts(story.tokenizer, TINY.texts)
    greedy_texts = [greedy(story.model, one, max_new_tokens=20, banned=[[end]]) for one in prompts]
    beams = [beam_search(story.model, one, num_beams=2, max_new_tokens=20, banned=[[end]])[0] for one in prompts]
    rows = {row["strategy"]: row for row in whole[1] if not row["free"]}
    for name, found in (("greedy", greedy_texts), ("beam", beams)):
        ids = [one.ids for one in found]
        assert rows[name]["distinct"] == pytest.approx(distinct(ids, 4))
        assert rows[name]["said_again"] == pytest.approx(sum(map(repeated, ids)) / 2)
        surprise = -sum(one.log_prob for one in found) / sum(map(len, ids))
        assert rows[name]["perplexity"] == pytest.approx(2.718281828**surprise, rel=1e-3)


def test_loops_are_counted_at_the_end_and_anywhere():
    loops = [1, 2, 3] * 5 + [4, 5] * 3
    texts = study._Texts(ids=[loops, [*loops, 9], list(range(22))], log_probs=[-1.0] * 10, n_ended=1)
    row = study.summary(texts, 20)
    assert (row["ends_in_loop"], row["has_loop"], row["ended"]) == (1 / 3, 2 / 3, 1 / 3)
    assert row["has_loop_by"] == [2 / 3]
    assert row["perplexity"] == pytest.approx(2.718281828)


def test_the_end_token_is_not_counted_as_text():
    texts = study._Texts()
    texts.add([5, 6, 7], [-1.0, -1.0, -1.0], ended=True)
    assert texts.ids == [[5, 6]]
    assert texts.n_ended == 1


def test_human_texts_are_the_held_out_stories_after_their_first_ten_tokens(tmp_path, monkeypatch, story):
    folder = tmp_path / "stories"
    folder.mkdir()
    long = "The cat sat on the mat and looked at the bird. " * 5
    (folder / "tinystories_heldout.txt").write_text(
        f"{long}\n<|endoftext|>\nA very short one that has only some words.\n"
    )
    monkeypatch.setenv("LABS_DATA", str(tmp_path))
    for free, n in ((True, 2), (False, 1)):
        texts = study._Texts()
        study._add_human(texts, story, TINY, free)
        assert len(texts.ids) == n
        assert texts.ids[0] == story.tokenizer.encode(long.strip())[10:30]
        assert len(texts.log_probs) == sum(map(len, texts.ids)) + texts.n_ended
    assert texts.n_ended == 0


def test_the_beginnings_are_a_hundred_different_ones_that_can_all_be_cut_to_one_length(story):
    texts = beginnings.beginnings()
    assert len(texts) == len(set(texts)) == 100
    assert {len(one) for one in beginnings.prompts(story.tokenizer, 100)} == {1 + beginnings.PROMPT_TOKENS}


@pytest.fixture(scope="module")
def stored():
    return jobs.stored("repetition")


def test_the_stored_study_is_the_one_that_its_command_makes(stored):
    assert stored.config == RepetitionConfig()
    assert stored.config.texts == 100
    assert stored.command == "python -m engine.jobs repetition repetition"
    assert stored.result["rows"] == stored.events
    assert {row["strategy"] for row in stored.events} == {*STRATEGIES, HUMAN}
    assert all(row["texts"] == 100 for row in stored.events)


def test_the_first_texts_of_the_stored_study_are_written_again(stored, story):
    """Greedy's curve of loops by length can only grow from the loops that its first texts have."""
    end = story.tokenizer.eos_id
    row = next(one for one in stored.events if (one["strategy"], one["free"]) == ("greedy", False))
    ids = [
        greedy(story.model, one, max_new_tokens=60, banned=[[end]]).ids
        for one in beginnings.prompts(story.tokenizer, 12)
    ]
    with_loop = sum(bool(find_loops(one)) for one in ids)
    assert with_loop <= round(100 * row["has_loop_by"][row["lengths"].index(60)]) <= 100 - (12 - with_loop)
    assert not any(ending_loop(one[:20]) for one in ids) or row["has_loop_by"][0] > 0


def test_the_stored_numbers_bear_what_the_page_says(stored):
    forced = {row["strategy"]: row for row in stored.events if not row["free"]}
    drawn = ("sampling", "top-k", "top-p")
    for name in ("ends_in_loop", "has_loop", "said_again"):
        assert forced["greedy"][name] > max(forced[one][name] for one in (*drawn, HUMAN))
    assert forced["penalty"]["has_loop"] < forced["greedy"]["has_loop"]
    assert forced["greedy"]["perplexity"] < forced["sampling"]["perplexity"]
    assert forced["greedy"]["has_loop_by"] == sorted(forced["greedy"]["has_loop_by"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"texts": 0}, "texts must be a whole number from 1 to 100, got 0"),
        ({"new_tokens": 10_000}, "new_tokens must be a whole number from 20 to 400"),
        ({"num_beams": 1.5}, "num_beams must be a whole number from 1 to 16, got 1.5"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        replace(TINY, **change)


def test_the_estimate_grows_with_the_work():
    assert study.seconds(RepetitionConfig()) > 4 * study.seconds(RepetitionConfig(texts=20))
