"""Lab 1, section 8: a stored measurement at once; the learner's own, when it is asked for, lies over it."""

import time

import pytest

from engine import jobs
from engine.cost import CostConfig


def wait_for(run_id: str) -> None:
    give_up = time.monotonic() + 40
    while (now := jobs.status(run_id)).state != "finished":
        assert time.monotonic() < give_up, now
        time.sleep(0.05)


def measure(page) -> str:
    page.press("Measure here")
    wait_for(page.link()["cost_run"])
    page.run()
    return page.link()["cost_run"]


def lines(page, plot: int) -> dict[str, dict]:
    return {series["name"]: series for series in page.figure("plots")["plots"][plot]["series"]}


def test_a_stored_measurement_is_there_at_once_and_says_where_it_was_made(open_lab1):
    page = open_lab1("cost")
    assert set(lines(page, 0)) == {"naive", "fused"}
    assert lines(page, 0)["naive"]["x"] == [64, 128, 256, 512, 1024]
    assert all(plot["logX"] and plot["logY"] for plot in page.figure("plots")["plots"])
    assert "Fitted exponents" in page.html()
    assert "Stored, not from this server: python -m engine.jobs attention-cost attention-cost" in page.html()
    assert "ours and torch agree" in page.html()
    assert not jobs.kept_runs(), "nothing is measured before it is asked for"


def test_both_ways_are_measured_at_every_length_on_the_learner_s_settings(open_lab1):
    page = open_lab1("cost", to="256", dim="16", cost_heads="2")
    run_id = measure(page)
    assert jobs.config(run_id) == CostConfig(lengths=(16, 32, 64, 128, 256), n_heads=2, head_dim=16)
    for plot in (0, 1):
        shown = lines(page, plot)
        assert set(shown) == {"naive", "fused", "naive, stored run", "fused, stored run"}
        assert shown["naive"]["x"] == shown["fused"]["x"] == [16, 32, 64, 128, 256]
        assert min(shown["naive"]["y"] + shown["fused"]["y"]) > 0
    assert "With 2 heads of 16 numbers, at 256 tokens" in page.html()
    assert "Measured on this server: cpu" in page.html()


def test_naive_memory_grows_with_the_square_of_the_length(open_lab1):
    page = open_lab1("cost", to="1024", cost_heads="1")
    measure(page)
    naive = dict(zip(lines(page, 1)["naive"]["x"], lines(page, 1)["naive"]["y"], strict=True))
    assert 3.5 < naive[1024] / naive[512] < 4.5  # twice as long: four times the table


def test_a_control_does_not_measure_but_the_button_does_again(open_lab1):
    page = open_lab1("cost", to="256")
    first = measure(page)
    before = lines(page, 0)["naive"]["y"]
    page.set("cost_heads", 2)
    assert page.link()["cost_run"] == first
    assert lines(page, 0)["naive"]["y"] == before
    assert measure(page) != first
    assert jobs.config(page.link()["cost_run"]).n_heads == 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"to": "4096"}, "to must be one of 256, 512, 1024, 2048"),
        ({"cost_heads": "10000"}, "cost_heads must be a whole number from 1 to 8"),
        ({"cost_run": "0" * 32}, "run_id must"),
    ],
)
def test_a_wrong_link_is_a_sentence_and_the_stored_measurement_stays(open_lab1, wrong, sentence):
    page = open_lab1("cost", **wrong)
    assert sentence in page.html()
    assert set(lines(page, 0)) == {"naive", "fused"}


def test_the_heads_of_another_section_are_not_the_heads_that_are_measured(open_lab1):
    page = open_lab1("many-heads", heads="8")
    page.set("section", "cost")
    assert page.widget("cost_heads").value == 4
    assert "Fitted exponents" in page.html()
    page.set("section", "many-heads")
    assert len(page.figure("heatmap")["panels"]) == 8
