"""Section 7, a real model: every head of MiniLM on the learner's own text, run by our own modules."""

from functools import partial

import pandas as pd
import streamlit as st

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import model as figure
from engine.attention import MultiHeadAttention, scaled_dot_product_attention
from engine.patterns import head_patterns
from pages.lab1_attention import muting, params, real_model_words
from pages.lab1_attention.params import HEAD, HEADS, LAYER, LAYERS
from pages.lab1_attention.real_model_trace import ModelReading, read, second_opinion

QUESTION = "What does each head of a real model read?"
KEY = "real-model.figure"
MOST_TOKENS = 512

TOKEN = state.Number("token", 11, "Reading token", low=0, high=MOST_TOKENS, step=1)
READ = state.Number("read", 0, "Token that is read", low=0, high=MOST_TOKENS, step=1)
HIDE = state.Flag(
    "hide",
    False,
    "Hide [CLS] and [SEP]",
    help="The model adds these two separators to every text. Hidden, they still take their share: nothing is rescaled.",
)
VIEW = state.Choice(
    "view",
    "lines",
    "Show the head as",
    options=("lines", "neuron", "matrix"),
    labels={"lines": "Lines", "neuron": "Neuron", "matrix": "Matrix"},
)
PARAMS = [params.TEXT, LAYER, HEAD, TOKEN, READ, HIDE, VIEW, muting.MUTE, muting.SENTENCES]
START = {LAYER: 4, HEAD: 2, TOKEN: 11, READ: 0, HIDE: False, VIEW: "lines", muting.MUTE: ()}

READING = {
    "lines": "Left: the token that reads. Right: the token that is read. Thicker: more. "
    "Point at a token for its numbers, click to keep it. Small maps: all heads; click one.",
    "neuron": "One query and one key, 32 numbers each. Equal signs push the score up, opposite signs push it down. "
    "Point at another key to compare.",
    "matrix": "Row: the token that reads. Column: the token that is read. Fuller colour: more. Each row adds up to 1.",
}


@section.live
def draw() -> None:
    """All heads, one of them in full, and what happens when heads are switched off."""
    controls_column, figure_column = section.layout(QUESTION, 1, 3.55, gap="medium")
    with controls_column:
        reading = _controls()
    with figure_column, errors.shown_as_a_sentence():
        if reading is None:
            text.prose("The picture comes back as soon as there is a text to read.")
            _try_this()
        else:
            _figure(reading)
            _try_this()
            audit_line = st.container()
            _folded(reading)
    if reading is not None:
        with audit_line, errors.shown_as_a_sentence():
            _audit()


def _controls() -> ModelReading | None:
    sentence = controls.area(params.TEXT, height=122)
    reading = None
    with errors.shown_as_a_sentence():
        reading = read(sentence, state.get(muting.MUTE))
        text.problem(models.cut_sentence(reading.text))
    controls.slider(LAYER)
    controls.slider(HEAD)
    _token_list(reading)
    controls.toggle(HIDE)
    controls.choice(VIEW, wrap=True)
    controls.reset_button(PARAMS)
    return reading


def _token_list(reading: ModelReading | None) -> None:
    """The chosen token by name. A number beyond the text stays the learner's wish, and shows as none meanwhile."""
    tokens = reading.text.tokens if reading else []
    wish = state.get(TOKEN)
    none = wish if wish > len(tokens) else 0  # the list's first entry keeps a wish that this text cannot show
    controls.pick(
        TOKEN,
        [none, *range(1, len(tokens) + 1)],
        lambda place: f"{place} {tokens[place - 1]}" if 0 < place <= len(tokens) else "none",
    )
    text.problem(state.problem(READ))
    for param in (TOKEN, READ):
        if reading and state.get(param) > len(tokens):
            text.problem(
                f"{param.label} {state.get(param)}: this text has {len(tokens)} tokens, so none is chosen. "
                "It comes back with a longer text."
            )


def _shown_place(param: state.Number, n_tokens: int) -> int:
    """The token that is shown as chosen, counted from 1: 0 for none, also while the text is too short for the wish."""
    place = state.get(param)
    return place if place <= n_tokens else 0


def _figure(reading: ModelReading) -> None:
    layer, head = state.get(LAYER) - 1, state.get(HEAD) - 1
    token, read_token = (_shown_place(param, len(reading.text)) - 1 for param in (TOKEN, READ))
    view, hide = state.get(VIEW), state.get(HIDE)
    figure.draw(
        reading.packed,
        figure.Choice(layer, head, token, read_token, state.get(muting.MUTE)),
        view=view,
        hide_special=hide,
        key=KEY,
        alt=real_model_words.alt(reading, layer, head, token),
        on_change=partial(_follow, len(reading.text)),
    )
    section.let_it_paint()
    section.reading(READING[view] + _how_drawn(reading) + _where_it_runs())
    about = real_model_words.notice(reading, layer, head, token, read_token, hide)
    section.notice(muting.about_head(layer, head) + about)


def _follow(n_tokens: int) -> None:
    """The learner chose in the figure, over a text of so many tokens: the link and the words follow."""
    event = drawing.result(KEY)
    for param in (LAYER, HEAD):
        state.set_value(param, param.parse(str(event[param.name] + 1)))
    for param in (TOKEN, READ):
        place = param.parse(str(event[param.name] + 1))
        if place != _shown_place(param, n_tokens):  # the figure's "none" is not the wish of a learner who left it alone
            state.set_value(param, place)
    muted = [tuple(int(part) for part in name.split(".")) for name in event["mute"]]
    state.set_value(muting.MUTE, tuple(sorted(muted)))


def _how_drawn(reading: ModelReading) -> str:
    n_muted = len(state.get(muting.MUTE))
    off = f" {muting.count(n_muted)}." if n_muted else ""
    if reading.packed.block == 1:
        return off
    n_tokens, block = len(reading.text), reading.packed.block
    overview = f" The small maps average blocks of {block} × {block} tokens." if reading.packed.pooled else ""
    return (
        f" {n_tokens} tokens are more than can be drawn apart: {block} neighbours share a row, which shows what they "
        f"read on average; click a row to open it.{overview}{off}"
    )


def _where_it_runs() -> str:
    loaded = models.minilm()
    return f" The model, {loaded.info.title} with {LAYERS} layers of {HEADS} heads, runs on {loaded.device}."


def _try_this() -> None:
    section.try_this(
        [
            ("Change “tired” to “wide”", {**START, params.TEXT: params.ANIMAL_WIDE}),
            ("Layer 1, head 3: the previous token", {**START, params.TEXT: params.ANIMAL, LAYER: 1, HEAD: 3}),
            ("Where does 0.68 come from?", {**START, params.TEXT: params.ANIMAL, VIEW: "neuron"}),
        ],
        key="real-model",
    )


def _folded(reading: ModelReading) -> None:
    muting.draw(reading, state.get(params.TEXT), state.get(LAYER) - 1, state.get(HEAD) - 1)
    section.code(scaled_dot_product_attention, MultiHeadAttention.trace, head_patterns)
    section.table(lambda: _table(reading), key="real-model")
    section.table(lambda: _pattern_table(reading), key="real-model-patterns", title="Every head’s pattern")
    section.sources(
        "The model: [all-MiniLM-L6-v2](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2), 6 layers, "
        "12 heads, Apache-2.0; run here by our own modules",
        "Head, model and neuron view: Vig 2019, *A Multiscale Visualization of Attention in the Transformer Model* "
        "(BertViz)",
        "The patterns: Clark et al. 2019, *What Does BERT Look At?*, section 3. A label says where the weight goes on "
        "this text, not what the head is for",
        "A clue, not an explanation: Jain and Wallace 2019, *Attention is not Explanation*; Wiegreffe and Pinter 2019, "
        "*Attention is not not Explanation*",
        "Switching heads off: Michel et al. 2019, *Are Sixteen Heads Really Better than One?*",
    )


def _table(reading: ModelReading) -> pd.DataFrame:
    """The open head's readings, strongest first; of a long text the first 1,000."""
    weights = reading.packed.weights(state.get(LAYER) - 1, state.get(HEAD) - 1)
    order = weights.ravel().argsort()[::-1][:1_000]
    n_tokens = len(reading.text)
    named = [f"{place} {token}" for place, token in enumerate(reading.text.tokens, start=1)]
    return pd.DataFrame(
        {
            "query: reads": [named[place // n_tokens] for place in order],
            "key: is read": [named[place % n_tokens] for place in order],
            "weight": weights.ravel()[order].round(3),
        }
    )


def _pattern_table(reading: ModelReading) -> pd.DataFrame:
    """Every head's label and the score it rests on; for a mixed head the nearest pattern's score."""
    rows = []
    for layer, patterns in enumerate(reading.patterns, start=1):
        for head, pattern in enumerate(patterns, start=1):
            nearest = figure.WORDS[max(pattern.scores, key=pattern.scores.get)]
            label = figure.WORDS.get(pattern.label, f"mixed (nearest: {nearest})")
            rows.append({"layer": layer, "head": head, "pattern": label, "score": round(pattern.score, 3)})
    return pd.DataFrame(rows)


def _audit() -> None:
    weights, hidden = second_opinion(state.get(params.TEXT), state.get(muting.MUTE))
    audit.show(weights, library="transformers", tolerance=1e-4, what="attention weights")
    audit.show(hidden, library="transformers", tolerance=1e-4, what="hidden states")
