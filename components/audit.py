"""The audit line: ours against a library, recomputed on what is on screen."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from components.text import escape

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Difference:
    """What comparing two computations found: small enough to be cached, where the numbers themselves are not."""

    largest: float  # infinite where only one of them is a number
    n_numbers: int
    ours: float  # the two numbers at the place of the largest difference
    theirs: float
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # of the first pair whose shapes do not fit


def compare(
    ours: "torch.Tensor",
    theirs: "torch.Tensor",
    *,
    library: str,
    tolerance: float,
    what: str = "",
    note: str = "",
    on: str = "your input",
) -> None:
    """Says whether our numbers and the library's agree, with the largest difference; in red with both when not.

    ours, theirs: tensors of one shape. library: who computed `theirs`, as the learner would import it.
    tolerance: the largest difference that rounding explains. what: the quantity, when it is not plain.
    note: a sentence added when they differ, such as which deliberate mistake is switched on. on: what was computed on.
    """
    show(find_difference([(ours, theirs)]), library=library, tolerance=tolerance, what=what, note=note, on=on)


def find_difference(pairs: "Iterable[tuple[torch.Tensor, torch.Tensor]]") -> Difference:
    """The largest difference over several pairs (ours, theirs), such as the layers of a model, one after the other."""
    import torch

    found = Difference(0.0, 0, 0.0, 0.0)
    for ours, theirs in pairs:
        if ours.shape != theirs.shape:
            return replace(found, shapes=(tuple(ours.shape), tuple(theirs.shape)))
        found = replace(found, n_numbers=found.n_numbers + ours.numel())
        ours, theirs = ours.double(), theirs.double()
        # A library may answer NaN on purpose (a row that may read nothing), and masked scores are minus infinity:
        # where both say the same, they agree.
        same = (ours == theirs) | (ours.isnan() & theirs.isnan())
        difference = torch.where(same, 0.0, (ours - theirs).abs()).nan_to_num(nan=float("inf"))
        if difference.numel() and difference.max().item() > found.largest:
            place = int(difference.flatten().argmax())
            at = {"ours": ours.flatten()[place].item(), "theirs": theirs.flatten()[place].item()}
            found = replace(found, largest=difference.max().item(), **at)
    return found


def show(
    found: Difference, *, library: str, tolerance: float, what: str = "", note: str = "", on: str = "your input"
) -> None:
    """The audit line of what `find_difference` found; see `compare`."""
    subject = f"{what}: " if what else ""
    if found.shapes:
        _line(False, f"{subject}ours has shape {found.shapes[0]}, {library}'s {found.shapes[1]}: they do not agree")
    elif found.largest <= tolerance:
        _line(
            True,
            f"{subject}ours and {library} agree, largest difference {_brief(found.largest)} "
            f"over {found.n_numbers:,} numbers, computed on {on}",
        )
    else:
        _line(
            False,
            f"{subject}ours and {library} differ by {found.largest:.2e}: ours {found.ours:.6g}, "
            f"theirs {found.theirs:.6g} (tolerance {tolerance:.0e})" + (f". {note}" if note else ""),
        )


def _brief(difference: float) -> str:
    return f"{difference:.0e}" if difference else "0"


def measured(how: str) -> None:
    """Where no library can give the numbers: how they were measured."""
    st.html(f'<p class="labs-audit"><span aria-hidden="true">◷</span> {escape(how, limit=400)}</p>')


def claim(holds: bool, sentence: str) -> None:
    """Where a theory says which way the numbers go: what was expected and what was found; in red when it fails."""
    _line(holds, sentence)


def _line(agree: bool, sentence: str) -> None:
    css_class, sign = ("labs-audit", "✓") if agree else ("labs-audit labs-audit-fails", "✗")
    st.html(f'<p class="{css_class}"><span aria-hidden="true">{sign}</span> {escape(sentence, limit=400)}</p>')
