"""Section 5, masks: who may read whom, painted by hand, and a leak detector that edits a token and sees what moves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import matrix
from engine.attention import AttentionTrace, masked_softmax
from engine.leaks import LeakReport, leak_report
from engine.masks import causal_mask, padding_mask, prefix_mask, sliding_window_mask
from pages.lab1_attention import mask_words
from pages.lab1_attention.painted_mask import CAUSAL, MOST_TOKENS, PaintedMask, pack, pack_cells, painted_for

if TYPE_CHECKING:
    import pandas as pd

    from engine.texts import EncodedText

QUESTION = "Who may read whom, and how do you notice when someone peeks?"
LAYER = 0  # the first layer: its outputs depend on nothing but the mask on screen
FIGURE = "masks.figure"

TEXT = state.Text("mask_text", "The cat sat on the mat.", "Sentence")
KIND = state.Choice(
    "mask",
    "causal",
    "Mask",
    options=("none", "causal", "padding", "window", "prefix", "painter"),
    labels={name: name.capitalize() for name in ("none", "causal", "padding", "window", "prefix", "painter")},
)
WINDOW = state.Number("window", 2, "Window: tokens that each may read", low=1, high=MOST_TOKENS)
PREFIX = state.Number("prefix", 3, "Prefix: first tokens, open to all", low=0, high=MOST_TOKENS)
REAL = state.Number("real", 4, "Real tokens; the rest becomes [PAD]", low=0, high=MOST_TOKENS)
EDIT = state.Number("edit", 5, "Change token (leak detector)", low=1, high=MOST_TOKENS)
HEAD = state.Number("mask_head", 2, "Head of layer 1", low=1, high=12, help="The 12 heads share the mask")
SEED = state.Number("mask_seed", 1, "Seed of the change", low=0, high=99, help="The token's vector gets random noise")
PAINTED = PaintedMask("painted", CAUSAL, "Painted mask")
PARAMS = [TEXT, KIND, WINDOW, PREFIX, REAL, EDIT, HEAD, SEED, PAINTED]

MASK_MAKERS: dict[str, Callable | None] = {
    "none": None,
    "causal": causal_mask,
    "padding": padding_mask,
    "window": sliding_window_mask,
    "prefix": prefix_mask,
    "painter": None,
}


@dataclass(frozen=True)
class Study:
    """One mask at work: everything that the figure, the words and the table show."""

    kind: str
    tokens: list[str]
    mask: Tensor  # bool (seq_len, seq_len), True = may read
    trace: AttentionTrace  # of all heads
    head: int  # the one on screen, counted from 0
    report: LeakReport
    n_real: int  # tokens that are not padding
    n_prefix: int  # first tokens that read each other in both directions; 0 without a prefix mask

    @property
    def empty_rows(self) -> list[int]:
        """Rows that may read nothing at all."""
        return (~self.mask.any(dim=-1)).nonzero().flatten().tolist()


@section.live
def draw() -> None:
    """The mask, the weights that are left of it, and which outputs move when one token is changed."""
    words, problem = errors.attempt(lambda: models.short_reading(state.get(TEXT), MOST_TOKENS + 2).text)
    n_tokens = len(words.tokens) - 2 if words else MOST_TOKENS
    study = _study(words) if words else None
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.85)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            _show(study)
    with controls_column:
        controls.line(TEXT)
        text.problem(problem)
        if words and words.cut:
            text.problem(f"Only the first {MOST_TOKENS} tokens are used here, so that every cell can be painted.")
        section.reading(text.escape((words and models.token_sentence(words)) or ""))
        _controls(n_tokens)


def _controls(n_tokens: int) -> None:
    kind = controls.choice(KIND, wrap=True)
    if kind == "window":
        controls.slider(WINDOW)
    elif kind == "prefix":
        controls.slider(PREFIX, high=n_tokens)
    elif kind == "padding":
        controls.slider(REAL, high=n_tokens)
    text.problem(state.problem(PAINTED))
    if kind == "painter":
        text.problem(painted_for(state.get(PAINTED), n_tokens)[1])
    controls.slider(EDIT, high=n_tokens)
    controls.slider(HEAD)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("More", type="tertiary"):
            controls.slider(SEED)
        controls.reset_button(PARAMS)


def _study(words: "EncodedText") -> Study:
    """One forward pass under the mask, and the leak detector's two more."""
    ids, kind, n = words.ids[1:-1], state.get(KIND), len(words.ids) - 2
    n_real = controls.fitted(REAL, n) if kind == "padding" else n
    n_prefix = controls.fitted(PREFIX, n) if kind == "prefix" else 0
    edited = controls.fitted(EDIT, n) - 1
    x = _embedded(tuple(ids[:n_real]), n)  # (1, seq_len, d_model)
    mask = _mask(kind, n)
    attention = models.minilm().model.layers[LAYER].attention
    on_device = mask.to(x.device)
    with models.DEVICE_IN_USE, torch.no_grad():
        trace = attention.trace(x, mask=on_device)
        report = leak_report(attention, x, on_device, edited, seed=state.get(SEED))
    tokens = matrix.positions([*words.tokens[1:-1][:n_real], *["[PAD]"] * (n - n_real)])
    return Study(kind, tokens, mask, trace, state.get(HEAD) - 1, report, n_real, n_prefix)


def _mask(kind: str, n: int) -> Tensor:
    """bool (n, n), True = may read."""
    if kind == "padding":
        return padding_mask([controls.fitted(REAL, n)], n)[0, 0].expand(n, n)
    if kind == "painter":
        return painted_for(state.get(PAINTED), n)[0]
    made = {
        "none": lambda: torch.ones(n, n, dtype=torch.bool),
        "causal": lambda: causal_mask(n),
        "window": lambda: sliding_window_mask(n, state.get(WINDOW)),
        "prefix": lambda: prefix_mask(n, controls.fitted(PREFIX, n)),
    }
    return made[kind]()


@st.cache_resource(max_entries=16, show_spinner=False)
def _embedded(ids: tuple[int, ...], seq_len: int) -> Tensor:
    """What goes into the first layer, (1, seq_len, d_model): `ids` without [CLS] and [SEP], filled up with [PAD]."""
    loaded = models.minilm()
    filled = [*ids, *[loaded.tokenizer.token_to_id("[PAD]")] * (seq_len - len(ids))]
    with models.DEVICE_IN_USE, torch.no_grad():
        return loaded.model.trace([filled]).hidden_states[0]


def _show(study: Study) -> None:
    _figure(study)
    section.let_it_paint()
    section.reading(
        "Row: the token that reads. Column: the token that is read; the leak detector changes the framed one, and the "
        "last column says which outputs moved. Paint the mask by click or drag; click a weight to frame its column."
    )
    if study.empty_rows:
        _empty_row(study)
    section.notice(mask_words.leaks(study.kind, study.tokens, study.mask, study.report, study.n_real, study.n_prefix))
    _try_this(len(study.tokens))
    query, key, value = study.trace.query, study.trace.key, study.trace.value
    theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=study.mask.to(query.device))
    audit.compare(study.trace.context, theirs, library="torch", tolerance=1e-5, what="what all 12 heads read")
    with st.expander("Go deeper: why a mask goes in before the softmax"):
        text.prose(mask_words.after_softmax(study.tokens, study.trace, study.mask, study.head))
    maker = MASK_MAKERS[study.kind]
    section.code(*([maker] if maker else []), masked_softmax, leak_report)
    section.table(lambda: _table(study), key="masks")
    section.sources(
        "Causal: Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.3",
        "Sliding window: Beltagy et al. 2020, *Longformer*, section 3.1, in the one-sided form",
        "Prefix: Raffel et al. 2020, *T5*, section 3.2.1",
        "Weights: the first layer of all-MiniLM-L6-v2, on its own token vectors, without [CLS] and [SEP]. It was "
        "trained with a padding mask only; under the others its weights show the mask’s work, not a trained habit.",
    )


def _figure(study: Study) -> None:
    edited, hidden = study.report.position, ~study.mask
    leaks = [row for row in study.report.leaks if row >= study.n_prefix]
    weights = study.trace.weights[0, study.head].cpu()  # (seq_len, seq_len)
    change = study.report.change.cpu()[:, None]  # (seq_len, 1)
    peeks = [(row, edited) for row in range(study.n_prefix, edited) if study.mask[row, edited]]
    panels = [
        matrix.Panel(
            study.mask.float() * 0.45,
            study.tokens,
            study.tokens,
            title="The mask",
            note="filled: may be read",
            role="plain",
            masked=hidden,
            marks=peeks,
            framed=edited,
            texts=[""] * study.mask.numel(),
        ),
        matrix.Panel(
            weights,
            study.tokens,
            study.tokens,
            title=f"The weights, head {study.head + 1}",
            note="each row adds up to 1",
            masked=hidden,
            framed=edited,
        ),
        matrix.Panel(
            change,
            study.tokens,
            [""],
            title="Leak detector",
            note=f"outputs after {edited + 1} changes",
            role="output",
            high=max(2.0 * change.max().item(), 1e-9),  # half the scale: the words in the cells stay readable
            marks=[(row, 0) for row in leaks],
            texts=[mask_words.moved(study.report, row, study.n_prefix) for row in range(len(study.tokens))],
            cell_width=142,
        ),
    ]
    matrix.draw(
        panels,
        key=FIGURE,
        alt=f"{study.kind} mask; {matrix.describe(panels[1:2])}; {mask_words.summary(study.report)}",
        shared_rows=True,
        legend_panel=1,
        selectable=True,
        paint=study.mask,
        on_change=_changed,
    )


def _empty_row(study: Study) -> None:
    text.prose(mask_words.empty_row(study.tokens, study.empty_rows))
    st.html(mask_words.answers_to_an_empty_row(study.empty_rows[0], study.trace, study.mask, study.head))


def _changed() -> None:
    for param, value in after_event(drawing.result(FIGURE) or {}).items():
        state.set_value(param, value)


def after_event(event: dict[str, Any]) -> dict[state.Param, Any]:
    """What the learner's hand sets: a stroke makes the mask their own, whatever it was; a click on a weight chooses
    the token that is changed."""
    if event.get("type") == "paint":
        return {PAINTED: pack_cells(event["cells"]), KIND: "painter"}
    if event.get("type") == "select":
        return {EDIT: int(event["column"]) + 1}
    return {}


def _try_this(n: int) -> None:
    changes = [("Sliding window of 2", {KIND: "window", WINDOW: 2})]
    if n >= 3:
        target = max(2, controls.fitted(EDIT, n)) - 1  # the token that will be read too early
        peeking = causal_mask(n)
        peeking[target - 1, target] = True
        silent = causal_mask(n)
        silent[2] = False
        changes = [
            (f"Let token {target} look one token ahead", {KIND: "painter", PAINTED: pack(peeking), EDIT: target + 1}),
            *changes,
            ("Mask a whole row", {KIND: "painter", PAINTED: pack(silent)}),
        ]
    section.try_this(changes, key="masks")


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    weights = study.trace.weights[0, study.head].cpu()
    columns = {"reads": study.tokens}
    for column, token in enumerate(study.tokens):
        allowed = study.mask[:, column].tolist()
        shown = zip(weights[:, column].tolist(), allowed, strict=True)
        columns[token] = [f"{weight:.4f}" if may else "masked" for weight, may in shown]
    columns[f"output moved when {study.report.position + 1} changed"] = [
        f"{c:.2g}" for c in study.report.change.tolist()
    ]
    return pd.DataFrame(columns)
