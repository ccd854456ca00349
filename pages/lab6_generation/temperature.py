"""Lab 6, section 8, temperature: what it does to variety and to quality, from 0.1 to 2, and what it does not do."""

from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, drawing, errors, models, runs, section, state, text
from engine import jobs
from engine.decoding import filters
from engine.decoding.likelihood import cross_entropies
from engine.decoding.measures import distinct, self_bleu
from engine.experiments import beginnings, temperatures
from engine.experiments.temperatures import TemperatureConfig
from pages.lab6_generation import prompt
from pages.lab6_generation import temperature_curves as curves
from pages.lab6_generation import temperature_texts as texts
from pages.lab6_generation import temperature_words as words
from pages.lab6_generation.params import PROMPT, SEED

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What does the temperature buy, and what does it cost?"
KEY = "temperature.curves"
STORED = "temperature"

TEMPERATURE = state.Number("te_t", 1.0, "Temperature", low=0.1, high=2.0, step=0.05, help="Or click into a plot")
TOKENS = state.Number("te_tokens", 60, "New tokens of each text", low=20, high=200, step=20)
TEXTS = state.Number("te_texts", 4, "Texts from each beginning, in your own run", low=2, high=12)
RUN = runs.run_id("te_run", "temperature")
PARAMS = [PROMPT, TEMPERATURE, TOKENS, SEED, TEXTS, RUN]


@section.live
def draw() -> None:
    """Six measures over the temperature, and three texts at the chosen one."""
    stored = jobs.stored(STORED)
    config, problem = errors.attempt(lambda: TemperatureConfig(texts=state.get(TEXTS), seed=state.get(SEED)))
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.8)
    with figure_column:
        runs.follow(RUN, lambda live, status: _follow(live, stored), stored=stored)
    section.let_it_paint()
    found, prompt_problem = errors.attempt(lambda: prompt.read(state.get(TOKENS)))
    with controls_column:
        controls.slider(TEMPERATURE)
        prompt.control(height=80)
        text.problem(prompt_problem)
        prompt.notes(found)
        controls.slider(TOKENS)
        controls.number(SEED)
        with st.expander("Run the study yourself"):
            controls.slider(TEXTS)
            runs.controls(RUN, config, label="Write them", problem=problem)
        controls.reset_button(PARAMS)
    with figure_column, errors.shown_as_a_sentence():
        _below(_on_screen(stored), found)


def _on_screen(stored: jobs.Record) -> jobs.Record:
    """The learner's run when it has measured something, else the stored one."""
    if run := runs.look(RUN):
        live = jobs.record(run.run_id)
        if live.events:
            return live
    return stored


def _follow(live: jobs.Record | None, stored: jobs.Record) -> None:
    live = live if live and live.events else None
    curves.draw(live, stored, key=KEY, selected=state.get(TEMPERATURE), on_change=_take)
    if st.session_state.pop("te.moved", False):
        state.rerun()  # the slider and the texts stand outside of this fragment


def _take() -> None:
    """A click into a plot chooses the temperature there."""
    event = drawing.result(KEY)
    if event and event.get("type") == "x":
        steps = round(min(max(event["x"], TEMPERATURE.low), TEMPERATURE.high) / TEMPERATURE.step)
        state.set_value(TEMPERATURE, round(steps * TEMPERATURE.step, 2))
        st.session_state["te.moved"] = True


def _below(record: jobs.Record, found: prompt.Prompt | None) -> None:
    stored, chosen = jobs.stored(STORED), state.get(TEMPERATURE)
    written = found and texts.write(found, chosen, state.get(TOKENS), state.get(SEED))
    if written:
        texts.show(found, written)
    section.reading(words.READING)
    section.notice(words.notice(record.events, curves.bent(record, stored), chosen))
    text.prose(words.smarter(curves.bent(record, stored), chosen))
    section.try_this(
        [
            ("0.3: safe and alike", {TEMPERATURE: 0.3}),
            ("1: the model’s own", {TEMPERATURE: 1.0}),
            ("1.6: wild", {TEMPERATURE: 1.6}),
        ],
        key="temperature",
    )
    _audits(found, chosen, stored)
    audit.measured(words.how_made(record))
    section.code(filters.temperature, cross_entropies, self_bleu, distinct, temperatures.summary)
    section.table(lambda: _table(record), key="temperature")
    section.sources(
        "Temperature: Ackley, Hinton & Sejnowski 1985, *A Learning Algorithm for Boltzmann Machines*",
        "Quality against diversity over the temperature: Caccia et al. 2020, *Language GANs Falling Short*; self-BLEU: "
        "Zhu et al. 2018, *Texygen*; distinct-n: Li et al. 2016, *A Diversity-Promoting Objective Function for Neural "
        "Conversation Models*",
        "That a temperature fitted on held-out data makes probabilities fit better: Guo et al. 2017, *On Calibration "
        "of Modern Neural Networks*, section 4.2",
        "Held-out stories: TinyStories (Eldan & Li 2023). The beginnings were written for this project "
        "(assets/corpora/beginnings.txt). A known word stands three times or more in the stories that the model was "
        "trained on (assets/corpora/known-words.txt)",
    )


def _audits(found: prompt.Prompt | None, chosen: float, stored: jobs.Record) -> None:
    import math

    import torch

    name = found.loaded.info.name if found else prompt.MODEL_NAME
    if name == temperatures.MODEL:
        ours, theirs = _judged_again(name, chosen)
        bent = stored.result["bent"]
        at = min(range(len(bent["temperatures"])), key=lambda place: abs(bent["temperatures"][place] - chosen))
        audit.compare(
            torch.tensor([ours, math.log(bent["bundled"][at])]),
            torch.tensor([theirs, theirs]),
            library="transformers’ own model",
            tolerance=1e-3,  # of nats; the study was made on another machine
            what=f"cross-entropy at temperature {bent['temperatures'][at]:g}, now and in the stored study",
            on=f"{temperatures.BUNDLED_STORIES} of the project’s own stories",
        )
    if found:
        drawn = texts.count_draws(found, chosen, state.get(SEED))
        audit.claim(drawn.fits, words.draws(drawn, found))


@st.cache_data(max_entries=64, show_spinner=False)
def _judged_again(name: str, temperature: float) -> tuple[float, float]:
    """The cross-entropy of the bundled stories at one temperature: by our model, and by transformers'."""
    loaded = models.language_model(name)
    reference = models.language_model_reference(name)
    ids = temperatures.as_ids(loaded, beginnings.bundled_stories(temperatures.BUNDLED_STORIES))
    with models.DEVICE_IN_USE:
        ours = cross_entropies(loaded.model, ids, [temperature])[0]
        theirs = texts.cross_entropy_by_transformers(reference, ids, temperature)
    return ours, theirs


def _table(record: jobs.Record) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([{key: round(value, 4) for key, value in row.items()} for row in record.events])
