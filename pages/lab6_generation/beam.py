"""Lab 6, section 5, beam search: the search of the real model on the learner's prompt as a tree, and what wins."""

import streamlit as st

from components import audit, controls, section, state, text
from components.figures import beam_tree
from engine.decoding import BeamSearch
from pages.lab6_generation import beam_words as words
from pages.lab6_generation import prompt, searching
from pages.lab6_generation.beam_study import (
    BEAMS,
    EARLY_STOPPING,
    LENGTH,
    NGRAM,
    PENALTY,
    STEP,
    Study,
    kept_in_all,
    other_penalties,
    second_opinion,
    study,
)
from pages.lab6_generation.params import ENDS, MODEL, PROMPT

QUESTION = "What does a decoder gain by keeping several texts at once?"
KEY = "beam.tree"
TURN = "be.turn"
PARAMS = [PROMPT, MODEL, BEAMS, PENALTY, EARLY_STOPPING, ENDS, LENGTH, NGRAM, STEP]

SAD = "Lily was sad because"
# On this prompt, with four beams: see tests/pages/test_lab6_beam.py.
SHORT = {PROMPT: SAD, BEAMS: 4, PENALTY: -2.0, EARLY_STOPPING: "0", ENDS: "sentence", LENGTH: 24, NGRAM: 0}
LONG = SHORT | {PENALTY: 2.0}
EARLY = SHORT | {PENALTY: 1.0, EARLY_STOPPING: "1"}
PATIENT = EARLY | {EARLY_STOPPING: "0"}


@section.live
def draw() -> None:
    """The tree of the search, the finished texts under it, and what the settings change."""
    section.in_order(QUESTION, study, figure=_figure, controls=_controls, below=_below, figure_share=3.4)


def _controls(found: Study | None, problem: str | None) -> None:
    prompt.control(height=80, any_model=True)
    text.problem(problem)
    prompt.notes(found and found.prompt)
    controls.slider(BEAMS)
    controls.slider(PENALTY)
    controls.choice(EARLY_STOPPING, wrap=True)
    controls.choice(ENDS)
    with st.expander("More"):
        controls.slider(LENGTH)
        controls.slider(NGRAM)
    controls.reset_button(PARAMS)


def _figure(now: Study) -> None:
    beam_tree.draw(
        now.tree,
        now.search.steps,
        token=now.prompt.token,
        decode=now.prompt.decode,
        root=now.prompt.token(now.prompt.ids[-1]),
        shown=min(state.get(STEP), now.tree.n_columns),
        turn=st.session_state.get(TURN, 0),
        key=KEY,
        alt=words.alt(now),
        on_change=lambda: searching.take_step(KEY, STEP, TURN),
    )


def _below(now: Study) -> None:
    section.reading(words.reading(now))
    st.html(words.texts_table(now))
    section.reading(words.ended(now))
    searches = other_penalties(now)
    shared, same = kept_in_all(searches)
    section.notice(words.notice(now, searches, shared))
    text.prose("The same search under six length penalties:", "labs-reading")
    st.html(words.penalties_table(now, searches))
    text.prose(words.likelier_is_not_better(now))
    section.try_this(
        [
            ("Penalty −2: a short text wins", SHORT),
            ("Penalty 2: a long one", LONG),
            ("Early stopping True", EARLY),
            ("False: another wins", PATIENT),
        ],
        key="beam",
    )
    _audit(now, shared, same)
    section.code(BeamSearch)
    section.table(lambda: words.table(now), key="beam")
    section.sources(
        "Graves 2012, [Sequence Transduction with Recurrent Neural Networks](https://arxiv.org/abs/1211.3711), "
        "section 2.5: the search",
        "Wu et al. 2016, [Google’s Neural Machine Translation System](https://arxiv.org/abs/1609.08144), section 7: "
        "why sums are divided by something that grows with the length",
        "Holtzman et al. 2020, [The Curious Case of Neural Text Degeneration](https://arxiv.org/abs/1904.09751), "
        "sections 1 and 4: likely texts are dull, and repeat themselves",
        "transformers, `GenerationMixin._beam_search`: the score and the three kinds of early stopping",
    )


def _audit(now: Study, shared: int, same: bool) -> None:
    opinion = second_opinion(now)
    audit.claim(opinion.same, words.agreement(now, opinion))
    largest = max(1.0, *(abs(one.score) for one in now.search.texts))
    audit.show(
        opinion.difference,
        library="transformers",
        tolerance=1e-4 * largest,  # float32 sums, multiplied by length² under a penalty of −2
        what="their scores" if now.settings.num_beams > 1 else "its sum of log-probabilities",
        on="your prompt",
    )
    verdict = "the same beams" if same else "different beams"
    audit.claim(
        same, f"six searches, length penalties −2 to 3, kept {verdict} in all steps that two share, up to {shared}"
    )
