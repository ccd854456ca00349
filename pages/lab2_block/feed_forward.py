"""Lab 2, section 3, feed-forward: expand, bend, contract, each token alone, and what single hidden units answer to."""

import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import matrix
from components.text import escape
from engine.activations import FORMULAS, slope
from engine.feed_forward import FeedForward
from engine.hidden_units import (
    HiddenUnits,
    order_units,
    pick_units,
    rows_changed,
    share_active,
    shuffled_difference,
)
from pages.lab2_block import feed_forward_curves as curves
from pages.lab2_block import feed_forward_words as words
from pages.lab2_block.feed_forward_sentences import SENTENCES
from pages.lab2_block.feed_forward_words import Study
from pages.lab2_block.params import LAYERS, TEXT

QUESTION = "What does the feed-forward part do to each token?"
KEY = "feed-forward.units"
MOST_TOKENS = 16  # of the text: rows stay legible
N_UNITS = 20  # columns
D_FF = 1536

VIEW = state.Choice(
    "f_view", "units", "Show", options=("units", "curves"), labels={"units": "Hidden units", "curves": "The bend"}
)
LAYER = state.Number("f_layer", 1, "Layer", low=1, high=LAYERS, help="Layers are counted from the bottom, from 1.")
PICK = state.Choice(
    "f_pick",
    "differ",
    "Units that",
    options=("differ", "mean", "token"),
    labels={"differ": "differ most", "mean": "fire most", "token": "answer the token"},
    help=f"Which {N_UNITS} of the {D_FF:,} units are columns: those that differ most between tokens, those with the "
    "largest mean, or those that fire most on the chosen token.",
)
UNIT = state.Number("f_unit", 140, "Unit", low=1, high=D_FF, help="Or click a column.")
TOKEN = state.Number("f_token", 3, "Token", low=1, high=MOST_TOKENS, help="Or click a row.")
PARAMS = [VIEW, TEXT, LAYER, PICK, UNIT, TOKEN, curves.AT, curves.OTHER, curves.SLOPES]


@section.live
def draw() -> None:
    """Tokens by hidden units in the real model, or the curves of the bends."""
    study, problem = errors.attempt(_study)
    strongest = None
    controls_column, figure_column = section.layout(QUESTION, figure_share=3.0)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            _flow(study)
            strongest = _curves(study) if state.get(VIEW) == "curves" else _units(study)
    with controls_column:
        _controls(study, problem)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            text.prose(words.alone(study))
            text.prose(words.share_of_weights(study))
            _try_this()
            _audit()
        _folded(study)
    if study and strongest:  # last: the first visitor of a server waits for the sentences to be read
        with strongest, errors.shown_as_a_sentence():
            st.html(words.strongest(study))


def _study() -> Study:
    read = models.short_reading(state.get(TEXT), MOST_TOKENS + 2)
    layer = state.get(LAYER) - 1
    block = read.trace.blocks[layer]
    hidden = block.hidden[0, 1:-1].cpu()  # (n_words, d_ff)
    token = controls.fitted(TOKEN, len(hidden)) - 1
    units = pick_units(hidden, state.get(PICK), N_UNITS, token=token)
    unit = state.get(UNIT) - 1
    if unit not in units:
        units = order_units(hidden, [*units, unit])
    feed_forward = models.minilm().model.layers[layer].feed_forward
    given = block.feed_forward_input, block.attention_input
    return Study(read.text, feed_forward, *given, hidden, units, layer, unit, token)


def _controls(study: Study | None, problem: str | None) -> None:
    controls.choice(VIEW)
    controls.line(TEXT)
    text.problem(problem)
    if study and study.text.cut:
        text.problem(f"Only the first {MOST_TOKENS} tokens are used here, so that every row can be read.")
    section.reading(escape((study and models.token_sentence(study.text)) or ""))
    controls.slider(LAYER)
    if state.get(VIEW) == "curves":
        controls.slider(curves.AT)
        controls.slider(curves.OTHER)
        controls.toggle(curves.SLOPES)
    elif study:
        controls.choice(PICK, compact=True)
        controls.pick(UNIT, [unit + 1 for unit in study.units], lambda unit: f"unit {unit}")
        tokens = matrix.positions(study.tokens)
        _token_list(tokens)
    controls.reset_button(PARAMS)
    for param in (UNIT, TOKEN):
        if state.get(VIEW) == "curves" or not study:
            text.problem(state.problem(param))


def _token_list(tokens: list[str]) -> None:
    wish = state.get(TOKEN)
    beyond = [wish] if wish > len(tokens) else []
    places = [*range(1, len(tokens) + 1), *beyond]
    controls.pick(TOKEN, places, lambda place: tokens[min(place, len(tokens)) - 1])
    if beyond:
        text.problem(f"This text has {len(tokens)} tokens; token {wish} comes back with a longer one.")


def _flow(study: Study) -> None:
    """How wide a token is before, inside and after: three bars of those lengths."""
    d_model, d_ff = study.feed_forward.up_proj.weight.shape[::-1]
    sizes = [("in", d_model), ("hidden", d_ff), ("out", d_model)]
    labels = {
        "in": f"{d_model} numbers in",
        "hidden": f"expand to {d_ff:,} hidden units, bend each with GELU",
        "out": f"contract to {d_model}",
    }
    bars = "".join(
        f"<span class='labs-flow-bar' style='flex:{size}'>{labels[name]}</span>"
        + ("" if name == "out" else "<span aria-hidden='true'>→</span>")
        for name, size in sizes
    )
    st.html(f"<div class='labs-flow'>{bars}</div>")


def _units(study: Study) -> DeltaGenerator:
    """Draws the heat map and what to notice; gives the place beside it for the unit's strongest tokens."""
    heat_map, strongest = st.columns([2.6, 1])
    with heat_map:
        _heat_map(study)
        section.reading(
            "Row: a token of your sentence. Column: a hidden unit, in the order of the tokens they answer to. Fuller: "
            "fires more; GELU’s small negative values (never below −0.17) are drawn as 0. Last column: the share of "
            f"all {D_FF:,} units above 0. Click a cell to choose its unit and token. [CLS] and [SEP], which the model "
            "adds, are left out."
        )
    section.let_it_paint()
    section.notice(words.notice(study))
    return strongest


def _heat_map(study: Study) -> None:
    tokens = matrix.positions(study.tokens)
    shown = study.hidden[:, study.units]  # (n_words, n_units)
    active = share_active(study.hidden)  # (n_words,)
    panels = [
        matrix.Panel(
            shown,
            tokens,
            [str(unit + 1) for unit in study.units],
            title=f"Layer {study.layer + 1}: {len(study.units)} of {D_FF:,} hidden units",
            role="value",
            high=max(shown.max().item(), 0.1),
            framed=study.units.index(study.unit),
        ),
        matrix.Panel(
            active[:, None],
            tokens,
            ["active"],
            role="plain",
            texts=[f"{share:.0%}" for share in active.tolist()],
            cell_width=52,
        ),
    ]
    matrix.draw(
        panels,
        key=KEY,
        alt=words.alt(study),
        row_axis="token",
        column_axis="unit",
        shared_rows=True,
        numbers=False,
        max_cell=30,
        selectable=True,
        selected={"panel": 0, "row": study.token, "column": study.units.index(study.unit)},
        on_change=_take,
    )


def _take() -> None:
    """A click on a cell chooses its unit and its token; the names in the figure are the numbers that are kept."""
    event = drawing.result(KEY)
    study, _ = errors.attempt(_study)
    if not study or not event or event.get("type") != "select":
        return
    state.set_value(TOKEN, min(int(event["row"]), len(study.tokens) - 1) + 1)
    if event["panel"] == 0 and event["column"] < len(study.units):
        state.set_value(UNIT, study.units[event["column"]] + 1)


def _curves(study: Study) -> None:
    with models.DEVICE_IN_USE, torch.inference_mode():
        arriving = study.feed_forward.up_proj(study.x[0, 1:-1]).cpu()  # (n_words, d_ff)
    curves.draw(arriving, study.layer + 1)


def _try_this() -> None:
    units = {VIEW: "units", PICK: "differ"}
    section.try_this(
        [
            ("Layer 6: a unit for ships", units | {TEXT: TEXT.default, LAYER: 6, UNIT: 500, TOKEN: 11}),
            ("Layer 2: old, new, warm, grey", units | {TEXT: TEXT.default, LAYER: 2, UNIT: 487, TOKEN: 2}),
            ("Where ReLU learns nothing", {VIEW: "curves", curves.AT: -1.0, curves.SLOPES: True}),
        ],
        key="feed-forward",
    )


def _audit() -> None:
    if state.get(VIEW) == "curves":
        curves.audit_line()
        return
    # 1e-4: six layers of float32 before the last; activations reach about 25
    audit.show(
        _second_opinion(state.get(TEXT)),
        library="transformers’ BertIntermediate",
        tolerance=1e-4,
        what="hidden units of all layers",
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _second_opinion(sentence: str) -> audit.Difference:
    read = models.short_reading(sentence, MOST_TOKENS + 2)
    theirs = models.minilm_reference()
    ids = torch.tensor([read.text.ids], device=theirs.device)
    with models.DEVICE_IN_USE, torch.inference_mode():
        streams = theirs(ids, output_hidden_states=True).hidden_states
        hidden = [
            layer.intermediate(layer.attention(stream)[0])
            for layer, stream in zip(theirs.encoder.layer, streams[:-1], strict=True)
        ]
    pairs = ((block.hidden.cpu(), own.cpu()) for block, own in zip(read.trace.blocks, hidden, strict=True))
    return audit.find_difference(pairs)


def _folded(study: Study) -> None:
    if state.get(VIEW) == "curves":
        section.code(*FORMULAS.values(), slope)
        section.table(curves.as_table, key="feed-forward")
    else:
        section.code(FeedForward, pick_units, HiddenUnits, shuffled_difference, rows_changed)
        section.table(lambda: _table(study), key="feed-forward")
    section.sources(
        "Vaswani et al. 2017, [Attention Is All You Need](https://arxiv.org/abs/1706.03762), section 3.3: the same two "
        "matrices at each position, separately, with ReLU between them; four times as wide inside.",
        "Hendrycks and Gimpel 2016, [Gaussian Error Linear Units](https://arxiv.org/abs/1606.08415): GELU and its tanh "
        "form. Shazeer 2020, [GLU Variants Improve Transformer](https://arxiv.org/abs/2002.05202), equation 6: SwiGLU.",
        "Geva et al. 2021, [Transformer Feed-Forward Layers Are Key-Value Memories]"
        "(https://arxiv.org/abs/2012.14913): units looked at by the inputs they answer most.",
        "The model: [all-MiniLM-L6-v2](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2). What a unit "
        f"seems to stand for rests on {len(SENTENCES)} sentences written for this page; other texts may show another "
        "side of it.",
    )


def _table(study: Study) -> list[dict]:
    tokens, active = matrix.positions(study.tokens), share_active(study.hidden).tolist()
    return [
        {
            "token": token,
            "share of units above 0": round(active[row], 4),
            **{f"unit {unit + 1}": round(study.hidden[row, unit].item(), 3) for unit in study.units},
        }
        for row, token in enumerate(tokens)
    ]
