"""Lab 1, section 9: the stored race at once, scrubbed without training; the learner's own run over it; wrong input."""

import time

import numpy as np
import pytest

from engine import jobs
from engine.experiments.induction import InductionConfig
from tests.pages.conftest import floats

TITLES = ["Loss on the first copy", "Loss on the second copy", "Induction score, best head"]


def wait_for(run_id: str, *states: str) -> jobs.RunStatus:
    give_up = time.monotonic() + 50
    while (now := jobs.status(run_id)).state not in states:
        assert time.monotonic() < give_up, now
        time.sleep(0.05)
    return now


def lines(page, plot: int) -> dict[str, list]:
    return {series["name"]: series["y"] for series in page.figure("plots")["plots"][plot]["series"]}


def test_the_stored_race_is_on_screen_at_once_and_only_two_layers_find_the_second_copy(open_lab1):
    page = open_lab1("heads-learn")
    assert [plot["title"] for plot in page.figure("plots")["plots"]] == TITLES
    first, second, score = (lines(page, plot) for plot in range(3))
    assert set(second) == {"guessing", "one layer", "two layers"}
    assert second["two layers"][-1] < 0.6
    assert second["one layer"][-1] > 2.5
    assert min(first["one layer"][-1], first["two layers"][-1]) > 3.7
    assert score["two layers"][-1] > 0.8 > 0.2 > score["one layer"][-1]
    assert f"{second['one layer'][-1]:.2f} with one layer and {second['two layers'][-1]:.2f} with two" in page.html()
    assert "A stored run" in page.html()
    assert "python -m engine.jobs induction induction" in page.html()


def test_three_heads_are_shown_and_the_framed_cells_are_what_the_last_one_reads(open_lab1):
    panels = open_lab1("heads-learn").figure("heatmap")["panels"]
    assert [panel["title"].split(":")[0] for panel in panels] == ["One layer", "Two layers", "Two layers"]
    one, previous, induction = (floats(panel) for panel in panels)
    framed = [tuple(cell) for cell in panels[2]["marks"]]
    tokens = [name.split()[1] for name in panels[2]["rows"]]
    assert tokens[:8] == tokens[8:]
    assert framed[1:] == [(row, row - 7) for row in range(9, 16)]
    assert sum(induction[cell] for cell in framed) / 8 > 0.7
    assert sum(one[cell] for cell in framed) / 8 < 0.3
    assert previous.diagonal(-1).mean() > 0.8
    assert all(float(abs(np.triu(weights, 1)).max()) == 0 for weights in (one, previous, induction))


def test_the_moment_moves_the_heads_back_and_trains_nothing(open_lab1):
    page = open_lab1("heads-learn", ind_moment="0")
    assert page.figure("plots")["selected"] == 0
    assert page.figure("heatmap")["panels"][2]["title"].endswith("step 0")
    assert "At step 0 head" in page.html()
    page.set("ind_moment", 50)
    assert page.figure("heatmap")["panels"][2]["title"].endswith("step 400")
    assert page.link()["ind_moment"] == "50"
    assert not jobs.kept_runs()


def test_a_head_can_be_chosen_by_number(open_lab1):
    titles = [panel["title"] for panel in open_lab1("heads-learn", ind_head="3").figure("heatmap")["panels"]]
    assert [title.split(",")[0] for title in titles] == [
        "One layer: head 3",
        "Two layers: layer 1",
        "Two layers: layer 2",
    ]
    assert all("head 3" in title for title in titles)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"ind_moment": "101"}, "ind_moment must be a whole number from 0 to 100"),
        ({"ind_head": "5"}, "ind_head must be one of best, 1, 2, 3, 4"),
        ({"ind_rate": "lots"}, "ind_rate must be one of"),
        ({"ind_fixed": "yes"}, "ind_fixed must be 0 or 1"),
        ({"ind_run": "0" * 32}, "run_id must"),
        ({"ind_run": "<b>x</b>"}, "run_id must"),
    ],
)
def test_a_wrong_link_is_a_sentence_and_the_stored_race_stays(open_lab1, wrong, sentence):
    page = open_lab1("heads-learn", **wrong)
    assert sentence in page.html()
    assert lines(page, 1)["two layers"][-1] < 0.6


def test_a_run_of_ones_own_lays_itself_over_the_stored_one_and_is_in_the_link(open_lab1):
    page = open_lab1("heads-learn", ind_steps="100", ind_fixed="1")
    page.press("Train")
    run_id = page.link()["ind_run"]
    assert jobs.config(run_id) == InductionConfig(steps=100, shortest=20, longest=20)
    wait_for(run_id, "finished")
    page.run()
    assert set(lines(page, 1)) == {"guessing", "stored run", "one layer", "two layers"}
    assert len(lines(page, 1)["one layer"]) == 10
    assert "Finished: " in page.html()
    assert "Your own run" in page.html()
    page.press("Stored run")
    assert "stored run" not in lines(page, 1)
    assert "ind_run" not in page.link()


def test_a_rate_that_is_too_high_is_a_sentence_with_its_step_and_the_curve_stays(open_lab1):
    page = open_lab1("heads-learn", ind_rate="1", ind_steps="200")
    page.press("Train")
    wait_for(page.link()["ind_run"], "failed")
    page.run()
    assert "at step" in page.html()
    assert "choose a learning_rate below 1" in page.html()
    assert lines(page, 1)["two layers"], "the curve up to there is kept"
    assert page.widget("ind_rate").value == "1"
