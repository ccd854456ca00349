"""Section 1, the idea: a model gives a distribution, decoding turns it into text. One prompt, greedy beside top-p."""

import hashlib

import streamlit as st

from components import audit, controls, drawing, models, section, state, text
from components.figures import duel
from engine.decoding import Generation, greedy, sample
from engine.decoding.filters import top_p
from engine.decoding.measures import repeated
from engine.decoding.walking import draw as draw_token
from pages.lab6_generation import idea_study, prompt
from pages.lab6_generation import idea_words as words
from pages.lab6_generation.by_transformers import generated
from pages.lab6_generation.idea_study import N_NEW, Study
from pages.lab6_generation.params import SEED

QUESTION = "The model is the same, the beginning too: why do two texts come out?"
KEY = "idea.duel"

# Of the short beginnings tried with the story model this one shows best what greedy decoding tends to: it walks in a
# circle within 80 tokens, while samples at every seed tried do not.
BEGINNING = state.Text("id_prompt", "It was raining, and", "Prompt")
TOP_P = state.Number(
    "id_p",
    0.9,
    "Top-p",
    low=0.0,
    high=1.0,
    step=0.05,
    help="The nucleus: the likeliest tokens that together hold this share. The right text draws from them only.",
)
TOKEN = state.Number("id_token", N_NEW, "Token", low=1, high=N_NEW)
PARAMS = [BEGINNING, TOP_P, SEED, TOKEN]


@section.live
def draw() -> None:
    """Two texts side by side, and what the chosen token of each was chosen from."""
    section.in_order(
        QUESTION, _study, figure=_figure, controls=_controls, below=_below, controls_share=0.7, figure_share=3.0
    )


def _study() -> Study:
    return idea_study.write(prompt.read(N_NEW, BEGINNING), state.get(TOP_P), state.get(SEED))


def _controls(study: Study | None, problem: str | None) -> None:
    prompt.control(field=BEGINNING)
    prompt.notes(study.prompt if study else None)
    text.problem(problem)
    controls.slider(SEED)
    controls.slider(TOP_P)
    text.problem(state.problem(TOKEN))
    controls.reset_button(PARAMS)


def _figure(study: Study) -> None:
    texts = f"{study.prompt.loaded.info.name} {study.prompt.ids} {study.top_p} {study.seed}".encode()
    duel.draw(
        [
            _side(study, study.left, "Greedy", "takes the likeliest token", "query"),
            _side(study, study.right, f"Top-p {study.top_p:g}", f"draws, seed {study.seed}", "value"),
        ],
        key=KEY,
        name=hashlib.sha256(texts).hexdigest()[:16],
        beginning=study.prompt.text,
        token=min(state.get(TOKEN), study.length),
        parts_at=study.parts_at,
        alt=words.alt(study),
        on_change=_take,
    )


def _side(study: Study, written: Generation, title: str, rule: str, role: str) -> duel.Side:
    return duel.Side(
        title,
        rule,
        [study.prompt.word(one) for one in written.ids],
        [idea_study.choice(study.prompt, step) for step in written.steps],
        idea_study.marked_from(written.ids),
        idea_study.repeats(written.ids),
        role,
        written.finished,
    )


def _take() -> None:
    """The figure came to rest at another token: it goes into the link."""
    event = drawing.result(KEY)
    if event and event.get("type") == "token":
        state.set_value(TOKEN, max(1, min(int(event["token"]), N_NEW)))


def _below(study: Study) -> None:
    section.reading(words.READING)
    section.notice(words.notice(study))
    section.try_this(_changes(study), key="idea")
    _audit(study)
    section.code(greedy, sample, top_p, draw_token, repeated)
    section.table(lambda: words.table(study), key="idea")
    section.sources(
        "Holtzman et al. 2020, [The Curious Case of Neural Text Degeneration](https://arxiv.org/abs/1904.09751), "
        "sections 3.1 (top-p, there called nucleus sampling) and 5.3 (texts that end in a loop)",
        "Welleck et al. 2020, [Neural Text Generation with Unlikelihood Training](https://arxiv.org/abs/1908.04319), "
        "section 6.1: the share of repeated runs",
    )


def _changes(study: Study) -> list[tuple[str, dict[state.Param, object]]]:
    place = study.parts_at
    changes: list[tuple[str, dict[state.Param, object]]] = [
        ("Another seed", {SEED: (study.seed + 1) % int(SEED.high + 1)}),
        ("A nucleus of one token", {TOP_P: 0.0}),
    ]
    return changes if place is None else [("Where they part", {TOKEN: place + 1}), *changes]


@st.cache_resource(max_entries=64, show_spinner=False)
def _theirs(name: str, ids: tuple[int, ...], eos_id: int | None) -> list[int]:
    reference = models.language_model_reference(name)
    with models.DEVICE_IN_USE:
        return generated(reference, ids, N_NEW, eos_id)


def _audit(study: Study) -> None:
    theirs = _theirs(study.prompt.loaded.info.name, study.prompt.ids, study.prompt.eos_id)
    audit.claim(study.left.ids == theirs, words.agreement(study.left.ids, theirs))
