"""Section 1, the block: one token's vector on its way through a block, with its size and spread at each stop."""

from typing import TYPE_CHECKING

import streamlit as st
import torch

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import block, matrix
from engine.block_report import PARTS, StackConfig, block_stops, walk_stack
from engine.torch_blocks import torch_outputs
from pages.lab2_block import block_words
from pages.lab2_block.block_study import ACTIVATIONS, NORMS, Study, pick, study
from pages.lab2_block.params import TEXT

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

QUESTION = "What happens to one token’s vector on its way through a block?"
FIGURE = "block.figure"
MOST_TOKENS = 16
MOST_LAYERS = 24  # each has its box in the stack, with a name that can be read
MOST_SIZE = 10_000_000  # what may be asked for; what fits is estimated, and refused with the estimate
WIDEST = 256  # numbers of a vector that are drawn side by side

PLACE = state.Choice(
    "b_place",
    "pre",
    "Norm before or after each part",
    options=("pre", "post"),
    labels={"pre": "Pre-LN", "post": "Post-LN"},
    help="Pre-LN: x + part(norm(x)). Post-LN: norm(x + part(x)).",
)
DEPTH = state.Number("b_depth", 6, "Layers", low=1, high=MOST_LAYERS)
HEADS = state.Number("b_heads", 4, "Heads", low=1, high=16, help="They must divide d_model")
D_FF = state.Number("b_ff", 256, "Feed-forward width (d_ff)", low=1, high=MOST_SIZE)
NORM = state.Choice("b_norm", "layernorm", "Norm", options=tuple(NORMS), labels=NORMS)
ACTIVATION = state.Choice("b_act", "gelu", "Activation", options=tuple(ACTIVATIONS), labels=ACTIVATIONS)
D_MODEL = state.Number("b_model", 64, "Size of a token’s vector (d_model)", low=1, high=MOST_SIZE)
SEED = state.Number("b_seed", 7, "Seed of the random weights", low=0, high=99)
LAYER = state.Number("b_layer", 4, "Layer shown", low=1, high=MOST_LAYERS)
STOP = state.Choice("b_stop", "attention", "Stop shown", options=("input", *PARTS[True]))
TOKEN = state.Number("b_token", 3, "Token followed (0: all, averaged)", low=0, high=MOST_TOKENS)
PARAMS = [TEXT, PLACE, DEPTH, HEADS, D_FF, NORM, ACTIVATION, D_MODEL, SEED, LAYER, STOP, TOKEN]

PAPER = {PLACE: "post", NORM: "layernorm", ACTIVATION: "relu", HEADS: 8, D_MODEL: 64, D_FF: 256, DEPTH: 6}
LLAMA = {PLACE: "pre", NORM: "rmsnorm", ACTIVATION: "swiglu", HEADS: 8, D_MODEL: 64, D_FF: 172}


@section.live
def draw() -> None:
    """The stack, one block of it drawn large, and the numbers and the code behind the stop that is chosen."""
    words, problem = errors.attempt(lambda: models.short_reading(state.get(TEXT), MOST_TOKENS + 2).text)
    ran, refused = errors.attempt(lambda: study(_config(), tuple(words.tokens[1:-1]))) if words else (None, None)
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.75)
    opened = st.container()
    with figure_column, errors.shown_as_a_sentence():
        for param in (LAYER, STOP, TOKEN):
            text.problem(state.problem(param))
        if ran:
            _show(ran, opened)
        else:
            # Not above the controls: a slider must not move away from under the pointer that moves it.
            text.problem(problem or refused)
            text.prose("With these settings there is no block to draw. All settings are kept.")
    with controls_column:
        _controls(bool(words and words.cut))
    with errors.shown_as_a_sentence():
        _try_this()
        if ran:
            _deeper(ran)


def _config() -> StackConfig:
    return StackConfig(
        n_layers=state.get(DEPTH),
        norm_first=state.get(PLACE) == "pre",
        norm=state.get(NORM),
        activation=state.get(ACTIVATION),
        d_model=state.get(D_MODEL),
        n_heads=state.get(HEADS),
        d_ff=state.get(D_FF),
        seed=state.get(SEED),
    )


def _controls(cut: bool) -> None:
    controls.choice(PLACE)
    controls.choice(NORM, wrap=True)
    controls.choice(ACTIVATION, wrap=True)
    controls.slider(DEPTH)
    controls.slider(HEADS)
    controls.number(D_FF)
    with st.container(horizontal=True, vertical_alignment="center"):
        # An expander would push the page down; what is wrong with its values must be seen without opening it.
        with st.popover("More", type="tertiary"):
            controls.line(TEXT)
            controls.number(D_MODEL)
            controls.slider(SEED)
        controls.reset_button(PARAMS)
    for param in (D_MODEL, SEED):
        text.problem(state.problem(param))
    if cut:
        text.problem(f"Only the first {MOST_TOKENS} tokens are used here, so that each can be followed.")


def _chosen(ran: Study) -> tuple[int, int]:
    """(layer, counted from 1, and token, counted from 0 or -1 for all) as far as this run has them."""
    return min(state.get(LAYER), ran.config.n_layers), min(state.get(TOKEN), len(ran.tokens)) - 1


def _show(ran: Study, opened: "DeltaGenerator") -> None:
    """The figure, what stands at the open stop, and the words: in the order in which they must reach the screen."""
    layer, token = _chosen(ran)
    _figure(ran, layer, token)
    with opened:
        values, code = st.columns([1, 1.1], gap="large")
    with values:
        _values(ran, layer, token)
    section.let_it_paint()
    section.reading(
        "Read upwards. A box: shape (text × tokens × numbers), and mean, std (spread) and norm (length) of the vector; "
        "the bar counts its numbers. Click a layer to open it, a box to see its values and its code below. Weights: "
        f"random, seed {ran.config.seed}, before any training."
    )
    section.notice(block_words.notice(ran, layer, token))
    with code:
        name = state.get(STOP)
        text.prose(f"<b>The code of this box</b>: {text.escape(ran.title(name, layer))}")
        st.code("\n\n".join(map(section.source, ran.code(name, layer))), language="python", height=290)


def _deeper(ran: Study) -> None:
    """The audit line, the experiment that takes the neighbours away, and what is folded."""
    layer, token = _chosen(ran)
    _audit(ran)
    text.prose(block_words.alone(ran, layer, token))
    section.fold(
        "Often said, and what the numbers say",
        lambda: text.prose(block_words.often_said(ran, layer, token)),
        key="block.said",
    )
    section.code(block_stops, walk_stack)
    section.table(lambda: _table(ran, token), key="block")
    section.sources(
        "Post-LN: Vaswani et al. 2017, *Attention Is All You Need*, sections 3.1 and 3.3",
        "Pre-LN, and what the order does at the start of training: Xiong et al. 2020, *On Layer Normalization in the "
        "Transformer Architecture*, section 3",
        "LayerNorm: Ba et al. 2016. RMSNorm: Zhang & Sennrich 2019. GELU: Hendrycks & Gimpel 2016. SwiGLU: Shazeer "
        "2020, *GLU Variants Improve Transformer*, equation 6",
        "The weights start as in the code of the 2017 paper (Glorot & Bengio 2010, equation 16). Each different word "
        "gets a random vector of spread 1, plus the paper’s sinusoidal position. Moving the norms changes no weight.",
    )


def _figure(ran: Study, layer: int, token: int) -> None:
    shown, other = ran.streams(token)
    block.draw(
        ran.stops(layer, token),
        shown,
        other,
        norm_first=ran.config.norm_first,
        layer=layer,
        n_layers=ran.config.n_layers,
        stop=state.get(STOP),
        tokens=matrix.positions(ran.tokens),
        token=token,
        follows=block_words.follows(ran, token),
        key=FIGURE,
        on_change=_take,
    )


def _take() -> None:
    """What was clicked in the figure becomes the value of its parameter."""
    event = drawing.result(FIGURE) or {}
    if event.get("type") == "layer":
        state.set_value(LAYER, int(event["layer"]))
    elif event.get("type") == "token":
        state.set_value(TOKEN, int(event["token"]) + 1)
    elif event.get("type") == "stop" and event.get("name") in STOP.options:
        state.set_value(STOP, event["name"])


def _values(ran: Study, layer: int, token: int) -> None:
    """The numbers of the open stop, a row for each token."""
    name = state.get(STOP)
    stop = next(one for one in ran.walk.layers[layer - 1] if one.name == name)
    seq_len, size = stop.values.shape
    values = stop.values[:, :WIDEST]
    rows = [f"▸ {row}" if place == token else row for place, row in enumerate(matrix.positions(ran.tokens))]
    end = float(values.abs().max()) or 1.0
    panel = matrix.Panel(
        values,
        rows,
        [str(number) for number in range(1, values.shape[1] + 1)],
        title=f"{ran.title(name, layer)}, layer {layer}",
        note=f"{seq_len} tokens × {size:,} numbers" + (f", the first {WIDEST} drawn" if size > WIDEST else ""),
        signed=True,
        low=-end,
        high=end,
    )
    matrix.draw(
        [panel],
        key="block.values",
        alt=_describe(panel, token),
        row_axis="token",
        column_axis="number",
        max_cell=12,
        cell_height=17,
        numbers=False,
    )


def _describe(panel: matrix.Panel, token: int) -> str:
    row = panel.values[max(token, 0)]
    return f"{panel.title}: {panel.note}. Row {panel.rows[max(token, 0)]} from {row.min():.2f} to {row.max():.2f}."


def _try_this() -> None:
    section.try_this(
        [
            ("The 2017 paper’s order", PAPER),
            ("Llama’s choices", LLAMA),
            ("24 layers of Pre-LN", {PLACE: "pre", DEPTH: 24}),
        ],
        key="block",
    )


def _audit(ran: Study) -> None:
    with models.DEVICE_IN_USE, torch.no_grad():
        theirs = torch_outputs(list(ran.stack.layers), ran.walk.layers[0][0].values[None])
    pairs = ((stops[-1].values, output[0]) for stops, output in zip(ran.walk.layers, theirs, strict=True))
    put_in = [name for name, used in (("RMSNorm", "rmsnorm"),) if ran.config.norm == used]
    put_in += ["SwiGLU by its formula"] if ran.config.activation == "swiglu" else []
    library = "torch.nn.TransformerEncoderLayer" + (f" (with {' and '.join(put_in)} put in)" if put_in else "")
    audit.show(
        audit.find_difference(pairs),
        library=library,
        tolerance=1e-4,  # float32 rounding, added up over as many as 48 layers
        what="every layer’s output, weights copied",
    )


def _table(ran: Study, token: int) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "layer": number,
                "stop": ran.title(stop.name, number),
                "shape": str((1, *stop.values.shape)),
                "parameters": stop.n_parameters,
                "on the stream": stop.on_stream,
                "mean": round(pick(stop.mean, token), 4),
                "std": round(pick(stop.std, token), 4),
                "norm": round(pick(stop.norm, token), 4),
            }
            for number, stops in enumerate(ran.walk.layers, start=1)
            for stop in stops
        ]
    )
