"""Stored runs and learners' runs are the same files, read by the same code."""

import re
import time

import pytest

from engine import jobs
from engine.jobs import __main__ as command
from engine.jobs import records
from engine.jobs.examples import CountConfig
from engine.jobs.processes import ROOT


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(records, "STORED", tmp_path / "results")
    yield
    records._stored.cache_clear()


def finished(config: CountConfig) -> str:
    run_id = jobs.submit("count", config)
    give_up = time.monotonic() + 20
    while jobs.status(run_id).active and time.monotonic() < give_up:
        time.sleep(0.05)
    assert jobs.status(run_id).state == "finished"
    return run_id


def test_a_stored_run_is_read_like_the_run_it_was_made_from():
    run_id = finished(CountConfig(steps=4))
    own = jobs.record(run_id)
    jobs.store(run_id, "four", "python -m ...")
    kept = jobs.stored("four")
    assert (kept.job, kept.config, kept.events, kept.result) == (own.job, own.config, own.events, own.result)
    assert len(kept.events) == 4
    assert (own.stored, kept.stored) == (False, True)
    assert kept.command == "python -m ..."
    assert "cores" in kept.machine
    assert kept.seconds == pytest.approx(own.seconds, abs=0.01)


def test_of_a_checkpoint_only_the_weights_are_stored():
    import torch

    run_id = finished(CountConfig(steps=1))
    own = jobs.record(run_id)
    assert "generator" in own.checkpoint()
    jobs.store(run_id, "one", "")
    assert jobs.stored("one").checkpoint() is None, "a count has no weights"
    weights = {"head": torch.arange(3.0)}
    records.save_checkpoint(own.folder / "checkpoints", {"state": {"weights": weights, "optimiser": {"step": 1}}})
    jobs.store(run_id, "one", "")
    kept = jobs.stored("one").checkpoint()
    assert list(kept) == ["weights"]
    assert torch.equal(kept["weights"]["head"], weights["head"])


def test_what_is_not_finished_is_not_stored():
    run_id = jobs.submit("count", CountConfig(steps=100, sleep=0.5))
    with pytest.raises(ValueError, match="only a finished run"):
        jobs.store(run_id, "early", "")
    jobs.stop(run_id)


@pytest.mark.parametrize("name", ["nothing", "../home", ""])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match="name must be one of"):
        jobs.stored(name)


def test_the_command_stores_what_it_says(capsys, monkeypatch):
    assert command.main("count", "told", "steps=3", "seed=5") == 0
    kept = jobs.stored("told")
    assert kept.config == CountConfig(steps=3, seed=5)
    assert kept.command == "python -m engine.jobs count told steps=3 seed=5"
    assert "3 events" in capsys.readouterr().out
    assert command.main("count", "told", "steps=3", "nan_at=2") == 1
    assert jobs.stored("told").config.seed == 5, "a run that fails replaces nothing"


@pytest.mark.parametrize("folder", sorted(path.parent for path in (ROOT / "assets" / "results").glob("*/config.json")))
def test_every_stored_run_stands_in_the_list_with_its_command(folder, monkeypatch):
    monkeypatch.setattr(records, "STORED", folder.parent)
    kept = jobs.stored(folder.name)
    assert kept.events
    assert kept.result is not None
    card = (folder.parent / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{re.escape(folder.name)}` \|.*`{re.escape(kept.command)}`", card, flags=re.MULTILINE)
