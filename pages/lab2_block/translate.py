"""Section 7, encoder and decoder together: one learns to rewrite what the other has read."""

import math
from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, drawing, runs, section, state, text
from components.figures import matrix, plots
from components.white_space import visible
from engine import jobs
from engine.encoder_decoder import EncoderDecoder
from engine.experiments.sequence_decoding import share_on_same
from engine.experiments.sequence_tasks import Task, batch_of
from engine.experiments.sequence_training import HELD_OUT, Training, teacher_forcing_loss
from pages.lab2_block import translate_params as chosen
from pages.lab2_block import translate_writing as writing
from pages.lab2_block.translate_params import PARAMS  # the frame asks the section for it

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "How does a decoder learn where to look in what the encoder has read?"
LEARNED = 0.95  # of the held-out inputs right


@section.live
def draw() -> None:
    """Either how a small encoder-decoder learns a task, or how it writes the answer to the learner's own input."""
    if state.get(chosen.VIEW) == chosen.WRITING:
        writing.draw(QUESTION)
    else:
        _draw_learning()


def _draw_learning() -> None:
    config, problem = chosen.wanted_config()
    stored = jobs.stored(f"sequence-{state.get(chosen.TASK)}")
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.9)
    with figure_column:
        runs.follow(chosen.RUN, lambda live, status: _follow(live, stored), stored=stored)
    with controls_column:
        controls.choice(chosen.VIEW)
        controls.choice(chosen.TASK)
        section.reading(_task_sentence(chosen.task()))
        controls.slider(chosen.MOMENT)
        runs.controls(chosen.RUN, config, label="Train your own", problem=problem)
        with st.expander("More"):
            _settings()
        controls.reset_button(PARAMS)
    with figure_column:
        _below(_on_screen(stored))


def _task_sentence(task: Task) -> str:
    return f"It learns to {task.rule}: {task.example} becomes {task.answer(task.example)}."


def _settings() -> None:
    section.reading("“One step” makes ten updates of the weights.")
    controls.choice(chosen.NORM)
    controls.choice(chosen.RATE, compact=True)
    controls.choice(chosen.D_MODEL)
    for param in (chosen.WARMUP, chosen.STEPS, chosen.HEADS, chosen.LAYERS, chosen.SEED):
        controls.slider(param)


def _on_screen(stored: jobs.Record) -> jobs.Record:
    """The learner's run when it is about the task on screen and has measured something, else the stored one."""
    if run := runs.look(chosen.RUN):
        live = jobs.record(run.run_id)
        if live.config.task == stored.config.task and _looks(live):
            return live
    return stored


def _looks(record: jobs.Record) -> list[dict]:
    """The events in which exact match and alignment were measured."""
    return [event for event in record.events if "alignment" in event]


def _look_at(record: jobs.Record, moment: int) -> dict:
    """What was measured nearest to `moment` per cent of the run, as far as it has come."""
    step = moment / 100 * record.config.steps
    return min(_looks(record), key=lambda event: abs(event["step"] - step))


def _follow(live: jobs.Record | None, stored: jobs.Record) -> None:
    """Curves, and below them the alignment at the chosen moment; twice a second while a run goes on."""
    other_task = live is not None and live.config.task != stored.config.task
    if other_task:
        section.reading(f"Your run learns another task: choose “{live.config.task}” to see it.")
        live = None
    shown = live if live and _looks(live) else stored
    look = _look_at(shown, state.get(chosen.MOMENT))
    _curves(live, stored, look["step"])
    _written_line(look, chosen.task())
    _alignment(look, chosen.task(), "Your run" if shown is live else "Stored run")
    section.let_it_paint()
    section.reading(
        "Row: the character it is about to write. Column: the character of the input it looks at meanwhile "
        "(cross-attention, the mean of all heads): the darker, the more. Each row adds up to 1. Click a curve, or move "
        "the slider, to see another moment."
    )
    section.notice(_notice(shown, look, chosen.task()))
    if st.session_state.pop("t.moved", False):
        state.rerun()  # the slider stands outside of this fragment


def _curves(live: jobs.Record | None, stored: jobs.Record, step: int) -> None:
    loss = [_line(stored, "loss", "stored run", faint=live is not None)]
    match = [_line(stored, "exact_match", "stored run", faint=live is not None)]
    if live:
        loss.append(_line(live, "loss", "your run"))
        match.append(_line(live, "exact_match", "your run"))
    plots.draw(
        [
            plots.Plot("Loss (mean −log p of the right token)", loss, x_title="training step", log_y=True),
            plots.Plot(f"Exact match on {HELD_OUT} held-out inputs", match, x_title="training step", y_range=(0, 1)),
        ],
        key="t.curves",
        per_row=2,
        height=170,
        selected=step,
        on_change=_moment_clicked,
    )


def _line(record: jobs.Record, quantity: str, name: str, *, faint: bool = False) -> plots.Series:
    points = [(event["step"], event[quantity]) for event in record.events if quantity in event]
    steps, values = zip(*points, strict=True) if points else ((), ())
    return plots.Series(name, steps, values, role="plain" if record.stored else "query", dashed=faint, faint=faint)


def _moment_clicked() -> None:
    """A click on a curve moves the moment there."""
    clicked = drawing.result("t.curves")
    if clicked and clicked.get("type") == "x":
        steps = jobs.stored(f"sequence-{state.get(chosen.TASK)}").config.steps
        if (run := runs.look(chosen.RUN)) and (own := jobs.config(run.run_id)).task == state.get(chosen.TASK):
            steps = own.steps
        per_cent = min(100, max(0, 100 * clicked["x"] / steps))
        state.set_value(chosen.MOMENT, chosen.MOMENT_STEP * round(per_cent / chosen.MOMENT_STEP))
        st.session_state["t.moved"] = True


def _written_line(look: dict, task: Task) -> None:
    right = look["written"] == task.answer(task.example)
    sign = '<span class="labs-right">✓ right</span>' if right else '<span class="labs-wrong">✗ wrong</span>'
    text.prose(
        f"<b>Step {look['step']:,}</b>: it reads <code>{text.escape(task.example)}</code> and writes "
        f"<code>{text.escape(look['written'] or '(nothing)')}</code> {sign}"
    )


def _alignment(look: dict, task: Task, whose: str) -> None:
    import torch

    rows = [f"{place} {character}" for place, character in enumerate(task.answer(task.example), 1)] + ["end"]
    columns = [f"{place} {visible(character)}" for place, character in enumerate(task.example, 1)] + ["end"]
    panels = [
        matrix.Panel(torch.tensor(layer), rows, columns, title=f"{whose}, decoder layer {number}")
        for number, layer in enumerate(look["alignment"], start=1)
    ]
    matrix.draw(
        panels,
        key="t.alignment",
        row_axis="it writes",
        column_axis="it looks at",
        max_cell=_cell(rows),
        numbers=False,
        legend=False,
    )


def _cell(rows: list[str]) -> int:
    """The size of a cell with which curves and alignments stand on one screen."""
    return min(28, 300 // len(rows)) if not state.presenting() else 34


def _below(record: jobs.Record) -> None:
    others = [name for name in chosen.INPUTS if name != state.get(chosen.TASK)]
    section.try_this(
        [
            ("Before the first step", {chosen.MOMENT: 0}),
            (f"The task “{others[-1]}”", {chosen.TASK: others[-1], chosen.MOMENT: 100}),
            ("Type your own input", {chosen.VIEW: chosen.WRITING}),
        ],
        key="t-learning",
    )
    audit.measured(_how_measured(record))
    section.code(Training.advance, teacher_forcing_loss, batch_of, EncoderDecoder.forward)
    section.table(lambda: _table(record), key="t-learning")
    section.sources(
        "Vaswani et al. 2017, *Attention Is All You Need*, figure 1 and section 5: encoder, decoder, teacher forcing, "
        "Adam with a warm-up",
        "Bahdanau et al. 2015, *Neural Machine Translation by Jointly Learning to Align and Translate*, figure 3: the "
        "first alignments drawn like this",
        "The tasks and the held-out inputs: engine/experiments/sequence_tasks.py",
    )


def _notice(record: jobs.Record, look: dict, task: Task) -> str:
    first, every = _looks(record)[0], _looks(record)
    answer = task.answer(task.example)
    import torch

    shares = [share_on_same(task.example, answer, torch.tensor(layer)) for layer in look["alignment"]]
    best = max(range(len(shares)), key=shares.__getitem__)
    before = share_on_same(task.example, answer, torch.tensor(first["alignment"][best]))
    learned = next((event["step"] for event in every if event["exact_match"] >= LEARNED), None)
    guess = math.log(task.vocab_size)
    return (
        f"At step {look['step']:,} it gets {look['exact_match']:.0%} of the held-out inputs right, every character of "
        f"them. {_loss_words(record, look, guess)} Layer {best + 1} puts {shares[best]:.0%} of its looking on the very "
        f"character that it writes; before the first step that was {before:.0%}. Nobody told it where to look: it was "
        f"only told which character comes next. "
        + (
            f"It passed {LEARNED:.0%} right at step {learned:,}."
            if learned is not None
            else f"This run has not reached {LEARNED:.0%} right."
        )
    )


def _loss_words(record: jobs.Record, look: dict, guess: float) -> str:
    near = [event["loss"] for event in record.events if "loss" in event and event["step"] <= look["step"]]
    if not near:
        return f"Guessing blindly costs a loss of {guess:.2f}, the logarithm of the size of its vocabulary."
    return f"Its loss is {near[-1]:.3f}, where blind guessing costs {guess:.2f}."


def _how_measured(record: jobs.Record) -> str:
    config = record.config
    whose = f"stored run, made by `{record.command}`" if record.stored else "your run, on this machine"
    return (
        f"Measured in {whose}: {config.batch} new inputs a step, seed {config.seed}; exact match on {HELD_OUT} inputs "
        "whose answers training never sees, written greedily."
    )


def _table(record: jobs.Record) -> "pd.DataFrame":
    import pandas as pd

    losses = {event["step"]: event["loss"] for event in record.events if "loss" in event}
    return pd.DataFrame(
        [
            {
                "step": look["step"],
                "loss": losses.get(look["step"]),
                "exact match": look["exact_match"],
                "writes for the example": look["written"],
            }
            for look in _looks(record)
        ]
    )
