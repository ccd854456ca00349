"""The smallest job: it counts. It shows how a job is written, and its tests show that runs keep their promises."""

import os
import random
import signal
import time
from dataclasses import dataclass

from engine.jobs.handle import Run


@dataclass(frozen=True)
class CountConfig:
    """A walk of random steps from a seed, and the mishaps that can be ordered with it."""

    steps: int = 10
    seed: int = 0
    sleep: float = 0.0  # seconds of each step
    save_every: int = 1  # steps between checkpoints
    fail_at: int | None = None  # raises at this step
    nan_at: int | None = None  # its sum is NaN at this step
    die_at: int | None = None  # is killed at this step, the first time it comes there
    deaf: bool = False  # never looks whether it should stop or pause

    def __post_init__(self) -> None:
        for name in ("steps", "save_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
                raise ValueError(f"{name} must be a whole number from 1 to 1000000, got {value!r}")
        if not 0 <= self.sleep <= 60:
            raise ValueError(f"sleep must be from 0 to 60 seconds, got {self.sleep!r}")


def seconds(config: CountConfig) -> float:
    """How long a count takes."""
    return 0.1 + config.steps * (config.sleep + 0.0005)


def count(run: Run) -> dict | None:
    """Add up random numbers: {"sum", "steps"}. The state is the step, the sum and where the generator stands."""
    config, generator = run.config, random.Random(run.config.seed)
    state = run.load()
    step, total = 0, 0.0
    if state is not None:
        step, total = state["step"], state["total"]
        generator.setstate(state["generator"])
    while step < config.steps:
        if not config.deaf:
            run.wait_while_paused()
            if run.should_stop():
                run.save({"step": step, "total": total, "generator": generator.getstate()})
                return None
        step += 1
        total += generator.gauss()
        _mishap(run, step)
        run.emit({"step": step, "sum": float("nan") if step == config.nan_at else total})
        if step % config.save_every == 0:
            run.save({"step": step, "total": total, "generator": generator.getstate()})
        time.sleep(config.sleep)
    return {"sum": total, "steps": step}


def _mishap(run: Run, step: int) -> None:
    if step == run.config.fail_at:
        raise RuntimeError("it was told to fail")
    marker = run.folder / "died"
    if step == run.config.die_at and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
