"""A run as it is drawn: the learner's own, still going on or ended, or one that was stored with the project.

Both are the same files, so a page draws both by the same code. A stored run stands in assets/results/NAME; it was made
by `python -m engine.jobs JOB NAME`, on the machine and by the command that its config.json names.
"""

import json
import os
import platform
import shutil
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from engine.jobs import registry
from engine.jobs.checkpoints import load_checkpoint, save_checkpoint
from engine.jobs.configs import from_json
from engine.jobs.files import read_json, whole_lines, write_json
from engine.jobs.processes import ROOT
from engine.jobs.runs import run_folder

STORED = ROOT / "assets" / "results"


@dataclass(frozen=True)
class Record:
    """What a run did so far. `run_id` is None for a stored one; `command` and `machine` are None for a learner's."""

    job: str
    config: object
    events: list[dict] = field(repr=False)
    result: dict | None
    seconds: float | None  # of work; None while it goes on
    folder: Path = field(repr=False)
    run_id: str | None = None
    command: str | None = None
    machine: str | None = None

    @property
    def stored(self) -> bool:
        return self.run_id is None

    def checkpoint(self) -> object | None:
        """The state that the job saved last; of a stored run only its "weights" were kept. None without one."""
        whole = load_checkpoint(self.folder / "checkpoints")
        return None if whole is None else whole["state"]


def record(run_id: str) -> Record:
    """The learner's run as it stands now. ValueError for a run_id that is malformed or not kept here."""
    folder = run_folder(run_id)
    outcome = read_json(folder / "outcome.json")
    return _read(folder, seconds=outcome and outcome["seconds"], run_id=run_id)


def stored(name: str) -> Record:
    """The run stored with the project under `name`. ValueError when there is none."""
    if name not in stored_names():
        raise ValueError(f"name must be one of {', '.join(stored_names()) or '(none is stored)'}, got {name[:40]!r}")
    return _stored(STORED / name)


def stored_names() -> list[str]:
    """The runs stored with the project."""
    return sorted(folder.parent.name for folder in STORED.glob("*/config.json"))


def store(run_id: str, name: str, command: str) -> Path:
    """Keep a finished run with the project as assets/results/`name`, in place of an older one. Returns its folder.

    Of its last checkpoint only the entry "weights" is kept: enough to use the model, not to train it further.
    Raises ValueError for a run that has not finished.
    """
    done = record(run_id)
    if done.result is None:
        raise ValueError(f"only a finished run can be stored, and run {run_id} has no result")
    folder = STORED / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asked = read_json(done.folder / "config.json")
    kept = {key: asked[key] for key in ("name", "config", "seed")}
    kept |= {"command": command, "machine": this_machine(), "seconds": round(done.seconds, 2)}
    write_json(folder / "config.json", kept)
    write_json(folder / "result.json", done.result)
    shutil.copyfile(done.folder / "events.jsonl", folder / "events.jsonl")
    state = done.checkpoint()
    if isinstance(state, dict) and "weights" in state:
        save_checkpoint(folder / "checkpoints", {"state": {"weights": state["weights"]}})
    _stored.cache_clear()
    return folder


def this_machine() -> str:
    """What a measurement was made on, in words: the number of cores, the processor's kind, torch's version."""
    return f"one of {os.cpu_count()} cores ({platform.machine()}, {platform.system()}), torch {version('torch')}"


def _read(folder: Path, **known: object) -> Record:
    asked = read_json(folder / "config.json")
    config = from_json(registry.imported(registry.find(asked["name"]).config_type), asked["config"])
    events = [json.loads(line) for line in whole_lines(folder / "events.jsonl")]
    return Record(asked["name"], config, events, read_json(folder / "result.json"), folder=folder, **known)


@lru_cache(maxsize=32)
def _stored(folder: Path) -> Record:
    asked = read_json(folder / "config.json")
    return _read(folder, **{key: asked[key] for key in ("seconds", "command", "machine")})
