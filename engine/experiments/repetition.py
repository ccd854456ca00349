"""Which ways of choosing the next token make a text repeat itself? Measured over a hundred beginnings.

Source: Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*, section 5 and table 1, whose order is:
greedy far above beam search, both far above sampling and human text. There GPT-2 writes 200 tokens of text from the
web. Here the story model does, in two ways: free to end its story, and with the end token never chosen, so that every
text is equally long, as theirs are. The job is called "repetition"; it emits a row of numbers a strategy.
"""

from dataclasses import asdict, dataclass, field, replace

from engine import models
from engine.decoding.beams import beam_search
from engine.decoding.likelihood import perplexity, token_log_probs
from engine.decoding.loops import find_loops
from engine.decoding.measures import distinct, ending_loop, repeated
from engine.decoding.settings import Filters
from engine.decoding.together import write_together
from engine.decoding.walking import Dice
from engine.experiments import beginnings
from engine.jobs.handle import Run

MODEL = "story-lm"
BATCH = 50  # texts written side by side; between two batches the learner can pause or stop
LOOK_EVERY = 20  # tokens between two points of the curve over the length

STRATEGIES: dict[str, Filters | None] = {
    "greedy": Filters(),
    "sampling": Filters(),
    "temperature": Filters(temperature=0.7),
    "top-k": Filters(top_k=40),
    "top-p": Filters(top_p=0.95),
    "penalty": Filters(repetition_penalty=1.2),
    "beam": None,  # last, because it takes longest
}
GREEDY = ("greedy", "penalty")  # the others draw; beam search is its own
HUMAN = "human"


@dataclass(frozen=True)
class RepetitionConfig:
    """How much is written. A wrong setting raises ValueError and says what would be right."""

    texts: int = 100
    new_tokens: int = 200
    num_beams: int = 4
    seed: int = 7

    def __post_init__(self) -> None:
        limits = {"texts": (1, 100), "new_tokens": (LOOK_EVERY, 400), "num_beams": (1, 16), "seed": (0, 999)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")


@dataclass
class _Texts:
    """The texts of one strategy."""

    ids: list[list[int]] = field(default_factory=list)  # without the end token
    log_probs: list[float] = field(default_factory=list)  # of every token of every text
    n_ended: int = 0

    def add(self, ids: list[int], log_probs: list[float], ended: bool) -> None:
        self.ids.append(ids[:-1] if ended else ids)
        self.log_probs += log_probs
        self.n_ended += ended


def measure(run: Run) -> dict | None:
    """The job. Result: {"rows": [one a strategy and way], "prompts": n}; human rows only where LABS_DATA has texts."""
    config: RepetitionConfig = run.config
    loaded = models.load(MODEL, device="cpu")
    state = run.load() or {"rows": [], "open": asdict(_Texts())}
    human = [HUMAN] if beginnings.heldout_file() else []
    for free in (False, True):
        for strategy in [*STRATEGIES, *human]:
            if any((row["strategy"], row["free"]) == (strategy, free) for row in state["rows"]):
                continue
            texts = _Texts(**state["open"])
            if not _write_all(run, loaded, strategy, free, texts, state["rows"]):
                return None
            row = {"strategy": strategy, "free": free, **summary(texts, config.new_tokens)}
            state = {"rows": [*state["rows"], row], "open": asdict(_Texts())}
            run.emit(row)
            run.save(state)
    return {"rows": state["rows"], "prompts": config.texts}


def _write_all(run: Run, loaded, strategy: str, free: bool, texts: _Texts, rows: list[dict]) -> bool:
    """Add what is missing of one strategy's texts; False when the run was stopped meanwhile, with all of them saved."""
    config = run.config
    if strategy == HUMAN:
        _add_human(texts, loaded, config, free)
        return True
    prompts = beginnings.prompts(loaded.tokenizer, config.texts)
    while len(texts.ids) < len(prompts):
        run.wait_while_paused()
        if run.should_stop():
            run.save({"rows": rows, "open": asdict(texts)})
            return False
        start = len(texts.ids)
        if strategy == "beam":
            _add_beam(texts, loaded, prompts[start], config, free)
        else:
            _add_batch(texts, loaded, strategy, prompts[start : start + BATCH], config, free)
    return True


def _add_batch(texts: _Texts, loaded, strategy: str, prompts: list[list[int]], config, free: bool) -> None:
    banned, eos_id = _ending(loaded, free)
    filters = replace(STRATEGIES[strategy], banned=banned)
    dice = None if strategy in GREEDY else [Dice(config.seed, len(texts.ids) + place) for place in range(len(prompts))]
    found = write_together(
        loaded.model, prompts, max_new_tokens=config.new_tokens, filters=filters, dice=dice, eos_id=eos_id
    )
    for one in found:
        texts.add(one.ids, one.log_probs, one.finished)


def _add_beam(texts: _Texts, loaded, prompt: list[int], config, free: bool) -> None:
    banned, eos_id = _ending(loaded, free)
    best = beam_search(
        loaded.model,
        prompt,
        num_beams=config.num_beams,
        max_new_tokens=config.new_tokens,
        eos_id=eos_id,
        banned=banned,
        num_return=1,
    )[0]
    log_probs = token_log_probs(loaded.model, [*prompt, *best.ids])[len(prompt) - 1 :]
    texts.add(best.ids, log_probs.tolist(), best.finished)


def _ending(loaded: models.LoadedModel, free: bool) -> tuple[tuple, int | None]:
    """(banned phrases, the end token): free to end, or never."""
    eos_id = loaded.tokenizer.eos_id
    return ((), eos_id) if free else (((eos_id,),), None)


def _add_human(texts: _Texts, loaded: models.LoadedModel, config: RepetitionConfig, free: bool) -> None:
    """Held-out stories after their first ten tokens: as they are up to new_tokens, or only those that go on so long."""
    tokenizer = loaded.tokenizer
    n_prompt = len(tokenizer.start_ids) + beginnings.PROMPT_TOKENS
    for story in beginnings.heldout_stories():
        ids = [*tokenizer.start_ids, *tokenizer.encode(story), tokenizer.eos_id]
        long_enough = len(ids) - 1 >= n_prompt + config.new_tokens
        if (free or long_enough) and len(texts.ids) < config.texts:
            own = ids[: n_prompt + config.new_tokens]
            ended = own[-1] == tokenizer.eos_id
            texts.add(own[n_prompt:], token_log_probs(loaded.model, own)[n_prompt - 1 :].tolist(), ended)


def summary(texts: _Texts, new_tokens: int) -> dict:
    """What the texts of one strategy are like, in numbers. Shares from 0 to 1."""
    n = len(texts.ids)
    lengths = list(range(LOOK_EVERY, new_tokens + 1, LOOK_EVERY))
    return {
        "texts": n,
        "tokens": sum(map(len, texts.ids)) / n,
        "ended": texts.n_ended / n,
        "ends_in_loop": sum(ending_loop(ids) is not None for ids in texts.ids) / n,
        "has_loop": sum(bool(find_loops(ids)) for ids in texts.ids) / n,
        "said_again": sum(repeated(ids) for ids in texts.ids) / n,
        "distinct": distinct(texts.ids, 4),
        "perplexity": perplexity(texts.log_probs),
        "lengths": lengths,
        "has_loop_by": [sum(bool(find_loops(ids[:size])) for ids in texts.ids) / n for size in lengths],
        "said_again_by": [sum(repeated(ids[:size]) for ids in texts.ids) / n for size in lengths],
    }


def seconds(config: RepetitionConfig) -> float:
    """How long the job takes on one core, measured."""
    return 2 + config.texts * config.new_tokens * (0.0075 + 0.0022 * config.num_beams)
