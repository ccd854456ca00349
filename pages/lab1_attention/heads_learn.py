"""Section 9, heads learn: one layer and two layers, trained on the same random tokens written twice."""

from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, drawing, errors, runs, section, state
from components.figures import matrix, plots
from engine import jobs
from engine.experiments.induction import (
    WATCHED_LEN,
    WATCHED_LINES,
    AttentionOnly,
    InductionConfig,
    Race,
    induction_score,
    repeated_tokens,
)
from pages.lab1_attention import induction_run as of
from pages.lab1_attention import induction_words as words

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "How does a head come to read the token after the last time?"
RATES = ("0.001", "0.003", "0.006", "0.01", "0.1", "1")
ONE_LENGTH = 20  # tokens in every copy, when all are equally long
MOMENT_STEP = 2

MOMENT = state.Number(
    "ind_moment", 100, "Moment of the training, in %", low=0, high=100, step=MOMENT_STEP, help="Or click on a curve"
)
HEAD = state.Choice("ind_head", "best", "Heads shown", options=("best", "1", "2", "3", "4"), labels={"best": "best"})
FIXED = state.Flag("ind_fixed", False, f"All copies {ONE_LENGTH} tokens long", help="Otherwise 8 to 24, by chance")
RATE = state.Choice("ind_rate", "0.006", "Learning rate", options=RATES)
STEPS = state.Number("ind_steps", 800, "Training steps", low=100, high=1500, step=100)
SEED = state.Number("ind_seed", 0, "Seed", low=0, high=99, help="Of the first weights and of the data")
RUN = runs.run_id("ind_run", "induction")
PARAMS = [MOMENT, HEAD, FIXED, RATE, STEPS, SEED, RUN]


@section.live
def draw() -> None:
    """Losses by copy and the best head's score over the training; below, what three heads read at one moment."""
    stored = jobs.stored("induction")
    config, problem = errors.attempt(_config)
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.8)
    with figure_column:
        runs.follow(RUN, lambda live, status: _follow(live, stored), stored=stored)
    section.let_it_paint()
    with controls_column:
        controls.slider(MOMENT)
        controls.choice(HEAD)
        controls.steps(RATE)
        controls.toggle(FIXED)
        runs.controls(RUN, config, label="Train", problem=problem)
        with st.expander("More"):
            controls.slider(STEPS)
            controls.slider(SEED)
        controls.reset_button(PARAMS)
    with figure_column:
        _below(_on_screen(stored))


def _config() -> InductionConfig:
    lengths = {"shortest": ONE_LENGTH, "longest": ONE_LENGTH} if state.get(FIXED) else {}
    return InductionConfig(
        steps=state.get(STEPS), learning_rate=float(state.get(RATE)), seed=state.get(SEED), **lengths
    )


def _on_screen(stored: jobs.Record) -> jobs.Record:
    """The learner's run when there is something to see of it, else the stored one."""
    if run := runs.look(RUN):
        live = jobs.record(run.run_id)
        if of.has_begun(live):
            return live
    return stored


def _follow(live: jobs.Record | None, stored: jobs.Record) -> None:
    """The curves, and what three heads read at the chosen moment; twice a second while a run goes on."""
    live = live if live and of.has_begun(live) else None
    shown = live or stored
    look = of.look_at(shown, state.get(MOMENT))
    _curves(live, stored, look.step)
    _heads(shown, look)
    section.reading(
        "A line of random tokens, then the same line again. Rows read columns; the stronger the colour, the more. "
        "Framed: the token that came after the last time, which an <b>induction head</b> reads. The vertical line: "
        "here the repetition starts."
    )
    section.notice(words.notice(shown, look))


def _curves(live: jobs.Record | None, stored: jobs.Record, step: int) -> None:
    shown = live or stored
    steps, guessing = shown.config.steps, shown.config.guessing
    first, second, scores = of.curves(shown, behind=False)
    lines = [first, second, scores]
    if live:
        lines = [[*behind, *own] for behind, own in zip(of.curves(stored, behind=True), lines, strict=True)]
    guess = plots.Series("guessing", (0, steps), (guessing, guessing), role="plain", dashed=True)
    top = max(4.5, min(12.0, max(loss for series in (*first, *second) for loss in series.y)))
    plots.draw(
        [
            plots.Plot("Loss on the first copy", [guess, *lines[0]], x_title="step", y_range=(0, top)),
            plots.Plot("Loss on the second copy", [guess, *lines[1]], x_title="step", y_range=(0, top)),
            plots.Plot("Induction score, best head", lines[2], x_title="step", y_range=(0, 1)),
        ],
        key="ind.curves",
        per_row=3,
        height=200,
        selected=step,
        on_change=_moment_clicked,
    )


def _moment_clicked() -> None:
    """A click on a curve moves the moment there."""
    clicked = drawing.result("ind.curves")
    if clicked and clicked.get("type") == "x":
        steps = _on_screen(jobs.stored("induction")).config.steps
        per_cent = min(100, max(0, 100 * clicked["x"] / steps))
        state.set_value(MOMENT, MOMENT_STEP * round(per_cent / MOMENT_STEP))


def _heads(record: jobs.Record, look: of.Look) -> None:
    """Three tables of weights on the watched line: the one layer, and each of the two."""
    tokens = matrix.positions(of.tokens(record.config))
    panels = []
    for place in of.shown_heads(record, state.get(HEAD)):
        head = record.config.heads[place]
        scores = f"induction {look.induction[place]:.2f}, previous token {look.previous[place]:.2f}"
        panels.append(
            matrix.Panel(
                look.weights[place],
                tokens,
                tokens,
                title=f"{words.head_name(head).capitalize()}, step {look.step}",
                note=scores,
                role=of.DEPTH_ROLES[head.depth],
                masked=of.masked(len(tokens)),
                marks=of.should_read(record.config),
                mark_role="key",
                dividers=(WATCHED_LEN,),
            )
        )
    max_cell = 24 if state.presenting() else 16  # so that the line's tokens stand beside it, and all fits the screen
    matrix.draw(panels, key="ind.heads", shared_rows=True, max_cell=max_cell, numbers=False, legend=False)


def _below(record: jobs.Record) -> None:
    section.try_this(
        [
            ("Before training", {MOMENT: 0}),
            ("While it forms", {MOMENT: words.forming(record, MOMENT_STEP)}),
            ("Copies of one length, then train", {FIXED: True}),
            ("A rate that is too high, then train", {RATE: "1"}),
        ],
        key="ind",
    )
    made = words.how_made(record, own=runs.look(RUN) is not None)
    audit.measured(
        f"Losses are means of {of.MEAN_OF} batches of {record.config.batch} lines, taken before each step; scores are "
        f"means over {WATCHED_LINES} lines of {WATCHED_LEN} + {WATCHED_LEN} tokens. {made}"
    )
    section.code(repeated_tokens, AttentionOnly, Race.train_step, Race._learn, induction_score)
    section.table(lambda: _table(record), key="ind")
    section.sources(
        "Elhage et al. 2021, *A Mathematical Framework for Transformer Circuits*: models of attention alone, and the "
        "induction head of two layers",
        "Olsson et al. 2022, *In-context Learning and Induction Heads*: in large models too it appears within a short "
        "stretch of training, and never in one layer",
        "The positions are rotary (Lab 3). What the paper found in models of up to 13 billion parameters is shown here "
        "in miniature, on a task made for it: real text also has other reasons why a loss falls.",
    )


def _table(record: jobs.Record) -> "pd.DataFrame":
    import pandas as pd

    columns = {}
    for copy in ("first", "second"):
        for place, depth in enumerate(record.config.depths):
            steps, losses = of.mean_losses(record, copy, place)
            columns["step"] = steps
            columns[f"{of.DEPTH_NAMES[depth]}, {copy} copy"] = [round(loss, 3) for loss in losses]
    return pd.DataFrame(columns)
