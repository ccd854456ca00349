"""Section 8, inside a real model: the hidden states of MiniLM after each layer, and how alike tokens become."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
import torch
from torch import Tensor

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import matrix, plots
from engine.hidden_states import LayerMeasures, mean_similarity, measure_layers, unrelated_similarity
from engine.similarity import cosine_similarity
from pages.lab2_block import real_layers_words
from pages.lab2_block.params import LAYERS, TEXT

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What happens to a word on its way through six layers?"
MOST_TOKENS = 18  # [CLS] and [SEP] included: every cell stays legible
MATRIX, CURVE = "layers.matrix", "layers.curve"

VIEW = state.Choice(
    "m_view",
    "alike",
    "Show",
    options=("alike", "length"),
    labels={"alike": "How alike", "length": "Length and change"},
)
LAYER = state.Number("m_layer", 3, "After layer", low=0, high=LAYERS, help="0 is what goes into the first layer")
FIRST = state.Number("m_first", 4, "First token", low=1, high=MOST_TOKENS)
SECOND = state.Number("m_second", 13, "Second token", low=1, high=MOST_TOKENS)
PARAMS = [TEXT, VIEW, LAYER, FIRST, SECOND]

TWO_SENSES = "We fished from the river bank, then paid money into the bank."
ONE_SENSE = "We took money from the bank, then paid money into the bank."
BANKS = {FIRST: 7, SECOND: 14}  # where "bank" stands in both
UNRELATED = (  # texts with nothing in common, for the similarity that any two tokens have
    "Copper conducts electricity better than iron.",
    "My aunt sells fresh bread near the station.",
    "The jury could not agree on a verdict.",
    "Rain fell all night over the northern valleys.",
    "He tuned the violin before the second concert.",
    "Most birds lay their eggs in early spring.",
    "Please send the signed form by Friday.",
    "The goalkeeper saved two penalties.",
)


@dataclass(frozen=True)
class Study:
    """One text through the model: everything that the figure, the words and the table show."""

    source: str
    tokens: list[str]
    special: list[bool]
    measures: LayerMeasures
    layer: int  # 0 is the input of the first layer
    first: int  # the chosen pair, counted from 0
    second: int
    average: Tensor  # (n_layers + 1,), over all pairs of this text, [CLS] and [SEP] left out
    unrelated: Tensor  # (n_layers + 1,), over tokens of different texts

    @property
    def pair(self) -> Tensor:
        """(n_layers + 1,): how alike the chosen two are."""
        return self.measures.similarity[:, self.first, self.second]


@section.live
def draw() -> None:
    """Every token against every other after each layer, and what each layer changes."""
    read, problem = errors.attempt(lambda: models.short_reading(state.get(TEXT), MOST_TOKENS))
    study = _study(read) if read else None
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.85)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            _show(study)
    with controls_column:
        controls.area(TEXT, height=92)
        text.problem(problem)
        if read:
            text.problem(models.cut_sentence(read.text))
            section.reading(text.escape(models.token_sentence(read.text) or ""))
        controls.choice(VIEW, wrap=True)
        if state.get(VIEW) == "alike":
            controls.slider(LAYER)
            _token_lists(study.tokens if study else [])
        controls.reset_button(PARAMS)


def _token_lists(tokens: list[str]) -> None:
    """The chosen pair by name. A number beyond the text stays the learner's wish; meanwhile the last token is shown."""
    for param in (FIRST, SECOND):
        wish = state.get(param)
        beyond = [wish] if wish > len(tokens) else []
        controls.pick(
            param,
            [*range(1, len(tokens) + 1), *beyond],
            lambda place: f"{place} {tokens[place - 1]}" if place <= len(tokens) else f"{place}, beyond this text",
        )
        if beyond and tokens:
            text.problem(
                f"{param.label} {wish}: this text has {len(tokens)} tokens, so the last one is taken. "
                "The wish comes back with a longer text."
            )


def _study(read: models.Reading) -> Study:
    measures = _measures(read)
    n_tokens = len(read.text)
    return Study(
        source=state.get(TEXT),
        tokens=read.text.tokens,
        special=read.text.special,
        measures=measures,
        layer=state.get(LAYER),
        first=int(controls.fitted(FIRST, n_tokens)) - 1,
        second=int(controls.fitted(SECOND, n_tokens)) - 1,
        average=mean_similarity(measures.similarity, [not special for special in read.text.special]),
        unrelated=_unrelated(),
    )


def _measures(read: models.Reading) -> LayerMeasures:
    with models.DEVICE_IN_USE, torch.inference_mode():
        found = measure_layers(read.trace)
    return LayerMeasures(**{name: values.cpu() for name, values in vars(found).items()})


@st.cache_resource(show_spinner=False)
def _unrelated() -> Tensor:
    traces = [models.short_reading(sentence, MOST_TOKENS).trace for sentence in UNRELATED]
    with models.DEVICE_IN_USE, torch.inference_mode():
        return unrelated_similarity(traces).cpu()


def _show(study: Study) -> None:
    alike = state.get(VIEW) == "alike"
    (_alike_figure if alike else _length_figure)(study)
    section.let_it_paint()
    section.reading(real_layers_words.READING[state.get(VIEW)])
    section.notice(real_layers_words.alike(study) if alike else real_layers_words.lengths(study))
    section.try_this(
        [
            ("“bank” in two senses", {TEXT: TWO_SENSES, **BANKS, LAYER: 3, VIEW: "alike"}),
            ("“bank” in one sense", {TEXT: ONE_SENSE, **BANKS, LAYER: 3, VIEW: "alike"}),
            ("Length and change", {VIEW: "length"}) if alike else ("How alike", {VIEW: "alike"}),
        ],
        key="layers",
    )
    with st.expander("Go deeper: why a cosine of 0.5 may mean nothing"):
        text.prose(real_layers_words.anisotropy(study))
    _audit(study)
    section.code(measure_layers, cosine_similarity, unrelated_similarity)
    section.table(lambda: _table(study), key="layers")
    section.sources(
        "Ethayarajh 2019, *How Contextual are Contextualized Word Representations?*: similarity between tokens layer "
        "by layer, and the baseline of unrelated tokens (anisotropy)",
        "Post-LN and what the norm at a layer’s end does to the stream: Vaswani et al. 2017, section 3.1; "
        "Xiong et al. 2020",
        "The model: all-MiniLM-L6-v2, run by our own modules. It was trained so that the mean of its last vectors "
        "stands for the whole sentence (Reimers and Gurevych 2019), which pulls the tokens of one sentence together.",
        "The unrelated texts are eight sentences of our own: " + " ".join(UNRELATED),
    )


def _alike_figure(study: Study) -> None:
    names = matrix.positions(study.tokens)
    after = f"after layer {study.layer}" if study.layer else "before the first layer"
    left, right = st.columns([1.25, 1])
    with left:
        panel = matrix.Panel(
            study.measures.similarity[study.layer],
            names,
            names,
            title=f"Cosine of every two tokens, {after}",
            signed=True,
            low=-1.0,
        )
        matrix.draw(
            [panel],
            key=MATRIX,
            row_axis="token",
            column_axis="token",
            alt=real_layers_words.alike_alt(study),
            max_cell=58 if state.presenting() else 40,
            selectable=True,
            selected={"panel": 0, "row": study.first, "column": study.second},
            on_change=_pair_chosen,
        )
    with right:
        plots.draw(
            [_curves(study, names)], key=CURVE, height=400, selected=study.layer, on_change=_layer_chosen, per_row=1
        )


def _curves(study: Study, names: list[str]) -> plots.Plot:
    x = list(range(LAYERS + 1))
    chosen = f"{names[study.first]} and {names[study.second]}"
    lowest = min(0.0, study.pair.min().item(), study.average.nan_to_num().min().item())
    return plots.Plot(
        title="The chosen two over the layers",
        x_title="after layer",
        y_title="cosine",
        x_ticks=x,
        y_range=(lowest, 1.0),
        series=[
            plots.Series(chosen, x, study.pair.tolist(), role="query", points=True),
            plots.Series("average of this text’s words", x, study.average.tolist(), role="value", dashed=True),
            plots.Series("words of unrelated texts", x, study.unrelated.tolist(), role="plain", dashed=True),
        ],
    )


def _length_figure(study: Study) -> None:
    measures = study.measures
    before, after, change = measures.length_before_norm.T, measures.length.T, measures.change.T  # (seq_len, columns)
    full = 2 * max(after.max().item(), 1.0)  # a few before the norm are many times as long; their cells are full
    panels = [
        _by_layer(study, before, "Length before the norm", "what the layer’s last norm gets", "key", full),
        _by_layer(study, after, "Length after the norm", "what it hands on; 0: the input", "value", full),
        _by_layer(study, change, "What each layer changes", _change_note(), "output", 1.0),
    ]
    matrix.draw(
        panels,
        key="layers.length",
        row_axis="token",
        column_axis="layer",
        alt=matrix.describe(panels),
        shared_rows=True,
        legend_panel=2,
        cell_height=18 if state.presenting() else 24,
    )


def _by_layer(study: Study, values: Tensor, title: str, note: str, role: str, high: float) -> matrix.Panel:
    """One panel of the length view; values (seq_len, n_layers), or one column more, which is the input's."""
    first, digits = LAYERS + 1 - values.shape[1], 2 if high == 1.0 else 0
    return matrix.Panel(
        values,
        matrix.positions(study.tokens),
        [str(layer) for layer in range(first, LAYERS + 1)],
        title=title,
        note=note,
        role=role,
        high=high,
        digits=digits,
        texts=[_in_cell(value, digits) for value in values.flatten().tolist()],
        cell_width=27 if state.presenting() else 35,
    )


def _in_cell(value: float, digits: int) -> str:
    """What is written in a cell. A projector's large digits leave room for two; pointing at a cell says the rest."""
    if not state.presenting():
        return f"{value:.{digits}f}"
    written = f"{value * 10**digits:.0f}"
    return written if len(written) <= 2 else ""


def _change_note() -> str:
    return "1 − cosine, hundredths" if state.presenting() else "1 − cosine of in and out"


def _pair_chosen() -> None:
    event = drawing.result(MATRIX) or {}
    if event.get("type") == "select":
        state.set_value(FIRST, FIRST.parse(str(int(event["row"]) + 1)))
        state.set_value(SECOND, SECOND.parse(str(int(event["column"]) + 1)))


def _layer_chosen() -> None:
    event = drawing.result(CURVE) or {}
    if event.get("type") == "x":
        state.set_value(LAYER, LAYER.parse(str(round(event["x"]))))


def _audit(study: Study) -> None:
    hidden, alike = _second_opinion(study.source)
    audit.show(hidden, library="transformers", tolerance=1e-4, what=f"all {LAYERS + 1} hidden states")
    audit.show(alike, library="torch", tolerance=1e-4, what="cosines of all layers (on transformers’ states)")


@st.cache_data(max_entries=32, show_spinner=False)
def _second_opinion(source: str) -> tuple[audit.Difference, audit.Difference]:
    """Our hidden states against transformers' BertModel, and our cosines against torch's over its states."""
    read, reference = models.short_reading(source, MOST_TOKENS), models.minilm_reference()
    with models.DEVICE_IN_USE, torch.inference_mode():
        theirs = reference(torch.tensor([read.text.ids]), output_hidden_states=True).hidden_states
    ours = [state.cpu() for state in read.trace.hidden_states]
    # The pair of a token with itself is left to rounding as it is: torch says 1 up to the last digit, as we do.
    cosines = [torch.cosine_similarity(one[0, :, None], one[0, None], dim=-1) for one in theirs]
    return (
        audit.find_difference(zip(ours, theirs, strict=True)),
        audit.find_difference(zip(_measures(read).similarity, cosines, strict=True)),
    )


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    measures, names = study.measures, matrix.positions(study.tokens)
    rows = []
    for layer in range(LAYERS + 1):
        for place, name in enumerate(names):
            later = layer > 0
            rows.append(
                {
                    "after layer": layer,
                    "token": name,
                    "length": round(measures.length[layer, place].item(), 3),
                    "spread": round(measures.spread[layer, place].item(), 4),
                    "length before the norm": round(measures.length_before_norm[layer - 1, place].item(), 2)
                    if later
                    else None,
                    "change": round(measures.change[layer - 1, place].item(), 4) if later else None,
                    f"cosine with {names[study.first]}": round(
                        measures.similarity[layer, study.first, place].item(), 4
                    ),
                }
            )
    return pd.DataFrame(rows)
