"""What to notice in "By hand", in words made from the numbers on screen."""

import torch

from components import section
from components.figures.numbers import show
from components.text import escape
from engine.worked_example import HandTrace
from pages.lab1_attention.by_hand_stages import Setup


def write(setup: Setup, trace: HandTrace, covered: bool) -> None:
    """One note, about the mistake that is switched on, or else about the word that has settled most."""
    if covered:
        section.notice(
            "Results are covered. Click a cell marked ? to see which row and which column it is made from; type what "
            "you think stands there and press Enter."
        )
        return
    section.notice(_note(setup, trace))


def _note(setup: Setup, trace: HandTrace) -> str:
    if setup.softmax_over == "queries":
        return _wrong_axis(setup, trace)
    if not setup.scaled:
        return _unscaled(setup, trace)
    blind = [row for row in range(len(setup.tokens)) if setup.mask is not None and not setup.mask[row].any()]
    if blind:
        return _blind_row(setup, trace, blind[0])
    if setup.mask is not None:
        return _masked(setup, trace)
    return _strongest(setup, trace)


def _strongest(setup: Setup, trace: HandTrace) -> str:
    row, column = divmod(int(trace.weights.argmax()), len(setup.tokens))
    return (
        f"{_from_scores_to_shares(setup, trace, row)} Its output is a mix of the rows of V in these shares, "
        f"{show(trace.weights[row, column].item())} of it the value of {_word(setup, column)}."
    )


def _from_scores_to_shares(setup: Setup, trace: HandTrace, row: int) -> str:
    """One row on its way: its scores, what the softmax gets of them, and what it makes of that."""
    allowed = [True] * len(setup.tokens) if setup.mask is None else setup.mask[row].tolist()
    left = [show(value) if read else "hidden" for value, read in zip(trace.scaled[row].tolist(), allowed, strict=True)]
    steps = [f"{_word(setup, row)} has the scores {_listed(trace.scores[row])}"]
    if setup.scaled:
        steps.append(f"divided by √{setup.dims}: {', '.join(left)}")
    elif not all(allowed):
        steps.append(f"after the mask: {', '.join(left)}")
    return f"{'; '.join(steps)}; the softmax turns these into the shares {_listed(trace.weights[row])}."


def _listed(values: torch.Tensor) -> str:
    return ", ".join(show(value) for value in values.tolist())


def _unscaled(setup: Setup, trace: HandTrace) -> str:
    right = setup.run(scaled=True)
    row = int((trace.saturation - right.saturation).argmax())
    return (
        f"Without ÷ √{setup.dims} the scores stay {setup.dims**0.5:.2f} times as far apart. "
        f"{_from_scores_to_shares(setup, trace, row)} Its largest weight goes from {right.saturation[row]:.2f} to "
        f"{trace.saturation[row]:.2f}, its entropy (how spread out it reads) from {right.entropy[row]:.2f} to "
        f"{trace.entropy[row]:.2f} bits. The room to learn, 1 minus the sum of the squared weights, goes from "
        f"{right.gradient_room[row]:.2f} to {trace.gradient_room[row]:.2f}: a row that has settled passes hardly any "
        "gradient back."
    )


def _wrong_axis(setup: Setup, trace: HandTrace) -> str:
    sums = ", ".join(f"{value:.2f}" for value in trace.row_sums.tolist())
    return (
        f"The rows no longer add up to 1: they add up to {sums}. Each column does, {_sums(trace.weights.sum(0))}. The "
        "words that read now compete for each word that is read, instead of each sharing out its own attention."
    )


def _sums(columns: torch.Tensor) -> str:
    return ", ".join(f"{value:.2f}" for value in columns.tolist())


def _blind_row(setup: Setup, trace: HandTrace, row: int) -> str:
    output = _listed(trace.output[row])
    word = _word(setup, row)
    if setup.fill == "-inf":
        return (
            f"{word} may read nothing: all its scores are −∞, and the softmax would be 0 ÷ 0. It is set to 0, so its "
            f"output is {output}. Switch on “−1e9 instead of −∞” to see what a large number does instead."
        )
    mean = _listed(trace.value.mean(dim=0))
    return (
        f"{word} may read nothing, yet it reads everything: three scores of −1e9 are equal, so each word gets "
        f"{trace.weights[row, 0]:.2f}. Its output is {output}, the mean of all values ({mean}), instead of 0."
    )


def _masked(setup: Setup, trace: HandTrace) -> str:
    hidden = int((~setup.mask).sum())
    same = (
        " With −1e9 the result is the same here, because e to the power of −1e9 is 0 to the last digit; it differs "
        "only in a row that may read nothing: choose that mask to see it."
        if setup.fill == "-1e9"
        else ""
    )
    return (
        f"{hidden} scores are hidden before the softmax, not after: the remaining weights of each row still add up to "
        f"1. {_from_scores_to_shares(setup, trace, 1)} {_word(setup, 0)} can only read itself, so its weight there is "
        f"{trace.weights[0, 0]:.2f} and its output is its own value.{same}"
    )


def alt(setup: Setup, trace: HandTrace, covered: bool) -> str:
    """The figure in one sentence, for those who do not see it."""
    if covered:
        return "Matrices of attention worked by hand; results are covered until a guess is typed."
    rows = []
    for row, word in enumerate(setup.tokens):
        column = int(trace.weights[row].argmax())
        rows.append(f"{word} reads {setup.tokens[column]} most, {trace.weights[row, column]:.2f}")
    return f"Matrices of attention worked by hand, from words to output: {'; '.join(rows)}."


def _word(setup: Setup, place: int) -> str:
    return f"“{escape(setup.tokens[place])}”"
