"""The audit line: ours against a library, recomputed on what is on screen."""

from typing import TYPE_CHECKING

import streamlit as st

from components.text import escape

if TYPE_CHECKING:
    import torch


def compare(ours: "torch.Tensor", theirs: "torch.Tensor", *, library: str, tolerance: float, what: str = "") -> None:
    """Says whether our numbers and the library's agree, with the largest difference; in red with both when not.

    ours, theirs: tensors of one shape. library: who computed `theirs`, as the learner would import it.
    tolerance: the largest difference that rounding explains. what: the quantity, when it is not plain.
    """
    import torch

    if ours.shape != theirs.shape:
        _line(False, f"ours has shape {tuple(ours.shape)}, {library}'s {tuple(theirs.shape)}: they do not agree")
        return
    ours, theirs = ours.double(), theirs.double()
    # A library may answer NaN on purpose (a row that may read nothing): where both do, they agree.
    difference = torch.where(ours.isnan() & theirs.isnan(), 0.0, (ours - theirs).abs()).nan_to_num(nan=float("inf"))
    largest = difference.max().item() if difference.numel() else 0.0
    subject = f"{what}: " if what else ""
    if largest <= tolerance:
        _line(
            True,
            f"{subject}ours and {library} agree, largest difference {largest:.0e} "
            f"over {ours.numel():,} numbers, computed on your input",
        )
        return
    place = int(difference.flatten().argmax())
    _line(
        False,
        f"{subject}ours and {library} differ by {largest:.2e}: ours {ours.flatten()[place].item():.6g}, "
        f"theirs {theirs.flatten()[place].item():.6g} (tolerance {tolerance:.0e})",
    )


def measured(how: str) -> None:
    """Where no library can give the numbers: how they were measured."""
    st.html(f'<p class="labs-audit"><span aria-hidden="true">◷</span> {escape(how, limit=400)}</p>')


def _line(agree: bool, sentence: str) -> None:
    css_class, sign = ("labs-audit", "✓") if agree else ("labs-audit labs-audit-fails", "✗")
    st.html(f'<p class="{css_class}"><span aria-hidden="true">{sign}</span> {escape(sentence, limit=400)}</p>')
