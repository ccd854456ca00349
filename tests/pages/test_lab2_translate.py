"""Lab 2, encoder and decoder together: the stored run at once, the learner's own over it, and their input answered."""

import dataclasses
import json

import numpy as np
import pytest

from engine import jobs
from engine.experiments.sequence_training import SequenceConfig, train
from engine.jobs.handle import Run
from engine.jobs.runs import run_folder
from tests.pages.conftest import floats

TINY = SequenceConfig(task="sort", d_model=16, n_heads=2, n_layers=1, d_ff=32, steps=200, batch=4)


def test_the_stored_run_is_there_at_once_with_an_anti_diagonal(open_lab2):
    page = open_lab2("translate")
    curves = page.figure("plots")["plots"]
    assert [plot["series"][0]["name"] for plot in curves] == ["stored run", "stored run"]
    assert curves[1]["series"][0]["y"][-1] >= 0.97
    layers = page.figure("heatmap")["panels"]
    anti_diagonal = [np.fliplr(floats(layer)[:11, :11]).diagonal().mean() for layer in layers]
    assert max(anti_diagonal) > 0.6
    assert "remrofsnart" in page.html()
    assert "✓ right" in page.html()


def test_the_slider_goes_back_to_before_the_first_step(open_lab2):
    page = open_lab2("translate", t_at="0")
    assert "Step 0" in page.html()
    assert "✗ wrong" in page.html()
    assert max(floats(layer).max() for layer in page.figure("heatmap")["panels"]) < 0.5
    assert page.figure("plots")["selected"] == 0
    page.set("t_at", 100)
    assert "✓ right" in page.html()
    page.press("Before the first step")
    assert page.link()["t_at"] == "0"


@pytest.mark.parametrize(
    ("task", "given", "answer"),
    [("reverse", "hello", "olleh"), ("sort", "zb3a", "3abz"), ("date", "March 3, 2014", "2014-03-03")],
)
def test_an_input_is_answered_step_by_step(open_lab2, task, given, answer):
    page = open_lab2("translate", t_view="writing", t_task=task, **{f"t_{task}": given}, t_written="2")
    assert f"writes “{answer[1]}”" in page.html()
    panel = page.figure("heatmap")["panels"][0]
    assert panel["framedRow"] == 1
    assert panel["rows"][:3] == [f"1 {answer[0]}", f"2 {answer[1]}", ""]
    weights = floats(panel)
    np.testing.assert_allclose(weights[:2].sum(axis=1), 1, atol=1e-5)
    assert not weights[2:].any(), "what is not written yet has looked at nothing"
    assert "✓ right" not in page.html(), "the verdict comes with the last step"
    assert "agree, largest difference" in page.html()
    page.press("Its last step")
    assert page.link()["t_written"] == str(len(answer) + 1)
    assert "✓ right" in page.html()
    assert "so its answer ends here" in page.html()


def test_each_head_is_one_row_of_its_own_and_their_mean_the_first(open_lab2):
    def rows(head: str) -> np.ndarray:
        page = open_lab2("translate", t_view="writing", t_head=head, t_written="10")
        return floats(page.figure("heatmap")["panels"][0])

    heads = [rows(str(head)) for head in range(1, 5)]
    np.testing.assert_allclose(rows("0"), sum(heads) / 4, atol=1e-5)


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ({"t_reverse": "two words"}, "a space is not among them"),
        ({"t_reverse": "שלום"}, "is not among them"),
        ({"t_reverse": "<b>x</b>"}, "&lt;"),
        ({"t_reverse": "x" * 1400}, "this one has 1400"),
        ({"t_task": "sort", "t_sort": "a"}, "2 to 12 characters"),
        ({"t_task": "date", "t_date": "30 february 2014"}, "February 2014 has 28 days"),
    ],
)
def test_a_wrong_input_is_a_sentence_and_stays_in_its_field(open_lab2, link, says):
    page = open_lab2("translate", t_view="writing", **link)
    assert says in page.html()
    name, value = list(link.items())[-1]
    assert page.widget(name).value == value
    page.set(name, {"t_date": "3 march 2014"}.get(name, "abc"))
    assert page.figures("heatmap"), "the figure is back"


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ({"t_heads": "10000"}, "t_heads must be a whole number from 1 to 8"),
        ({"t_layers": "0"}, "t_layers must be a whole number from 1 to 4"),
        ({"t_heads": "5"}, "n_heads must divide d_model = 64"),
        ({"t_task": "poetry"}, "t_task must be one of"),
        ({"t_run": "../../etc/passwd"}, "run_id must be 32 hexadecimal digits"),
        ({"t_run": "0" * 32}, "not here"),
    ],
)
def test_impossible_settings_are_a_sentence_and_the_stored_run_stays(open_lab2, link, says):
    page = open_lab2("translate", **link)
    assert says in page.html()
    assert page.figures("plots")
    assert page.figures("heatmap")


def test_train_submits_what_the_controls_say_and_the_link_names_the_run(open_lab2, monkeypatch):
    from engine.jobs import queue

    monkeypatch.setattr(queue, "start_waiting", lambda: None)  # it stays in the queue: nothing is trained here
    page = open_lab2("translate", t_task="sort", t_norm="post", t_rate="0.005", t_seed="3")
    page.press("Train your own")
    run_id = page.link()["t_run"]
    wanted = SequenceConfig(task="sort", norm_first=False, learning_rate=0.005, seed=3)
    assert jobs.config(run_id) == wanted
    assert "Waiting, place 1" in page.html()
    assert page.figures("plots"), "the stored run stays meanwhile"


@pytest.fixture
def own_run(open_lab2, monkeypatch):
    """The learner's finished run of the tiny model, made in this process."""
    from engine.jobs import queue

    monkeypatch.setattr(queue, "start_waiting", lambda: None)

    def make(config: SequenceConfig, outcome: dict | None = None) -> str:
        run_id = jobs.submit("sequence", config)
        folder = run_folder(run_id)
        run = Run(folder, config)
        try:
            result = train(run)
            (folder / "result.json").write_text(json.dumps(result))
        except ArithmeticError as error:
            outcome = {"state": "failed", "error": f"{error}.", "step": 2}
        ended = {"state": "finished", "error": None, "step": None} | (outcome or {})
        (folder / "outcome.json").write_text(json.dumps(ended | {"seconds": 1.0}))
        queue.leave(run_id)
        return run_id

    return make


def test_the_learners_run_lies_over_the_stored_one_and_its_weights_do_the_writing(open_lab2, own_run):
    run_id = own_run(TINY)
    page = open_lab2("translate", t_task="sort", t_run=run_id)
    names = [series["name"] for series in page.figure("plots")["plots"][0]["series"]]
    assert names == ["stored run", "your run"]
    assert len(page.figure("heatmap")["panels"]) == 1, "its own single layer"
    assert "your run, on this machine" in page.html()
    page.press("Type your own input")
    assert "These are your own weights, from about step 200" in page.html()
    assert "agree, largest difference" in page.html()
    page.set("t_task", "reverse")
    assert "These are the stored weights" in page.html(), "they have learned another task"
    page.set("t_view", "learning")
    assert "Your run learns another task" in page.html()


def test_a_run_that_became_nan_says_so_and_keeps_its_curves(open_lab2, own_run):
    run_id = own_run(dataclasses.replace(TINY, learning_rate=1e30, warmup=0))
    page = open_lab2("translate", t_task="sort", t_run=run_id)
    assert "try a smaller learning_rate" in page.html()
    assert [series["name"] for series in page.figure("plots")["plots"][1]["series"]] == ["stored run", "your run"]
