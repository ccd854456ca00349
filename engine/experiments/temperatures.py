"""What does the temperature change? The same beginnings continued at twelve temperatures, and what the texts are like.

Beside it, the other question: at which temperature does the model predict human text best? Its distributions are bent
by each temperature and its surprise at texts that it has not seen is measured; nothing is written for that. The job is
called "temperature"; it emits a row of numbers a temperature.
"""

import math
from dataclasses import dataclass
from statistics import fmean

from engine import models
from engine.decoding.likelihood import cross_entropies, perplexity
from engine.decoding.measures import distinct, self_bleu
from engine.decoding.settings import Filters
from engine.decoding.together import Written, write_together
from engine.decoding.walking import Dice
from engine.experiments import beginnings
from engine.jobs.handle import Run
from engine.known_words import count_known

MODEL = "story-lm"
TEMPERATURES = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0)
BENT = tuple(round(0.1 + 0.05 * place, 2) for place in range(39))  # 0.1 to 2: where human text is judged
JUDGED_STORIES = 60  # held-out stories
BUNDLED_STORIES = 12  # of the project's own, which the page can read again for its audit line


@dataclass(frozen=True)
class TemperatureConfig:
    """How much is written. A wrong setting raises ValueError and says what would be right."""

    prompts: int = 4
    texts: int = 12  # from each prompt
    new_tokens: int = 120
    seed: int = 7
    temperatures: tuple[float, ...] = TEMPERATURES

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperatures", tuple(self.temperatures))
        limits = {"prompts": (1, 20), "texts": (2, 50), "new_tokens": (10, 400), "seed": (0, 999)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
        for value in self.temperatures:
            if not 0 < value <= 10:
                raise ValueError(f"temperatures must be numbers above 0 and at most 10, got {value!r}")


def measure(run: Run) -> dict | None:
    """The job. Result: {"rows": [one a temperature], "bent": what each temperature makes of human text}.

    "heldout" in it is None where LABS_DATA names no held-out stories.
    """
    config: TemperatureConfig = run.config
    loaded = models.load(MODEL, device="cpu")
    rows = list((run.load() or {"rows": []})["rows"])
    for temperature in config.temperatures[len(rows) :]:
        run.wait_while_paused()
        if run.should_stop():
            run.save({"rows": rows})
            return None
        rows.append({"temperature": temperature, **summary(write(loaded, config, temperature), loaded, config)})
        run.save({"rows": rows})
        run.emit(rows[-1])
    return {"rows": rows, "bent": _bent(loaded)}


def write(loaded: models.LoadedModel, config: TemperatureConfig, temperature: float) -> list[Written]:
    """Every text at one temperature, those of one prompt side by side. Each keeps its random numbers at all of them."""
    prompts = [prompt for prompt in beginnings.prompts(loaded.tokenizer, config.prompts) for _ in range(config.texts)]
    return write_together(
        loaded.model,
        prompts,
        max_new_tokens=config.new_tokens,
        filters=Filters(temperature=temperature),
        dice=[Dice(config.seed, number) for number in range(len(prompts))],
        eos_id=loaded.tokenizer.eos_id,
    )


def summary(written: list[Written], loaded: models.LoadedModel, config: TemperatureConfig) -> dict:
    """What the texts of one temperature are like. Likeness and variety are those among texts of one prompt."""
    ids = [one.ids[:-1] if one.finished else one.ids for one in written]
    groups = [ids[start : start + config.texts] for start in range(0, len(ids), config.texts)]
    counted = [count_known(whole_words(loaded.tokenizer.decode(own), one.finished)) for own, one in zip(ids, written)]
    known, words = (sum(column) for column in zip(*counted, strict=True))
    return {
        "self_bleu": fmean(self_bleu(group) for group in groups),
        "distinct_2": fmean(distinct(group, 2) for group in groups),
        "distinct_4": fmean(distinct(group, 4) for group in groups),
        "entropy": fmean(value for one in written for value in one.entropies),
        "known_words": known / words if words else math.nan,
        "perplexity": perplexity(value for one in written for value in one.log_probs),
        "tokens": fmean(map(len, ids)),
        "ended": fmean(one.finished for one in written),
    }


def whole_words(text: str, finished: bool) -> str:
    """The text without its last word, where it was cut off and that word may be half a one.

    >>> whole_words("a big do", finished=False)
    'a big'
    """
    return text if finished or " " not in text else text.rsplit(maxsplit=1)[0]


def _bent(loaded: models.LoadedModel) -> dict:
    """Perplexities of human text at every temperature of BENT."""
    heldout = beginnings.heldout_stories()
    return {
        "temperatures": list(BENT),
        "bundled": _perplexities(loaded, beginnings.bundled_stories(BUNDLED_STORIES)),
        "heldout": None if heldout is None else _perplexities(loaded, heldout[:JUDGED_STORIES]),
    }


def _perplexities(loaded: models.LoadedModel, stories: list[str]) -> list[float]:
    return [math.exp(value) for value in cross_entropies(loaded.model, as_ids(loaded, stories), BENT)]


def as_ids(loaded: models.LoadedModel, stories: list[str]) -> list[list[int]]:
    """Whole stories as the model reads them: start token, text, end token; cut at its context."""
    tokenizer = loaded.tokenizer
    return [
        [*tokenizer.start_ids, *tokenizer.encode(story), tokenizer.eos_id][: tokenizer.context] for story in stories
    ]


def seconds(config: TemperatureConfig) -> float:
    """How long the job takes on one core, measured."""
    return 5 + 0.00035 * config.prompts * config.texts * config.new_tokens * len(config.temperatures)
