"""What "Why it repeats" computes: greedy's text and another one from the same prompt, and a sentence said again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import streamlit as st

from components import models, state
from components.figures import stories
from engine.decoding import Filters, greedy, sample
from engine.decoding.likelihood import token_log_probs
from engine.decoding.loops import Stretch, find_loops, said_before
from engine.decoding.measures import ending_loop, repeated
from pages.lab6_generation import prompt
from pages.lab6_generation import repeats_params as chosen
from pages.lab6_generation.params import SEED

SENTENCE_ENDS = (".", "!", "?", "”", '"', "\n")
MOST_TIMES = 30
LEAST_TIMES = 3


@dataclass(frozen=True)
class Told:
    """One text that was written, and where it repeats itself."""

    ids: tuple[int, ...]  # without the end token
    log_probs: tuple[float, ...]  # of the same tokens, under the model's own distribution
    among_allowed: tuple[float, ...]  # the same where the end token is left out, if it may not be chosen
    finished: bool
    would_end: int | None  # the first token at which the end token was the likeliest; counted from 1
    loops: tuple[Stretch, ...]
    before: tuple[bool, ...]  # whether a token belongs to four that stood there before

    @property
    def longest(self) -> Stretch | None:
        """The stretch with the most tokens."""
        return max(self.loops, key=lambda loop: loop.end - loop.start, default=None)

    @property
    def said_again(self) -> float:
        """seq-rep-4: the share of its runs of four tokens that stood there before."""
        return repeated(self.ids)

    @property
    def ends_in_loop(self) -> bool:
        """The condition of Holtzman et al. 2020."""
        return ending_loop(self.ids) is not None


@dataclass(frozen=True)
class Forced:
    """One sentence said again and again, as a text that the model only reads."""

    tokens: tuple[str, ...]  # of the sentence, as they are shown
    probabilities: tuple[tuple[float, ...], ...]  # one row a time it is said

    @property
    def means(self) -> list[float]:
        return [fmean(row) for row in self.probabilities]


@dataclass(frozen=True)
class Study:
    """Everything the figure, the words and the table show."""

    found: prompt.Prompt
    greedy: Told
    other: Told
    way: str  # a key of WAYS
    free: bool  # whether the end token could be chosen
    forced: Forced | None
    problem: str | None  # why there is no forced sentence

    def loop_rows(self) -> list[list[float]]:
        """The probability of each token of greedy's longest loop, a row for each time it is said in full."""
        loop = self.greedy.longest
        if loop is None:
            return []
        starts = range(loop.start, loop.start + loop.times * loop.length, loop.length)
        return [[math.exp(one) for one in self.greedy.among_allowed[start : start + loop.length]] for start in starts]


def study() -> Study:
    """Read the controls and compute; everything slow is kept."""
    n_new = state.get(chosen.TOKENS)
    found = prompt.read(n_new)
    way, free = state.get(chosen.WAY), state.get(chosen.ENDS)
    name = found.loaded.info.name
    forced, problem = None, None
    try:
        forced = _forced(name, state.get(chosen.SENTENCE).strip(), found)
    except ValueError as error:
        problem = str(error)
    return Study(
        found,
        _told(name, found.ids, None, None, n_new, free, found),
        _told(name, found.ids, filters(way), state.get(SEED) if draws(way) else None, n_new, free, found),
        way,
        free,
        forced,
        problem,
    )


def draws(way: str) -> bool:
    """Whether the next token is drawn; the two others are greedy decoding with a rule more."""
    return way not in ("penalty", "n-gram")


def filters(way: str) -> Filters:
    """The filters of one way of breaking the loop, as strong as its control says."""
    name = {
        "top-p": "top_p",
        "temperature": "temperature",
        "penalty": "repetition_penalty",
        "n-gram": "no_repeat_ngram_size",
    }
    return Filters(**{name[way]: state.get(chosen.STRENGTHS[way])}) if way in name else Filters()


@st.cache_resource(max_entries=128, show_spinner=False)
def _told(
    name: str,
    ids: tuple[int, ...],
    asked: Filters | None,
    seed: int | None,
    n_new: int,
    free: bool,
    _found: prompt.Prompt,
) -> Told:
    """One text. seed None: the likeliest token is taken."""
    asked, end = asked or Filters(), _found.eos_id
    banned = () if free or end is None else ((end,),)
    shared = {"max_new_tokens": n_new, "eos_id": end if free else None, "banned": banned, "keep_steps": True}
    with models.DEVICE_IN_USE:
        if seed is None:
            rules = {
                "repetition_penalty": asked.repetition_penalty,
                "no_repeat_ngram_size": asked.no_repeat_ngram_size,
            }
            written = greedy(_found.model, ids, **rules, **shared)
        else:
            settings = {"temperature": asked.temperature, "top_p": asked.top_p}
            written = sample(_found.model, ids, seed=seed, **settings, **shared)
    steps = written.steps[:-1] if written.finished else written.steps
    new_ids = tuple(step.token_id for step in steps)
    ends = (step.step + 1 for step in written.steps if step.candidates[0].token_id == end)
    return Told(
        new_ids,
        tuple(step.log_prob for step in steps),
        tuple(step.filtered_log_prob for step in steps),
        written.finished,
        next(ends, None),
        tuple(find_loops(new_ids)),
        tuple(said_before(new_ids)),
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def _forced(name: str, sentence: str, _found: prompt.Prompt) -> Forced:
    """The sentence as often as fits, each time with a space before it. ValueError where it does not fit three times."""
    tokenizer = _found.tokenizer
    once = tokenizer.encode(f" {sentence}") if sentence else []
    if not once:
        raise ValueError("Type a sentence to be said again and again, at least one character")
    room = tokenizer.context - len(tokenizer.start_ids)
    times = min(MOST_TIMES, room // len(once))
    if times < LEAST_TIMES:
        raise ValueError(
            f"The sentence to repeat must fit {LEAST_TIMES} times into {room:,} tokens, and it has {len(once):,}"
        )
    # A model without a token that starts every text cannot be asked for the very first one: a line end stands there.
    start = tokenizer.start_ids or tokenizer.encode("\n")
    with models.DEVICE_IN_USE:
        log_probs = token_log_probs(_found.model, [*start, *once * times])[len(start) - 1 :]
    rows = log_probs.exp().reshape(times, len(once)).tolist()
    return Forced(tuple(_found.token(one) for one in once), tuple(map(tuple, rows)))


def pieces(told: Told, found: prompt.Prompt) -> list[stories.Piece]:
    """The text cut where its marks change."""
    marks = [stories.AGAIN if before else "" for before in told.before]
    for loop in told.loops:
        shift = _to_a_beginning(told.ids, loop, found)
        for place in range(loop.start, loop.end):
            time = (place - loop.start - shift) // loop.length
            marks[place] = f"{stories.LOOP if time % 2 == 0 else stories.LOOP_AGAIN} {time}"
    cut, start = [], 0
    for end in range(1, len(marks) + 1):
        if end == len(marks) or marks[end] != marks[start]:
            cut.append(stories.Piece(found.decode(list(told.ids[start:end])), marks[start].split(" ")[0]))
            start = end
    return cut


def phrase(told: Told, loop: Stretch, found: prompt.Prompt) -> str:
    """What a loop says, from the beginning of its sentence where there is one."""
    shift = _to_a_beginning(told.ids, loop, found)
    return found.decode(list(told.ids[loop.start + shift : loop.start + shift + loop.length])).strip()


def _to_a_beginning(ids: Sequence[int], loop: Stretch, found: prompt.Prompt) -> int:
    """How far into the loop a sentence begins. A loop may be noticed in mid-sentence: every turn of it is the same."""
    for shift in range(loop.length):
        place = loop.start + shift
        before = found.decode([ids[place - 1]]) if place else ""
        if before.rstrip(" ").endswith(SENTENCE_ENDS):
            return shift
    return 0
