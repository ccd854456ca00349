"""What the two sections on beam search share: the search itself, cached, and the tokens that end a text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import streamlit as st

from components import drawing, models, state
from engine.decoding import BeamSearch, BeamStep, Generation, greedy
from engine.decoding.remembering import Remembering
from pages.lab6_generation.prompt import Prompt

ENDS_A_SENTENCE = re.compile(r"[.!?]+[\"”']*\s*")


@dataclass(frozen=True)
class Settings:
    """One search, but for its prompt; in the words of engine.decoding.beam_search."""

    num_beams: int
    max_new_tokens: int
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    eos_id: tuple[int, ...] = ()
    no_repeat_ngram_size: int = 0
    must_include: tuple = ()
    banned: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Search:
    """One search that has ended: its steps, and its texts, best first, each with its node."""

    steps: tuple[BeamStep, ...]
    texts: tuple[Generation, ...]
    needed: int = 0  # the fewest tokens that hold everything required

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes of the texts."""
        return self.steps[-1].best_finished[: len(self.texts)]


def end_ids(found: Prompt, ends: str) -> tuple[int, ...]:
    """The tokens that end a text: the model's own end token, and with ends="sentence" all that end a sentence."""
    own = () if found.eos_id is None else (found.eos_id,)
    return own if ends == "story" else (*own, *_sentence_ends(found.loaded.info.name, found))


@st.cache_resource(max_entries=4, show_spinner=False)
def _sentence_ends(name: str, _found: Prompt) -> tuple[int, ...]:
    special = set(_found.tokenizer.special_tokens.values())
    return tuple(
        number
        for number, token in vocabulary(name, _found).items()
        if number not in special and ENDS_A_SENTENCE.fullmatch(token.decode("utf-8", "replace"))
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def vocabulary(name: str, _found: Prompt) -> dict[int, bytes]:
    """The bytes of every token of the model `name`."""
    return {number: _found.tokenizer.token_bytes(number) for number in range(_found.tokenizer.vocab_size)}


def search(found: Prompt, settings: Settings) -> Search:
    """The search on this prompt. Raises UnsatisfiableConstraint as the engine does."""
    return _search(found.loaded.info.name, found.ids, settings, found)


@st.cache_resource(max_entries=128, show_spinner=False)
def _search(name: str, ids: tuple[int, ...], settings: Settings, _found: Prompt) -> Search:
    with models.DEVICE_IN_USE:
        run = BeamSearch(remembering(_found, settings.max_new_tokens), ids, **vars(settings))
        steps = tuple(run.steps())
    return Search(last_try(steps), tuple(run.found()), int(run.constraints.needed))


def last_try(steps: Sequence[BeamStep]) -> tuple[BeamStep, ...]:
    """A search whose beams all ran into a wall begins again with more of them: the steps of its last beginning."""
    start = max(place for place, step in enumerate(steps) if step.step == 0)
    return tuple(steps[start:])


def write_greedily(found: Prompt, settings: Settings) -> Generation:
    """What greedy decoding writes with the same ends."""
    return _greedy(found.loaded.info.name, found.ids, settings, found)


@st.cache_resource(max_entries=128, show_spinner=False)
def _greedy(name: str, ids: tuple[int, ...], settings: Settings, _found: Prompt) -> Generation:
    with models.DEVICE_IN_USE:
        return greedy(
            remembering(_found, settings.max_new_tokens),
            ids,
            max_new_tokens=settings.max_new_tokens,
            eos_id=settings.eos_id,
            no_repeat_ngram_size=settings.no_repeat_ngram_size,
        )


def remembering(found: Prompt, room: int) -> Remembering:
    """The model, with what it has answered to this prompt. For use under models.DEVICE_IN_USE only."""
    return _remembering(found.loaded.info.name, found.ids, room, found)


@st.cache_resource(max_entries=6, show_spinner=False)
def _remembering(name: str, ids: tuple[int, ...], room: int, _found: Prompt) -> Remembering:
    return Remembering(_found.model, ids, room=room)


def path(steps: Iterable[BeamStep], node: int) -> list[int]:
    """The nodes from the first token to `node`."""
    parents = {one.node: one.parent for step in steps for one in step.candidates}
    found = []
    while node:
        found.append(node)
        node = parents[node]
    return found[::-1]


def take_step(key: str, step: state.Number, turn: str) -> None:
    """The step at which the learner rests in the figure `key`. turn: where the session counts the figure's answers."""
    event = drawing.result(key)
    if event and event.get("type") == "step":
        state.set_value(step, int(min(max(event["step"], step.low), step.high)))
        st.session_state[turn] = event["turn"]
