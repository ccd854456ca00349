"""The sentences of the masks section, made from the numbers on screen. HTML: every token in them is escaped."""

import torch
from torch import Tensor

from components.text import escape
from engine.attention import AttentionTrace
from engine.leaks import LeakReport


def moved(report: LeakReport, row: int, n_prefix: int) -> str:
    """What became of one token's output. n_prefix: first tokens that a prefix mask lets read each other."""
    change = report.change[row].item()
    if change == 0:
        return "did not move: 0"
    if row not in report.moved:
        return f"only rounding: {change:.0e}"
    name = "moved"
    if row in report.leaks:
        name = "allowed: moved" if row < n_prefix else "leak: moved"
    elif row == report.position:
        name = "itself: moved"
    return f"{name} {change:.2f}" if change >= 0.005 else f"{name} {change:.0e}"


def summary(report: LeakReport) -> str:
    """For the figure's alt text."""
    return (
        f"after changing token {report.position + 1}, {len(report.moved)} of {len(report.change)} outputs moved, "
        f"{len(report.leaks)} of them earlier"
    )


def leaks(kind: str, tokens: list[str], mask: Tensor, report: LeakReport, n_real: int, n_prefix: int) -> str:
    """What the leak detector found, and whether the mask's column says the same."""
    place, total = report.position, len(tokens)
    parts = [
        f"Token “{escape(tokens[place])}” got some noise, and {_count(len(report.moved), total)} moved.",
        _earlier(report, n_prefix),
    ]
    if report.leaks and kind in ("none", "padding"):
        parts.append(
            "A model that reads a finished text, as this one does, wants that. One that writes word by word would be "
            "copying the answer."
        )
    parts.append(_readers(mask, report))
    if n_real < total and place >= n_real:
        parts.append(
            "That token is padding. Its own row is still there, because a mask hides keys, not queries: whoever uses "
            "the output has to leave the padded rows out."
        )
    elif n_real < total:
        parts.append("The padded columns are hatched, the padded rows are not: a mask hides keys, not queries.")
    return " ".join(part for part in parts if part)


def _count(some: int, total: int) -> str:
    return f"{some or 'none'} of {total} outputs"


def _earlier(report: LeakReport, n_prefix: int) -> str:
    before, found = report.position, report.leaks
    if len(report.change) == 1:
        return "A text of one token has no future that could leak."
    if before == 0:
        return "Nothing stands before the first token, so nothing can leak here: change a later one."
    if not found:
        return f"<b>No leak</b>: nothing moved among the {before} before it."
    if all(row < n_prefix for row in found):
        return (
            f"<b>{len(found)} of the {before} before it moved, by design</b>: under a prefix mask the first {n_prefix} "
            "tokens are given whole, as a prompt is, and read each other in both directions. Only a row outside the "
            "prefix that moves when a later token changes would be a leak."
        )
    if len(found) == 1:
        return f"<b>Row {found[0] + 1} stands before it and moved</b>: it has read the future."
    rows = ", ".join(str(row + 1) for row in found)
    return f"<b>{len(found)} of the {before} before it moved</b> (rows {rows}): they have read the future."


def _readers(mask: Tensor, report: LeakReport) -> str:
    """Whether the outputs that moved are those whose mask is open in the changed column."""
    others = set(report.moved) - {report.position}
    may_read = set(mask[:, report.position].nonzero().flatten().tolist()) - {report.position}
    if others == may_read:
        exactly = (
            f"The others that moved are exactly the rows that are open in column {report.position + 1} of the mask."
        )
        return exactly if others else ""
    rows = ", ".join(str(row + 1) for row in sorted(may_read - others))
    return f"Row {rows} may read it too, with weights so small that rounding hides the change."


def empty_row(tokens: list[str], rows: list[int]) -> str:
    """That some rows may read nothing, and why that needs a decision."""
    others = f" The same holds for {len(rows) - 1} more." if len(rows) > 1 else ""
    return (
        f"<b>Row “{escape(tokens[rows[0]])}” may read nothing.</b>{others} No weights over no keys add up to 1, so "
        "programs have to decide:"
    )


def answers_to_an_empty_row(row: int, trace: AttentionTrace, mask: Tensor, head: int) -> str:
    """A table of three answers, computed on the row's own scores."""
    scores, value = trace.scores[0, head, row].cpu(), trace.value[0, head].cpu()  # (key_len,), (key_len, head_dim)
    blocked = ~mask[row]  # (key_len,)
    naive = scores.masked_fill(blocked, -torch.inf).softmax(dim=-1)
    filled = scores.masked_fill(blocked, -1e9).softmax(dim=-1)
    from_mean = (filled @ value - value.mean(dim=0)).abs().max().item()
    answers = [
        ("ours, and torch’s own function", trace.weights[0, head, row].cpu(), "reads nothing, gives zeros"),
        ("softmax over −∞ only: 0 / 0", naive, "spreads to every number that meets it"),
        (
            "−1e9 in place of −∞",
            filled,
            f"the plain mean of all values (difference {from_mean:.0e}), the masked ones too",
        ),
    ]
    lines = "".join(
        f"<tr><td>{name}</td><td>{_numbers(weights)}</td><td>{_number(weights.sum())}</td>"
        f"<td>{_numbers((weights @ value)[:2])} …</td><td>{meaning}</td></tr>"
        for name, weights, meaning in answers
    )
    head_row = "<tr><th>answer</th><th>weights</th><th>sum</th><th>output</th><th>what it means</th></tr>"
    return f"<table class='labs-small-table'>{head_row}{lines}</table>"


def after_softmax(tokens: list[str], trace: AttentionTrace, mask: Tensor, head: int) -> str:
    """The misconception that a mask is applied after the softmax: what the rows would add up to."""
    late = trace.scores[0, head].cpu().softmax(dim=-1) * mask  # (query_len, key_len)
    sums = late.sum(dim=-1)  # (query_len,)
    lowest = int(sums.argmin())
    mended = late / sums[:, None].clamp_min(1e-30)
    difference = (mended - trace.weights[0, head].cpu()).abs().max().item()
    rows = ", ".join(f"{index}: {total:.2f}" for index, total in enumerate(sums.tolist(), start=1))
    return (
        "Masked scores become −∞, and softmax gives them exactly 0 while the rest of the row still adds up to 1. "
        "If the weights were set to 0 <i>after</i> the softmax instead, the rows of this head would add up to "
        f"<span class='labs-numbers'>{rows}</span>. “{escape(tokens[lowest])}” would keep only {sums[lowest]:.2f} of "
        "its reading: its output shrinks for no reason of its own. Dividing each row by its sum once more gives the "
        f"weights on screen again (largest difference {difference:.0e}), so the early mask is the same with one step "
        "less, and without the keys that must not count ever having been counted."
    )


def _numbers(numbers: Tensor) -> str:
    return " ".join(_number(number) for number in numbers)


def _number(number: Tensor) -> str:
    value = number.item()
    return "NaN" if value != value else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # + 0.0: never −0.00
