"""Lab 6, section 2, one step under the glass: the next token's distribution, every filter's cut, and the draw."""

from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, models, section, state, text
from components.figures import distribution
from engine.decoding import filters
from engine.decoding.stages import ORDER, Stage, filter_stages
from engine.decoding.walking import draw as draw_token
from pages.lab6_generation import prompt
from pages.lab6_generation import step_study as chosen
from pages.lab6_generation import step_words as words
from pages.lab6_generation.params import MODEL, PROMPT, SEED
from pages.lab6_generation.step_study import PARAMS, Study  # the frame asks the section for PARAMS

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

QUESTION = "What happens between the model and one new token?"
FILTERS = tuple(param for param in PARAMS if param not in (chosen.TEXT, MODEL, SEED, chosen.THROW))
NEAR_ENOUGH = 1e-5  # of the largest score: float32, added up in another order


@section.live
def draw() -> None:
    """The model's distribution and what each filter leaves of it, side by side, and the dart that picks a token."""
    section.in_order(QUESTION, chosen.study, figure=_figure, controls=_controls, below=_below, controls_share=0.85)


def _controls(study: Study | None, problem: str | None) -> None:
    prompt.control(80, chosen.TEXT, any_model=True)
    text.problem(problem)
    prompt.notes(study and study.found)
    _buttons(study)
    for param in (chosen.TEMPERATURE, chosen.TOP_K, chosen.TOP_P, chosen.MIN_P):
        controls.slider(param)
        text.prose(words.plainly(param), "labs-reading")
    with st.expander("More"):
        controls.slider(chosen.PENALTY)
        controls.slider(chosen.TYPICAL)
        controls.number(SEED)
        controls.number(chosen.THROW)
    controls.reset_button(PARAMS)


def _buttons(study: Study | None) -> None:
    refused = words.not_appended(study) if study else None
    with st.container(horizontal=True):
        st.button("Draw again", key="step.again", on_click=_throw_again, help="The next random number of the seed")
        st.button(
            "Append this token",
            key="step.append",
            on_click=_append,
            args=(study and study.found.decode([study.drawn]),),
            disabled=study is None or refused is not None,
            type="primary",
        )
    text.prose(refused or "", "labs-reading")


def _throw_again() -> None:
    state.set_value(chosen.THROW, state.get(chosen.THROW) % chosen.THROW.high + 1)


def _append(piece: str) -> None:
    """The text grows by the token, and the next one gets the seed's next number, as in sampling."""
    state.set_value(chosen.TEXT, state.get(chosen.TEXT) + piece)
    _throw_again()


def _figure(study: Study) -> None:
    pieces, hit = chosen.pieces(study)
    distribution.draw(
        [study.token(one) for one in study.rows],
        [_column(study, stage) for stage in study.stages],
        n_rest=len(study.final.logits) - len(study.rows),
        drawn=study.rows.index(study.drawn),
        dart=distribution.Dart(words.dart(study), study.share, pieces, hit),
        key="step.distribution",
        alt=words.alt(study),
    )


def _column(study: Study, stage: Stage) -> distribution.Column:
    probabilities = stage.log_probs.exp()  # (vocab_size,)
    kept = stage.logits > -float("inf")
    own = [probabilities[one].item() if kept[one] else None for one in study.rows]
    n_own = sum(one is not None for one in own)
    return distribution.Column(
        title=words.TITLES[stage.name],
        setting=words.setting(stage.name),
        on=stage.on,
        probabilities=own,
        rest=max(0.0, 1.0 - sum(one or 0.0 for one in own)) if stage.n_kept > n_own else 0.0,
        rest_kept=stage.n_kept - n_own,
        n_kept=stage.n_kept,
        kept_mass=stage.kept_mass,
        entropy=stage.entropy,
    )


def _below(study: Study) -> None:
    section.reading(
        "Row: a token that could come next (· is a space). Columns: its probability on the way from the model to the "
        "draw. Each filter works on what the one before it left, and what is left adds up to 1 again. <b>Kept "
        "mass</b>: what these tokens had of the model’s own probability. <b>Entropy</b>: how open the choice is; 0 is "
        "no choice."
    )
    section.notice(words.notice(study, *chosen.kept_alone(study)))
    text.prose(words.ORDER_SENTENCE)
    section.try_this(_changes(), key="step")
    _audits(study)
    section.code(filter_stages, filters.temperature, filters.top_k, filters.top_p, draw_token)
    section.table(lambda: _table(study), key="step")
    section.sources(
        "Temperature: Ackley, Hinton & Sejnowski 1985, *A Learning Algorithm for Boltzmann Machines*",
        "Top-k: Fan, Lewis & Dauphin 2018, *Hierarchical Neural Story Generation*, section 5.1",
        "Top-p: Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*, section 3",
        "Min-p: Nguyen et al. 2024, *Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs*",
        "Typical: Meister et al. 2023, *Locally Typical Sampling*, section 4",
        "Repetition penalty: Keskar et al. 2019, *CTRL*, section 4.1",
        "The order of the filters is the one of transformers’ `generate`",
    )


def _changes() -> list[tuple[str, dict]]:
    changes = [
        ("Where the model is sure", {chosen.TEXT: "Once upon a"}),
        ("Hot and unfiltered", {chosen.TEMPERATURE: 1.6, chosen.TOP_K: 0, chosen.TOP_P: 1.0}),
        ("Min-p instead", {chosen.TEMPERATURE: 1.0, chosen.TOP_K: 0, chosen.TOP_P: 1.0, chosen.MIN_P: 0.1}),
    ]
    if state.get(PROMPT) not in (PROMPT.default, state.get(chosen.TEXT)):
        changes.append(("Your prompt of the other sections", {chosen.TEXT: state.get(PROMPT)}))
    return changes


def _audits(study: Study) -> None:
    name, asked = study.found.loaded.info.name, tuple(state.get(param) for param in FILTERS)
    audit.show(
        _against_model(name, study.found.ids, study.stages[0].logits),
        library="transformers’ own model",
        tolerance=NEAR_ENOUGH * max(1.0, study.stages[0].logits.abs().max().item()),
        what="the model’s scores (logits)",
        on="your text",
    )
    found, stages = _against_filters(name, study.found.ids, asked, study.stages)
    audit.show(
        found,
        library="transformers’ LogitsProcessorList",
        tolerance=1e-5,  # the same operations on the same scores
        what=f"scores after {stages}" if stages else "no filter is on: the scores",
        on="the scores on screen, dropped tokens included",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _against_model(name: str, ids: tuple[int, ...], _ours: "Tensor") -> audit.Difference:
    import torch

    with models.DEVICE_IN_USE, torch.inference_mode():
        theirs = models.language_model_reference(name)(torch.tensor([ids])).logits[0, -1]
    return audit.find_difference([(_ours, theirs.float().cpu())])


@st.cache_data(max_entries=64, show_spinner=False)
def _against_filters(
    name: str, ids: tuple[int, ...], asked: tuple[float, ...], _stages: list[Stage]
) -> tuple[audit.Difference, str]:
    """Every stage that is on, and at the end the whole list at once; and the names of what was compared."""
    import torch
    from transformers.generation import logits_process as theirs

    penalty, temperature, top_k, top_p, min_p, typical = asked
    make = {
        "repetition_penalty": lambda: theirs.RepetitionPenaltyLogitsProcessor(penalty),
        "temperature": lambda: theirs.TemperatureLogitsWarper(temperature),
        "top_k": lambda: theirs.TopKLogitsWarper(top_k),
        "top_p": lambda: theirs.TopPLogitsWarper(top_p),
        "min_p": lambda: theirs.MinPLogitsWarper(min_p),
        "typical": lambda: theirs.TypicalLogitsWarper(typical),
    }
    if temperature == 0:  # transformers does not divide by 0: it is asked for its likeliest token
        make["temperature"] = lambda: theirs.TopKLogitsWarper(1)
    processors, pairs, text_ids = theirs.LogitsProcessorList(), [], torch.tensor([ids])
    own = _stages[0].logits[None]
    for stage in _stages[1:]:
        if stage.on:
            processors.append(make[stage.name]())
            pairs.append((stage.logits, processors(text_ids, own.clone())[0]))
    if not pairs:
        pairs.append((_stages[-1].logits, processors(text_ids, own.clone())[0]))
    on = [words.TITLES[name].lower() for name in ORDER if any(s.on and s.name == name for s in _stages)]
    return audit.find_difference(pairs), ", ".join(on)


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    tokens: dict[str, list] = {"token": [study.token(one) for one in study.rows], "id": study.rows}
    for stage in study.stages:
        if stage.on:
            tokens[words.TITLES[stage.name].lower()] = stage.log_probs[study.rows].exp().tolist()
    return pd.DataFrame(tokens)
