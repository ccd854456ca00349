"""Section 9 in words: what a head reads, where the next token was settled, how sure the model was."""

import math

from components.text import escape
from pages.lab6_generation.inside_study import Study

READING = {
    "attention": "The more of a token the head reads, the fuller its box; the number is its weight, and all weights "
    "add up to 1. Dashed: the last token read. Framed: the token it writes next. Below, every head: click one.",
    "grid": "Down a column, block by block, what the model would say if it stopped there: the likeliest token, in "
    "fuller colour for more probability. Framed: already the token that came next. A dot before a word is its space.",
    "probability": "The fuller the box, the likelier the model found this token when it was written. Below: what else "
    "it could have said; underlined is what it said.",
}


def notice(study: Study, view: str) -> str:
    """What to notice in the view that is open."""
    return {"attention": _attention, "grid": _lens, "probability": _probability}[view](study)


def alt(study: Study, view: str) -> str:
    """The figure in a sentence."""
    lens = study.reading.lens
    last, write = (_token(study, study.reading.ids[place]) for place in (study.place, study.place + 1))
    if view == "attention":
        row = study.reading.row(study.layer, study.head, study.place)
        best = int(row.argmax())
        return f"After {last}, {head_name(study)} reads {_token(study, study.reading.ids[best])} most, {row[best]:.2f}"
    depths = ", ".join(
        f"{'after block ' + str(depth) if depth else 'before block 1'} {_token(study, int(ids[0]))} {tops[0]:.2f}"
        for depth, (ids, tops) in enumerate(
            zip(lens.top_ids[:, study.column], lens.top_probabilities[:, study.column], strict=True)
        )
    )
    if view == "grid":
        return f"After {last} it would say {depths}; it writes {write}"
    return f"After {last} it writes {write} with probability {lens.target_probabilities[-1, study.column]:.2f}"


def head_name(study: Study) -> str:
    """The open head, or the mean that is open."""
    if study.layer == 0:
        return f"the mean of all {study.reading.n_layers * study.reading.n_heads} heads"
    if study.head == 0:
        return f"the mean of block {study.layer}’s {study.reading.n_heads} heads"
    return f"head {study.head} of block {study.layer}"


def _attention(study: Study) -> str:
    reading, place = study.reading, study.place
    row = reading.row(study.layer, study.head, place)
    best = int(row.argmax())
    weights = reading.weights[:, :, study.column, : place + 1]  # (n_layers, n_heads, place + 1)
    favourites = weights.argmax(dim=-1)  # (n_layers, n_heads)
    agree, first = int((favourites == best).sum()), int((favourites == 0).sum())
    n_heads = favourites.numel()
    name = head_name(study)
    return (
        f"About to write {_quoted(study, place + 1)}, {name} reads {_quoted(study, best)} with weight "
        f"<b>{row[best]:.2f}</b>. Of all {n_heads} heads {agree} read that token most, and {first} the very first one, "
        "where a head often looks when it has nothing to fetch. A weight says how much is read, not what is made of "
        "it: compare with the logit lens."
    )


def _lens(study: Study) -> str:
    lens, reading = study.reading.lens, study.reading
    settled = reading.settles(study.place)
    ranks = lens.target_ranks[:, study.column]
    parts = [
        f"Before block 1 the model has only the token {_quoted(study, study.place)} itself, "
        f"and the head reads {_said(study, 0)} from it."
    ]
    if settled:
        parts.append(
            f"After block {settled} {_quoted(study, study.place + 1)} takes the lead "
            f"({lens.target_probabilities[settled, study.column]:.2f}) and keeps it; the block before still said "
            f"{_said(study, settled - 1)}, with {_quoted(study, study.place + 1)} on rank "
            f"{int(ranks[settled - 1]) + 1:,}."
        )
    elif settled is None:
        parts.append(
            f"The last block says {_said(study, reading.n_layers)}; what was drawn, {_quoted(study, study.place + 1)}, "
            f"was on rank {int(ranks[-1]) + 1:,}."
        )
    return " ".join([*parts, _over_the_text(study)])


def _over_the_text(study: Study) -> str:
    places = range(study.n_prompt - 1, study.n_prompt - 1 + study.n_written)
    settled = [study.reading.settles(place) for place in places]
    half = study.reading.n_layers // 2
    early = sum(depth is not None and depth <= half for depth in settled)
    last = sum(depth == study.reading.n_layers for depth in settled)
    return (
        f"Of the {study.n_written} tokens written, {early} had the lead for good after block {half} or earlier, and "
        f"{last} only after the last block."
    )


def _probability(study: Study) -> str:
    found = study.probabilities()
    rare, sure = min(range(len(found)), key=found.__getitem__), sum(one >= 0.9 for one in found)
    entropy = study.reading.lens.entropy[-1, study.column].item()
    ranks = study.reading.lens.target_ranks[-1, study.n_prompt - 1 - study.reading.first :]
    first = int((ranks == 0).sum())
    return (
        f"{sure} of the {len(found)} tokens had a probability of 0.90 or more: there was hardly a choice. The least "
        f"likely is {_quoted(study, study.n_prompt + rare)} with <b>{found[rare]:.2f}</b>: there the text could well "
        f"have gone another way. {first} of the {len(found)} were the likeliest of all. At the open token the entropy, "
        f"how open the choice is, is {entropy:.2f} nats, as if the model chose among {math.exp(entropy):.1f} tokens of "
        "equal probability."
    )


def _said(study: Study, depth: int) -> str:
    lens = study.reading.lens
    token = escape(_token(study, int(lens.top_ids[depth, study.column, 0])))
    return f"“{token}” ({lens.top_probabilities[depth, study.column, 0]:.2f})"


def _quoted(study: Study, place: int) -> str:
    return f"“{escape(_token(study, study.reading.ids[place]))}”"


def _token(study: Study, number: int) -> str:
    """A token as the figure writes it."""
    return study.found.token(number)
