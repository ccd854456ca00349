"""The jobs there are: a name, where its function and its config type are found, and how long it may take.

A run is asked for by name only, and a name is looked up here. What a worker imports is written down from this list
when the run is submitted, so no link and no form can make it import anything else.
"""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass

_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Job:
    """One kind of job. Places are written "module:name", so that listing a job imports nothing."""

    name: str
    function: str  # called in the worker as function(run); see engine.jobs.handle.Run
    config_type: str  # a frozen dataclass that checks itself
    seconds: str | Callable | None = None  # config -> the seconds to expect on 1 core; None: nobody knows


_jobs: dict[str, Job] = {}


def register(
    name: str, function: str | Callable, config_type: str | type, *, seconds: str | Callable | None = None
) -> Job:
    """Make a job known under `name`. Called by code at import, never with a learner's words.

    function, config_type: the thing itself or its place, "engine.jobs.examples:count". The worker imports them, so
    they stand at the top level of a module: not in a script, a notebook cell or another function.
    Raises ValueError for a place that is none, and for a name that already means something else.
    """
    job = Job(name, _place("function", function), _place("config_type", config_type), seconds)
    before = _jobs.get(name)
    if before is not None and (before.function, before.config_type) != (job.function, job.config_type):
        raise ValueError(f"name must be new, but {name!r} already means {before.function}")
    _jobs[name] = job
    return job


def find(name: str) -> Job:
    """The job called `name`; ValueError when there is none."""
    if name not in _jobs:
        raise ValueError(f"name must be one of {', '.join(sorted(_jobs))}, got {str(name)[:40]!r}")
    return _jobs[name]


def imported(place: str) -> object:
    """The thing that stands at "module:name"."""
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


def place_of(thing: object) -> str:
    """Where a function or a class is found again.

    >>> place_of(Job)
    'engine.jobs.registry:Job'
    """
    return f"{thing.__module__}:{thing.__qualname__}"


def _place(argument: str, thing: str | Callable) -> str:
    place = thing if isinstance(thing, str) else place_of(thing)
    if not _PLACE.fullmatch(place) or place.startswith("__main__:"):
        raise ValueError(f"{argument} must stand at the top level of a module that a worker can import, got {place!r}")
    return place


register(
    "count", "engine.jobs.examples:count", "engine.jobs.examples:CountConfig", seconds="engine.jobs.examples:seconds"
)
register(
    "norm-race",
    "engine.experiments.norm_race:race",
    "engine.experiments.norm_race:NormRaceConfig",
    seconds="engine.experiments.norm_race:seconds",
)
register(
    "sequence",
    "engine.experiments.sequence_training:train",
    "engine.experiments.sequence_training:SequenceConfig",
    seconds="engine.experiments.sequence_training:seconds",
)
register(
    "induction",
    "engine.experiments.induction:train_induction",
    "engine.experiments.induction:InductionConfig",
    seconds="engine.experiments.induction:seconds",
)
register(
    "shortcuts",
    "engine.experiments.shortcuts:train_pairs",
    "engine.experiments.shortcuts:ShortcutsConfig",
    seconds="engine.experiments.shortcuts:seconds",
)
register(
    "attention-cost",
    "engine.experiments.attention_cost:measure",
    "engine.cost:CostConfig",
    seconds="engine.experiments.attention_cost:seconds",
)
register(
    "build-once",
    "engine.experiments.build_once:build_once",
    "engine.experiments.build_once:BuildOnceConfig",
    seconds="engine.experiments.build_once:seconds",
)
register(
    "train-tokenizer",
    "engine.experiments.tokenizer_training:train",
    "engine.experiments.tokenizer_training:TokenizerTrainingConfig",
    seconds="engine.experiments.tokenizer_training:seconds",
)
register(
    "download-model",
    "engine.experiments.model_download:download",
    "engine.experiments.model_download:ModelDownloadConfig",
)
register(
    "repetition",
    "engine.experiments.repetition:measure",
    "engine.experiments.repetition:RepetitionConfig",
    seconds="engine.experiments.repetition:seconds",
)
register(
    "temperature",
    "engine.experiments.temperatures:measure",
    "engine.experiments.temperatures:TemperatureConfig",
    seconds="engine.experiments.temperatures:seconds",
)
register(
    "decoding-speed",
    "engine.experiments.decoding_speed:measure",
    "engine.experiments.decoding_speed:DecodingSpeedConfig",
    seconds="engine.experiments.decoding_speed:seconds",
)
