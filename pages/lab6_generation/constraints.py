"""Lab 6, section 6, required and banned words: beam search in banks, what the words cost, and plain beam search."""

import streamlit as st

from components import audit, controls, section, text
from components.figures import banks
from engine.decoding import BeamSearch
from engine.decoding.constraints import Constraints
from engine.decoding.exhaustive import every_text
from engine.decoding.word_forms import banned_forms, wanted_forms
from pages.lab6_generation import constraints_words as words
from pages.lab6_generation import prompt, searching
from pages.lab6_generation.constraints_study import (
    BANNED,
    BEAMS,
    LENGTH,
    STEP,
    WORDS,
    Study,
    differences,
    same_texts,
    small_case,
    study,
)
from pages.lab6_generation.params import MODEL, PROMPT

QUESTION = "How can a text be made to hold the words you want?"
KEY = "constraints.banks"
TURN = "co.turn"
PARAMS = [PROMPT, MODEL, WORDS, BANNED, BEAMS, LENGTH, STEP]


@section.live
def draw() -> None:
    """The banks of the search, step by step; its text beside plain beam search, and the price."""
    section.in_order(QUESTION, study, figure=_figure, controls=_controls, below=_below, figure_share=3.4)


def _controls(found: Study | None, problem: str | None) -> None:
    prompt.control(height=80, any_model=True)
    controls.line(WORDS, placeholder="none")
    controls.line(BANNED, placeholder="none")
    text.problem(problem)
    prompt.notes(found and found.prompt)
    controls.slider(BEAMS)
    controls.slider(LENGTH)
    controls.reset_button(PARAMS)


def _figure(now: Study) -> None:
    banks.draw(
        now.search.steps,
        names=[one.name for one in now.asked.wanted],
        times=[one.times for one in now.asked.wanted],
        needed=now.search.needed,
        winner=searching.path(now.search.steps, now.search.nodes[0]),
        decode=now.prompt.decode,
        shown=now.step,
        turn=st.session_state.get(TURN, 0),
        key=KEY,
        alt=words.alt(now),
        on_change=lambda: searching.take_step(KEY, STEP, TURN),
    )


def _below(now: Study) -> None:
    section.reading(words.reading(now))
    st.html(words.beside(now))
    section.notice(words.notice(now))
    if now.asked.wanted or now.asked.banned:
        st.html(words.in_tokens(now))
        text.prose(words.forms(now))
    section.try_this(
        [
            ("Overlapping: big red, red ball", {WORDS: "big red, red ball", BANNED: ""}),
            ("Twice: dog, dog", {WORDS: "dog, dog", BANNED: ""}),
            ("One of two: castle|cave", {WORDS: "castle|cave, happy", BANNED: "Spot"}),
            ("Contradict yourself", {WORDS: "dragon", BANNED: "dragon"}),
        ],
        key="constraints",
    )
    _audit(now)
    section.code(BeamSearch, Constraints, wanted_forms, banned_forms, every_text)
    section.table(lambda: words.table(now), key="constraints")
    section.sources(
        "Post & Vilar 2018, [Fast Lexically Constrained Decoding with Dynamic Beam Allocation]"
        "(https://arxiv.org/abs/1804.06609), section 3: banks",
        "Hokamp & Liu 2017, [Lexically Constrained Decoding for Sequence Generation Using Grid Beam Search]"
        "(https://arxiv.org/abs/1704.07138), section 3: one beam for each number of tokens in place",
        "Aho & Corasick 1975, *Efficient String Matching*: one machine that sees all phrases at once",
        "transformers 5 has no constrained beam search any more: it names the repository "
        "`transformers-community/constrained-beam-search`, whose code runs only with `trust_remote_code`",
    )


def _audit(now: Study) -> None:
    audit.claim(*words.holds(now))
    case = small_case(now)
    same = same_texts(case)
    audit.claim(*words.small(now, case, same))
    audit.show(
        audit.find_difference(differences(case)),
        library="exhaustive search",
        tolerance=1e-4,  # float32 sums of five tokens
        what="their log-probabilities, under a table of what the model says after your prompt and each single token",
        on="your words",
    )
    audit.measured(words.narrow(now, case))
