"""The queue: which runs wait, and how the next one starts although nobody is in charge.

There is no server of its own. Whoever looks at a run, asks for one or ends one also starts what can start.
"""

import os
import shutil
import time
from pathlib import Path

from engine.jobs.files import file_lock, write_json
from engine.jobs.processes import backend
from engine.jobs.runs import alive, all_runs, control, lock_file, run_folder, runs_home, stands_still

KEEP_RUNS = 40  # older ones are removed when a new one comes
MAX_WAITING = 50


def slots() -> int:
    """How many runs may work at once: one core stays free for the pages."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


def waiting() -> list[str]:
    """The runs that wait, next one first."""
    return [entry.name.rpartition("-")[2] for entry in _entries()]


def enter(run_id: str) -> None:
    """Take the last place in the queue, or keep the place the run has."""
    if run_id not in waiting():
        (_queue_folder() / f"{time.time_ns():020d}-{run_id}").touch()


def leave(run_id: str) -> None:
    """Give up the place in the queue, if there is one."""
    for entry in _entries():
        if entry.name.endswith(run_id):
            entry.unlink(missing_ok=True)


def start_waiting(*, patient: bool = False) -> None:
    """Start as many waiting runs as there are free slots.

    patient: wait when another process is just doing the same, instead of leaving it to that one.
    """
    if not waiting():
        return
    with file_lock(lock_file(), wait=patient) as mine:
        if not mine:
            return
        working = [folder for folder in all_runs() if _takes_a_slot(folder)]
        for run_id in waiting()[: max(0, slots() - len(working))]:
            _start(run_id)
            leave(run_id)  # only now: until it has a worker, it waits


def remove_old(keep: int | None = None) -> None:
    """Remove all but the newest runs, never one that works, waits or is paused. The caller holds the lock."""
    queue = waiting()
    for folder in all_runs()[KEEP_RUNS if keep is None else keep :]:
        if folder.name not in queue and not alive(folder):
            gone = folder.with_name(f".removed-{folder.name}")  # in one move: nobody finds half a run
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)


def _takes_a_slot(folder: Path) -> bool:
    """A worker that has written its outcome has only to leave."""
    return not (folder / "outcome.json").exists() and alive(folder) and not stands_still(folder)


def _start(run_id: str) -> None:
    try:
        folder = run_folder(run_id)
    except ValueError:  # removed by hand while it waited
        return
    if alive(folder):  # it was paused and waited for a free slot to go on
        write_json(folder / "control.json", control(folder) | {"pause": False})
        return
    try:
        process = backend().start(folder)
    except OSError as error:
        sentence = f"The machine could not start a worker: {error}."
        write_json(folder / "outcome.json", {"state": "failed", "error": sentence, "step": None, "seconds": 0.0})
        return
    write_json(folder / "process.json", process)


def _entries() -> list[Path]:
    return sorted(_queue_folder().iterdir())


def _queue_folder() -> Path:
    folder = runs_home() / "queue"
    folder.mkdir(exist_ok=True)
    return folder
