"""What "Feed forward" says about one layer on the learner's text, each number computed when it is said."""

from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from components import models
from components.figures.numbers import number
from components.text import escape
from engine.feed_forward import FeedForward
from engine.hidden_units import HiddenUnits, read_hidden_units, rows_changed, share_active, shuffled_difference
from engine.texts import EncodedText, encode_text
from pages.lab2_block.feed_forward_sentences import SENTENCES

N_STRONGEST = 8


@dataclass(frozen=True)
class Study:
    """One layer's feed-forward part on the learner's text. [CLS] and [SEP] are left out of `hidden`."""

    text: EncodedText
    feed_forward: FeedForward
    x: Tensor  # (1, seq_len, d_model): what the feed-forward part is given
    attention_input: Tensor  # (1, seq_len, d_model)
    hidden: Tensor  # (n_words, d_ff)
    units: list[int]  # shown, counted from 0
    layer: int  # counted from 0
    unit: int
    token: int

    @property
    def tokens(self) -> list[str]:
        return self.text.tokens[1:-1]


def notice(study: Study) -> str:
    column = study.hidden[:, study.unit]
    best = int(column.argmax())
    active = share_active(study.hidden)
    names = [escape(token) for token in study.tokens]
    most, least = int(active.argmax()), int(active.argmin())
    strong = (study.hidden > 1).float().mean().item()
    rest = column[torch.arange(len(column)) != best]
    others = f", on the others {number(rest.max().item())} at most" if len(rest) else ""
    said = (
        f"Unit {study.unit + 1} of layer {study.layer + 1} fires most on “{names[best]}”: {column[best]:.2f}{others}. "
    )
    if len(names) > 1:
        said += (
            f"“{names[most]}” has {active[most]:.0%} of all units above 0, “{names[least]}” {active[least]:.0%}; "
            f"only {strong:.1%} of all activations are above 1. Most units are silent on most tokens."
        )
    return said


@st.cache_resource(show_spinner=False)
def _sentences() -> tuple[list[EncodedText], HiddenUnits]:
    """The bundled sentences as the model reads them, once for all sessions."""
    loaded = models.minilm()
    encoded = [encode_text(loaded, sentence) for sentence in SENTENCES]
    with models.DEVICE_IN_USE:
        return encoded, read_hidden_units(loaded.model, [one.ids for one in encoded])


def strongest(study: Study) -> str:
    """The tokens of the bundled sentences that the chosen unit answers most, each in its sentence."""
    encoded, hidden = _sentences()
    found = hidden.strongest(study.layer, study.unit, N_STRONGEST)
    lines = []
    for value, sentence, place in found:
        first, last = encoded[sentence].offsets[place]
        whole = SENTENCES[sentence]
        shown = f"{escape(whole[:first])}<b>{escape(whole[first:last])}</b>{escape(whole[last:])}"
        lines.append(f"<li><span>{value:.1f}</span> {shown}</li>")
    head = f"<b>Unit {study.unit + 1} fires most on</b> (of {len(hidden.texts):,} tokens in {len(SENTENCES)} sentences)"
    return f"<div class='labs-strongest'><p>{head}</p><ol>{''.join(lines)}</ol></div>"


def alone(study: Study) -> str:
    """That no token sees another here, computed on the learner's sentence."""
    with models.DEVICE_IN_USE:
        apart = shuffled_difference(study.feed_forward, study.x)
        same = "exactly the same" if apart == 0 else f"the same rows (largest difference {apart:.0e})"
        replaced = _replaced(study)
    return f"<b>No token sees another here.</b> The same inputs in shuffled order give {same}. {replaced}"


def share_of_weights(study: Study) -> str:
    layer = models.minilm().model.layers[study.layer]
    sizes = {name: sum(weight.numel() for weight in part.parameters()) for name, part in layer.named_children()}
    total, own = sum(sizes.values()), sizes["feed_forward"]
    return (
        f"<b>How much of the block is this?</b> {own:,} of its {total:,} weights, {own / total:.1%}; attention has "
        f"{sizes['attention']:,}."
    )


def _replaced(study: Study) -> str:
    if len(study.tokens) < 2:
        return ""
    row = study.token + 1  # [CLS] stands first
    instead = row - 1 if study.token else row + 1
    alone = int(rows_changed(study.feed_forward, study.x, row, instead).sum())
    attention = models.minilm().model.layers[study.layer].attention
    mixed = int(rows_changed(attention, study.attention_input, row, instead).sum())
    names = [escape(token) for token in study.text.tokens]
    n_tokens = len(study.text)
    return (
        f"Put the vector of “{names[instead]}” in the place of “{names[row]}”: the feed-forward output changes at "
        f"{alone} of {n_tokens} tokens, attention’s output at {mixed}. "
    )


def alt(study: Study) -> str:
    column = study.hidden[:, study.unit]
    best = int(column.argmax())
    return (
        f"Heat map of {len(study.tokens)} tokens by {len(study.units)} hidden units of layer {study.layer + 1}; unit "
        f"{study.unit + 1} fires most on {study.tokens[best]}, {column[best]:.2f}"
    )
