"""Make a stored run: `python -m engine.jobs JOB NAME [setting=value ...]` writes assets/results/NAME.

The job runs as it does for a learner, in a worker of its own at low priority; then what it did is kept.
"""

import ast
import os
import sys
import tempfile
import time

from engine import jobs
from engine.jobs import registry

LOOK_SECONDS = 1.0


def main(job: str, name: str, *settings: str) -> int:
    """Run `job` with `settings` ("steps=200") and store it as `name`; 0 when it finished."""
    config = registry.imported(registry.find(job).config_type)(**dict(map(_setting, settings)))
    with tempfile.TemporaryDirectory() as home:
        os.environ["LABS_HOME"] = home
        run_id = jobs.submit(job, config)
        while jobs.status(run_id).active:
            time.sleep(LOOK_SECONDS)
        ended = jobs.status(run_id)
        if ended.state != "finished":
            sys.stderr.write(f"{job} {ended.state}: {ended.error}\n")
            return 1
        folder = jobs.store(run_id, name, " ".join(["python -m engine.jobs", job, name, *settings]))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    sys.stdout.write(
        f"{folder}: {ended.n_events} events, {ended.seconds:.1f} s, {size:,} bytes\n{jobs.stored(name).result}\n"
    )
    return 0


def _setting(words: str) -> tuple[str, object]:
    """ "steps=200" -> ("steps", 200); a value that is no Python literal is a text."""
    name, _, value = words.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
