"""Jobs: what takes longer than two seconds runs in a process of its own, and is found again by its run_id.

    run_id = submit("count", CountConfig(steps=100, sleep=0.1))
    status(run_id).state            # waiting, running, paused, finished, stopped, failed or interrupted
    events(run_id, after=0)         # what has happened so far; readable by everyone, at any time
    result(run_id)                  # when it has finished

A run outlives the page, the browser and the server. It is a folder under LABS_HOME; see engine.jobs.runs.
"""

from engine.jobs.control import (
    checkpoint,
    config,
    estimate,
    events,
    kept_runs,
    pause,
    reset,
    result,
    resume,
    status,
    step,
    stop,
    submit,
)
from engine.jobs.handle import DivergedError, Run
from engine.jobs.processes import Backend, LocalProcesses, use_backend
from engine.jobs.records import Record, record, store, stored, stored_names
from engine.jobs.registry import Job, register
from engine.jobs.runs import RunStatus

__all__ = [
    "Backend",
    "DivergedError",
    "Job",
    "LocalProcesses",
    "Record",
    "Run",
    "RunStatus",
    "checkpoint",
    "config",
    "estimate",
    "events",
    "kept_runs",
    "pause",
    "record",
    "register",
    "reset",
    "result",
    "resume",
    "status",
    "step",
    "stop",
    "store",
    "stored",
    "stored_names",
    "submit",
    "use_backend",
]
