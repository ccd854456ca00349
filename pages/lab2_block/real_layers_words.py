"""What section 8 says about the hidden states on screen, made from their numbers."""

import math
from typing import TYPE_CHECKING

from components.figures import matrix
from components.text import escape

if TYPE_CHECKING:
    from pages.lab2_block.real_layers import Study

READING = {
    "alike": "The cosine compares two vectors by direction alone: 1 the same direction, 0 square, −1 opposite. Click a "
    "cell to choose its two tokens, and a place on the curve to choose its layer.",
    "length": "Rows: tokens. Columns: layers. Length: the square root of the sum of a vector’s 384 squared numbers. "
    "Change: 0 means that the layer left the vector’s direction alone, 1 that it is square to the old one.",
}


def alike(study: "Study") -> str:
    """The chosen pair over the layers, measured against what any two words have in common."""
    if study.first == study.second:
        return (
            f"You compare {_name(study, study.first)} with itself, and the cosine of a vector with itself is 1 in "
            "every layer. Choose two different tokens, or click beside the diagonal."
        )
    pair = study.pair.tolist()
    here, unrelated, layer = pair[study.layer], study.unrelated[study.layer].item(), study.layer
    lowest = min(range(len(pair)), key=pair.__getitem__)
    dip = f", and are least alike {_where(lowest)} ({_signed(pair[lowest])})" if 0 < lowest < len(pair) - 1 else ""
    words = (
        f"{_name(study, study.first)} and {_name(study, study.second)} have cosine <b>{_signed(here)}</b> "
        f"{_where(layer)}; they start at {_signed(pair[0])}, end at {_signed(pair[-1])}{dip}. Two words of unrelated "
        f"texts have {_signed(unrelated)} {_where(layer)}, so these two are {_closer(here - unrelated)}."
    )
    return words + _same_word(study, pair, lowest) + _together(study)


def _closer(difference: float) -> str:
    if abs(difference) < 0.05:
        return "about as close as any two"
    return f"{abs(difference):.2f} {'closer' if difference > 0 else 'further apart'} than any two"


def _same_word(study: "Study", pair: list[float], lowest: int) -> str:
    if study.tokens[study.first] != study.tokens[study.second]:
        return ""
    ways = (
        f"then its context pulls the two apart, by {pair[0] - pair[lowest]:.2f} until layer {lowest}"
        if lowest > 0
        else "and no layer pulls the two further apart"
    )
    return (
        " It is the same word twice: before the first layer only its position differs, so the two start almost alike; "
        f"{ways}."
    )


def _together(study: "Study") -> str:
    first, last = study.average[0].item(), study.average[-1].item()
    if math.isnan(first):
        return ""
    way = "come together" if last > first else "move apart"
    return f" The words of this text {way} on average: {_signed(first)} before layer 1, {_signed(last)} after layer 6."


def lengths(study: "Study") -> str:
    """Where length comes from and where it goes, and which layer turns the vectors most."""
    before, after, change = study.measures.length_before_norm, study.measures.length[1:], study.measures.change
    layer, place = divmod(int(before.argmax()), before.shape[1])
    turned = change.mean(dim=1)  # (n_layers,)
    most, least = int(turned.argmax()), int(turned.argmin())
    spread = study.measures.spread[1:]
    return (
        f"MiniLM is Post-LN: each layer ends in a LayerNorm. It gets vectors of length {before.min():.0f} to "
        f"{before.max():.0f} (the longest is {_name(study, place)} in layer {layer + 1}) and hands on lengths of "
        f"{after.min():.0f} to {after.max():.0f}: <b>the norm resets the length in every layer</b>, so nothing "
        f"piles up from layer to layer. Within one vector the 384 numbers then spread by {spread.min():.2f} to "
        f"{spread.max():.2f}, set by the norm’s own trained scale. The direction is what is left to change: layer "
        f"{most + 1} turns the tokens most ({turned[most]:.2f} on average), layer {least + 1} least "
        f"({turned[least]:.2f})."
    )


def anisotropy(study: "Study") -> str:
    """What a cosine must be compared with."""
    unrelated, layer = study.unrelated.tolist(), study.layer
    lowest, highest = min(unrelated), max(unrelated)
    return (
        "If vectors pointed in all directions alike, two unrelated words would have a cosine near 0. In real models "
        "they share a direction; the vectors fill a cone and not the whole space (anisotropy). Measured here on eight "
        f"sentences with nothing in common: {_signed(unrelated[layer])} {_where(layer)}, between {_signed(lowest)} and "
        f"{_signed(highest)} over the layers. So a cosine means little by itself. Compare it with this dashed line, "
        "compare it within one layer, and do not read it as a share of meaning in common."
    )


def alike_alt(study: "Study") -> str:
    """The figure in a sentence: the chosen pair, and the closest two different tokens of this layer."""
    alone = study.measures.similarity[study.layer].clone().fill_diagonal_(-2.0)
    row, column = divmod(int(alone.argmax()), alone.shape[1])
    names = matrix.positions(study.tokens)
    return (
        f"Cosine of every two tokens {_where(study.layer)}: {names[study.first]} and {names[study.second]} "
        f"{study.pair[study.layer]:.2f}; the two most alike are {names[row]} and {names[column]}, "
        f"{study.measures.similarity[study.layer, row, column]:.2f}"
    )


def _name(study: "Study", place: int) -> str:
    """A token as HTML, with its position where it occurs more than once."""
    token = study.tokens[place]
    return f"“{escape(f'{place + 1} {token}' if study.tokens.count(token) > 1 else token)}”"


def _where(layer: int) -> str:
    return f"after layer {layer}" if layer else "before layer 1"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
