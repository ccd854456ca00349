"""Who runs a worker: on this machine a process of its own. Another back end (a cluster) would offer the same three.

The process is a fresh interpreter, not a copy of this one: a copy would take the app's threads and models with it, and
multiprocessing would run the app's script again.
"""

import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]  # the folder that holds `engine`
# One thread each: a second one would take the time from the pages.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Backend(Protocol):
    """What starts, sees and ends workers. `process` is whatever start returned, kept as JSON in the run's folder."""

    def start(self, folder: Path) -> dict:
        """Begin a worker for the run in `folder` and return at once."""

    def alive(self, process: dict) -> bool:
        """Whether that very worker still runs."""

    def kill(self, process: dict) -> None:
        """End it, and everything it started, now. Nothing happens when it is gone already."""


class LocalProcesses:
    """Workers as processes of this machine, each the leader of its own group so that a kill reaches its children."""

    def __init__(self) -> None:
        self._children: dict[int, subprocess.Popen] = {}

    def start(self, folder: Path) -> dict:
        self._bury()
        environment = os.environ | dict.fromkeys(THREADS, "1") | {"TOKENIZERS_PARALLELISM": "false"}
        known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, known)]))
        command = [sys.executable, "-P", "-m", "engine.jobs.worker", str(folder.resolve())]
        with (folder / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self._children[child.pid] = child
        return {"pid": child.pid, "born": birth(child.pid)}

    def alive(self, process: dict) -> bool:
        self._bury()
        return process["born"] is not None and birth(process["pid"]) == process["born"]

    def kill(self, process: dict) -> None:
        if not self.alive(process):
            return
        try:
            os.killpg(process["pid"], signal.SIGKILL)
        except ProcessLookupError:
            return
        give_up = time.monotonic() + 1.0
        while self.alive(process) and time.monotonic() < give_up:
            time.sleep(0.005)

    def _bury(self) -> None:
        """Let the system forget our own children that have ended."""
        for pid, child in list(self._children.items()):
            if child.poll() is not None:
                self._children.pop(pid, None)


def birth(pid: int) -> str | None:
    """When the process with this number started, or None when there is none (or it has ended and is not buried yet).

    Numbers are given out again after a while; number and birth together are not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _birth_by_ps(pid)
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if fields[0] in "ZX" else f"{_boot()} {fields[19]}"  # proc(5), field 22: ticks since the boot


@cache
def _boot() -> str:
    """Which start of the machine this is: ticks begin again at the next one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _birth_by_ps(pid: int) -> str | None:
    """The same on systems without /proc, such as macOS."""
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, born = found.stdout.strip().partition(" ")
    return born.strip() or None if state and not state.startswith("Z") else None


_backend: Backend = LocalProcesses()


def backend() -> Backend:
    """Who runs workers at the moment."""
    return _backend


def use_backend(other: Backend) -> None:
    """Let somebody else run the workers from now on."""
    global _backend
    _backend = other
