"""The logit lens of Lab 2 in words: what each block has made of the next token, from the numbers on screen."""

from itertools import pairwise
from typing import TYPE_CHECKING

from components.figures.token_strip import shown
from components.text import escape

if TYPE_CHECKING:
    from pages.lab2_block.lens import Study

READING = {
    "grid": "Down a column, block by block, what the model would say next if it stopped there: the likeliest token, in "
    "fuller colour for more probability. Framed: already the token that comes next. A dot before a word is its space.",
    "layers": "Down the rows, block by block, the five likeliest tokens after the dashed one. Framed: the token that "
    "comes next. Rank 1 is the likeliest of all {n_tokens:,}. A dot before a word is its space.",
}


def reading(study: "Study", view: str) -> str:
    """How to read the view that is open."""
    return READING[view].format(n_tokens=study.tokenizer.vocab_size)


def notice(study: "Study") -> str:
    """Where the answer comes up, and which block did the most for it."""
    lens, place = study.reading.lens, study.place
    probabilities = lens.target_probabilities[:, place].tolist()
    gains = [after - before for before, after in pairwise(probabilities)]
    most = max(range(len(gains)), key=gains.__getitem__)
    last = study.reading.n_layers
    return (
        f"Before block 1 the stream is the embedding of {_quoted(study, study.reading.ids[place])} alone, and the head "
        f"reads {_said(study, 0)} from it. {_settled(study)} Block {most + 1} adds the most to it: the probability of "
        f"{_next(study)} goes from {probabilities[most]:.2f} to {probabilities[most + 1]:.2f}. After block {last} it "
        f"is <b>{probabilities[-1]:.2f}</b>{_where_from(study)}."
    )


def _settled(study: "Study") -> str:
    depth, ranks = study.reading.settles(study.place), study.reading.lens.target_ranks[:, study.place].tolist()
    if depth is None:
        return f"{_next(study)} never gets the lead for good; it ends on rank {ranks[-1] + 1:,}."
    if depth == 0:
        return f"{_next(study)} has the lead from the start."
    return (
        f"{_next(study)} takes the lead after block {depth} and keeps it; the block before still said "
        f"{_said(study, depth - 1)}, with it on rank {ranks[depth - 1] + 1:,}."
    )


def _where_from(study: "Study") -> str:
    if study.place < study.n_typed - 1:
        return ""
    return "; your text ends here, so the token that comes next is the model’s own answer"


def stream(study: "Study") -> str:
    """The link to the residual stream, with its lengths."""
    lengths = study.lengths[:, study.place].tolist()
    grown = ", ".join(f"{length:.1f}" for length in lengths)
    return (
        "<b>One stream.</b> This model is Pre-LN: no block replaces the vector, each adds to it. That is why the head, "
        "which was made for the last state, can be asked at every stop on the way: a norm, then one matrix. The "
        f"vector’s length here, before block 1 and after each block: {grown}."
    )


def limits(study: "Study") -> str:
    """What the lens does not show."""
    alone = int((study.reading.lens.top_ids[0, :, 0] == study.reads).sum())
    n_places = len(study.reads)
    return (
        f"Before block 1 the head names the token just read at {alone} of {n_places} places. That is no guess of the "
        "model: it has one matrix that turns tokens into vectors and vectors into scores, so a fresh embedding is most "
        "like itself. The head was trained on the last state only. What an early block knows may be written in "
        "directions that the head does not read, so an odd answer up there does not prove that nothing is known yet. "
        "The tuned lens trains a translator for each layer to get round this."
    )


def alt(study: "Study", view: str) -> str:
    """The figure in a sentence: what is said at each depth of the chosen place."""
    lens = study.reading.lens
    said = ", ".join(
        f"{'after block ' + str(depth) if depth else 'before block 1'} "
        f"{shown(study.tokenizer, int(lens.top_ids[depth, study.place, 0]))} "
        f"{lens.top_probabilities[depth, study.place, 0]:.2f}"
        for depth in range(study.reading.n_layers + 1)
    )
    last, comes = (shown(study.tokenizer, study.reading.ids[study.place + step]) for step in (0, 1))
    start = "The five likeliest at each depth" if view == "layers" else "The likeliest at each depth and place"
    return f"{start}. After {last} the model would say {said}; {comes} comes next"


def _said(study: "Study", depth: int) -> str:
    lens = study.reading.lens
    word = _quoted(study, int(lens.top_ids[depth, study.place, 0]))
    return f"{word} ({lens.top_probabilities[depth, study.place, 0]:.2f})"


def _next(study: "Study") -> str:
    return _quoted(study, study.reading.ids[study.place + 1])


def _quoted(study: "Study", number: int) -> str:
    return f"“{escape(shown(study.tokenizer, number))}”"
