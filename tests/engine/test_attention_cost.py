"""The cost measurement as a job: one event a point, and a Resume that measures only what is missing."""

import json

import pytest

from engine import jobs
from engine.cost import CostConfig, measure_cost
from engine.experiments import attention_cost
from engine.jobs.handle import Run

CONFIG = CostConfig(lengths=(8, 16, 32), n_heads=1, head_dim=8, repeats=1)
EVERY_POINT = [(length, variant) for length in (8, 16, 32) for variant in ("naive", "fused")]


def points_of(run: Run) -> list[tuple]:
    events = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    return [(event["seq_len"], event["variant"]) for event in events]


@pytest.mark.parametrize("skip", range(7))
def test_points_that_are_there_are_not_measured_again(skip):
    assert [(point.seq_len, point.variant) for point in measure_cost(CONFIG, skip=skip)] == EVERY_POINT[skip:]


def test_a_run_that_was_stopped_goes_on_with_the_point_that_is_missing(tmp_path, monkeypatch):
    run = Run(tmp_path, CONFIG)
    answers = iter([False, False, False, True])
    monkeypatch.setattr(run, "should_stop", lambda: next(answers))
    assert attention_cost.measure(run) is None
    assert points_of(run) == EVERY_POINT[:3]
    assert attention_cost.measure(Run(tmp_path, CONFIG)) == {"points": 6}
    assert points_of(run) == EVERY_POINT


def test_more_heads_longer_texts_and_wider_heads_are_expected_to_take_longer():
    default = jobs.estimate("attention-cost", CostConfig())
    for more in ({"n_heads": 8}, {"head_dim": 64}, {"lengths": (128, 256, 512, 1024, 2048)}):
        assert attention_cost.seconds(CostConfig(**more)) > attention_cost.seconds(CostConfig())
    assert 1 < default < 30


def test_the_stored_measurement_is_the_page_s_default_and_its_naive_memory_grows_with_the_square():
    stored = jobs.stored("attention-cost")
    assert stored.config == CostConfig()
    naive = {event["seq_len"]: event["bytes_peak"] for event in stored.events if event["variant"] == "naive"}
    assert 3.5 < naive[1024] / naive[512] < 4.5
