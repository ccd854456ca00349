"""Which language model a section uses: the bundled one, or one of the hub, with its download where it is not here yet.

MODEL = language_models.model_choice("model")           # a Param; the link carries "story-lm", "gpt2", …
language_models.control(MODEL)                          # the list, and under it the download of one that is not here
loaded = language_models.get(state.get(MODEL))          # a LoadedModel, or a ValueError that says what to press

A download belongs to the machine, not to a learner: everybody who has chosen the model sees how far it is and may stop
it, and nobody starts a second one.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components import controls, errors, models, runs, state, text
from engine import jobs
from engine import models as known

if TYPE_CHECKING:
    from engine.jobs import RunStatus
    from engine.models import LoadedModel, ModelInfo

JOB = "download-model"
BUNDLED = "story-lm"
PROBLEM = "download-model.problem"
MEGABYTES_A_SECOND = 10  # of a usual connection, for the estimate before


@dataclass(frozen=True)
class Refusal:
    """Why the files of a model that lie here could not be used."""

    sentence: str
    at: float  # as time.time()


_refused: dict[str, Refusal] = {}  # by the model's name; one server, one list


@dataclass(frozen=True)
class ModelChoice(state.Param):
    """One of the language models that the app knows, on this machine or not."""

    @property
    def options(self) -> tuple[str, ...]:
        causal = [info for info in known.models() if info.kind == "causal" and not info.drafts_for]
        return tuple(info.name for info in sorted(causal, key=lambda info: info.from_hub))  # bundled ones first

    def parse(self, raw: str) -> str:
        if raw not in self.options:
            raise ValueError(f"{self.name} must be one of {', '.join(self.options)}; the link says {raw[:40]!r}")
        return raw

    def show(self, option: str) -> str:
        """Its name in the list, with its parameters, and whether it is still to be downloaded."""
        info = known.model_info(option)
        missing = "" if is_ready(option) else ", not here yet"
        return f"{info.title}, {info.size / 1e6:.0f} million{missing}"

    def shown_instead(self) -> str:
        return known.model_info(self.default).title


def model_choice(
    name: str,
    default: str = BUNDLED,
    label: str = "Model",
    help: str | None = "Language models, each with its number of parameters.",
) -> ModelChoice:
    """The parameter `name` that holds a language model."""
    return ModelChoice(name, default, label, help)


def control(param: ModelChoice) -> str:
    """The list to choose from; under it, when the chosen one is not on this machine, what can be done about that."""
    chosen = controls.pick(param, param.options, param.show)
    download_panel(chosen)
    return chosen


def is_ready(name: str) -> bool:
    """Whether `get` has it without a network, as far as is known before it is loaded."""
    return known.is_available(name) and _refusal(name) is None


def get(name: str) -> "LoadedModel":
    """A language model by its name in a link, loaded once per server. Never asks the network.

    Raises ValueError, in one sentence, for one that is not here, and for damaged files.
    """
    info = known.model_info(name)
    if refusal := _refusal(name):
        raise ValueError(refusal.sentence)
    if info.from_hub and not known.is_available(name):
        now = _newest_run(name)
        fix = "wait" if now and now.active else f"press Download ({_megabytes(info.file_bytes)} MB)"
        where = "on its way to this machine" if now and now.active else "not on this machine yet"
        bundled = known.model_info(BUNDLED).title
        raise ValueError(f"{info.title} is {where}: {fix}, or choose {bundled}, which comes with the app")
    # One of the hub takes seconds to load. Loaded ones are found at once, and a spinner waits a moment before it shows.
    waiting = st.spinner(f"Loading {info.title} …") if info.from_hub else contextlib.nullcontext()
    try:
        with waiting:
            return models.language_model(name)
    except ValueError as error:
        if info.from_hub:  # the panel then offers to fetch it again
            _refused[name] = Refusal(str(error), time.time())
        raise


def download_panel(name: str) -> None:
    """For a model of the hub that is not here: a button that fetches it, or how far the download is and Stop."""
    info = known.model_info(name)
    if not info.from_hub or is_ready(name):
        return
    with st.container(key=f"download-{name}"):
        now = _newest_run(name)
        if now and now.active:
            _follow(name)
        else:
            _offer(info, now)
        text.problem(st.session_state.pop(PROBLEM, None))


def progress_line(now: "RunStatus") -> str:
    """Where a download is, as HTML: a bar, megabytes of megabytes, and the file."""
    if now.state == "waiting":
        return f"Waiting, place {now.place} in this machine’s queue. It starts by itself."
    told = jobs.events(now.run_id)
    if not told:
        return "Asking the hub …"
    done, total, file = told[-1]["bytes"], told[-1]["total"], told[-1]["file"]
    share = min(1.0, done / total) if total else 0.0
    bar = f'<span class="labs-run-bar" style="--share:{share:.1%}"></span>'
    said = f"{_megabytes(done)} of {_megabytes(total)} MB"
    return bar + (f"{said}, checking them" if share == 1 else f"{said}, {text.escape(file)}")


def _offer(info: "ModelInfo", before: "RunStatus | None") -> None:
    _button(f"Download {_megabytes(info.file_bytes)} MB", info.name, _start, icon="download", primary=True)
    seconds = info.file_bytes / 1e6 / MEGABYTES_A_SECOND
    text.prose(
        f"{text.escape(info.about)} Licence: {text.escape(info.licence)}. From the Hugging Face hub "
        f"({text.escape(info.source)}), then kept on this machine. At {MEGABYTES_A_SECOND} MB a second it takes "
        f"about {seconds:.0f} s.",
        "labs-reading",
    )
    if before and before.error:
        text.problem(before.error)
    elif before and before.state == "stopped":
        text.prose("Stopped. Whole files are kept; the one that was on its way starts anew.", "labs-reading")


def _follow(name: str) -> None:
    """Looks twice a second; at the end the page is drawn anew once, with the model or with what went wrong."""

    def body() -> None:
        now = _newest_run(name)
        if not (now and now.active):
            state.rerun()
        text.prose(progress_line(now), "labs-run")
        _button("Stop", name, _stop, icon="stop")

    st.fragment(body, run_every=runs.LOOK_SECONDS)()


def _refusal(name: str) -> Refusal | None:
    """What stands against the files that are here, unless they were fetched again since."""
    if refusal := _refused.get(name):
        now = _newest_run(name)
        if not (now and now.state == "finished" and now.created > refusal.at):
            return refusal
        _refused.pop(name, None)
    return None


def _newest_run(name: str) -> "RunStatus | None":
    """The last download of this model on this machine, whoever started it."""
    for run in jobs.kept_runs():
        if run.name == JOB:
            config, _ = errors.attempt(lambda run=run: jobs.config(run.run_id))
            if config and config.name == name:
                return run
    return None


def _start(name: str) -> None:
    from engine.experiments.model_download import ModelDownloadConfig

    now = _newest_run(name)
    if not (now and now.active):  # somebody else may have pressed it a moment ago
        jobs.submit(JOB, ModelDownloadConfig(name))


def _stop(name: str) -> None:
    now = _newest_run(name)
    if now and now.active:
        jobs.stop(now.run_id)


def _button(label: str, name: str, do: Callable[[str], None], *, icon: str, primary: bool = False) -> None:
    def press() -> None:
        _, st.session_state[PROBLEM] = errors.attempt(lambda: do(name))

    st.button(
        label,
        key=f"download.{name}.{label}",
        on_click=press,
        icon=f":material/{icon}:",
        type="primary" if primary else "secondary",
    )


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f}"
