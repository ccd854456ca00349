"""Runs on a page: the buttons that steer a learner's run, and a figure that follows it while it goes on.

A run is found through the link (`RunId`), so a reload, a closed browser or another machine with the same link on the
same server shows the same run. The page never waits for it: it looks twice a second, as long as something may happen.
"""

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from components import errors, state, text
from engine import jobs

LOOK_SECONDS = 0.5
UNDECIDED = ("waiting", "running", "paused")

Draw = Callable[["jobs.Record | None", "jobs.RunStatus | None"], None]


@dataclass(frozen=True)
class RunId(state.Param):
    """The learner's own run of the job `job`; "" while there is none."""

    job: str = ""

    def parse(self, raw: str) -> str:
        """The run that the link names. ValueError when it is malformed, gone, or a run of another experiment."""
        if jobs.status(raw).name != self.job:
            raise ValueError(f"{self.name} must name a run of this experiment, and the link's run is another one's")
        return raw

    def shown_instead(self) -> str:
        return "the stored run"


def run_id(name: str, job: str, label: str = "Your run") -> RunId:
    """The parameter `name` that holds a run of `job`."""
    return RunId(name, "", label, job=job)


def controls(param: RunId, config: object | None, *, label: str = "Train", problem: str | None = None) -> None:
    """What can be done now: start a run with `config`, or steer the one that the link names.

    config: a frozen config of the job, or None when the settings are impossible; `problem` then says why.
    """
    now = look(param)
    with st.container(key=f"run-{param.name}"):
        if now and now.state in UNDECIDED:
            _steer(param, now)
            _settings_differ(param, config)
        else:
            _begin(param, config, label, now)
        text.problem(problem)
        text.problem(state.problem(param))
        text.problem(st.session_state.pop(_said(param), None))


def follow(param: RunId, draw: Draw, *, stored: "jobs.Record | None" = None) -> None:
    """Draws what `draw(record, status)` makes of the learner's run (None, None without one), again while it goes on.

    Above it stands one line: where the run is, what it took, or why it ended. stored: the run that is on screen anyway.
    """
    first = look(param)
    active = bool(first and first.active)

    def body() -> None:
        now = look(param)
        _line(now, stored)
        with errors.shown_as_a_sentence():
            draw(jobs.record(now.run_id) if now else None, now)
        if params := getattr(sys.modules.get(draw.__module__), "PARAMS", None):
            state.publish(params)
        if active and not (now and now.active):
            state.rerun()  # the whole page once: the buttons change, and the clock stops

    st.fragment(body, run_every=LOOK_SECONDS if active else None)()


def look(param: RunId) -> "jobs.RunStatus | None":
    """Where the learner's run stands; None when there is none, or when it was removed by now."""
    with contextlib.suppress(ValueError):
        return jobs.status(state.get(param)) if state.get(param) else None
    return None


def _begin(param: RunId, config: object | None, label: str, now: "jobs.RunStatus | None") -> None:
    expected = None if config is None else jobs.estimate(param.job, config)
    with st.container(horizontal=True, gap="small"):
        if now and now.state in ("stopped", "interrupted"):
            _button(param, "Resume", lambda: jobs.resume(now.run_id), icon="play_arrow", primary=True)
        _button(
            param,
            label,
            lambda: state.set_value(param, jobs.submit(param.job, config)),
            icon="play_arrow" if now is None else "replay",
            primary=now is None or now.state in ("finished", "failed"),
            disabled=config is None,
        )
        _button(param, "One step", lambda: _begin_with_a_step(param, config), icon="skip_next", disabled=config is None)
        if now:
            _button(param, "Stored run", lambda: state.set_value(param, ""), icon="inventory_2")
    if expected is not None:
        text.prose(f"Takes about {_seconds(expected)} here, in a process of its own.", "labs-reading")


def _begin_with_a_step(param: RunId, config: object) -> None:
    found = jobs.submit(param.job, config, paused=True)
    state.set_value(param, found)
    jobs.step(found)


def _steer(param: RunId, now: "jobs.RunStatus") -> None:
    with st.container(horizontal=True, gap="small"):
        if now.state == "paused":
            _button(param, "Go on", lambda: jobs.resume(now.run_id), icon="play_arrow", primary=True)
            _button(param, "One step", lambda: jobs.step(now.run_id), icon="skip_next")
        else:
            _button(param, "Pause", lambda: jobs.pause(now.run_id), icon="pause")
        _button(param, "Stop", lambda: jobs.stop(now.run_id), icon="stop")
        _button(param, "Start again", lambda: _start_again(param, now.run_id), icon="replay")


def _start_again(param: RunId, before: str) -> None:
    """The same start once more: same weights, same order of the data."""
    jobs.stop(before)
    state.set_value(param, jobs.reset(before))


def _settings_differ(param: RunId, config: object | None) -> None:
    if config is not None and jobs.config(state.get(param)) != config:
        text.prose(
            "The run on screen has other settings than the controls: they hold for the next one.", "labs-reading"
        )


def _button(
    param: RunId, label: str, do: Callable[[], None], *, icon: str, primary: bool = False, disabled: bool = False
) -> None:
    def press() -> None:
        try:
            do()
        except ValueError as error:
            st.session_state[_said(param)] = str(error)

    st.button(
        label,
        key=f"run.{param.name}.{label}",
        on_click=press,
        icon=f":material/{icon}:",
        type="primary" if primary else "secondary",
        disabled=disabled,
        width="content",
    )


def _said(param: RunId) -> str:
    return f"run.{param.name}.problem"


def _line(now: "jobs.RunStatus | None", stored: "jobs.Record | None") -> None:
    if now is None:
        said = _stored_sentence(stored) if stored else ""
        text.prose(said, "labs-run")
    elif now.error:
        after = " Press Resume to go on from its last checkpoint." if now.state == "interrupted" else ""
        text.problem(f"{now.error} What it did until then is kept.{after}")
    else:
        share = min(1.0, now.seconds / now.expected_seconds) if now.expected_seconds else 0.0
        share = 1.0 if now.state == "finished" else share
        bar = f'<span class="labs-run-bar" style="--share:{share:.1%}"></span>'
        text.prose(bar + text.escape(_where(now)), "labs-run")


def _stored_sentence(stored: "jobs.Record") -> str:
    return (
        f"A stored run, made in {_seconds(stored.seconds)} on {text.escape(stored.machine)}. "
        "Start your own: it is drawn over this one."
    )


def _where(now: "jobs.RunStatus") -> str:
    worked, expected = _seconds(now.seconds), now.expected_seconds
    about = f" of about {_seconds(expected)}" if expected else ""
    if now.state == "waiting":
        return f"Waiting, place {now.place} in this machine's queue. It starts by itself."
    if now.state == "running":
        return f"Running, {worked}{about}" if now.n_events else "Starting …"
    if now.state == "paused":
        return f"Paused after {worked} of work{about and f' ({about.strip()})'}."
    if now.state == "stopped":
        return f"Stopped after {worked}. Resume goes on to the same numbers."
    return f"Finished: {worked} of work" + (f", {_seconds(expected)} were expected." if expected else ".")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
