"""Lab 4, section 6, train on one text, judge on another: all pairs of texts, and tokenizers in use."""

from typing import TYPE_CHECKING

import streamlit as st
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from components import audit, controls, drawing, errors, section, state, text, tokenizers
from components.figures import matrix, token_strip
from engine.tokenizer import measures
from pages.lab4_tokenizer import judge_real, judge_study
from pages.lab4_tokenizer import judge_words as words
from pages.lab4_tokenizer.judge_study import OWN as OWN_NAME
from pages.lab4_tokenizer.judge_study import TITLES, Table

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "How well does a tokenizer fit a text it was not trained on?"
KEY = "judge.matrix"
MOST_OWN = 200_000  # characters of the learner's text
MOST_SHOWN = 100  # characters of the line that is cut into tokens

CHESS = """1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7
1. e4 c5 2. Nf3 d6 3. d4 cxd4 4. Nxd4 Nf6 5. Nc3 a6
1. d4 d5 2. c4 e6 3. Nc3 Nf6 4. Bg5 Be7 5. e3 O-O
1. d4 Nf6 2. c4 g6 3. Nc3 Bg7 4. e4 d6 5. Nf3 O-O
1. e4 e6 2. d4 d5 3. Nc3 Bb4 4. e5 c5 5. a3 Bxc3+
1. e4 c6 2. d4 d5 3. Nc3 dxe4 4. Nxe4 Bf5 5. Ng3 Bg6
1. c4 e5 2. Nc3 Nf6 3. g3 d5 4. cxd5 Nxd5 5. Bg2 Nb6
1. e4 e5 2. Nf3 Nc6 3. Bc4 Bc5 4. c3 Nf6 5. d3 d6"""

SHOWN = {"kinds": "Kinds of text", "languages": "Languages", "real": "Tokenizers in use"}
SHOW = state.Choice("j_show", "kinds", "Show", options=tuple(SHOWN), labels=SHOWN)
SIZES = {str(size): f"{size:,}" for size in (320, 384, 512, 1024, 2048)}
SIZE = state.Choice(
    "j_size",
    "384",
    "Vocabulary size of each",
    options=tuple(SIZES),
    labels=SIZES,
    help="The languages are 25 sentences each: with more than 384 entries they run out of pairs to merge.",
)
TRAINED = state.Choice("j_trained", "stories", "Trained on", options=tuple(TITLES), labels=TITLES)
JUDGED = state.Choice("j_judged", "code", "Judged on", options=tuple(TITLES), labels=TITLES, help="Or click a cell.")
OWN = state.Text("j_own", CHESS, "Your text")
TOKENIZER = tokenizers.tokenizer_choice("j_tokenizer", label="Beside them")
COUNTS = {"each": "For each word", "all": "For the same sentences"}
COUNT = state.Choice("j_count", "each", "Tokens", options=tuple(COUNTS), labels=COUNTS)
PARAMS = [SHOW, SIZE, TRAINED, JUDGED, OWN, TOKENIZER, COUNT]


@section.live
def draw() -> None:
    """A matrix of bytes per token, or bars of tokens per word."""
    real = state.get(SHOW) == "real"
    table, problem = errors.attempt(_real if real else _table)
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.8)
    if table:
        with figure_column, errors.shown_as_a_sentence():
            judge_real.figure(table) if real else _matrix(table)
            section.let_it_paint()
    with controls_column:
        _controls(real, problem)
    if table:
        with figure_column, errors.shown_as_a_sentence():
            judge_real.below(table) if real else _below(table)
            _try_this()
            _folded(table, real)


def _own() -> str:
    return state.get(OWN)[:MOST_OWN]


def _table() -> Table:
    return judge_study.make_table(state.get(SHOW), int(state.get(SIZE)), _own())


def _real() -> judge_real.Bars:
    return judge_real.make(state.get(TOKENIZER), _own(), state.get(COUNT))


def _controls(real: bool, problem: str | None) -> None:
    controls.choice(SHOW, wrap=True)
    if real:
        controls.choice(COUNT, wrap=True)
        tokenizers.control(TOKENIZER)
        if not tokenizers.has_gpt2():
            section.reading(tokenizers.NO_GPT2)
    else:
        controls.steps(SIZE)
        controls.choice(TRAINED, compact=True)
        controls.choice(JUDGED, compact=True)
    text.problem(problem)
    controls.area(OWN, placeholder="At least two lines or sentences. Ctrl+Enter takes it.", height=120)
    if not real:
        text.problem(errors.attempt(lambda: judge_study.halves_of(OWN_NAME, _own()))[1])
    if len(state.get(OWN)) > MOST_OWN:
        text.problem(f"Only the first {MOST_OWN:,} characters are used, so that every change is shown at once.")
    controls.reset_button(PARAMS)


def _matrix(table: Table) -> None:
    names = table.names
    values = torch.tensor([[table.bytes_per_token(row, column) for column in names] for row in names])
    places = {name: place for place, name in enumerate(names)}
    row, column = places.get(state.get(TRAINED)), places.get(state.get(JUDGED))
    matrix.draw(
        [
            matrix.Panel(
                values,
                [words.with_size(table, name) for name in names],
                [TITLES[name] for name in names],
                title="Bytes per token",
                role="value",
                low=1.0,
                high=max(values.max().item(), 1.5),
                marks=[(places[table.best(name)], place) for place, name in enumerate(names)],
                mark_role="key",
            )
        ],
        key=KEY,
        alt=words.alt(table),
        row_axis="trained on",
        column_axis="judged on",
        max_cell=64,
        cell_height=34,
        selectable=True,
        selected=None if row is None or column is None else {"panel": 0, "row": row, "column": column},
        on_change=_take,
    )
    section.reading(
        "Row: the text whose lines 2, 4, 6 … were trained on. Column: the text whose lines 1, 3, 5 … are judged. "
        "Fuller: more bytes in a token, fewer tokens. Orange frame: the best of its column; red: your choice."
    )


def _take() -> None:
    """A click on a cell chooses its two texts."""
    event = drawing.result(KEY)
    table, _ = errors.attempt(_table)
    if event and event.get("type") == "select" and table and max(event["row"], event["column"]) < len(table.names):
        state.set_value(TRAINED, table.names[event["row"]])
        state.set_value(JUDGED, table.names[event["column"]])


def _below(table: Table) -> None:
    section.notice(words.notice(table))
    text.prose(words.winners(table))
    trained, judged = state.get(TRAINED), state.get(JUDGED)
    pair, _ = errors.attempt(lambda: _pair(trained, judged))  # your text, when it has no two halves
    if pair:
        text.prose(words.pair(pair, trained, judged))
        _cut(pair, trained, judged)
    row = trained if trained in table.names else table.names[0]
    audit.show(
        _second_opinion(table, row, _own()),
        library="tokenizers’ BpeTrainer and its encoder",
        tolerance=0,
        what=f"tokens of every text, trained on {TITLES[row]}",
        on="the halves on screen",
    )


def _pair(trained: str, judged: str) -> Table:
    """The two chosen texts alone, which need not stand in the matrix."""
    return judge_study.compare(tuple(dict.fromkeys((trained, judged))), int(state.get(SIZE)), _own())


def _cut(pair: Table, trained: str, judged: str) -> None:
    line = pair.halves[judged][1].split("\n")[0][:MOST_SHOWN]
    for name in dict.fromkeys((trained, judged)):
        tokens = pair.trained[name].tokens(line)
        text.prose(words.cut(name, judged, len(tokens)), "labs-reading")
        token_strip.draw(token_strip.chips(tokens), key=f"judge.cut.{name == judged}", show_ids=False)


def _try_this() -> None:
    section.try_this(
        [
            ("English tokens on Greek", {SHOW: "languages", SIZE: "384", TRAINED: "english", JUDGED: "greek"}),
            ("2,048 entries for all", {SHOW: "kinds", SIZE: "2048", TRAINED: "stories", JUDGED: "stories"}),
            ("What a language pays", {SHOW: "real", COUNT: "all"}),
        ],
        key="judge",
    )


def _second_opinion(table: Table, row: str, own: str) -> audit.Difference:
    return _their_row(row, table.size, table.names, own)


@st.cache_data(max_entries=128, show_spinner=False)
def _their_row(row: str, size: int, names: tuple[str, ...], own: str) -> audit.Difference:
    table = judge_study.compare((row,), size, own, judged=names)
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=alphabet)
    theirs.train_from_iterator([table.halves[row][0]], trainer)
    counted = [len(theirs.encode(judge_study.halves_of(name, own)[1]).ids) for name in names]
    ours = [table.fits[row][name].n_tokens for name in names]
    return audit.find_difference([(torch.tensor(ours), torch.tensor(counted))])


def _folded(table, real: bool) -> None:
    if real:
        section.code(measures.fertility, measures.n_units, measures.writes_spaces)
        section.table(lambda: judge_real.as_table(table), key="judge-real")
    else:
        section.code(measures.in_halves, measures.compare_fits, measures.fit)
        section.table(lambda: _as_table(table), key="judge")
    section.sources(
        "Fertility, tokens for each word: Rust et al. 2021, *How Good is Your Tokenizer? On the Monolingual "
        "Performance of Multilingual Language Models*, section 4.1",
        "The same text in many languages: Petrov et al. 2023, *Language Model Tokenizers Introduce Unfairness Between "
        "Languages*; Ahia et al. 2023, *Do All Languages Cost the Same?*",
        "The texts were written for this project: assets/corpora/README.md. Twelve languages, the same 25 sentences in "
        "each; small samples, so the order counts, not the last digit",
    )


def _as_table(table: Table) -> "pd.DataFrame":
    import pandas as pd

    rows = [
        {
            "trained on": TITLES[row],
            "entries": len(table.trained[row]),
            **{TITLES[column]: round(table.bytes_per_token(row, column), 3) for column in table.names},
        }
        for row in table.names
    ]
    return pd.DataFrame(rows)
