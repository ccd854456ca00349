"""Work that goes on in a thread of the server while pages look at it: a model that writes, token by token.

Why threads. A process as in engine.jobs needs two seconds for its imports, and the first token must be on screen within
300 ms. Advancing a few tokens in every run of a fragment would tie the work to the page: it would stand still while its
visitor does something else, and hold up the other fragments meanwhile. A thread that advances an iterator shares the
loaded model, starts at once, and is looked at by whoever has its id. It takes the device for one turn at a time, so the
forwards of all visitors take turns, and rests a moment after each, so that the server's own threads get theirs.
"""

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from components.models import DEVICE_IN_USE

LOOK_SECONDS = 0.15
FIRST_TURN = 0.08  # seconds that a page may wait for the first turn, so that its first picture is not an empty one
MOST_AT_ONCE = 4  # further ones wait for their turn
MOST_WAITING = 60
MOST_KEPT = 48
REST = 0.0005  # seconds after each turn

_LOG = logging.getLogger("transformer_labs")


@dataclass
class Work:
    """One piece of work. `subject` is what its turns change; it must be readable at any moment."""

    id: str
    key: Hashable  # two works of one key come to the same end
    subject: Any
    state: str = "waiting"  # then "running", then "finished", "stopped" or "failed"
    said: Any = None  # what `then` found; None until it has
    seconds: float = 0.0
    watchers: set[str] = field(default_factory=set)
    stopping: threading.Event = field(default_factory=threading.Event)
    moved: threading.Event = field(default_factory=threading.Event)  # the first turn is done

    @property
    def active(self) -> bool:
        return self.state in ("waiting", "running")


_works: OrderedDict[str, Work] = OrderedDict()  # newest last
_lock = threading.Lock()
_places = threading.Semaphore(MOST_AT_ONCE)
_afterwards = threading.Semaphore(1)


def start(
    key: Hashable,
    subject: Any,
    turns: Callable[[], Iterator],
    *,
    watcher: str,
    then: Callable[[Any], Any] | None = None,
) -> Work:
    """Starts advancing `turns()` and returns at once.

    watcher: who looks at it; see leave. then: called with the subject after the last turn; one at a time.
    Raises ValueError when too many are waiting already.
    """
    work = Work(secrets.token_hex(8), key, subject, watchers={watcher})
    with _lock:
        if sum(one.active for one in _works.values()) >= MOST_AT_ONCE + MOST_WAITING:
            raise ValueError(f"This server has {MOST_WAITING} of these waiting already: try again in a few seconds")
        _works[work.id] = work
        _forget_old()
    threading.Thread(target=_run, args=(work, turns, then), name=f"live-{work.id}", daemon=True).start()
    return work


def get(work_id: str) -> Work | None:
    """A work by its id; None when it was forgotten by now."""
    return _works.get(work_id)


def find(key: Hashable, watcher: str) -> Work | None:
    """The newest work of this key that is finished or on its way; whoever asks looks at it from now on."""
    with _lock:
        for work in reversed(_works.values()):
            if work.key == key and (work.state == "finished" or (work.active and not work.stopping.is_set())):
                work.watchers.add(watcher)
                return work
    return None


def leave(work: Work, watcher: str) -> None:
    """The watcher looks away: the work stops when nobody else looks at it."""
    with _lock:
        work.watchers.discard(watcher)
        if not work.watchers:
            work.stopping.set()


def _forget_old() -> None:
    done = [one for one in _works.values() if not one.active]
    for old in done[: max(0, len(_works) - MOST_KEPT)]:
        del _works[old.id]


def _run(work: Work, turns: Callable[[], Iterator], then: Callable[[Any], Any] | None) -> None:
    try:
        if _has_a_place(work):
            try:
                _advance(work, turns())
            finally:
                _places.release()
        if work.state == "finished" and then:
            with _afterwards:
                work.said = None if work.stopping.is_set() else then(work.subject)
    except Exception:  # nobody waits for this thread: what went wrong must be found in the log
        _LOG.exception("work in the background failed")
        if work.active:
            work.state = "failed"


def _has_a_place(work: Work) -> bool:
    while not _places.acquire(timeout=0.1):
        if work.stopping.is_set():
            work.state = "stopped"
            return False
    return True


def _advance(work: Work, turns: Iterator) -> None:
    work.state, began = "running", time.perf_counter()
    while not work.stopping.is_set():
        with DEVICE_IN_USE:
            more = next(turns, turns) is not turns
        work.seconds = time.perf_counter() - began
        work.moved.set()
        if not more:
            work.state = "finished"
            return
        time.sleep(REST)
    work.state = "stopped"
