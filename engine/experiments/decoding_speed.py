"""What one more token costs and what makes it cheaper, as a job: the cache, a batch, the ways of choosing, a draft.

Each event is one measurement; see engine.experiments.decoding_bench for what they hold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine import models
from engine.experiments.decoding_bench import ROOM, Bench, weight_bytes
from engine.jobs.handle import Run

READINGS = ("whole", "cached", "lean")


@dataclass(frozen=True)
class DecodingSpeedConfig:
    """What to measure. Without a draft model for `model` on this machine, what needs one is left out."""

    prompt: str = "Once upon a time, there was a little dog"
    model: str = "story-lm"
    draft: str = "story-lm-draft"
    new_tokens: int = 64  # of each text
    temperature: float = 1.0  # of the texts that are written with a draft; greedy ones are written beside them
    lengths: tuple[int, ...] = (16, 64, 128, 192, 256, 320, 384, 448)  # of the text before the token
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    beams: tuple[int, ...] = (2, 4, 8)
    drafts: tuple[int, ...] = (1, 2, 3, 4, 5, 6)  # tokens that are drafted at a time
    texts: int = 4  # for each of `drafts`
    draws: int = 2000  # first tokens, to compare with the model's probabilities
    repeats: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("lengths", "batches", "beams", "drafts"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        context = models.model_info(self.model).max_len
        models.model_info(self.draft)
        if not isinstance(self.prompt, str) or not self.prompt:
            raise ValueError(f"prompt must be a text of one character or more, got {self.prompt!r}")
        if not isinstance(self.temperature, (int, float)) or not 0 <= self.temperature <= 10:
            raise ValueError(f"temperature must be a number from 0 to 10, got {self.temperature!r}")
        for name, low, high in (
            ("new_tokens", 4, context // 2),
            ("texts", 1, 50),
            ("draws", 1, 100_000),
            ("repeats", 1, 100),
            ("seed", 0, 2**31),
        ):
            _check_whole(name, getattr(self, name), low, high)
        highest = {"lengths": context - ROOM, "batches": 64, "beams": 64, "drafts": 15}
        for name, high in highest.items():
            for value in getattr(self, name):
                _check_whole(name, value, 1, high)

    @property
    def temperatures(self) -> tuple[float, ...]:
        """At which texts are written with a draft: the chosen one, and greedily."""
        return (self.temperature,) if self.temperature == 0 else (self.temperature, 0.0)


def measure(run: Run) -> dict | None:
    """The job. A Resume goes on with the measurement that is missing. Result: what the measurements were made on."""
    bench = Bench(run.config)
    planned = plan(bench)
    done = (run.load() or {"done": 0})["done"]
    for take in planned[done:]:
        run.wait_while_paused()
        if run.should_stop():
            return None
        run.emit(take())
        done += 1
        run.save({"done": done})
    return {
        "measurements": done,
        "weight_bytes": weight_bytes(bench.model),
        "draft_bytes": weight_bytes(bench.draft) if has_draft(run.config) else None,
        "prompt_tokens": len(bench.prompt),
    }


def plan(bench: Bench) -> list[Callable[[], dict]]:
    """Every measurement, in its order: always the same one for a config, so that a count says what is done."""
    config = bench.config
    found: list[Callable[[], dict]] = [partial(bench.memory, what) for what in ("weights", "large")]
    found += [partial(bench.next_token, reading, length) for length in config.lengths for reading in READINGS]
    found += [partial(bench.at_once, "model", n) for n in (1, *range(2, 2 + max(config.drafts)))]
    found += [partial(bench.batch, texts) for texts in config.batches]
    found += [partial(bench.strategy, name) for name in ("greedy", "sampling", "filtered")]
    found += [partial(bench.strategy, "beam", beams) for beams in config.beams]
    found += [partial(bench.strategy, "constrained", config.beams[len(config.beams) // 2])] if config.beams else []
    if has_draft(config):
        found.append(partial(bench.at_once, "draft", 1))
        found += [
            partial(bench.drafted, n, temperature) for temperature in config.temperatures for n in (0, *config.drafts)
        ]
        found.append(bench.first_tokens)
    return found + [partial(bench.peer, name) for name in ("greedy", "sampling", "beam")]


def has_draft(config: DecodingSpeedConfig) -> bool:
    """Whether the draft is on this machine and was made for the model."""
    return models.is_available(config.draft) and models.model_info(config.draft).drafts_for == config.model


def seconds(config: DecodingSpeedConfig) -> float:
    """How long it may take on one core: a start, and 1.1 ms a token for a model of the size of story-lm."""
    texts = sum(0.5 + 0.1 * n for n in config.batches) + sum(0.8 + 0.3 * n for n in config.beams) + 5.0
    drafted = (len(config.drafts) + 1) * (config.texts + len(config.temperatures) - 1)
    peers = 3 * 5.0
    written = config.repeats * config.new_tokens * (texts + 1.25 * drafted + peers) * 0.0011
    written *= models.model_info(config.model).size / models.model_info("story-lm").size
    return 6.0 + written + 0.15 * len(config.lengths) * len(READINGS) + 0.002 * config.draws


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
