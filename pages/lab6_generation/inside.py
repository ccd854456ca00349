"""Lab 6, section 9, look inside while it writes: what heads read, what each block would say, how sure the model is."""

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from components import controls, drawing, errors, lens_reading, section, state, text
from components.figures import lens as figure
from components.figures.token_strip import Chip
from engine.attention import scaled_dot_product_attention
from engine.causal_lm import CausalLM
from engine.logit_lens import logit_lens
from pages.lab6_generation import inside_study, prompt
from pages.lab6_generation import inside_words as words
from pages.lab6_generation.inside_study import Study
from pages.lab6_generation.params import MODEL, PROMPT, SEED, START

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What happens inside the model while it writes the next token?"
KEY = "inside.figure"
MOST_NEW = 60

VIEWS = {"grid": "Logit lens", "attention": "Attention", "probability": "Probability"}
VIEW = state.Choice("in_view", "grid", "Look at", options=tuple(VIEWS), labels=VIEWS)
WAYS = {"greedy": "The likeliest", "sample": "Drawn"}
HOW = state.Choice(
    "in_how",
    "greedy",
    "The next token is",
    options=tuple(WAYS),
    labels=WAYS,
    help="Drawn: each token with its own probability, at temperature 1 and without any filter.",
)
NEW = state.Number("in_new", 30, "Tokens to write", low=5, high=MOST_NEW, step=5)
STEP = state.Number("in_step", 4, "Token being written", low=1, high=MOST_NEW)
LAYER = state.Number("in_layer", 5, "Block", low=0, high=48, help="0: the mean of all heads of all blocks")
HEAD = state.Number("in_head", 4, "Head", low=0, high=32, help="0: the mean of the block’s heads")
PARAMS = [PROMPT, MODEL, VIEW, HOW, SEED, NEW, STEP, LAYER, HEAD]


@section.live
def draw() -> None:
    """The text with a scrubber, and under it one of three looks at the token that is being written."""
    section.in_order(QUESTION, _study, figure=_figure, controls=_controls, below=_below, controls_share=0.72)


def _study() -> Study:
    found = prompt.read(state.get(NEW), any_model=True)
    return inside_study.make(
        found,
        how=state.get(HOW),
        seed=state.get(SEED),
        n_new=state.get(NEW),
        step=state.get(STEP),
        layer=state.get(LAYER),
        head=state.get(HEAD),
    )


def _controls(study: Study | None, problem: str | None) -> None:
    prompt.control(any_model=True)
    prompt.notes(study.found if study else None)
    text.problem(problem)
    controls.choice(VIEW, wrap=True)
    controls.choice(HOW)
    folded = [STEP, SEED, LAYER, HEAD]  # what the link had wrong is said also while there is no control for it
    if state.get(HOW) == "sample":
        controls.number(SEED)
        folded.remove(SEED)
    if study and state.get(VIEW) == "attention":
        controls.slider(LAYER, high=study.reading.n_layers, returns_with="a model of more blocks")
        controls.slider(HEAD, high=study.reading.n_heads, returns_with="a model of more heads")
        folded = [param for param in folded if param not in (LAYER, HEAD)]
    for param in folded:
        text.problem(state.problem(param))
    if study and state.get(STEP) > study.n_written:
        text.problem(
            f"Token {state.get(STEP)} was not written: this text ends with token {study.n_written}, which is shown."
        )
    with st.expander("More"):
        controls.slider(NEW)
    controls.reset_button(PARAMS)


def _figure(study: Study) -> None:
    folded, tokenizer = study.n_folded, study.found.tokenizer
    tokens = figure.chips(tokenizer, study.reading.ids[folded:])
    if folded:
        tokens.insert(0, Chip(f"⟨{folded:,} earlier⟩", note="the beginning of the prompt, read and not drawn"))
    first_step = study.n_prompt - 1 + study.shift
    view = state.get(VIEW)
    figure.draw(
        tokens,
        study.reading.lens,
        figure.Choice(study.place + study.shift, study.layer, study.head),
        view=view,
        tokenizer=tokenizer,
        first=study.reading.first + study.shift,
        places=(first_step, first_step + study.n_written - 1),
        n_prompt=study.n_prompt + study.shift,
        fades=True,
        key=KEY,
        alt=words.alt(study, view),
        weights=study.weights_over_chips if view == "attention" else None,
        on_change=partial(_take, first_step, {STEP: study.step, LAYER: study.layer, HEAD: study.head}),
    )


def _take(first_step: int, shown: dict[state.Number, int]) -> None:
    """The learner chose in the figure, in which the first token that is written comes after chip `first_step`."""
    event = drawing.result(KEY) or {}
    if event.get("type") != "choice":
        return
    for param, value in ((STEP, event["place"] - first_step + 1), (LAYER, event["layer"]), (HEAD, event["head"])):
        value = int(min(max(value, param.low), param.high))
        if value != shown[param]:  # what the text or model cannot show stays the learner's wish
            state.set_value(param, value)


def _below(study: Study) -> None:
    view = state.get(VIEW)
    section.reading(words.READING[view])
    section.notice(words.notice(study, view))
    section.try_this(
        [
            ("Where a name comes back", {PROMPT: START, HOW: "greedy", NEW: 30, STEP: 4, VIEW: "grid"}),
            ("Which head fetched it", {PROMPT: START, HOW: "greedy", STEP: 4, LAYER: 5, HEAD: 4, VIEW: "attention"}),
            ("Draw the tokens instead", {HOW: "sample", VIEW: "probability"}),
        ],
        key="inside",
    )
    with errors.shown_as_a_sentence():
        lens_reading.show_second_opinion(study.found.loaded.info.name, study.reading, attention=view == "attention")
    section.code(logit_lens, CausalLM.lens, scaled_dot_product_attention)
    section.table(lambda: _table(study), key="inside")
    section.sources(
        "The logit lens: nostalgebraist 2020, *interpreting GPT: the logit lens*",
        "Its limits, and a trained translator for each layer: Belrose et al. 2023, *Eliciting Latent Predictions from "
        "Transformers with the Tuned Lens*. The head was trained on the last block’s output; an early block’s odd "
        "answer may be one that the head cannot read",
        "Heads that look at the first token when there is nothing to fetch: Xiao et al. 2023, *Efficient Streaming "
        "Language Models with Attention Sinks*",
        "Weights are not an explanation: Jain and Wallace 2019, *Attention is not Explanation*",
    )


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    lens, token = study.reading.lens, study.found.token
    rows = []
    for column in range(study.n_prompt - 1 - study.reading.first, len(lens.positions)):
        for depth in range(study.reading.n_layers + 1):
            rows.append(
                {
                    "token": column + study.reading.first - study.n_prompt + 2,
                    "it writes": token(int(lens.targets[column])),
                    "after block": depth,
                    "would say": token(int(lens.top_ids[depth, column, 0])),
                    "probability": round(lens.top_probabilities[depth, column, 0].item(), 4),
                    "of what it writes": round(lens.target_probabilities[depth, column].item(), 4),
                    "its rank": int(lens.target_ranks[depth, column]) + 1,
                    "entropy": round(lens.entropy[depth, column].item(), 3),
                }
            )
    return pd.DataFrame(rows)
