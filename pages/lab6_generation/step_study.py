"""What section 2 computes: one forward pass, kept, and from its logits every stage of one step and the dart."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components import models, state
from engine.decoding import Filters, filters
from engine.decoding.stages import Stage, filter_stages
from engine.decoding.walking import Dice, draw
from pages.lab6_generation import prompt
from pages.lab6_generation.params import MODEL, SEED, START
from pages.lab6_generation.prompt import Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from engine.transformer import CausalLM

N_ROWS = 13
MOST_PIECES = 60  # of the dart's line; thinner ones are no wider than a pixel
PLACES = 24  # of the text that top-k and top-p are compared over

TEXT = state.Text("st_text", f"{START} who", "Text so far")
PENALTY = state.Number("st_penalty", 1.0, "Repetition penalty", low=1.0, high=2.0, step=0.05, help="1 is off")
TEMPERATURE = state.Number("st_temp", 0.8, "Temperature", low=0.0, high=2.0, step=0.05, help="1 is off")
TOP_K = state.Number("st_k", 8, "Top-k", low=0, high=200, help="0 is off")
TOP_P = state.Number("st_p", 0.9, "Top-p", low=0.0, high=1.0, step=0.01, help="1 is off")
MIN_P = state.Number("st_min", 0.0, "Min-p", low=0.0, high=1.0, step=0.01, help="0 is off")
TYPICAL = state.Number("st_typical", 1.0, "Typical", low=0.05, high=1.0, step=0.05, help="1 is off")
THROW = state.Number(
    "st_throw",
    1,
    "Throw",
    low=1,
    high=999,
    help="Which of the seed's random numbers; each appended token takes the next",
)
PARAMS = [TEXT, MODEL, PENALTY, TEMPERATURE, TOP_K, TOP_P, MIN_P, TYPICAL, SEED, THROW]


@dataclass(frozen=True)
class Study:
    """One step: the text, its stages, and the token that the dart hits."""

    found: Prompt
    stages: list[Stage]
    share: float
    drawn: int
    rows: list[int]  # the tokens that have a row, the model's likeliest first

    @property
    def settings(self) -> Filters:
        return settings()

    @property
    def final(self) -> Stage:
        return self.stages[-1]

    def token(self, number: int) -> str:
        return self.found.token(number)


def study() -> Study:
    """The step on screen. ValueError, in a sentence, for an empty text."""
    found = prompt.read(1, TEXT, any_model=True)
    stages = filter_stages(_logits(found)[-1], found.ids, settings())
    share = roll(state.get(SEED), state.get(THROW))
    drawn = draw(stages[-1].log_probs, share)
    rows = stages[0].logits.topk(N_ROWS).indices.tolist()
    return Study(found, stages, share, drawn, rows if drawn in rows else [*rows, drawn])


def settings() -> Filters:
    """The filters on screen."""
    return Filters(
        repetition_penalty=state.get(PENALTY),
        temperature=state.get(TEMPERATURE),
        top_k=state.get(TOP_K),
        top_p=state.get(TOP_P),
        min_p=state.get(MIN_P),
        typical=state.get(TYPICAL),
    )


def roll(seed: int, throw: int) -> float:
    """The throw-th random number of a seed, counted from 1: the one that sampling takes for its throw-th token."""
    dice = Dice(seed)
    return [dice.roll() for _ in range(throw)][-1]


def pieces(study: Study) -> tuple[list[tuple[str, float]], int]:
    """The dart's line: the tokens that are left, likeliest first, thin ones together; and which piece was hit."""
    ordered, order = study.final.log_probs.double().exp().sort(descending=True, stable=True)
    order = order[: study.final.n_kept].tolist()
    shares = ordered[: study.final.n_kept].tolist()
    hit = order.index(study.drawn)
    line = [(study.token(one), share) for one, share in zip(order[:MOST_PIECES], shares)]
    if hit < MOST_PIECES:
        return line + _together(shares[MOST_PIECES:]), hit
    before = _together(shares[MOST_PIECES:hit])
    after = _together(shares[hit + 1 :])
    return [*line, *before, (study.token(study.drawn), shares[hit]), *after], len(line) + len(before)


def _together(shares: list[float]) -> list[tuple[str, float]]:
    return [("…", math.fsum(shares))] if shares else []


def compared() -> tuple[int, float]:
    """The k and the p that are compared: those on screen, and the starting ones where a filter is off."""
    k, p = state.get(TOP_K), state.get(TOP_P)
    return k or TOP_K.default, p if p < 1 else TOP_P.default


def kept_alone(study: Study) -> tuple[int, list[int]]:
    """How many tokens top-k alone keeps here, and top-p alone at each of the last places of the text, this one last."""
    k, p = compared()
    logits = _logits(study.found)  # (places, vocab_size)
    by_k = filters.top_k(logits[-1:], k) > -math.inf
    by_p = filters.top_p(logits, p) > -math.inf
    return int(by_k.sum()), by_p.sum(dim=-1).tolist()


def _logits(found: Prompt) -> "Tensor":
    """The model's scores at the last places of the text, (places, vocab_size): one forward pass a text."""
    return _forward(found.loaded.info.name, found.ids, found.model)


@st.cache_resource(max_entries=16, show_spinner=False)
def _forward(name: str, ids: tuple[int, ...], _model: "CausalLM") -> "Tensor":
    import torch

    with models.DEVICE_IN_USE, torch.inference_mode():
        logits = _model(torch.tensor([ids], device=next(_model.parameters()).device))[0]
    return logits[-PLACES:].float().cpu().clone()  # (places, vocab_size)
