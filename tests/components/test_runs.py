"""Runs on a page: started, followed, steered, found through the link. The job is the one that counts."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from components import runs
from engine import jobs
from engine.jobs.examples import CountConfig


def page() -> None:
    """A section with one run, as a lab's section holds it."""
    import sys

    import streamlit as st

    from components import runs, section, state
    from engine.jobs.examples import CountConfig

    sleep = state.Number("sleep", 0.02, "Sleep", low=0.0, high=1.0, step=0.01)
    nan_at = state.Number("nan_at", 0, "NaN at", low=0, high=100)
    run = runs.run_id("my_run", "count")
    sys.modules[__name__].PARAMS = [sleep, nan_at, run]
    state.enter("try", [])
    state.open_params([sleep, nan_at, run])

    def figure(record, status) -> None:
        st.text(f"{len(record.events)} events" if record else "stored")

    figure.__module__ = __name__

    @section.live
    def draw() -> None:
        config = CountConfig(steps=20, sleep=state.get(sleep), nan_at=state.get(nan_at) or None)
        runs.controls(run, config)
        runs.follow(run, figure)

    draw()


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path))

    def open_page(**link: str) -> AppTest:
        app = AppTest.from_function(page, default_timeout=30)
        app.query_params.update(link)
        return app.run()

    return open_page


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception, app.exception


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def the_run() -> "jobs.RunStatus":
    (only,) = jobs.kept_runs()
    return only


def wait_for(state: str, seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while the_run().state != state:
        assert time.monotonic() < give_up, f"the run is {the_run().state}"
        time.sleep(0.05)


def test_without_a_run_the_page_offers_one_and_says_how_long_it_takes(app):
    at = app()
    assert labels(at) == ["Train", "One step"]
    assert at.text[0].value == "stored"
    assert "Takes about 0.5 s here" in html(at)


def test_a_run_is_in_the_link_while_it_goes_on_and_ends_with_its_seconds(app):
    at = app()
    press(at, "Train")
    assert at.query_params["my_run"] == the_run().run_id
    assert labels(at) == ["Pause", "Stop", "Start again"]
    wait_for("finished")
    at.run()
    assert at.text[0].value == "20 events"
    assert "Finished: " in html(at)
    assert labels(at) == ["Train", "One step", "Stored run"]


def test_another_visitor_with_the_same_link_sees_the_same_run(app):
    press(app(sleep="0.3"), "Train")
    other = app(sleep="0.3", my_run=the_run().run_id)
    assert labels(other) == ["Pause", "Stop", "Start again"]
    press(other, "Stop")
    assert the_run().state == "stopped"


def test_stop_is_quick_and_resume_goes_on_to_the_same_number(app):
    at = app(sleep="0.1")
    press(at, "Train")
    give_up = time.monotonic() + 20
    while the_run().n_events < 3 and time.monotonic() < give_up:
        time.sleep(0.02)
    began = time.monotonic()
    press(at, "Stop")
    assert time.monotonic() - began < 2
    assert "Stopped after" in html(at)
    press(at, "Resume")
    wait_for("finished")
    uninterrupted = jobs.submit("count", CountConfig(steps=20))
    give_up = time.monotonic() + 20
    while jobs.status(uninterrupted).active and time.monotonic() < give_up:
        time.sleep(0.05)
    assert jobs.record(uninterrupted).events == jobs.record(at.query_params["my_run"]).events


def test_one_step_at_a_time_and_then_on(app):
    at = app()
    press(at, "One step")
    give_up = time.monotonic() + 20
    while the_run().n_events < 1 and time.monotonic() < give_up:
        time.sleep(0.02)
    wait_for("paused")
    at.run()
    assert at.text[0].value == "1 events"
    press(at, "One step")
    while the_run().n_events < 2 and time.monotonic() < give_up:
        time.sleep(0.02)
    wait_for("paused")
    at.run()
    press(at, "Go on")
    wait_for("finished")
    at.run()
    assert at.text[0].value == "20 events"


def test_a_number_that_is_none_is_a_sentence_with_its_step_and_the_curve_stays(app):
    at = app(nan_at="7")
    press(at, "Train")
    wait_for("failed")
    at.run()
    assert "at step 7" in html(at)
    assert at.text[0].value == "6 events"
    assert "Resume" not in labels(at), "the same settings would fail at the same step"


def test_a_killed_worker_is_a_sentence_with_a_resume_button(app, tmp_path):
    import json
    import os
    import signal

    at = app(sleep="0.3")
    press(at, "Train")
    give_up = time.monotonic() + 20
    while the_run().n_events < 1 and time.monotonic() < give_up:
        time.sleep(0.02)
    process = json.loads((tmp_path / "runs" / the_run().run_id / "process.json").read_text())
    os.kill(process["pid"], signal.SIGKILL)
    wait_for("interrupted")
    at.run()
    assert "The worker is gone" in html(at)
    assert "Resume" in labels(at)
    press(at, "Resume")
    assert the_run().state in ("waiting", "running")
    press(at, "Stop")


@pytest.mark.parametrize("raw", ["zz", "../../etc/passwd", "0" * 32])
def test_a_link_with_no_such_run_says_so_and_shows_the_stored_one(app, raw):
    at = app(my_run=raw)
    assert at.text[0].value == "stored"
    assert runs.run_id("my_run", "count").shown_instead() == "the stored run"
    assert "run_id must" in html(at)


def test_a_run_of_another_experiment_is_refused(app, tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    found = jobs.submit("count", CountConfig(steps=1))
    with pytest.raises(ValueError, match="of this experiment"):
        runs.run_id("w_run", "another").parse(found)
