"""What makes writing fast, as a job: each measurement is one event, and a Resume measures what is missing."""

import json
import math

import pytest
import torch

from engine import jobs
from engine.decoding import Filters, speculative
from engine.decoding.reading import open_reader
from engine.experiments import decoding_bench, decoding_speed
from engine.experiments.decoding_speed import READINGS, DecodingSpeedConfig
from engine.jobs.handle import Run

TINY = DecodingSpeedConfig(
    new_tokens=4, lengths=(8, 40), batches=(1, 2), beams=(2,), drafts=(1, 3), texts=2, draws=60, repeats=1
)


def events_of(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(decoding_bench, "LEAST", 0.0)
    monkeypatch.setattr(decoding_bench, "LARGE", 1_000_000)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding_bench, "LEAST", 0.0)
        patch.setattr(decoding_bench, "LARGE", 1_000_000)
        run = Run(tmp_path_factory.mktemp("speed"), TINY)
        result = decoding_speed.measure(run)
    return events_of(run), result


def of(events: list[dict], kind: str) -> list[dict]:
    return [event for event in events if event["kind"] == kind]


def test_every_measurement_that_the_config_names_is_there_once(finished):
    events, result = finished
    assert [(one["reading"], one["length"]) for one in of(events, "cache")] == [
        (reading, length) for length in (8, 40) for reading in READINGS
    ]
    assert [one["texts"] for one in of(events, "batch")] == [1, 2]
    assert [one["what"] for one in of(events, "memory")] == ["weights", "large"]
    assert [(one["who"], one["tokens"]) for one in of(events, "at-once")] == [
        *(("model", n) for n in (1, 2, 3, 4)),
        ("draft", 1),
    ]
    ours = [(one["name"], one["beams"]) for one in of(events, "strategy") if one["by"] == "ours"]
    assert ours == [("greedy", 0), ("sampling", 0), ("filtered", 0), ("beam", 2), ("constrained", 2)]
    theirs = [(one["name"], one["beams"]) for one in of(events, "strategy") if one["by"] == "transformers"]
    assert theirs == [("greedy", 0), ("sampling", 0), ("beam", decoding_bench.PEER_BEAMS)]
    assert [(one["temperature"], one["n_draft"]) for one in of(events, "draft")] == [
        (temperature, n) for temperature in (1.0, 0.0) for n in (0, 1, 3)
    ]
    assert len(of(events, "first-tokens")) == 1
    assert result["measurements"] == len(events)


def test_every_number_is_finite_and_every_time_is_above_nothing(finished):
    events, result = finished
    assert all(0 < one["seconds"] < 60 for one in events if "seconds" in one)
    assert all(math.isfinite(value) for one in events for value in one.values() if isinstance(value, float))
    assert sum("seconds" in one for one in events) == len(events) - 1  # all but the counts
    assert result["draft_bytes"] < result["weight_bytes"] / 4
    assert of(events, "memory")[0]["bytes"] == result["weight_bytes"]


def test_the_weights_of_the_bundled_model_are_counted_once_although_its_two_ends_share_a_table(finished):
    assert finished[1]["weight_bytes"] == 4 * 5_868_800


def test_transformers_writes_the_same_texts_where_nothing_is_drawn(finished):
    same = {one["name"]: one["same"] for one in of(finished[0], "strategy") if one["by"] == "transformers"}
    assert same == {"greedy": True, "sampling": None, "beam": True}


def test_the_counts_of_drafted_tokens_fit_together(finished):
    for one in of(finished[0], "draft"):
        texts = 1 if one["temperature"] == 0 else TINY.texts
        assert one["tokens"] == texts * TINY.new_tokens
        if one["n_draft"] == 0:
            assert one["rounds"] == one["checked"] == 0
            continue
        assert 0 <= one["accepted"] <= one["checked"] <= one["rounds"] * one["n_draft"]
        assert one["tokens"] == one["accepted"] + one["rounds"]  # each round adds one token of the large model's own


def test_the_token_that_is_drawn_many_times_comes_as_often_as_the_model_alone_would_draw_it(finished):
    (one,) = of(finished[0], "first-tokens")
    assert sum(one["counts"]) == one["draws"] == TINY.draws
    assert sum(one["model"]) == pytest.approx(1)
    assert sum(one["draft"]) == pytest.approx(1)
    assert one["model"] != pytest.approx(one["draft"], abs=0.01)
    for count, p in zip(one["counts"], one["model"], strict=True):
        assert abs(count - TINY.draws * p) <= 4 * math.sqrt(TINY.draws * p * (1 - p)) + 1e-6
    bench = decoding_bench.Bench(TINY)
    logits = open_reader(bench.model, 64, reading="whole").start(one["context"])
    direct = Filters().apply(logits, [[]], [[]])[0].softmax(dim=-1)
    assert one["model"][:-1] == pytest.approx([direct[token].item() for token in one["tokens"]], abs=1e-4)


def test_a_run_that_was_stopped_goes_on_with_the_measurement_that_is_missing(tmp_path, monkeypatch):
    run = Run(tmp_path, TINY)
    answers = iter([False, False, False, True])
    monkeypatch.setattr(run, "should_stop", lambda: next(answers))
    assert decoding_speed.measure(run) is None
    first = events_of(run)
    assert len(first) == 3
    plan = decoding_speed.plan
    monkeypatch.setattr(decoding_speed, "plan", lambda bench: plan(bench)[:6])  # the rest takes long
    assert decoding_speed.measure(Run(tmp_path, TINY))["measurements"] == 6
    again = events_of(run)
    assert again[:3] == first
    assert [(one["kind"], one.get("reading"), one.get("length")) for one in again[2:]] == [
        ("cache", "whole", 8),
        ("cache", "cached", 8),
        ("cache", "lean", 8),
        ("cache", "whole", 40),
    ]


def test_without_a_draft_model_the_rest_is_measured(monkeypatch):
    monkeypatch.setattr(decoding_speed.models, "is_available", lambda name: name != TINY.draft)
    named = [take.func.__name__ for take in decoding_speed.plan(decoding_bench.Bench(TINY))]
    assert "drafted" not in named
    assert "first_tokens" not in named
    assert {"next_token", "batch", "strategy", "peer"} <= set(named)


def test_a_draft_of_another_model_is_not_used():
    config = DecodingSpeedConfig(model="gpt2")
    assert not decoding_speed.has_draft(config)


def test_the_shortest_time_is_taken_and_long_runs_are_not_repeated(monkeypatch):
    clock = iter([0.0, 3.0, 3.0, 4.0, 4.0, 6.0])
    monkeypatch.setattr(decoding_bench, "now", lambda: next(clock))
    monkeypatch.setattr(decoding_bench, "LIMIT", 3.5)
    assert decoding_bench.fastest(lambda: None, repeats=3) == 1.0  # the third would come after the limit
    assert next(clock) == 4.0


def test_one_token_more_is_measured_at_the_length_that_is_named():
    bench = decoding_bench.Bench(TINY)
    reader = bench._reader("lean", 40)
    assert reader.length == 40
    whole = bench._reader("whole", 40)
    assert len(whole.texts[0]) == 40
    logits = (reader.advance([5], [0]), whole.advance([5], [0]))
    torch.testing.assert_close(*logits, atol=1e-3, rtol=0)


def test_a_greedy_text_with_a_draft_is_the_same_text():
    bench = decoding_bench.Bench(TINY)
    ours = speculative(bench.model, bench.draft, bench.prompt, max_new_tokens=24, n_draft=4, temperature=0).ids
    from engine.decoding import greedy

    assert ours == greedy(bench.model, bench.prompt, max_new_tokens=24).ids


def test_a_long_prompt_is_cut_so_that_the_new_tokens_fit():
    bench = decoding_bench.Bench(DecodingSpeedConfig(prompt="word " * 3000, new_tokens=128))
    assert len(bench.prompt) == 512 - 128
    assert bench.prompt[0] == bench.tokenizer.start_ids[0]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"prompt": ""}, "prompt must be a text of one character or more"),
        ({"new_tokens": 3}, "new_tokens must be a whole number from 4 to 256, got 3"),
        ({"new_tokens": 10_000}, "new_tokens must be a whole number from 4 to 256"),
        ({"temperature": -1}, "temperature must be a number from 0 to 10"),
        ({"lengths": (512,)}, "lengths must be a whole number from 1 to"),
        ({"drafts": (0,)}, "drafts must be a whole number from 1"),
        ({"batches": (True,)}, "batches must be a whole number"),
        ({"model": "gpt9"}, "name must be one of"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        DecodingSpeedConfig(**wrong)


def test_more_work_is_expected_to_take_longer():
    default = jobs.estimate("decoding-speed", DecodingSpeedConfig())
    assert 10 < default < 200
    for more in ({"new_tokens": 128}, {"repeats": 5}, {"texts": 8}, {"drafts": tuple(range(1, 11))}):
        assert decoding_speed.seconds(DecodingSpeedConfig(**more)) > decoding_speed.seconds(DecodingSpeedConfig())


def test_the_stored_run_is_the_page_s_default_and_shows_what_a_cache_saves():
    stored = jobs.stored("decoding-speed")
    assert stored.config == DecodingSpeedConfig()
    cost = {(one["reading"], one["length"]): one["seconds"] for one in of(stored.events, "cache")}
    assert cost["whole", 448] > 4 * cost["whole", 16]
    assert cost["lean", 448] < 4 * cost["lean", 16]
    assert cost["whole", 448] > 10 * cost["lean", 448]
    batch = {one["texts"]: one["texts"] * one["tokens"] / one["seconds"] for one in of(stored.events, "batch")}
    assert batch[16] > 2 * batch[1]
