"""Small files that one process writes while others read: JSON replaced whole, lines added at the end, one lock."""

import contextlib
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a Unix: a lock file made by whoever comes first does the same, less well
    fcntl = None

STALE_SECONDS = 10.0  # of a lock file without fcntl: nobody holds the lock that long, so its owner is gone
_numbers = itertools.count()


def write_json(path: Path, value: object) -> None:
    """Replace a file in one move: a reader sees the old content or the new, never half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{next(_numbers)}")
    partial.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> dict | None:
    """What the file holds, or None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def append_line(path: Path, line: str) -> None:
    """Add one line at the end, in one write."""
    with path.open("ab", buffering=0) as file:
        file.write(line.encode() + b"\n")


def whole_lines(path: Path) -> list[bytes]:
    """The lines that are complete. What stands after the last line break is still being written."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def cut_half_line(path: Path) -> None:
    """Remove what a writer that was killed left after the last line break."""
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


@contextlib.contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that all processes and threads of this machine respect. wait=False: yields False if it is taken."""
    take = _take_with_fcntl if fcntl else _take_with_a_file
    release = take(path, wait)
    try:
        yield release is not None
    finally:
        if release is not None:
            release()


def _take_with_fcntl(path: Path, wait: bool):
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return lambda: os.close(handle)  # closing lets go, and so does the end of the process


def _take_with_a_file(path: Path, wait: bool):
    taken = path.with_name(path.name + ".taken")
    while True:
        try:
            os.close(os.open(taken, os.O_CREAT | os.O_EXCL))
            return lambda: taken.unlink(missing_ok=True)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):
                if time.time() - taken.stat().st_mtime > STALE_SECONDS:
                    taken.unlink()
                    continue
            if not wait:
                return None
            time.sleep(0.01)
