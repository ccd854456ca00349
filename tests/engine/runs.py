"""A job's function run in the tests' own process, stopped where a test wants it."""

import json
from collections.abc import Callable
from pathlib import Path

from engine.jobs.handle import Run

NEVER = 10**9  # looks


class StopsAfter(Run):
    """A run that the learner stops at the so-manyth look."""

    def __init__(self, folder: Path, config: object, looks: int = NEVER) -> None:
        super().__init__(folder, config)
        self.looks = looks

    def should_stop(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def run_in(
    folder: Path, job: Callable[[Run], dict | None], config: object, looks: int = NEVER
) -> tuple[dict | None, list[dict]]:
    """(result, events) of a run that goes on from what `folder` holds; None as the result of one that was stopped."""
    folder.mkdir(exist_ok=True)
    result = job(StopsAfter(folder, config, looks))
    return result, [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
