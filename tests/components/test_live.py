"""Work in the background: it starts at once, is shared, stops when nobody looks, and hides no failure."""

import threading
import time

import pytest

from components import live
from components.models import DEVICE_IN_USE


def wait_until(holds, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


class Counting:
    """Counts its turns; goes on only as long as the gate is open."""

    def __init__(self, turns: int) -> None:
        self.done, self.wanted, self.gate = 0, turns, threading.Event()

    def turns(self):
        while self.done < self.wanted:
            while not self.gate.is_set():
                yield  # a turn in which nothing happens
            self.done += 1
            yield


@pytest.fixture(autouse=True)
def _empty():
    live._works.clear()
    yield
    for work in list(live._works.values()):
        work.stopping.set()
        work.subject.gate.set()
    wait_until(lambda: not any(work.active for work in live._works.values()))


def started(turns: int = 5, key: str = "k", watcher: str = "ann", **more) -> live.Work:
    subject = Counting(turns)
    return live.start(key, subject, subject.turns, watcher=watcher, **more)


def test_it_runs_to_its_end_and_then_says_what_was_found():
    work = started(then=lambda subject: subject.done * 2)
    work.subject.gate.set()
    wait_until(lambda: work.said == 10)
    assert work.state == "finished"
    assert live.get(work.id) is work


def test_the_same_key_is_shared_and_stops_only_when_the_last_one_leaves():
    work = started(turns=10**9)
    work.subject.gate.set()
    assert live.find("k", "ben") is work
    live.leave(work, "ann")
    before = work.subject.done
    wait_until(lambda: work.subject.done > before)
    assert work.active
    live.leave(work, "ben")
    wait_until(lambda: work.state == "stopped")
    assert work.subject.done > 0, "what was done stays"
    assert live.find("k", "ann") is None, "a stopped work is not the end of its key"


def test_a_finished_work_is_found_by_its_key_alone():
    work = started()
    work.subject.gate.set()
    wait_until(lambda: work.state == "finished")
    assert live.find("k", "ben") is work
    assert live.find("another", "ben") is None


def test_only_so_many_run_at_once_and_a_waiting_one_can_be_stopped():
    works = [started(turns=3, key=str(n)) for n in range(live.MOST_AT_ONCE + 1)]
    wait_until(lambda: sum(work.state == "running" for work in works) == live.MOST_AT_ONCE)
    late = next(work for work in works if work.state == "waiting")
    live.leave(late, "ann")
    wait_until(lambda: late.state == "stopped")
    assert late.subject.done == 0


def test_a_turn_waits_for_the_device():
    work = started(turns=10**9)
    work.subject.gate.set()
    wait_until(lambda: work.subject.done > 0)
    with DEVICE_IN_USE:
        before = work.subject.done
        time.sleep(0.1)
        assert work.subject.done <= before + 1  # the one whose turn was already over
    wait_until(lambda: work.subject.done > before + 1)


def test_a_failure_is_logged_and_ends_the_work(caplog):
    def broken():
        yield
        raise RuntimeError("no")

    subject = Counting(1)
    work = live.start("k", subject, broken, watcher="ann")
    wait_until(lambda: work.state == "failed")
    assert "no" in caplog.text
    assert live.find("k", "ann") is None


def test_old_works_are_forgotten_and_running_ones_are_not(monkeypatch):
    monkeypatch.setattr(live, "MOST_KEPT", 2)
    running = started(turns=10**9, key="running")
    for n in range(4):
        work = started(key=str(n))
        work.subject.gate.set()
        wait_until(lambda work=work: work.state == "finished")
    assert live.get(running.id) is running
    assert len(live._works) <= 3


def test_too_many_get_a_sentence(monkeypatch):
    monkeypatch.setattr(live, "MOST_WAITING", 0)
    for n in range(live.MOST_AT_ONCE):
        started(key=str(n))
    with pytest.raises(ValueError, match="try again in a few seconds"):
        started(key="late")
