"""Lab 4, section 5, what vocabulary size costs: every size of one training, its gains and its costs, and the knee."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st
import tokenizers
import torch
from tokenizers import models, pre_tokenizers, trainers

from components import audit, controls, drawing, section, state, text
from components.figures import plots
from engine.corpora import corpora, corpus_text
from engine.tokenizer import BPETokenizer, measures, sizes
from pages.lab4_tokenizer import size_words as words
from pages.lab4_tokenizer.params import TEXT
from pages.lab4_tokenizer.size_study import STEP, Model, Study

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What does a larger vocabulary buy, and what does it cost?"
KEY = "size.curves"
NAMES = {"query": "what you gain", "key": "what you pay"}
MOST_ENTRIES = 16_384
MOST_OWN = 300_000  # characters of the learner's own text: trained and measured well within a second
MIN_COUNT = 2  # a pair that stands only once is not merged: the curve ends where nothing repeats

CORPORA = {"all": "All bundled texts"} | {corpus.name: corpus.title for corpus in corpora()} | {"own": "Your own"}
CORPUS = state.Choice("v_corpus", "all", "Trained on", options=tuple(CORPORA), labels=CORPORA)
OWN = state.Text("v_own", "", "Your text to train on")
SIZE = state.Number(
    "v_size", 2048, "Vocabulary size", low=256, high=MOST_ENTRIES, step=STEP, help="Or click into a plot."
)
WIDTH = state.Number(
    "v_width", 512, "d_model", low=64, high=4096, step=64, help="How many numbers stand for one token in the model"
)
LAYERS = state.Number("v_layers", 6, "Layers of the model", low=1, high=48)
TIED = state.Flag(
    "v_tied", True, "One matrix for both ends", help="Off: the model has a second matrix that turns its output to words"
)
AXES = {"even": "Even", "doubling": "Doubling"}
AXIS = state.Choice("v_axis", "even", "Steps of the size", options=tuple(AXES), labels=AXES)
PARAMS = [TEXT, CORPUS, OWN, SIZE, WIDTH, LAYERS, TIED, AXIS]


@section.live
def draw() -> None:
    """Bytes per token over the vocabulary size with its knee, and four more curves over the same sizes."""
    section.in_order(QUESTION, _study, figure=_figure, controls=_controls, below=_below, controls_share=0.8)


def _controls(study: Study | None, problem: str | None) -> None:
    if study:
        controls.slider(SIZE, high=max(study.last, SIZE.low), returns_with="a corpus that repeats more")
    controls.slider(WIDTH)
    controls.line(TEXT)
    if not state.get(TEXT).strip():
        text.problem("Type a text here to see its length in tokens; the other curves do not need it.")
    controls.choice(CORPUS, compact=True)
    if state.get(CORPUS) == "own":
        controls.area(OWN, placeholder="Paste a text of many lines. Ctrl+Enter takes it.")
        if len(state.get(OWN)) > MOST_OWN:
            text.problem(f"Only the first {MOST_OWN:,} characters are used, so that every change is shown at once.")
    text.problem(problem)
    with st.expander("More"):
        controls.slider(LAYERS)
        controls.toggle(TIED)
        controls.choice(AXIS)
    controls.reset_button(PARAMS)


def _study() -> Study:
    trained_on = _corpus(state.get(CORPUS))
    tokenizer, judged = _trained(trained_on)
    if not tokenizer.merges:
        raise ValueError(
            "The text to train on must repeat itself: in the half that is trained on, no two letters stand side by "
            "side a second time, so there is nothing to merge"
        )
    learners = state.get(TEXT)[:MOST_OWN]
    size = min(state.get(SIZE), max(SIZE.low, _last(tokenizer)))
    model = Model(state.get(WIDTH), state.get(LAYERS), state.get(TIED))
    curves = (_measured(trained_on, judged), _measured(trained_on, learners))
    return Study(tokenizer, judged, learners, *curves, size=size, model=model)


def _last(tokenizer: BPETokenizer) -> int:
    return len(tokenizer) // STEP * STEP


def _corpus(name: str) -> str:
    if name == "own":
        return state.get(OWN)[:MOST_OWN]
    return "\n".join(corpus_text(corpus.name) for corpus in corpora()) if name == "all" else corpus_text(name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _trained(corpus: str) -> tuple[BPETokenizer, str]:
    """The tokenizer of the most entries, and the half of the corpus that it has not seen."""
    training, judged = measures.in_halves(corpus, "the text to train on")
    return BPETokenizer.train(training, MOST_ENTRIES, min_count=MIN_COUNT, processes=1), judged


@st.cache_resource(max_entries=32, show_spinner=False)
def _measured(corpus: str, judged: str) -> sizes.SizeCurve:
    return sizes.measure_sizes(_trained(corpus)[0], judged)


def _figure(study: Study) -> None:
    chord = plots.Series("straight line between the ends", study.grid, study.chord, "plain", dashed=True)
    plots.draw(
        [
            _plot(study, "Bytes per token", study.bytes_per_token, "query", chord, word="knee: "),
            _plot(study, study.unit_title, study.tokens_per_unit, "query"),
            _plot(study, "Your text, in tokens", study.own_tokens, "query"),
            _plot(study, "Embedding, million parameters", study.embedding, "key"),
            _plot(study, "Embedding, % of the model", study.embedding_percent, "key"),
            _plot(study, "Never used, % of the entries", study.unused_percent, "key"),
        ],
        key=KEY,
        alt=words.alt(study),
        per_row=3,
        height=285,
        selected=study.size,
        on_change=_take,
    )


def _plot(
    study: Study, title: str, values: Sequence[float | None], role: str, *more: plots.Series, word: str = ""
) -> plots.Plot:
    knee = study.knee and study.grid[study.knee.index]
    return plots.Plot(
        title,
        [plots.Series(NAMES[role], study.grid, values, role), *more],
        x_title="vocabulary size",
        log_x=state.get(AXIS) == "doubling",
        x_range=(256, study.grid[-1]),
        y_range=(0, None),
        marks=[(knee, f"{word}{knee:,}" if word else "")] if knee else (),
    )


def _take() -> None:
    """A click into a plot chooses the size there."""
    event = drawing.result(KEY)
    if event and event.get("type") == "x":
        state.set_value(SIZE, int(min(max(round(event["x"] / STEP) * STEP, SIZE.low), SIZE.high)))


def _below(study: Study) -> None:
    section.reading(
        f"One training, stopped at every size: from the 256 single bytes to {study.grid[-1]:,} entries. The upright "
        "line is your size. <b>Knee</b>: where the curve stands highest above the straight line. Lines 2, 4, 6 … of "
        "the corpus are trained on, lines 1, 3, 5 … are judged."
    )
    section.notice(words.notice(study))
    text.prose(words.model_words(study))
    text.prose(words.knee_words(study))
    knee = [(f"Go to the knee, {study.grid[study.knee.index]:,}", {SIZE: study.grid[study.knee.index]})]
    section.try_this(
        [
            *(knee if study.knee else []),
            ("As many as there are", {SIZE: max(study.last, SIZE.low)}),
            ("A wide, shallow model", {WIDTH: 2048, LAYERS: 2}),
        ],
        key="size",
    )
    audit.show(
        _second_opinion(study.size, _corpus(state.get(CORPUS)), study.learners),
        library="tokenizers’ BpeTrainer, trained anew to this size alone,",
        tolerance=0,
        what=f"at {study.size:,} entries, the tokens of both texts and the entries never used",
        on="the corpus on screen",
    )
    section.code(sizes.measure_sizes, sizes.Pieces, sizes.find_knee)
    section.table(lambda: _table(study), key="size")
    section.sources(
        "The knee: Satopää et al. 2011, *Finding a “Kneedle” in a Haystack: Detecting Knee Points in System Behavior*, "
        "section III",
        "Vocabulary sizes compared in training: Gowda & May 2020, *Finding the Optimal Vocabulary Size for Neural "
        "Machine Translation*; Tao et al. 2024, *Scaling Laws with Vocabulary*",
        "One matrix for both ends: Press & Wolf 2017, *Using the Output Embedding to Improve Language Models*",
        f"A pair is merged only while it occurs at least {MIN_COUNT} times, so a curve may end before {MOST_ENTRIES:,}",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _second_opinion(size: int, corpus: str, learners: str) -> audit.Difference:
    judged = _trained(corpus)[1]
    training, _ = measures.in_halves(corpus, "the text to train on")
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=MIN_COUNT, show_progress=False, initial_alphabet=alphabet
    )
    theirs.train_from_iterator([training], trainer)
    ids = theirs.encode(judged).ids
    counted = [len(ids), theirs.get_vocab_size() - len(set(ids)), len(theirs.encode(learners).ids)]
    curve, own = _measured(corpus, judged), _measured(corpus, learners)
    at = curve.at(size)
    ours = [curve.n_tokens[at], curve.n_unused[at], own.n_tokens[at]]
    return audit.find_difference([(torch.tensor(ours), torch.tensor(counted))])


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    columns = {
        "vocabulary size": study.grid,
        "bytes per token": [round(value, 3) for value in study.bytes_per_token],
        study.unit_title.lower(): [round(value, 3) for value in study.tokens_per_unit],
        "your text, tokens": study.own_tokens,
        "embedding parameters": [round(value * 1e6) for value in study.embedding],
        "embedding, % of the model": [round(value, 1) for value in study.embedding_percent],
        "never used, %": [round(value, 1) for value in study.unused_percent],
    }
    return pd.DataFrame(columns)
