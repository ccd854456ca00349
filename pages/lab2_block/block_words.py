"""Section 1 in words: what the numbers on screen say about the stream, the parts, and what is often said of them."""

import itertools
import math

from components.text import escape
from pages.lab2_block.block_study import NORMS, PLACES, Study, pick


def follows(study: Study, token: int) -> str:
    """Whose vector is followed, as plain text."""
    return "the average token" if token < 0 else f"“{study.tokens[token]}”"


def notice(study: Study, layer: int, token: int) -> str:
    """The way of the followed vector up the stack, with its norms here and where the other order has them. HTML."""
    who, config = escape(follows(study, token)), study.config
    shown, other = study.streams(token)
    return (_growing if config.norm_first else _reset)(study, who, shown, other, layer, token)


def _growing(study, who, shown, other, layer, token) -> str:
    ends = _ends(shown, study.config.n_layers)
    first, last = ends[0], ends[-1]
    grew = sum(after > before for before, after in itertools.pairwise(ends))
    of_all = f"It grows in {grew} of {_layers(study)}"
    why = " and nothing sets it back: a Pre-LN block only adds to the stream." if grew == len(ends) - 1 else "."
    back = "" if shown.end is None else f" Only the last norm brings it to {shown.end:.1f}."
    start = who[0].upper() + who[1:]
    return (
        f"{start} goes in with norm {first:.1f} and comes out of the last layer with <b>{last:.1f}</b>. "
        f"{of_all}{why}{back} With the same weights in Post-LN (dashed) it leaves the last layer with "
        f"{_ends(other, study.config.n_layers)[-1]:.1f}{_root(study, other)}."
    )


def _reset(study, who, shown, other, layer, token) -> str:
    stops = {stop.name: pick(stop.norm, token) for stop in study.walk.layers[layer - 1]}
    ends, norm = _ends(shown, study.config.n_layers), NORMS[study.config.norm]
    between = (
        ""
        if len(ends) == 2
        else f" So it is as long after layer 1 as after layer {len(ends) - 1}: {ends[1]:.1f} and {ends[-1]:.1f}."
    )
    return (
        f"In layer {layer}, adding attention brings {who} to {stops['attention_sum']:.1f}, and {norm} sets it to "
        f"<b>{stops['attention_norm']:.1f}</b>{_root(study, shown)}. Adding the feed-forward part brings it to "
        f"{stops['feed_forward_sum']:.1f}, and it is set to <b>{stops['feed_forward_norm']:.1f}</b> again.{between} "
        f"With the same weights in Pre-LN (dashed) nothing resets it: it leaves the last layer with "
        f"{_ends(other, study.config.n_layers)[-1]:.1f}."
    )


def alone(study: Study, layer: int, token: int) -> str:
    """Which parts look at other tokens, by taking these away. HTML."""
    position = max(token, 0)
    who = escape(f"“{study.tokens[position]}”")
    found = study.alone(layer, position)
    attention = found.pop("attention")
    if len(study.tokens) == 1:
        return f"{who} is the only token here: attention has nobody else to read. Type a second word."
    others = "its neighbour" if len(study.tokens) == 2 else f"its {len(study.tokens) - 1} neighbours"
    return (
        f"<b>Who looks at the neighbours?</b> Give each part of layer {layer} {who} alone, without {others}. The two "
        f"norms and the feed-forward part answer the same ({_same(max(found.values()))}); attention’s numbers move by "
        f"up to {attention:.2f}. Only attention carries anything from one token to another."
    )


def often_said(study: Study, layer: int, token: int) -> str:
    """Three sentences that are often heard, each with the number that decides it. HTML."""
    position = max(token, 0)
    who, found = escape(f"“{study.tokens[position]}”"), study.alone(layer, position)
    stops = {stop.name: stop for stop in study.walk.layers[layer - 1]}
    normed, norm, size = stops["attention_norm"], NORMS[study.config.norm], study.config.d_model
    mean, std = pick(normed.mean, position), pick(normed.std, position)
    said = (
        (
            "The feed-forward part mixes the tokens",
            f"No. It is the same small network for each token alone: for {who} it gives the same numbers with and "
            f"without the others ({_same(found['feed_forward'])}).",
        ),
        (
            "LayerNorm is taken over the batch",
            f"No, that is batch normalisation. The {norm} here looks at the {size:,} numbers of one token and at "
            f"nothing else: after it {who} has mean {_plain(mean)} and std {std:.2f}, with neighbours or without "
            f"({_same(found['attention_norm'])}).",
        ),
        (
            "The original paper is Pre-LN",
            "No. Vaswani et al. 2017, section 3.1, write LayerNorm(x + Sublayer(x)): the norm stands after the sum, "
            "which is Post-LN. The switch to Pre-LN came later; section 5 of this lab shows why. You are looking at "
            f"{PLACES[study.config.norm_first]}.",
        ),
    )
    return "<br>".join(f"<b>“{claim}.”</b> {answer}" for claim, answer in said)


def _ends(stream, n_layers: int) -> list[float]:
    """The norm into the first layer and out of each."""
    last = dict(stream.path)  # of several stops in a layer the last one stays
    return [last[layer] for layer in range(n_layers + 1)]


def _root(study: Study, stream) -> str:
    """That a norm was set to the square root of d_model, when it was."""
    root = math.sqrt(study.config.d_model)
    return f", which is √{study.config.d_model}" if abs(stream.path[-1][1] - root) < 0.01 * root else ""


def _layers(study: Study) -> str:
    return "1 layer" if study.config.n_layers == 1 else f"{study.config.n_layers} layers"


def _same(difference: float) -> str:
    return f"largest difference {difference:.0e}, rounding" if difference else "largest difference 0"


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
