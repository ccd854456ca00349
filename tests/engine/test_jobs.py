"""Runs keep their promises: the same numbers after every kind of pause, nothing lost, nothing left behind."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine import jobs
from engine.jobs import control, processes, queue, runs
from engine.jobs.examples import CountConfig
from engine.jobs.handle import DivergedError, Run

ROOT = Path(__file__).parents[2]
PATIENCE = 15.0  # seconds; a worker starts in 0.1, but the machine may be busy


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A LABS_HOME of its own for each test, one slot, and the promise that no worker is left at the end."""
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    monkeypatch.setattr(queue, "slots", lambda: 1)
    monkeypatch.setattr(processes, "_backend", jobs.LocalProcesses())
    yield tmp_path
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    for run in jobs.kept_runs():
        jobs.stop(run.run_id)
    wait_until(lambda: not any(runs.alive(folder) for folder in runs.all_runs()))  # one may be on its way out
    if Path("/proc").exists():
        assert not [line for line in command_lines() if str(tmp_path) in line], "a worker is left"


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def wait_for(run_id: str, *states: str) -> jobs.RunStatus:
    return wait_until(lambda: (now := jobs.status(run_id)).state in states and now, lambda: jobs.status(run_id))


def wait_until(holds, describe=lambda: "it never came"):
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError(describe())


def wait_for_events(run_id: str, n: int) -> list[dict]:
    return wait_until(lambda: len(found := jobs.events(run_id)) >= n and found)


def undisturbed(config: CountConfig) -> tuple[list[dict], dict]:
    """The events and the result of the same walk with no mishap, worked out here."""
    import random

    generator, total, events = random.Random(config.seed), 0.0, []
    for step in range(1, config.steps + 1):
        total += generator.gauss()
        events.append({"step": step, "sum": total})
    return events, {"sum": total, "steps": config.steps}


def worker_pid(run_id: str) -> int:
    return wait_until(lambda: json.loads((runs.run_folder(run_id) / "process.json").read_text()))["pid"]


def test_a_run_gives_its_events_and_its_result_and_its_config_back():
    config = CountConfig(steps=20, seed=3)
    run_id = jobs.submit("count", config)
    now = wait_for(run_id, "finished")
    events, result = undisturbed(config)
    assert jobs.events(run_id) == events
    assert jobs.events(run_id, after=15) == events[15:]
    assert jobs.events(run_id, after=99) == []
    assert jobs.result(run_id) == result
    assert jobs.config(run_id) == config
    assert jobs.checkpoint(run_id)["step"] == 20
    assert (now.n_events, now.error, now.active, now.can_resume) == (20, None, False, False)
    assert 0 < now.seconds < PATIENCE
    assert now.expected_seconds == pytest.approx(0.11)
    asked = json.loads((runs.run_folder(run_id) / "config.json").read_text())
    assert (asked["seed"], asked["config"]["seed"]) == (3, 3)


def test_two_readers_see_the_same_whole_events_while_the_run_writes_them():
    config = CountConfig(steps=150, sleep=0.003, save_every=50)
    run_id = jobs.submit("count", config)
    seen: dict[str, list] = {"one": [], "other": []}

    def read(name: str) -> None:
        give_up = time.monotonic() + PATIENCE
        while len(seen[name]) < config.steps and time.monotonic() < give_up:
            seen[name] += jobs.events(run_id, after=len(seen[name]))

    readers = [threading.Thread(target=read, args=(name,)) for name in seen]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert seen["one"] == seen["other"] == undisturbed(config)[0]


def test_a_half_written_last_event_is_not_returned_and_is_mended_by_the_next_worker():
    config = CountConfig(steps=6)
    run_id = jobs.submit("count", config, paused=True)
    jobs.step(run_id)
    wait_for_events(run_id, 1)
    jobs.stop(run_id)
    with (runs.run_folder(run_id) / "events.jsonl").open("a") as file:
        file.write('{"step": 2, "su')
    assert len(jobs.events(run_id)) == 1
    jobs.resume(run_id)
    wait_for(run_id, "finished")
    assert jobs.events(run_id) == undisturbed(config)[0]


@pytest.mark.parametrize("deaf", [False, True], ids=["it looks", "it never looks"])
def test_stop_works_within_two_seconds_and_resume_gives_the_same_numbers(deaf):
    config = CountConfig(steps=60, sleep=0.05, save_every=7, deaf=deaf)
    run_id = jobs.submit("count", config)
    wait_for_events(run_id, 10)
    asked = time.monotonic()
    jobs.stop(run_id)
    assert time.monotonic() - asked < 2
    assert jobs.status(run_id).state == "stopped"
    assert not runs.alive(runs.run_folder(run_id))
    so_far = jobs.events(run_id)
    jobs.stop(run_id)  # once more does no harm
    with pytest.raises(ValueError, match="is stopped"):
        jobs.result(run_id)
    jobs.resume(run_id)
    wait_for(run_id, "finished")
    events, result = undisturbed(config)
    assert so_far == events[: len(so_far)]
    assert (jobs.events(run_id), jobs.result(run_id)) == (events, result)


def test_a_stop_that_nobody_saw_through_is_finished_by_whoever_looks_next(monkeypatch):
    run_id = jobs.submit("count", CountConfig(steps=1000, sleep=0.05, deaf=True))
    wait_for_events(run_id, 1)
    control._want(runs.run_folder(run_id), stop=time.time() - control.GRACE_SECONDS)
    assert jobs.status(run_id).state == "stopped"
    assert not runs.alive(runs.run_folder(run_id))


def test_pause_step_and_resume_give_the_numbers_of_an_undisturbed_run():
    config = CountConfig(steps=30, sleep=0.02)
    run_id = jobs.submit("count", config, paused=True)
    now = wait_for(run_id, "paused")
    assert (now.n_events, now.active, now.can_resume) == (0, False, True)
    for n in (1, 2, 3):
        jobs.step(run_id)
        assert wait_for(run_id, "paused").n_events == n, "one step, not more"
    worked = jobs.status(run_id).seconds
    time.sleep(0.2)
    assert jobs.status(run_id).seconds == worked, "the clock stands still while it is paused"
    jobs.resume(run_id)
    wait_for_events(run_id, 6)
    jobs.pause(run_id)
    jobs.pause(run_id)
    n = wait_for(run_id, "paused").n_events
    time.sleep(0.1)
    assert jobs.status(run_id).n_events == n < 30
    jobs.resume(run_id)
    wait_for(run_id, "finished")
    assert (jobs.events(run_id), jobs.result(run_id)) == undisturbed(config)
    with pytest.raises(ValueError, match="is finished"):
        jobs.pause(run_id)
    with pytest.raises(ValueError, match="reset"):
        jobs.resume(run_id)


def test_a_run_that_is_killed_is_interrupted_and_goes_on_to_the_same_numbers():
    config = CountConfig(steps=40, sleep=0.02, save_every=9)
    run_id = jobs.submit("count", config)
    wait_for_events(run_id, 12)
    os.kill(worker_pid(run_id), signal.SIGKILL)
    now = wait_for(run_id, "interrupted")
    assert "gone" in now.error
    assert now.can_resume
    assert now.seconds > 0
    jobs.resume(run_id)
    wait_for(run_id, "finished")
    assert (jobs.events(run_id), jobs.result(run_id)) == undisturbed(config)


def test_step_takes_an_interrupted_run_one_event_further():
    config = CountConfig(steps=10, die_at=6, save_every=4)
    run_id = jobs.submit("count", config)
    assert wait_for(run_id, "interrupted").n_events == 5
    jobs.step(run_id)  # works step 5 again, which stands there already, and then one that is new
    wait_for_events(run_id, 6)
    assert wait_for(run_id, "paused").n_events == 6
    jobs.resume(run_id)
    wait_for(run_id, "finished")
    assert jobs.events(run_id) == undisturbed(config)[0]


def test_another_process_with_the_same_number_is_not_taken_for_the_worker():
    run_id = jobs.submit("count", CountConfig(steps=1000, sleep=0.05))
    process = {"pid": worker_pid(run_id)}
    backend = processes.backend()
    true = json.loads((runs.run_folder(run_id) / "process.json").read_text())
    reused = process | {"born": "another boot 12345"}
    assert backend.alive(true)
    assert not backend.alive(reused)
    backend.kill(reused)
    assert backend.alive(true), "a stranger was killed"
    backend.kill(true)
    assert not backend.alive(true)


def test_ps_tells_births_where_there_is_no_proc():
    own = processes._birth_by_ps(os.getpid())
    assert own
    assert own == processes._birth_by_ps(os.getpid())
    assert processes._birth_by_ps(2**22 + 1) is None


def test_only_as_many_as_there_are_slots_work_and_the_others_know_their_place():
    slow = CountConfig(steps=1000, sleep=0.02)
    first, second, third = (jobs.submit("count", slow) for _ in range(3))
    assert [jobs.status(run_id).place for run_id in (first, second, third)] == [None, 1, 2]
    assert [jobs.status(run_id).state for run_id in (second, third)] == ["waiting"] * 2
    jobs.stop(second)  # while it waits
    assert jobs.status(third).place == 1
    jobs.pause(first)
    wait_for(first, "paused")
    wait_for(third, "running")  # a paused run takes no slot
    jobs.resume(first)
    now = jobs.status(first)
    assert (now.state, now.place) == ("waiting", 1)
    jobs.stop(third)
    wait_for(first, "running")


def test_many_who_ask_at_once_do_not_start_more_than_there_are_slots():
    config, found, states = CountConfig(steps=10, sleep=0.01), [], set()

    def ask() -> None:
        for _ in range(2):
            run_id = jobs.submit("count", config)
            found.append(run_id)
            while (now := jobs.status(run_id)).active:
                states.add(now.state)
                time.sleep(0.002)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == {"waiting", "running"}, "no moment in between looks like an accident"
    folders = [runs.run_folder(run_id) for run_id in found]
    starts = sorted(json.loads((folder / "worker.json").read_text())["as_of"] for folder in folders)
    ends = sorted((folder / "outcome.json").stat().st_mtime for folder in folders)
    for end, next_start in zip(ends, starts[1:]):
        assert next_start > end - 0.01, "two worked at once"  # 0.01: the file system's clock ticks in 4 ms
    assert [jobs.result(run_id) for run_id in found] == [undisturbed(config)[1]] * 6


def test_another_back_end_can_run_the_workers(monkeypatch):
    running: set[str] = set()

    class Cluster:
        def start(self, folder: Path) -> dict:
            running.add(folder.name)
            return {"machine": folder.name}

        def alive(self, process: dict) -> bool:
            return process["machine"] in running

        def kill(self, process: dict) -> None:
            running.discard(process["machine"])

    jobs.use_backend(Cluster())
    first, second = (jobs.submit("count", CountConfig()) for _ in range(2))
    assert (jobs.status(first).state, jobs.status(second).place) == ("running", 1)
    running.clear()
    assert jobs.status(first).state == "interrupted"
    assert jobs.status(second).state == "running"
    monkeypatch.setattr(control, "GRACE_SECONDS", 0.05)
    jobs.stop(second)
    assert not running


def test_the_next_run_starts_although_nobody_looks():
    first, second = (jobs.submit("count", CountConfig(steps=5, sleep=0.02)) for _ in range(2))
    wait_until(lambda: (runs.runs_home() / second / "outcome.json").exists())
    assert [jobs.status(run_id).state for run_id in (first, second)] == ["finished"] * 2


def test_an_exception_is_one_sentence_and_its_traceback_stays_in_the_log():
    run_id = jobs.submit("count", CountConfig(fail_at=4))
    now = wait_for(run_id, "failed")
    assert now.error == "The run ended with RuntimeError: it was told to fail."
    assert len(jobs.events(run_id)) == 3
    assert "Traceback" in (runs.run_folder(run_id) / "log.txt").read_text()


def test_a_number_that_is_none_fails_the_run_and_says_where():
    run_id = jobs.submit("count", CountConfig(nan_at=5))
    now = wait_for(run_id, "failed")
    assert (now.step, now.error) == (5, "Sum is not finite any more at step 5.")
    assert [event["step"] for event in jobs.events(run_id)] == [1, 2, 3, 4], "the curve so far is kept"


def test_a_job_can_say_which_setting_to_change(home):
    run = Run(home, CountConfig())
    run.check_finite(3, loss=1.0)
    with pytest.raises(DivergedError, match="loss became nan at step 3: try a smaller learning_rate") as caught:
        run.check_finite(3, loss=float("nan"), advice="try a smaller learning_rate")
    assert caught.value.step == 3
    with pytest.raises(ValueError, match="event"):
        run.emit({"step": {1, 2}})


def test_a_run_paused_for_long_gives_its_memory_back_and_still_goes_on(home):
    (home / "control.json").write_text('{"pause": true, "steps": 0, "stop": null}')
    run = Run(home, CountConfig())
    from engine.jobs import handle

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handle, "PARK_SECONDS", 0.05)
        run.wait_while_paused()
    assert run.parked
    assert run.should_stop()
    config = CountConfig(steps=8)
    run_id = jobs.submit("count", config, paused=True)
    wait_for(run_id, "paused")
    jobs.step(run_id)
    wait_for_events(run_id, 1)
    jobs.stop(run_id)
    outcome = runs.run_folder(run_id) / "outcome.json"
    outcome.write_text(outcome.read_text().replace("stopped", "paused"))  # as the worker leaves it when it parks
    assert jobs.status(run_id).state == "paused"
    jobs.resume(run_id)
    wait_for(run_id, "finished")
    assert (jobs.events(run_id), jobs.result(run_id)) == undisturbed(config)


def test_reset_is_a_new_run_from_the_same_start():
    first = jobs.submit("count", CountConfig(steps=5, seed=8))
    wait_for(first, "finished")
    second = jobs.reset(first)
    assert second != first
    wait_for(second, "finished")
    assert jobs.events(second) == jobs.events(first)


@pytest.mark.parametrize(
    "run_id", ["", "../../etc", "A" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n", "queue", None, "0" * 32], ids=repr
)
def test_a_malformed_or_unknown_run_id_is_refused(run_id):
    for ask in (jobs.status, jobs.events, jobs.result, jobs.config, jobs.checkpoint, jobs.reset):
        with pytest.raises(ValueError, match="run_id"):
            ask(run_id)
    for steer in (jobs.pause, jobs.step, jobs.resume, jobs.stop):
        with pytest.raises(ValueError, match="run_id"):
            steer(run_id)


def test_names_come_from_the_registry_and_configs_are_of_its_type():
    @dataclasses.dataclass
    class Loose:
        steps: int = 1

    with pytest.raises(ValueError, match=r"name must be one of .*count.*os:system"):
        jobs.submit("os:system", CountConfig())
    with pytest.raises(ValueError, match="CountConfig"):
        jobs.submit("count", Loose())
    with pytest.raises(ValueError, match="steps"):
        CountConfig(steps=0)
    with pytest.raises(ValueError, match="top level"):
        jobs.register("local", lambda run: {}, CountConfig)
    with pytest.raises(ValueError, match="already means"):
        jobs.register("count", "engine.jobs.examples:seconds", CountConfig)
    with pytest.raises(ValueError, match="after"):
        jobs.events("0" * 32, after=-1)
    assert not runs.all_runs()


def test_the_estimate_learns_from_what_this_machine_measured():
    config = CountConfig(steps=3, sleep=0.1)
    before = jobs.estimate("count", config)
    run_id = jobs.submit("count", config)
    measured = wait_for(run_id, "finished").seconds
    assert before == pytest.approx(0.4, abs=0.01)
    assert jobs.estimate("count", config) == pytest.approx(measured)
    assert jobs.estimate("count", dataclasses.replace(config, steps=30)) > 5 * measured


def test_old_runs_are_removed_but_never_one_that_works(monkeypatch):
    monkeypatch.setattr(queue, "KEEP_RUNS", 2)
    monkeypatch.setattr(queue, "slots", lambda: 2)
    working = jobs.submit("count", CountConfig(steps=1000, sleep=0.05))
    ended = []
    for seed in range(4):
        ended.append(jobs.submit("count", CountConfig(steps=1, seed=seed)))
        wait_for(ended[-1], "finished")
        wait_until(lambda: not runs.alive(runs.run_folder(ended[-1])))
    kept = [folder.name for folder in runs.all_runs()]
    assert kept == [ended[3], ended[2], working]
    assert jobs.status(working).state == "running"
    with pytest.raises(ValueError, match="removed"):
        jobs.status(ended[0])


SCRIPT = """
import sys, time
from engine import jobs
from engine.jobs.examples import CountConfig

with open(sys.argv[1], "a") as file:
    file.write("ran\\n")
run_id = jobs.submit("count", CountConfig(steps=4))
while jobs.status(run_id).active:
    time.sleep(0.01)
sys.stdout.write(str(jobs.result(run_id)["steps"]))
"""


def test_a_script_without_a_main_guard_runs_once(tmp_path):
    script, marks = tmp_path / "script.py", tmp_path / "marks.txt"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, str(script), str(marks)], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (ran.stdout, ran.stderr) == ("4", "")
    assert marks.read_text() == "ran\n"


def test_asking_for_a_run_loads_no_torch():
    code = "import sys, engine.jobs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=PATIENCE).returncode == 0


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads the worker's priority from Linux")
def test_a_worker_gives_way_and_leads_a_group_of_its_own():
    run_id = jobs.submit("count", CountConfig(steps=1000, sleep=0.05))
    wait_for_events(run_id, 1)
    pid = worker_pid(run_id)
    assert os.getpriority(os.PRIO_PROCESS, pid) == max(10, os.getpriority(os.PRIO_PROCESS, 0))
    assert os.getpgid(pid) == os.getsid(pid) == pid != os.getpgid(0)
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"OMP_NUM_THREADS=1" in environment
