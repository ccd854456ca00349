"""The worker: `python -m engine.jobs.worker RUN_FOLDER` runs one job from its folder and ends.

It starts from files alone, so it needs nothing from the process that asked for it and lives on when that one ends.
"""

import contextlib
import os
import sys
import traceback
from pathlib import Path

from engine.jobs.configs import from_json
from engine.jobs.files import read_json, write_json
from engine.jobs.handle import DivergedError, Run
from engine.jobs.queue import start_waiting
from engine.jobs.registry import imported
from engine.jobs.runs import seconds_of

NICENESS = 10  # the pages go first


def main(folder: Path) -> None:
    """Run the job in `folder`, write down how it ended, and start the next one."""
    _give_way()
    try:
        outcome = _work(folder)
    except BaseException as error:  # whatever a job does, it ends with one sentence; the rest is in the log
        traceback.print_exc()
        outcome = {"state": "failed", "error": _sentence(error), "step": getattr(error, "step", None)}
        outcome["seconds"] = seconds_of(folder, True, None)
    write_json(folder / "outcome.json", outcome)
    start_waiting(patient=True)


def _work(folder: Path) -> dict:
    entry = read_json(folder / "entry.json")
    sys.path += [path for path in entry["path"] if path not in sys.path]
    asked = read_json(folder / "config.json")
    config = from_json(imported(entry["config_type"]), asked["config"])
    run = Run(folder, config)
    result = imported(entry["function"])(run)
    ended = {"error": None, "step": None, "seconds": run.seconds}
    if result is None and run.should_stop():
        return {"state": "paused" if run.parked else "stopped"} | ended
    if not isinstance(result, dict):
        raise ValueError(f"the job must return a dict, got {result!r}")
    write_json(folder / "result.json", result)
    return {"state": "finished"} | ended


def _give_way() -> None:
    with contextlib.suppress(OSError, AttributeError):  # a system without priorities runs it all the same
        os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))


def _sentence(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "The run needed more memory than there was: try a smaller model or batch."
    words = " ".join(str(error).split())[:300]
    if isinstance(error, (ValueError, DivergedError)) and words:  # ours say what was wrong and what would be right
        return words[0].upper() + words[1:] + ("" if words.endswith(".") else ".")
    return f"The run ended with {type(error).__name__}" + (f": {words.removesuffix('.')}." if words else ".")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
