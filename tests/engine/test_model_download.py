"""The job that fetches a model of the hub: its progress, Stop, and how it ends when something is wrong."""

import json
import threading
import time

import pytest

from engine import jobs, model_files, models
from engine.experiments import model_download
from engine.experiments.model_download import ModelDownloadConfig, download
from engine.jobs.files import write_json
from engine.jobs.handle import Run
from tests import hub
from tests.hub_models import REVISION, believe_in, pin_tiny, tiny_files

NOBODY = "http://127.0.0.1:9"
PATIENCE = 30.0  # seconds; a worker starts in a second, but the machine may be busy


@pytest.fixture
def gpt2_hub(tmp_path, monkeypatch):
    """A hub with the tiny GPT-2, asked in small pieces."""
    pin_tiny(monkeypatch, "gpt2")
    monkeypatch.setattr(model_download, "CHUNK", hub.PIECE)
    with hub.serve("openai-community/gpt2", REVISION, tiny_files("gpt2")) as server:
        believe_in(monkeypatch, server.url, tmp_path / "hf")
        yield server


@pytest.fixture
def new_run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return lambda: Run(folder, ModelDownloadConfig("gpt2"))


def events(run):
    return [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]


def wanted_bytes(server):
    return sum(len(server.files[file]) for file in model_files.FILES)


def test_the_progress_adds_up_to_all_bytes_of_all_files(gpt2_hub, new_run, monkeypatch):
    monkeypatch.setattr(model_download, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(model_download, "LOOK_SECONDS", 0.001)
    gpt2_hub.pause = 0.01
    run = new_run()
    total = wanted_bytes(gpt2_hub)
    assert download(run) == {"bytes": total, "total": total}
    told = events(run)
    assert all(event["total"] == total for event in told)
    counted = [event["bytes"] for event in told]
    assert counted == sorted(counted)
    assert counted[-1] == total
    assert len({event["bytes"] for event in told}) > 10, "it tells while the weights come"
    assert told[-1]["file"] == "model.safetensors"
    assert models.load("gpt2", device="cpu").info.where == "cache"


def test_it_tells_about_twice_a_second_at_most(gpt2_hub, new_run):
    gpt2_hub.pause = 1.2 / (len(gpt2_hub.files["model.safetensors"]) / hub.PIECE)
    run, began = new_run(), time.monotonic()
    download(run)
    took = time.monotonic() - began
    assert took > 1
    assert len(events(run)) <= took / model_download.TELL_SECONDS + 2


def test_stop_is_heard_while_the_network_is_silent_and_leaves_no_half_file(gpt2_hub, new_run):
    gpt2_hub.pause = 30.0  # after its first piece nothing more comes
    run, ended = new_run(), []
    thread = threading.Thread(target=lambda: ended.append(download(run)))
    thread.start()
    info = models.model_info("gpt2")
    give_up = time.monotonic() + PATIENCE
    while "GET tokenizer.json" not in gpt2_hub.asked and time.monotonic() < give_up:
        time.sleep(0.01)
    time.sleep(0.5)  # until the first piece has come, and with it the silence
    assert model_files.unfinished_files(info), "it must have begun"
    write_json(run.folder / "control.json", {"pause": False, "steps": 0, "stop": time.time()})
    asked = time.monotonic()
    thread.join(PATIENCE)
    assert ended == [None]
    assert time.monotonic() - asked < 1.0, "a worker that takes longer is killed"
    assert model_files.unfinished_files(info) == set()
    assert not models.is_available("gpt2")


def test_after_a_stop_whole_files_are_kept_and_the_other_starts_anew(gpt2_hub, new_run, monkeypatch):
    monkeypatch.setattr(model_download, "TELL_SECONDS", 0.0)
    gpt2_hub.pause = 0.02
    run, ended = new_run(), []
    thread = threading.Thread(target=lambda: ended.append(download(run)))
    thread.start()
    give_up = time.monotonic() + PATIENCE
    told = run.folder / "events.jsonl"
    while not ("GET model.safetensors" in gpt2_hub.asked and told.exists()) and time.monotonic() < give_up:
        time.sleep(0.01)
    write_json(run.folder / "control.json", {"pause": False, "steps": 0, "stop": time.time()})
    thread.join(PATIENCE)
    assert ended == [None]
    before = len(events(run))
    (run.folder / "control.json").unlink()
    gpt2_hub.pause, gpt2_hub.asked[:] = 0.002, []
    again = new_run()
    assert download(again)["bytes"] == wanted_bytes(gpt2_hub)
    assert [line for line in gpt2_hub.asked if line.startswith("GET")] == ["GET model.safetensors"]
    assert gpt2_hub.ranges == []
    assert len(events(again)) > before, "the events go on"
    assert events(again)[-1]["bytes"] == wanted_bytes(gpt2_hub)


def test_a_connection_that_breaks_for_good_ends_the_run_with_a_sentence(gpt2_hub, new_run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    gpt2_hub.break_after, gpt2_hub.always_break = {"model.safetensors": 0}, True
    with pytest.raises(ValueError, match=r"broke off while model\.safetensors came"):
        download(new_run())


def test_only_models_of_the_hub_can_be_asked_for():
    assert ModelDownloadConfig("distilgpt2").name == "distilgpt2"
    for name in ("story-lm", "minilm", "other/repo", ""):
        with pytest.raises(ValueError, match=r"name must be a model of the hub \(gpt2, distilgpt2, smollm2-135m\)"):
            ModelDownloadConfig(name)


# --- in a worker of its own, which knows the real pins ---


def worked(config, tmp_path, monkeypatch):
    """The run of a worker, when it has ended."""
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "labs"))
    run_id = jobs.submit("download-model", config)
    give_up = time.monotonic() + PATIENCE
    while jobs.status(run_id).active:
        assert time.monotonic() < give_up, jobs.status(run_id)
        time.sleep(0.05)
    return jobs.status(run_id)


def test_without_a_network_the_run_ends_at_once_with_one_sentence(tmp_path, monkeypatch):
    believe_in(monkeypatch, NOBODY, tmp_path / "hf")
    now = worked(ModelDownloadConfig("smollm2-135m"), tmp_path, monkeypatch)
    assert now.state == "failed"
    assert now.error.startswith(f"The hub at {NOBODY} cannot be reached from this machine (ConnectError")
    assert now.error.endswith(".")
    assert "Traceback" not in now.error


def test_a_worker_asks_for_the_pinned_revision_and_refuses_other_weights(tmp_path, monkeypatch):
    info = models.model_info("gpt2")
    with hub.serve(info.source, info.revision, tiny_files("gpt2")) as server:
        believe_in(monkeypatch, server.url, tmp_path / "hf")
        now = worked(ModelDownloadConfig("gpt2"), tmp_path, monkeypatch)
    assert now.state == "failed"
    assert f"must have SHA-256 {info.sha256[:12]}" in now.error
    assert now.error.endswith("they were removed: try again, and check who answers as the hub.")
    assert "GET model.safetensors" in server.asked
    assert not models.is_available("gpt2")
