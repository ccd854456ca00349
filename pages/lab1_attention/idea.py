"""Section 1, the idea: one picture, one question, the formula, the code that ran."""

import streamlit as st
import torch
import torch.nn.functional as F

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import reading
from engine.attention import attention_scores, masked_softmax, scaled_dot_product_attention
from engine.patterns import head_patterns
from pages.lab1_attention import params
from pages.lab1_attention.params import HEAD, LAYER

QUESTION = "Which words does a word like “it” read from?"
LEGIBLE_TOKENS = 40
READER = state.Number("reader", 11, "Reading token", low=1, high=LEGIBLE_TOKENS, step=1)
PARAMS = [params.TEXT, LAYER, HEAD, READER]

FIGURE = "idea.figure"

# What a head with this label does, in words. The labels are those of engine.patterns.
HABITS = {
    "previous": "mostly reads the token before",
    "next": "mostly reads the token after",
    "same token": "mostly reads the token itself",
    "separator sink": "mostly rests on [CLS] and [SEP], as heads do that find nothing to read",
    "broad": "reads many tokens a little each",
    "mixed": "has no habit that stands out",
}


@section.live
def draw() -> None:
    """The sentence with the weights of one head, and the formula that gave them."""
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.8, figure_share=3)
    with controls_column:
        sentence = controls.line(params.TEXT)
        layer, head = controls.slider(LAYER), controls.slider(HEAD)
        text.prose("Click any word in the picture: it becomes the one that reads.", "labs-reading")
        controls.reset_button(PARAMS)
    with figure_column, errors.shown_as_a_sentence():
        _figure(sentence, layer - 1, head - 1)


def _figure(sentence: str, layer: int, head: int) -> None:
    read = models.short_reading(sentence, LEGIBLE_TOKENS)
    attention = read.trace.layers[layer]
    weights = attention.weights[0, head]  # (query_len, key_len)
    tokens = read.text.tokens
    wished = state.get(READER)
    # In a shorter text the last word reads, not the [SEP] behind it; the learner's choice comes back with its text.
    reader = (wished if wished <= len(tokens) else len(tokens) - 1) - 1
    reading.draw(tokens, weights, reader, key=FIGURE, on_change=_choose_reader)
    section.let_it_paint()
    section.reading(
        "The framed word reads. Every word shows its <b>attention weight</b>: the share of the reading that comes from "
        "it. The shares of one reader add up to 1. [CLS] and [SEP] are marks that this model puts before and after "
        "every text."
    )
    if wished > len(tokens):
        text.problem(f"Reading token {wished}: this text has {len(tokens)} tokens, so its last word reads instead.")
    text.problem(models.cut_sentence(read.text))
    section.reading(text.escape(models.token_sentence(read.text) or ""))
    section.notice(_notice(tokens, weights, reader, layer, head, read.text.special))
    section.try_this(
        [
            ("“tired” becomes “wide”", {params.TEXT: params.ANIMAL_WIDE, LAYER: 4, HEAD: 2, READER: 11}),
            ("A head that reads the word before", {LAYER: 1, HEAD: 3}),
            ("Back to the animal", {param: param.default for param in PARAMS}),
        ],
        key="idea",
    )
    query, key, value = (part[0, head] for part in (attention.query, attention.key, attention.value))
    ours, _ = scaled_dot_product_attention(query, key, value)
    theirs = F.scaled_dot_product_attention(query[None], key[None], value[None])[0]
    audit.compare(ours, theirs, library="torch", tolerance=1e-5, what="what each word has read")
    _formula()
    section.code(scaled_dot_product_attention, attention_scores, masked_softmax)
    section.table(lambda: _table(tokens, weights, reader), key="idea")
    section.sources(
        "Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.1, equation 1",
        "The model: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), 6 layers of 12 heads, run by this project's "
        "own modules",
        "The sentence is a classic of the field: with *tired* the pronoun means the animal, with *wide* the street",
    )


def _formula() -> None:
    st.latex(
        r"\text{output} = \underbrace{\operatorname{softmax}\!\left(\frac{Q\,K^{\top}}{\sqrt{d}}\right)}"
        r"_{\text{the weights you see}} V"
    )
    text.prose(
        "In words: every token makes three vectors from itself. Its <b>query</b> says what it looks for, its "
        "<b>key</b> what it can be found by, its <b>value</b> what it hands over. A query is compared with every key "
        "(a dot product, divided by the square root of the vectors’ length d); softmax turns the results into shares; "
        "the output is the values, mixed in these shares."
    )


def _notice(tokens: list[str], weights: torch.Tensor, reader: int, layer: int, head: int, special: list[bool]) -> str:
    row = weights[reader]
    first, second = row.topk(min(2, len(tokens))).indices.tolist()[:2] if len(tokens) > 1 else (0, 0)
    pattern = head_patterns(weights[None].cpu(), torch.tensor(special))[0]
    names = [f"“{text.escape(_name(tokens, place))}”" for place in (reader, first, second)]
    return (
        f"In layer {layer + 1}, head {head + 1}, {names[0]} takes {row[first]:.2f} of its reading from {names[1]} and "
        f"{row[second]:.2f} from {names[2]}. Averaged over all words, this head {HABITS[pattern.label]} (measured "
        f"pattern: <b>{pattern.label}</b>, {pattern.score:.2f}). Nobody told it to: the weights come from training. "
        "They are a clue to what the model uses, not a proof."
    )


def _name(tokens: list[str], place: int) -> str:
    """The token, with its position where the same token stands elsewhere too."""
    token = tokens[place]
    return f"{place + 1} {token}" if tokens.count(token) > 1 else token


def _table(tokens: list[str], weights: torch.Tensor, reader: int):
    import pandas as pd

    return pd.DataFrame(
        {
            "position": range(1, len(tokens) + 1),
            "token": tokens,
            "weight": [round(weight, 4) for weight in weights[reader].tolist()],
        }
    )


def _choose_reader() -> None:
    event = drawing.result(FIGURE)
    if event and event.get("type") == "reader":
        state.set_value(READER, int(event["index"]) + 1)
