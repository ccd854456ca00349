"""What a job's function holds in its hands while it runs: its config, and the ways to report, save and listen.

def train(run):
    state = run.load() or fresh_start(run.config)
    while state["step"] < run.config.steps:
        run.wait_while_paused()
        if run.should_stop():
            run.save(state)
            return None
        one_step(state)
        run.emit({"step": state["step"], "loss": state["loss"]})
    return {"loss": state["loss"]}
"""

import json
import math
import time
from pathlib import Path

from engine.jobs.checkpoints import load_checkpoint, save_checkpoint
from engine.jobs.files import append_line, cut_half_line, whole_lines, write_json
from engine.jobs.runs import control

LOOK_SECONDS = 0.02  # how often a paused worker looks whether it may go on
PARK_SECONDS = 600.0  # so long a paused worker keeps its memory; then it saves, ends, and starts again on Resume


class DivergedError(ArithmeticError):
    """Training produced a number that is none. The run ends as failed; its events are kept."""

    def __init__(self, message: str, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class Run:
    """One run as its own function sees it. The function gets it as its only argument.

    The function returns its result, a dict that JSON can hold; or None when should_stop() made it end early. To go on
    to the same numbers after a stop it keeps everything that changes in its state: weights,
    optimiser, generators, step.
    """

    def __init__(self, folder: Path, config: object) -> None:
        self.folder = folder  # a job may keep large files of its own here
        self.config = config
        self.parked = False
        self._control, self._control_seen = control(folder), None
        self._steps_used = 0
        self._seconds, self._clock_since = 0.0, time.monotonic()
        cut_half_line(folder / "events.jsonl")
        self._stored = len(whole_lines(folder / "events.jsonl"))
        self._emitted = 0
        self._set_clock(paused=False)

    @property
    def seconds(self) -> float:
        """Seconds of work so far, over all its workers up to a checkpoint; pauses left out."""
        return self._seconds + time.monotonic() - self._clock_since

    def emit(self, event: dict) -> None:
        """Add one event: a dict of numbers, texts and lists. It is readable by others when this returns.

        After a Resume the steps since the checkpoint are worked again; their events stand there already, and are not
        added twice. A number that is NaN or infinite ends the run: DivergedError is raised.
        """
        _check_event(event)
        self._emitted += 1
        if self._emitted > self._stored:
            append_line(self.folder / "events.jsonl", json.dumps(event, ensure_ascii=False))
            self._stored = self._emitted

    def check_finite(self, step: int, *, advice: str = "", **numbers: float) -> None:
        """Raise DivergedError, which ends the run as failed at `step`, when one of the numbers is NaN or infinite.

        advice: what to change, such as "try a smaller learning_rate".
        """
        for name, number in numbers.items():
            if not math.isfinite(number):
                raise DivergedError(
                    f"{name} became {float(number)} at step {step}" + (f": {advice}" if advice else ""), step
                )

    def should_stop(self) -> bool:
        """Whether the function should save and return None soon. One that does not is ended from outside."""
        return self.parked or self._wanted()["stop"] is not None

    def wait_while_paused(self) -> None:
        """Called once before each step: returns at once, or when the pause is over, or one step is let through.

        Steps that are only worked again after a Resume pass freely.
        """
        if self._emitted < self._stored or self._may_step():
            return
        self._stop_clock()
        give_up = time.monotonic() + PARK_SECONDS
        while not self._may_step():
            if time.monotonic() > give_up:
                self.parked = True
                break
            time.sleep(LOOK_SECONDS)
        self._clock_since = time.monotonic()
        self._set_clock(paused=False)

    def save(self, state: object) -> None:
        """Keep a checkpoint: all that is needed to go on from here; see engine.jobs.checkpoints."""
        whole = {"state": state, "events": self._emitted, "seconds": self.seconds}
        save_checkpoint(self.folder / "checkpoints", whole)

    def load(self) -> object | None:
        """The newest checkpoint of an earlier worker of this run, or None at its first start."""
        whole = load_checkpoint(self.folder / "checkpoints")
        if whole is None:
            return None
        self._emitted = whole["events"]
        self._seconds += whole["seconds"]
        self._set_clock(paused=False)
        return whole["state"]

    def _wanted(self) -> dict:
        """control.json, read again only when it was replaced."""
        try:
            stat = (self.folder / "control.json").stat()
        except FileNotFoundError:
            return self._control
        if (stat.st_mtime_ns, stat.st_ino) != self._control_seen:
            self._control_seen = (stat.st_mtime_ns, stat.st_ino)
            self._control = control(self.folder)
        return self._control

    def _may_step(self) -> bool:
        wanted = self._wanted()
        if wanted["stop"] is not None:
            return True
        if not wanted["pause"]:
            self._steps_used = wanted["steps"]
            return True
        if wanted["steps"] > self._steps_used:
            self._steps_used += 1
            return True
        return False

    def _stop_clock(self) -> None:
        self._seconds = self.seconds
        self._clock_since = time.monotonic()
        self._set_clock(paused=True)

    def _set_clock(self, *, paused: bool) -> None:
        worker = {"paused": paused, "seconds": self.seconds, "as_of": time.time(), "steps_used": self._steps_used}
        write_json(self.folder / "worker.json", worker)


def _check_event(event: dict) -> None:
    if not isinstance(event, dict):
        raise ValueError(f"event must be a dict, got a {type(event).__name__}")
    try:
        json.dumps(event, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"event must hold numbers, texts, lists and dicts only: {error}") from None
    except ValueError:
        bad = [name for name, value in event.items() if isinstance(value, float) and not math.isfinite(value)]
        step = event.get("step")
        at = "" if step is None else f" at step {step}"
        raise DivergedError(f"{bad[0] if bad else 'a number'} is not finite any more{at}", step) from None
