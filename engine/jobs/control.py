"""What a page does with runs: ask for one, look at it, pause it, stop it, go on, start again."""

import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

from engine.jobs import queue, registry
from engine.jobs.checkpoints import load_checkpoint
from engine.jobs.configs import check_config, from_json, to_json
from engine.jobs.files import file_lock, read_json, whole_lines, write_json
from engine.jobs.processes import backend
from engine.jobs.runs import (
    RunStatus,
    alive,
    all_runs,
    control,
    lock_file,
    new_run_id,
    read_status,
    run_folder,
    runs_home,
    seconds_of,
)

GRACE_SECONDS = 1.0  # for a function to save and return when Stop is pressed; then its process group is killed
FRESH = {"pause": False, "steps": 0, "stop": None}


def submit(name: str, config: object, *, paused: bool = False) -> str:
    """Ask for a run of the job `name` and return the run_id it is found by from now on. It starts when it can.

    config: an instance of the job's config type. paused: it stands still before its first step, for step().
    Raises ValueError for an unknown job, a config of another type, and when too many runs wait already.
    """
    job = registry.find(name)
    if registry.place_of(type(config)) != job.config_type:
        raise ValueError(f"config of {name!r} must be a {job.config_type.split(':')[1]}, got a {type(config).__name__}")
    check_config(config)
    asked = {"name": name, "config": to_json(config), "seed": getattr(config, "seed", None), "created": time.time()}
    asked |= {"formula_seconds": _formula(job, config), "expected_seconds": estimate(name, config)}
    path = [str(Path(place).resolve()) for place in sys.path if Path(place).is_dir()]
    with file_lock(lock_file()):
        if len(queue.waiting()) >= queue.MAX_WAITING:
            raise ValueError(f"at most {queue.MAX_WAITING} runs may wait; stop one, or try again in a few minutes")
        run_id = new_run_id()
        folder = runs_home() / run_id
        folder.mkdir()
        write_json(folder / "entry.json", {"function": job.function, "config_type": job.config_type, "path": path})
        write_json(folder / "control.json", FRESH | {"pause": paused})
        write_json(folder / "config.json", asked)  # last: with it the run exists
        queue.enter(run_id)
        queue.remove_old()
    queue.start_waiting()
    return run_id


def status(run_id: str) -> RunStatus:
    """Where a run stands. Looking also lets waiting runs start, and ends one whose Stop nobody saw through."""
    folder = run_folder(run_id)
    asked_to_stop = control(folder)["stop"]
    if asked_to_stop is not None and time.time() > asked_to_stop + GRACE_SECONDS:
        _finish_stop(folder)
    queue.start_waiting()
    return _look(folder)


def events(run_id: str, after: int = 0) -> list[dict]:
    """The events number `after` and later, as they were emitted. Next time ask with after + len(what came).

    Events are never taken back: after a Resume the list goes on where it was.
    """
    if not isinstance(after, int) or isinstance(after, bool) or after < 0:
        raise ValueError(f"after must be a whole number of 0 or more, got {after!r}")
    folder = run_folder(run_id)
    queue.start_waiting()
    return [json.loads(line) for line in whole_lines(folder / "events.jsonl")[after:]]


def result(run_id: str) -> dict:
    """What the job returned. ValueError while it has not finished."""
    now = status(run_id)
    if now.state != "finished":
        raise ValueError(f"only a finished run has a result, and run {run_id} is {now.state}")
    return read_json(run_folder(run_id) / "result.json")


def config(run_id: str) -> object:
    """The config the run was asked for with, equal to the one given to submit()."""
    asked = read_json(run_folder(run_id) / "config.json")
    return from_json(registry.imported(registry.find(asked["name"]).config_type), asked["config"])


def checkpoint(run_id: str) -> object | None:
    """The state that the job saved last, such as its trained weights; None before the first."""
    whole = load_checkpoint(run_folder(run_id) / "checkpoints")
    return None if whole is None else whole["state"]


def kept_runs() -> list[RunStatus]:
    """All runs kept on this machine, newest first. For an overview of the machine: a run_id lets its holder steer."""
    found = []
    for folder in all_runs():
        with contextlib.suppress(ValueError):  # removed in this moment
            found.append(_look(folder))
    return found


def pause(run_id: str) -> None:
    """Let the run stand still before its next step. Paused, it takes no slot. ValueError when it has ended."""
    folder = run_folder(run_id)
    with file_lock(lock_file()):
        now = read_status(folder, queue.waiting())
        if not now.active and now.state != "paused":
            raise ValueError(f"only a run that works or waits can be paused, and run {run_id} is {now.state}")
        if alive(folder):
            queue.leave(run_id)  # it waited to go on; now it does not want to any more
        if now.state != "paused":
            _want(folder, pause=True)


def step(run_id: str) -> None:
    """Work one step, then stand still again. A run that was stopped or interrupted goes on from its checkpoint."""
    folder = run_folder(run_id)
    with file_lock(lock_file()):
        lives = _goes_on(folder)
        if lives:
            queue.leave(run_id)  # one step of a paused run is let through at once
        if lives or run_id in queue.waiting():
            _want(folder, pause=True, steps=control(folder)["steps"] + 1)
        else:
            _start_again(folder, FRESH | {"pause": True, "steps": 1})
    queue.start_waiting()


def resume(run_id: str) -> None:
    """Go on: after a pause where it stands, else from the last checkpoint. Nothing happens when it works already.

    ValueError when it has finished.
    """
    folder = run_folder(run_id)
    with file_lock(lock_file()):
        if _goes_on(folder):
            if control(folder)["pause"]:
                queue.enter(run_id)  # a paused run gave up its slot, so it waits for one like everybody
        elif run_id in queue.waiting():
            _want(folder, pause=False)
        else:
            _start_again(folder, FRESH)
    queue.start_waiting()


def stop(run_id: str) -> None:
    """End the run, within two seconds: it is asked, then killed. It can be resumed. Nothing happens once it ended."""
    folder = run_folder(run_id)
    with file_lock(lock_file()):
        queue.leave(run_id)
        if read_status(folder, []).state in ("finished", "failed", "stopped"):
            return
        _want(folder, stop=time.time())
    give_up = time.monotonic() + GRACE_SECONDS
    while alive(folder) and time.monotonic() < give_up:
        time.sleep(0.01)
    _finish_stop(folder)
    queue.start_waiting()


def reset(run_id: str) -> str:
    """The same start again: a new run of the same job with the same config. Returns its run_id; the old one stays."""
    name = read_json(run_folder(run_id) / "config.json")["name"]
    return submit(name, config(run_id))


def estimate(name: str, config: object) -> float | None:
    """The seconds a run should take: the job's formula, times how this machine did in its last five runs of the job."""
    formula = _formula(registry.find(name), config)
    if not formula:
        return formula
    ratios = []
    for folder in all_runs():
        asked, outcome = read_json(folder / "config.json"), read_json(folder / "outcome.json")
        if asked and outcome and asked["name"] == name and outcome["state"] == "finished" and asked["formula_seconds"]:
            ratios.append(outcome["seconds"] / asked["formula_seconds"])
    return formula * (statistics.median(ratios[:5]) if ratios else 1.0)


def _formula(job: registry.Job, config: object) -> float | None:
    if job.seconds is None:
        return None
    formula = registry.imported(job.seconds) if isinstance(job.seconds, str) else job.seconds
    return float(formula(config))


def _look(folder: Path) -> RunStatus:
    """Read a run's state. One that seems interrupted may be on its way from one state to the next: look twice."""
    now = read_status(folder, queue.waiting())
    if now.state == "interrupted":
        with file_lock(lock_file()):  # nothing is on its way while we hold it
            now = read_status(folder, queue.waiting())
    return now


def _goes_on(folder: Path) -> bool:
    """Whether there is a worker that is not about to end."""
    return alive(folder) and not (folder / "outcome.json").exists() and control(folder)["stop"] is None


def _want(folder: Path, **changes: object) -> None:
    write_json(folder / "control.json", control(folder) | changes)


def _start_again(folder: Path, wanted: dict) -> None:
    """Put an ended run back into the queue, to go on from its last checkpoint. The caller holds the lock."""
    if (read_json(folder / "outcome.json") or {}).get("state") == "finished":
        raise ValueError(f"a finished run has nothing left to do; reset starts it anew (run {folder.name})")
    _kill(folder)  # it may be about to end
    write_json(folder / "control.json", wanted)
    queue.enter(folder.name)  # first, so that a reader finds it waiting
    for name in ("outcome.json", "process.json", "worker.json"):
        (folder / name).unlink(missing_ok=True)


def _finish_stop(folder: Path) -> None:
    """Kill what is left of a run that was asked to stop, and write down that it was stopped."""
    if _has_ended(folder):
        return
    with file_lock(lock_file()):
        if control(folder)["stop"] is None:  # resumed in between
            return
        if not _has_ended(folder):
            _kill(folder)
        if not _has_ended(folder):  # it may have come to its end just before the kill
            seconds = seconds_of(folder, False, read_json(folder / "outcome.json"))
            ended = {"state": "stopped", "error": None, "step": None, "seconds": seconds}
            write_json(folder / "outcome.json", ended)


def _has_ended(folder: Path) -> bool:
    """Whether the run left its outcome; one that was paused for so long that its worker left has not ended."""
    outcome = read_json(folder / "outcome.json")
    return outcome is not None and outcome["state"] != "paused"


def _kill(folder: Path) -> None:
    process = read_json(folder / "process.json")
    if process is not None:
        backend().kill(process)
