"""The language models that a section offers: chosen, fetched with progress, stopped, and loaded once."""

import threading
import time

import pytest
from streamlit.testing.v1 import AppTest

from components import language_models, models
from engine import jobs
from engine import models as known
from engine.experiments import model_download
from engine.jobs import processes, worker
from engine.jobs.files import write_json
from tests import hub
from tests.hub_models import REVISION, believe_in, pin_tiny, put_in_cache, tiny_files

NOBODY = "http://127.0.0.1:9"
CHOICE = language_models.model_choice("m_model")
PATIENCE = 30.0


class InThisProcess:
    """Runs a worker's job in a thread, so that it knows the tiny model that the test has pinned."""

    def __init__(self):
        self.threads = {}

    def start(self, folder):
        def work():
            try:
                outcome = worker._work(folder)
            except Exception as error:
                outcome = {"state": "failed", "error": worker._sentence(error), "step": None, "seconds": 0.0}
            write_json(folder / "outcome.json", outcome)

        self.threads[folder.name] = threading.Thread(target=work, daemon=True)
        self.threads[folder.name].start()
        return {"name": folder.name}

    def alive(self, process):
        return process["name"] in self.threads and self.threads[process["name"]].is_alive()

    def kill(self, process):
        raise AssertionError("a download must hear Stop by itself")


@pytest.fixture(autouse=True)
def own_machine(tmp_path, monkeypatch):
    """A machine with nothing of the hub, and a hub that nobody answers for."""
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "labs"))
    monkeypatch.setattr(processes, "_backend", InThisProcess())
    monkeypatch.setattr(language_models, "_refused", {})
    monkeypatch.setattr(model_download, "CHUNK", hub.PIECE)
    pin_tiny(monkeypatch, "gpt2")
    believe_in(monkeypatch, NOBODY, tmp_path / "hf")
    kept = models.language_model
    yield
    for run in jobs.kept_runs():
        jobs.stop(run.run_id)
    kept.clear()


@pytest.fixture
def gpt2_hub(tmp_path, monkeypatch):
    with hub.serve("openai-community/gpt2", REVISION, tiny_files("gpt2")) as server:
        believe_in(monkeypatch, server.url, tmp_path / "hf")
        yield server


def page() -> None:
    """A section with a model, as a lab's section holds it."""
    import sys

    import streamlit as st

    from components import errors, language_models, section, state

    model = language_models.model_choice("m_model")
    sys.modules[__name__].PARAMS = [model]
    state.enter("try", [])
    state.open_params([model])

    @section.live
    def draw() -> None:
        language_models.control(model)
        loaded, problem = errors.attempt(lambda: language_models.get(state.get(model)))
        st.text(f"loaded {loaded.info.name}" if loaded else problem)

    draw()


def opened(**link: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=30)
    app.query_params.update(link)
    return again(app)


def again(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click()
    again(app)


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def wait_until(holds) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.02)


def newest() -> "jobs.RunStatus":
    return jobs.kept_runs()[0]


def test_the_bundled_model_is_the_default_and_loaded_once():
    app = opened()
    assert app.text[0].value == "loaded story-lm"
    assert labels(app) == []
    assert language_models.get("story-lm") is models.story_lm() is models.language_model("story-lm")


def test_the_list_tells_what_is_here_and_offers_no_draft():
    assert CHOICE.options == ("story-lm", "gpt2", "distilgpt2", "smollm2-135m")
    assert CHOICE.show("story-lm") == "story-lm, 6 million"
    assert CHOICE.show("gpt2") == "GPT-2, 124 million, not here yet"
    assert CHOICE.parse("gpt2") == "gpt2"
    for raw in ("story-lm-draft", "minilm", "", "<b>"):
        with pytest.raises(ValueError, match=r"m_model must be one of story-lm, gpt2, .*the link says"):
            CHOICE.parse(raw)


def test_a_link_with_no_such_model_says_so_and_shows_the_bundled_one():
    app = opened(m_model="gpt9")
    assert app.text[0].value == "loaded story-lm"
    assert "gpt9" in html(app)
    assert "Shown instead: story-lm." in html(app)


def test_a_model_that_is_not_here_is_offered_with_its_size_and_nothing_is_asked(gpt2_hub):
    app = opened(m_model="gpt2")
    assert app.text[0].value == (
        "GPT-2 is not on this machine yet: press Download (548 MB), or choose story-lm, which comes with the app"
    )
    assert labels(app) == ["Download 548 MB"]
    assert "Licence: MIT" in html(app)
    assert "takes about 55 s" in html(app)
    assert gpt2_hub.asked == []


def test_a_download_tells_how_far_it_is_to_everybody_and_then_the_model_is_there(gpt2_hub):
    gpt2_hub.pause = 0.05
    app = opened(m_model="gpt2")
    press(app, "Download 548 MB")
    wait_until(lambda: newest().n_events)
    again(app)
    assert labels(app) == ["Stop"]
    assert "labs-run-bar" in html(app)
    assert "of 0 MB, " in html(app), "the tiny model's megabytes"
    assert app.text[0].value.startswith("GPT-2 is on its way to this machine: wait, or choose story-lm")
    other = opened(m_model="gpt2")
    assert labels(other) == ["Stop"], "another visitor sees the same download"
    gpt2_hub.pause = 0.0
    wait_until(lambda: newest().state == "finished")
    after = opened(m_model="gpt2")
    assert after.text[0].value == "loaded gpt2"
    assert labels(after) == []
    assert CHOICE.show("gpt2") == "GPT-2, 124 million"
    assert len(jobs.kept_runs()) == 1
    assert language_models.get("gpt2") is language_models.get("gpt2")


def test_nobody_starts_a_second_download_of_the_same_model(gpt2_hub):
    gpt2_hub.pause = 0.05
    app, other = opened(m_model="gpt2"), opened(m_model="gpt2")
    press(app, "Download 548 MB")
    press(other, "Download 548 MB")
    assert len(jobs.kept_runs()) == 1


def test_stop_ends_it_and_says_what_is_kept(gpt2_hub):
    gpt2_hub.pause = 0.2
    app = opened(m_model="gpt2")
    press(app, "Download 548 MB")
    wait_until(lambda: newest().n_events)
    again(app)
    press(app, "Stop")
    assert newest().state == "stopped"
    again(app)
    assert labels(app) == ["Download 548 MB"]
    assert "Stopped. Whole files are kept; the one that was on its way starts anew." in html(app)


def test_without_a_network_the_panel_says_so_and_the_bundled_model_goes_on():
    app = opened(m_model="gpt2")
    press(app, "Download 548 MB")
    wait_until(lambda: newest().state == "failed")
    again(app)
    assert "cannot be reached from this machine" in html(app)
    assert labels(app) == ["Download 548 MB"]
    app.selectbox[0].set_value("story-lm")
    again(app)
    assert app.text[0].value == "loaded story-lm"


def test_damaged_files_are_said_and_can_be_fetched_again(gpt2_hub, tmp_path):
    folder = put_in_cache(tmp_path / "hf", known.model_info("gpt2"), tiny_files("gpt2"))
    (folder / "model.safetensors").write_bytes(b"broken")
    assert "refused; download it again" in opened(m_model="gpt2").text[0].value
    app = opened(m_model="gpt2")
    assert "refused; download it again" in app.text[0].value
    assert labels(app) == ["Download 548 MB"]
    press(app, "Download 548 MB")
    wait_until(lambda: newest().state == "finished")
    assert opened(m_model="gpt2").text[0].value == "loaded gpt2"


def test_the_second_opinion_holds_the_same_weights_and_is_loaded_once():
    theirs = models.language_model_reference("story-lm")
    assert theirs is models.language_model_reference("story-lm")
    assert theirs.num_parameters() == known.model_info("story-lm").size


def test_the_warm_up_loads_the_bundled_language_model(monkeypatch):
    loaded = []
    monkeypatch.setattr(models, "language_model", lambda name: loaded.append(name) or known.load(name, device="cpu"))
    models.load_story_lm_and_first_forward()
    assert loaded == ["story-lm"]
