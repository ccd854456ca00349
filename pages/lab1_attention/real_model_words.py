"""What the real model's page says about its numbers. Everything here is made from the run on screen."""

import numpy as np

from components import models
from components.text import escape
from pages.lab1_attention.params import ANIMAL, ANIMAL_WIDE
from pages.lab1_attention.real_model_trace import ModelReading, read

CLUE = "Attention is a clue to what a model does, not an explanation of it."
PATTERN_WORDS = {
    "previous": "reads the token before",
    "next": "reads the token after",
    "same token": "reads the token itself and its repeats",
    "separator sink": "rests on [CLS] and [SEP]",
    "broad": "spreads its reading over most tokens",
}


def name(reading: ModelReading, place: int) -> str:
    """A token as the prose names it."""
    return f"“{escape(reading.text.tokens[place], limit=30)}”"


def notice(reading: ModelReading, layer: int, head: int, token: int, read_token: int, hide: bool) -> str:
    """Two to four sentences about the open head, for the token that is chosen (all counted from 0, -1 for none)."""
    weights = reading.packed.weights(layer, head)  # (query_len, key_len)
    if token < 0:
        return f"{_about_head(reading, layer, head)} {_strongest_pair(reading, weights)} {_about_text(reading)}"
    sentences = [_about_token(reading, weights, layer, head, token, read_token)]
    if reading.text.special[int(weights[token].argmax())]:
        sentences.append("Much weight on a separator often means that the head found nothing else to read.")
    if hide:
        hidden = weights[token][np.array(reading.text.special)].sum()
        sentences.append(f"{hidden:.2f} of its reading goes to the hidden separators; the rest is not scaled up to 1.")
    sentences.append(_street(reading, weights, layer, head, token) or _elsewhere(reading, weights, layer, head, token))
    sentences += [_about_head(reading, layer, head), _about_text(reading)]
    return " ".join(sentence for sentence in sentences if sentence)


def _about_token(reading: ModelReading, weights: np.ndarray, layer: int, head: int, token: int, read_token: int) -> str:
    row = weights[token]
    order = np.argsort(-row, kind="stable")
    first = f"{name(reading, order[0])} most, with {row[order[0]]:.2f}"
    then = f"; next {name(reading, order[1])} with {row[order[1]]:.2f}"
    pair = f" From {name(reading, read_token)} it takes {row[read_token]:.2f}." if read_token >= 0 else ""
    return f"In layer {layer + 1}, head {head + 1}, {name(reading, token)} reads {first}{then}.{pair}"


def _elsewhere(reading: ModelReading, weights: np.ndarray, layer: int, head: int, token: int) -> str:
    """How many other heads agree, so that nobody takes one head for the model."""
    most = int(weights[token].argmax())
    steps = reading.packed.steps[:, :, token, :]  # (n_layers, n_heads, key_len)
    agree = int((steps.argmax(-1) == most).sum()) - 1
    others = steps.shape[0] * steps.shape[1] - 1
    verb = "reads" if agree == 1 else "read"
    return f"Of the other {others} heads, {agree or 'none'} {verb} {name(reading, most)} most."


def _street(reading: ModelReading, weights: np.ndarray, layer: int, head: int, token: int) -> str | None:
    """On the sentence with "wide": what the head should have found, beside what it found."""
    tokens = reading.text.tokens
    if reading.source.strip() != ANIMAL_WIDE or tokens[token] != "it":
        return None
    street, animal = weights[token, tokens.index("street")], weights[token, tokens.index("animal")]
    before = read(ANIMAL, ()).packed.weights(layer, head)[token, tokens.index("animal")]
    row = (
        f"“street” gets {street:.2f}, “animal” {animal:.2f} (with “tired” it was {before:.2f}), "
        f"[CLS] {weights[token, 0]:.2f}."
    )
    verdict = "and this head does not find it" if street < max(animal, weights[token, 0]) else "and here it reads so"
    return f"Now “it” means the street, {verdict}: {row} {CLUE}"


def _about_head(reading: ModelReading, layer: int, head: int) -> str:
    pattern = reading.patterns[layer][head]
    if pattern.label == "mixed":
        return "Over the whole text this head follows none of the five simple patterns."
    return f"Over the whole text this head mostly {PATTERN_WORDS[pattern.label]} (score {pattern.score:.2f})."


def _about_text(reading: ModelReading) -> str:
    """What the text itself leaves open."""
    n_words = reading.text.special.count(False)
    alone = "One token has nobody to read but itself and the separators: add words." if n_words == 1 else ""
    return f"{alone} {models.token_sentence(reading.text) or ''}".strip()


def _strongest_pair(reading: ModelReading, weights: np.ndarray) -> str:
    real = ~np.array(reading.text.special)
    inside = np.where(real[:, None] & real[None, :], weights, -1.0)
    query, key = np.unravel_index(int(inside.argmax()), inside.shape)
    between = f"{name(reading, query)} from {name(reading, key)}, {weights[query, key]:.2f}"
    return f"Its strongest reading between words: {between}."


def alt(reading: ModelReading, layer: int, head: int, token: int) -> str:
    """The figure in a sentence, for those who do not see it."""
    weights, tokens = reading.packed.weights(layer, head), reading.text.tokens
    rows = [token] if token >= 0 else [int(row) for row in np.argsort(-weights.max(-1))[:3]]
    said = [f"{row + 1} {tokens[row]} reads {_top(weights[row], tokens)}" for row in rows]
    return f"Layer {layer + 1}, head {head + 1} of {len(tokens)} tokens: {'; '.join(said)}"


def _top(row: np.ndarray, tokens: list[str]) -> str:
    order = np.argsort(-row, kind="stable")[:3]
    return ", ".join(f"{place + 1} {tokens[place]} {row[place]:.2f}" for place in order)
