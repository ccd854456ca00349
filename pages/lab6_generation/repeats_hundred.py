""" "A hundred texts": which strategies repeat themselves, measured on the project's own beginnings, beside a paper."""

from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, errors, runs, section, state, text
from components.figures import plots
from components.text import escape
from engine import jobs
from engine.experiments import repetition
from engine.experiments.repetition import HUMAN, RepetitionConfig
from pages.lab6_generation import repeats_params as chosen
from pages.lab6_generation import repeats_words as words
from pages.lab6_generation.params import SEED
from pages.lab6_generation.repeats_params import PARAMS  # what runs.follow publishes

if TYPE_CHECKING:
    import pandas as pd

STORED = "repetition"
# Holtzman et al. 2020, table 1, column "Repetition %": GPT-2 large, 200 tokens. Beam search there has 16 beams.
PAPER = {"greedy": 73.66, "beam": 28.94, "sampling": 0.22, "top-k": 0.78, "top-p": 0.36, HUMAN: 0.28}
ROLES = {
    "greedy": "negative",
    "beam": "key",
    "penalty": "output",
    "sampling": "query",
    "top-p": "value",
    HUMAN: "plain",
}


def names(config: RepetitionConfig) -> dict[str, str]:
    """The strategies in words, in the order of the table."""
    return {
        "greedy": "Greedy",
        "beam": f"Beam search, {config.num_beams}",
        "penalty": "Greedy, penalty 1.2",
        "temperature": "Temperature 0.7",
        "top-k": "Top-k 40",
        "top-p": "Top-p 0.95",
        "sampling": "Plain sampling",
        HUMAN: "Human stories",
    }


def draw(question: str) -> None:
    """The curves and the table of the learner's run, or of the stored one."""
    stored = jobs.stored(STORED)
    config, problem = errors.attempt(lambda: RepetitionConfig(texts=state.get(chosen.TEXTS), seed=state.get(SEED)))
    controls_column, figure_column = section.layout(question, controls_share=0.8)
    with figure_column:
        runs.follow(chosen.RUN, lambda live, status: _follow(live, stored), stored=stored)
    section.let_it_paint()
    with controls_column:
        controls.choice(chosen.VIEW)
        section.reading(
            "Each strategy goes on from the same beginnings of stories. Run it yourself with fewer texts and a seed of "
            "your own."
        )
        controls.slider(chosen.TEXTS)
        controls.number(SEED)
        runs.controls(chosen.RUN, config, label="Write them", problem=problem)
        for param in (chosen.WAY, *chosen.STRENGTHS.values(), chosen.TOKENS, chosen.ENDS):
            text.problem(state.problem(param))  # not on screen here, so a wrong value in a link is said here
        controls.reset_button(PARAMS)
    with figure_column:
        _below(_on_screen(stored))


def _rows(record: jobs.Record, *, free: bool) -> dict[str, dict]:
    """What has been measured so far, by strategy."""
    return {row["strategy"]: row for row in record.events if row["free"] == free}


def _on_screen(stored: jobs.Record) -> jobs.Record:
    """The learner's run when it has measured something, else the stored one."""
    if run := runs.look(chosen.RUN):
        live = jobs.record(run.run_id)
        if live.events:
            return live
    return stored


def _follow(live: jobs.Record | None, stored: jobs.Record) -> None:
    shown = live if live and live.events else stored
    forced = _rows(shown, free=False)
    said = names(shown.config)
    plots.draw(
        [
            _curve("A phrase three times in a row, by length", forced, "has_loop_by", said),
            _curve("Runs of 4 tokens that came before, by length", forced, "said_again_by", said),
        ],
        key="repeats.lengths",
        per_row=2,
        height=235,
    )
    st.html(_table_of(shown))


def _curve(title: str, rows: dict[str, dict], measure: str, said: dict[str, str]) -> plots.Plot:
    lines = [
        plots.Series(
            said[name],
            rows[name]["lengths"],
            [100 * share for share in rows[name][measure]],
            role,
            dashed=name == HUMAN,
        )
        for name, role in ROLES.items()
        if name in rows
    ]
    return plots.Plot(title, lines, x_title="new tokens", y_range=(0, None), note="%, end token never chosen")


def _table_of(record: jobs.Record) -> str:
    """The table: both ways of ending, the paper's column, and three measures more."""
    forced, free = _rows(record, free=False), _rows(record, free=True)
    heads = (
        "",
        "ends in a loop",
        "… free to end",
        "… in the paper",
        "has a loop",
        "4 tokens again",
        "distinct‑4",  # with a hyphen at which no line breaks
        "perplexity",
        "ended by itself",
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in _cells(name, said, forced, free)) + "</tr>"
        for name, said in names(record.config).items()
        if name in forced or name in free
    )
    head = "".join(f"<th>{one}</th>" for one in heads)
    return f'<table class="labs-small-table"><tr>{head}</tr>{body}</table>'


def _cells(name: str, said: str, forced: dict[str, dict], free: dict[str, dict]) -> list[str]:
    own, ending = forced.get(name), free.get(name)
    paper = f"{PAPER[name]:g}%" if name in PAPER else "–"

    def share(row: dict | None, measure: str) -> str:
        return words.percent(row[measure]) if row else "…"

    return [
        f'<b style="white-space: nowrap">{escape(said)}</b>',
        share(own, "ends_in_loop"),
        share(ending, "ends_in_loop"),
        paper,
        share(own, "has_loop"),
        share(own, "said_again"),
        f"{own['distinct']:.2f}" if own else "…",
        f"{own['perplexity']:.1f}" if own else "…",
        share(ending, "ended"),
    ]


def _below(record: jobs.Record) -> None:
    config, forced, free = record.config, _rows(record, free=False), _rows(record, free=True)
    section.reading(
        f"{config.texts} beginnings, {config.new_tokens} new tokens each. <b>Ends in a loop</b>: its last tokens are a "
        "phrase said three times or more in a row, the measure of the paper. <b>4 tokens again</b>: runs of four that "
        "stood in the same text before. <b>Distinct-4</b>: of all runs of four in all texts, the share that are "
        "different ones. <b>Perplexity</b>: among how many equally likely tokens the model is as unsure as at these."
    )
    section.notice(words.hundred(forced, free, names(config)))
    section.try_this(
        [
            ("Look at one text", {chosen.VIEW: chosen.PROMPT_VIEW}),
            ("Only 5 of each, then write them", {chosen.TEXTS: 5}),
        ],
        key="repeats-hundred",
    )
    audit.measured(_how_measured(record, has_human=HUMAN in forced))
    section.code(repetition.measure, repetition.summary)
    section.table(lambda: _table(record), key="repeats-hundred")
    section.sources(
        "Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*, section 5.3 and table 1: GPT-2 large "
        "goes on from text of the web, 200 tokens, beam search with 16 beams",
        "Runs of four tokens that came before: Welleck et al. 2020, *Neural Text Generation with Unlikelihood "
        "Training*, section 6.1; distinct-n: Li et al. 2016, *A Diversity-Promoting Objective Function for Neural "
        "Conversation Models*",
        "The beginnings were written for this project (assets/corpora/beginnings.txt) and are cut after ten tokens. "
        "Human: held-out stories of TinyStories (Eldan & Li 2023) after their first ten tokens; at equal length only "
        "those that are long enough",
    )


def _how_measured(record: jobs.Record, *, has_human: bool) -> str:
    without = " Human stories are measured where LABS_DATA names them."
    if not has_human:
        without = " Without LABS_DATA there are no human texts on this machine, so their row is left out."
    if record.stored:
        took = f"{record.seconds / 60:.0f} min" if record.seconds >= 120 else f"{record.seconds:.0f} s"
        return (
            f"Stored study, seed {record.config.seed}: {took} on {record.machine}. Made again by: {record.command}."
            + without
        )
    return f"Your run on this machine, seed {record.config.seed}, {record.config.texts} texts of each kind.{without}"


def _table(record: jobs.Record) -> "pd.DataFrame":
    import pandas as pd

    shown = ("strategy", "free", "texts", "tokens", "ended", "ends_in_loop", "has_loop", "said_again", "distinct")
    return pd.DataFrame([{name: row[name] for name in (*shown, "perplexity")} for row in record.events])
