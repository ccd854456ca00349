"""What a race is run with: its controls as parameters of the link, and the config that they make."""

from dataclasses import dataclass

from components import state, text
from engine.decoding.race import Lane, RaceConfig
from engine.decoding.settings import Filters
from pages.lab6_generation import prompt
from pages.lab6_generation.params import MODEL, PROMPT, SEED
from pages.lab6_generation.prompt import Prompt

TITLES = {
    "greedy": "Greedy",
    "beam": "Beam search",
    "sample": "Sampling",
    "top-k": "Top-k",
    "top-p": "Top-p",
    "min-p": "Min-p",
    "typical": "Typical",
    "word": "Beam, a word given",
}
AT_START = ("greedy", "beam", "sample", "top-k", "top-p", "min-p")
ROLES = ("query", "key", "value", "output", "negative", "plain")

LANES = state.Several("ra_lanes", AT_START, "Who runs", options=tuple(TITLES), labels=TITLES)
NEW = state.Number("ra_new", 60, "New tokens", low=1, high=10_000, help="How long each text may grow")
BEAMS = state.Number("ra_beams", 4, "Beams", low=1, high=8, help="Beam search: so many texts are kept at each step")
TEMPERATURE = state.Number(
    "ra_t", 1.0, "Temperature", low=0.0, high=2.0, step=0.05, help="Sampling: below 1 likely tokens become likelier"
)
TOP_K = state.Number("ra_k", 40, "Top-k", low=1, high=200, help="Draws among the k likeliest tokens")
TOP_P = state.Number(
    "ra_p", 0.9, "Top-p", low=0.0, high=1.0, step=0.01, help="Draws among the likeliest tokens that hold a share p"
)
MIN_P = state.Number(
    "ra_min", 0.1, "Min-p", low=0.0, high=1.0, step=0.01, help="Drops what has less than this share of the likeliest"
)
TYPICAL = state.Number(
    "ra_typ", 0.9, "Typical mass", low=0.05, high=1.0, step=0.05, help="Draws among tokens about as surprising as usual"
)
WORD = state.Text("ra_word", "happy", "The word that must appear")
STOP = state.Text("ra_stop", "", "Stop string")
KNOBS = {
    "beam": BEAMS,
    "sample": TEMPERATURE,
    "top-k": TOP_K,
    "top-p": TOP_P,
    "min-p": MIN_P,
    "typical": TYPICAL,
}
PARAMS = [PROMPT, MODEL, SEED, LANES, NEW, BEAMS, TEMPERATURE, TOP_K, TOP_P, MIN_P, TYPICAL, WORD, STOP]


@dataclass(frozen=True)
class Wish:
    """What the controls say: a race that can be run, and what a reader needs to follow it."""

    config: RaceConfig
    prompt: Prompt
    names: tuple[str, ...]  # of the lanes
    settings: tuple[str, ...]  # the knob of each, as it is written
    room: int  # new tokens that fit behind this prompt


def read() -> Wish:
    """The race that the controls describe. Raises ValueError, in a sentence, when there is none."""
    names = state.get(LANES)
    if not names:
        raise ValueError("Choose at least one strategy under “Who runs”: a race needs a runner")
    room = _room()
    found = prompt.read(min(state.get(NEW), room), any_model=True)
    lanes = tuple(_lane(name, found) for name in names)
    config = RaceConfig(
        found.ids,
        min(state.get(NEW), room),
        state.get(SEED),
        lanes,
        found.eos_id,
        (state.get(STOP),) if state.get(STOP) else (),
    )
    return Wish(config, found, names, tuple(map(_setting, names)), room)


def notes(wish: Wish) -> None:
    """What a learner should know before the race: that it is shorter than wished, and what is odd in the prompt."""
    if state.get(NEW) > wish.room:
        text.problem(
            f"New tokens: {state.get(NEW):,} do not fit. The model reads {wish.prompt.tokenizer.context:,} tokens at "
            f"once, the prompt has {len(wish.prompt.ids):,} of them: each text may grow by {wish.room:,}."
        )
    prompt.notes(wish.prompt)


def _room() -> int:
    """New tokens that fit: what the prompt leaves of the context, and half of it when the prompt takes more."""
    whole = prompt.read(1, any_model=True)
    context = whole.tokenizer.context
    return max(context - len(whole.ids) - whole.n_dropped, context // 2)


def _lane(name: str, found: Prompt) -> Lane:
    if name == "greedy":
        return Lane(name, "greedy")
    if name == "beam":
        return Lane(name, "beam", num_beams=state.get(BEAMS))
    if name == "word":
        return Lane(name, "beam", num_beams=state.get(BEAMS), must_include=_spellings(found))
    filters = {
        "sample": lambda: Filters(temperature=state.get(TEMPERATURE)),
        "top-k": lambda: Filters(top_k=state.get(TOP_K)),
        "top-p": lambda: Filters(top_p=state.get(TOP_P)),
        "min-p": lambda: Filters(min_p=state.get(MIN_P)),
        "typical": lambda: Filters(typical=state.get(TYPICAL)),
    }
    return Lane(name, "sample", filters[name]())


def _spellings(found: Prompt) -> tuple[tuple[int, ...], ...]:
    """The word as tokens: with the space before it, as it stands inside a sentence, and without."""
    word = state.get(WORD).strip()
    if not word:
        raise ValueError("The word that must appear must have at least one letter; see “More”")
    return tuple(tuple(found.tokenizer.encode(spelled)) for spelled in (f" {word}", word))


def _setting(name: str) -> str:
    if name == "word":
        return f"“{state.get(WORD).strip()}”"
    if name not in KNOBS:
        return ""
    value = KNOBS[name].format(state.get(KNOBS[name]))
    return f"T {value}" if name == "sample" else f"of {value}" if name == "beam" else value
