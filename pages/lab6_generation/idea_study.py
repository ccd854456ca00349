"""The two texts of section “idea”: one written greedily, one drawn from the nucleus, with what each token came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from components import models
from components.figures.duel import Choice, Row
from engine.decoding import Generation, TokenStep, greedy, sample
from engine.decoding.measures import repeated
from pages.lab6_generation.prompt import Prompt

N_NEW = 80
RUN = 4  # tokens; a shorter run that stands twice is ordinary English
N_ROWS = 8


@dataclass(frozen=True)
class Study:
    """One prompt, written on in two ways."""

    prompt: Prompt
    top_p: float
    seed: int
    left: Generation  # greedy
    right: Generation  # top-p

    @property
    def length(self) -> int:
        return max(len(self.left.ids), len(self.right.ids))

    @property
    def parts_at(self) -> int | None:
        """The first token, from 0, that differs; None when both are the same."""
        pairs = enumerate(zip(self.left.ids, self.right.ids))
        return next((place for place, (ours, theirs) in pairs if ours != theirs), None)


def write(prompt: Prompt, top_p: float, seed: int) -> Study:
    """Both texts. The left one is written once a prompt, whatever the seed: it draws nothing."""
    name, ids = prompt.loaded.info.name, prompt.ids
    return Study(prompt, top_p, seed, _greedy(name, ids, prompt), _sampled(name, ids, top_p, seed, prompt))


@st.cache_resource(max_entries=64, show_spinner=False)
def _greedy(name: str, ids: tuple[int, ...], _prompt: Prompt) -> Generation:
    with models.DEVICE_IN_USE:
        return greedy(_prompt.model, ids, max_new_tokens=N_NEW, eos_id=_prompt.eos_id, keep_steps=True)


@st.cache_resource(max_entries=64, show_spinner=False)
def _sampled(name: str, ids: tuple[int, ...], top_p: float, seed: int, _prompt: Prompt) -> Generation:
    ending = {"max_new_tokens": N_NEW, "eos_id": _prompt.eos_id}
    with models.DEVICE_IN_USE:
        return sample(_prompt.model, ids, top_p=top_p, seed=seed, keep_steps=True, **ending)


def marked_from(ids: Sequence[int], n: int = RUN) -> list[int | None]:
    """For each token the first place at which it is known to stand in a run of n that stood before; None for never.

    >>> marked_from([1, 2, 3, 1, 2, 3], n=3)
    [None, None, None, 5, 5, 5]
    """
    seen: set[tuple[int, ...]] = set()
    found: list[int | None] = [None] * len(ids)
    for end in range(n, len(ids) + 1):
        run = tuple(ids[end - n : end])
        if run in seen:
            for place in range(end - n, end):
                found[place] = end - 1 if found[place] is None else found[place]
        seen.add(run)
    return found


def repeats(ids: Sequence[int]) -> list[float]:
    """The share of repeated runs in the text up to each token."""
    return [repeated(ids[:end], RUN) for end in range(1, len(ids) + 1)]


def choice(prompt: Prompt, step: TokenStep) -> Choice:
    """What one token was chosen from, as the figure shows it: the likeliest tokens, and the chosen one."""
    ids = [one.token_id for one in step.candidates]
    place = ids.index(step.token_id)
    shown = list(range(min(N_ROWS, len(ids))))
    if place not in shown:
        shown[-1] = place
    rows = [
        Row(
            prompt.token(ids[index]),
            step.candidates[index].probability,
            step.candidates[index].filtered,
            step.rank if index == place else index,
        )
        for index in shown
    ]
    return Choice(rows, shown.index(place), step.n_kept, step.kept_mass, step.draw)
