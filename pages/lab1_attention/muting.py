"""Switching heads of the real model off, and what that does to the sentence's vector and to similarity."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from components import controls, errors, models, section, state, text
from components.figures import matrix
from engine.similarity import cosine_similarity
from engine.texts import encode_text
from pages.lab1_attention.params import ANIMAL, HEADS, LAYERS
from pages.lab1_attention.real_model_trace import Heads, ModelReading, embed, read

MOST_SENTENCES = 6
PATTERNS = {
    "previous": "previous",
    "next": "next",
    "same token": "same-token",
    "separator sink": "separator",
    "broad": "broad",
}


@dataclass(frozen=True)
class HeadList(state.Param):
    """Heads as the link names them, "4.2,1.3" for layer 4 head 2 and layer 1 head 3; a tuple of pairs from 0 here."""

    def parse(self, raw: str) -> Heads:
        heads = set()
        for part in raw.split(",") if raw else ():
            layer, _, head = part.partition(".")
            fits = layer.isascii() and head.isascii() and layer.isdigit() and head.isdigit()
            if not (fits and 1 <= int(layer[:4]) <= LAYERS and 1 <= int(head[:4]) <= HEADS):
                raise ValueError(
                    f"{self.name} must list heads as layer.head, such as 4.2,1.3, with layers from 1 to {LAYERS} and "
                    f"heads from 1 to {HEADS}; the link says {part[:20]!r}"
                )
            heads.add((int(layer) - 1, int(head) - 1))
        return tuple(sorted(heads))

    def format(self, value: Heads) -> str:
        return ",".join(f"{layer + 1}.{head + 1}" for layer, head in value)


MUTE = HeadList("mute", (), "Muted heads")
SENTENCES = state.Text(
    "sentences",
    "\n".join(
        (
            ANIMAL,
            "The exhausted dog stayed where it was.",
            "The road was too broad to walk across.",
            "Share prices fell sharply on Monday.",
        )
    ),
    "Sentences to compare, one a line",
)


def count(n_muted: int) -> str:
    """How many heads are off, in words."""
    return f"{n_muted} of {LAYERS * HEADS} heads {'is' if n_muted == 1 else 'are'} off"


def about_head(layer: int, head: int) -> str:
    """What to know about the open head (counted from 0) when it is off; else nothing."""
    if (layer, head) not in state.get(MUTE):
        return ""
    return "This head is off: it still reads, but what it read is replaced by zeros. "


def draw(reading: ModelReading, sentence: str, layer: int, head: int) -> None:
    """Folded until it is wanted: buttons that mute heads, and what the muting changes."""
    muted = state.get(MUTE)
    title = "Switch heads off" + (f": {count(len(muted))}" if muted else "")
    # Opens with the first muted head and from then on is the learner's: a start that changed back would fold it shut.
    start = st.session_state["real-model.muting.start"] = st.session_state.get("real-model.muting.start") or bool(muted)
    folded = st.expander(title, key="real-model.muting", expanded=start, on_change="rerun")
    text.problem(state.problem(MUTE))
    if folded.open:
        with folded, errors.shown_as_a_sentence():
            _buttons(reading, muted, layer, head)
            _effect(sentence, muted)


def _buttons(reading: ModelReading, muted: Heads, layer: int, head: int) -> None:
    text.prose(
        "A muted head still reads, but what it found is replaced by zeros before the heads are mixed. "
        "Or press “Mute heads by clicking” under the small maps."
    )
    with st.container(horizontal=True, key="try-muting"):
        one = (layer, head)
        verb = "Unmute" if one in muted else "Mute"
        changed = [pair for pair in muted if pair != one] if one in muted else [*muted, one]
        _button(f"{verb} layer {layer + 1}, head {head + 1}", changed)
        _button(f"Mute all heads of layer {layer + 1}", [*muted, *((layer, number) for number in range(HEADS))])
        for label in PATTERNS:
            found = _heads_labelled(reading, label)
            if found:
                _button(f"Mute all “{label}” heads ({len(found)})", [*muted, *found])
        _button("Unmute all", [], disabled=not muted)


def _heads_labelled(reading: ModelReading, label: str) -> Heads:
    """The heads that this text labels so."""
    rows = enumerate(reading.patterns)
    return tuple((layer, head) for layer, row in rows for head, pattern in enumerate(row) if pattern.label == label)


def _button(label: str, heads: list[tuple[int, int]], **options: Any) -> None:
    chosen = tuple(sorted(set(heads)))
    st.button(label, key=f"muting.{label}", on_click=state.set_value, args=(MUTE, chosen), width="content", **options)


def _effect(sentence: str, muted: Heads) -> None:
    before, after = read(sentence, ()).embedding, read(sentence, muted).embedding
    stays = cosine_similarity(before, after).item()
    sentences = _sentences(controls.area(SENTENCES, height=150))
    _matrices(sentences, muted)
    section.notice(_notice(stays, sentences, muted))


def _sentences(lines: str) -> tuple[str, ...]:
    sentences = tuple(line.strip() for line in lines.splitlines() if line.strip())
    if len(sentences) < 2:
        raise ValueError(f"Sentences to compare: two or more lines are needed, {len(sentences)} given.")
    if len(sentences) > MOST_SENTENCES:
        text.problem(f"The first {MOST_SENTENCES} of {len(sentences)} lines are compared.")
    for number, sentence in enumerate(sentences[:MOST_SENTENCES], start=1):
        cut = models.cut_sentence(encode_text(models.minilm(), sentence))
        text.problem(f"Line {number}: {cut}" if cut else None)
    return sentences[:MOST_SENTENCES]


def _matrices(sentences: tuple[str, ...], muted: Heads) -> None:
    before, after = (cosine_similarity(embed(sentences, heads)) for heads in ((), muted))
    numbers = [str(number) for number in range(1, len(sentences) + 1)]
    panel = {"rows": numbers, "columns": numbers, "role": "output"}
    matrix.draw(
        [
            matrix.Panel(before, title="All heads on", **panel),
            matrix.Panel(after, title=f"{len(muted)} off", **panel),
            matrix.Panel(after - before, title="Change", **{**panel, "role": "query"}, signed=True, low=-0.5, high=0.5),
        ],
        key="real-model.similarity",
        row_axis="sentence",
        column_axis="sentence",
        per_row=3,
        max_cell=46,
        legend=False,
    )
    section.reading(
        "How alike two sentences are to the model: the cosine between their vectors, 1 for the same direction, "
        "0 for nothing in common. Row and column: the lines above."
    )


def _notice(stays: float, sentences: tuple[str, ...], muted: Heads) -> str:
    if not muted:
        return "No head is off. Mute some, and compare: many can go before the sentence's vector notices."
    before, after = (cosine_similarity(embed(sentences, heads)) for heads in ((), muted))
    change = after - before
    row, column = divmod(int(change.abs().argmax()), len(sentences))
    few = "hardly moves" if stays > 0.95 else "moves" if stays > 0.7 else "is a different one"
    return (
        f"With {len(muted)} of {LAYERS * HEADS} heads off the vector of your sentence {few}: its cosine with the "
        f"original is {stays:.3f}. Between the sentences, {row + 1} and {column + 1} change most, "
        f"from {before[row, column]:.2f} to {after[row, column]:.2f}."
    )
