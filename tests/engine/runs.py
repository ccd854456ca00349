"""A job's function run in the tests' own process, stopped where a test wants it."""

import json
from collections.abc import Callable
from pathlib import Path

from engine.jobs.handle import Run


class StopsAfter(Run):
    """A run that the learner stops at the so-manyth look."""

    looks = 10**9

    def should_stop(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def run_in(
    folder: Path, job: Callable[[Run], dict | None], config: object, looks: int = StopsAfter.looks
) -> tuple[dict | None, list[dict]]:
    """(result, events) of a run that goes on from what `folder` holds; None as the result of one that was stopped."""
    folder.mkdir(exist_ok=True)
    run = StopsAfter(folder, config)
    run.looks = looks
    return job(run), [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
