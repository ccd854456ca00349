"""A run is a folder. This file knows its name, its files, and how to read from them what state it is in.

config.json    name, config, seed, when it was asked for and how long it should take: written once
entry.json     what the worker may import: written once, from the registry
control.json   what is wanted: pause, how many single steps, since when stop. Written by whoever asks
process.json   the worker, as the back end knows it
worker.json    the worker's clock, and whether it stands still
events.jsonl   what happened, one line each, only ever added to
checkpoints/   the newest two
result.json    what the function returned
outcome.json   how it ended: finished, failed or stopped. Written last
log.txt        what the worker printed, with the traceback if it failed
"""

import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from engine.home import labs_home
from engine.jobs.files import read_json, whole_lines
from engine.jobs.processes import backend

RUN_ID = re.compile(r"[0-9a-f]{32}")
STATES = ("waiting", "running", "paused", "finished", "stopped", "failed", "interrupted")
INTERRUPTED = "The worker is gone: it was ended from outside, or the machine ran out of memory or was restarted."


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment."""

    run_id: str
    name: str
    state: str  # one of STATES
    n_events: int
    seconds: float  # of work so far, pauses and waiting left out
    expected_seconds: float | None  # what was expected of the whole run before it began
    created: float  # as time.time()
    place: int | None = None  # in the queue, while it waits: 1 is next
    error: str | None = None  # one sentence, when it failed or was interrupted
    step: int | None = None  # where it failed, when the job said so

    @property
    def active(self) -> bool:
        """Whether something may still happen without anybody asking: a page looks again as long as this holds."""
        return self.state in ("waiting", "running")

    @property
    def can_resume(self) -> bool:
        return self.state in ("paused", "stopped", "failed", "interrupted")


def new_run_id() -> str:
    """128 random bits: a name nobody guesses, since whoever knows it can see and steer the run."""
    return secrets.token_hex(16)


def runs_home() -> Path:
    """The folder of all runs."""
    folder = labs_home() / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def lock_file() -> Path:
    """Held by whoever starts, stops or removes a run."""
    return runs_home() / ".lock"


def run_folder(run_id: str) -> Path:
    """The folder of a run. ValueError when the name is malformed or there is no such run here."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise ValueError(f"run_id must be 32 hexadecimal digits, got {str(run_id)[:40]!r}")
    folder = runs_home() / run_id
    if not (folder / "config.json").is_file():
        raise ValueError(f"run_id must name a run kept on this machine, but {run_id} is not here or was removed by now")
    return folder


def all_runs() -> list[Path]:
    """The folders of all runs, newest first."""
    found = []
    for folder in runs_home().iterdir():
        if RUN_ID.fullmatch(folder.name):
            try:
                found.append(((folder / "config.json").stat().st_mtime_ns, folder.name, folder))
            except FileNotFoundError:  # being made, or being removed
                continue
    return [folder for _, _, folder in sorted(found, reverse=True)]


def alive(folder: Path) -> bool:
    """Whether the worker of this run exists."""
    process = read_json(folder / "process.json")
    return process is not None and backend().alive(process)


def control(folder: Path) -> dict:
    """What is wanted of the worker."""
    return read_json(folder / "control.json") or {"pause": False, "steps": 0, "stop": None}


def stands_still(folder: Path) -> bool:
    """Whether the worker is paused, and means to stay so."""
    worker, wanted = read_json(folder / "worker.json"), control(folder)
    if worker is None or wanted["stop"] is not None:
        return False
    return worker["paused"] and wanted["pause"] and wanted["steps"] <= worker["steps_used"]


def seconds_of(folder: Path, lives: bool, outcome: dict | None) -> float:
    """The seconds a run has worked, from the last time its worker set its clock."""
    if outcome is not None:
        return outcome["seconds"]
    worker = read_json(folder / "worker.json")
    if worker is None:
        return 0.0
    if worker["paused"]:
        return worker["seconds"]
    events = folder / "events.jsonl"
    last_sign = events.stat().st_mtime if events.exists() else worker["as_of"]
    return worker["seconds"] + max(0.0, (time.time() if lives else last_sign) - worker["as_of"])


def read_status(folder: Path, waiting: list[str]) -> RunStatus:
    """The run's state, worked out from its files. waiting: the queue, next one first.

    Whether the worker lives is asked before its outcome is read: it writes the outcome first and ends then, so one
    that is gone and left no outcome did not end by itself.
    """
    asked = read_json(folder / "config.json")
    if asked is None:
        raise ValueError(f"run_id must name a run kept on this machine, but {folder.name} was just removed")
    lives = alive(folder)
    outcome = read_json(folder / "outcome.json")
    place = waiting.index(folder.name) + 1 if folder.name in waiting else None
    if place is not None:
        state = "waiting"
    elif outcome is not None:
        state = outcome["state"]
    elif lives:
        state = "paused" if stands_still(folder) else "running"
    else:
        state = "interrupted"
    return RunStatus(
        run_id=folder.name,
        name=asked["name"],
        state=state,
        n_events=len(whole_lines(folder / "events.jsonl")),
        seconds=seconds_of(folder, lives, outcome),
        expected_seconds=asked["expected_seconds"],
        created=asked["created"],
        place=place,
        error=INTERRUPTED if state == "interrupted" else (outcome or {}).get("error"),
        step=(outcome or {}).get("step"),
    )
