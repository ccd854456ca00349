"""The audit line can fail: it says agree only for numbers that agree, and shows both when they do not."""

import html

import pytest
import torch

from components import audit


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    shown = []
    monkeypatch.setattr(audit.st, "html", shown.append)
    return shown


def test_numbers_within_the_tolerance_agree(lines):
    audit.compare(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-6]), library="torch", tolerance=1e-5)
    assert "ours and torch agree, largest difference 1e-06 over 2 numbers" in lines[0]
    assert "labs-audit-fails" not in lines[0]


def test_numbers_beyond_the_tolerance_differ_in_red_with_both_numbers(lines):
    ours = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    theirs = torch.tensor([[0.25, 0.75], [0.125, 0.875]])
    audit.compare(ours, theirs, library="transformers", tolerance=1e-4, what="weights")
    assert "labs-audit-fails" in lines[0]
    assert "weights: ours and transformers differ by 3.75e-01: ours 0.5, theirs 0.125" in lines[0]
    assert "tolerance 1e-04" in lines[0]


def test_the_tolerance_itself_still_agrees(lines):
    audit.compare(torch.tensor([0.0]), torch.tensor([0.5]), library="torch", tolerance=0.5)
    assert "labs-audit-fails" not in lines[0]


def test_shapes_that_differ_never_agree_even_where_they_would_broadcast(lines):
    audit.compare(torch.zeros(2, 1), torch.zeros(2, 2), library="torch", tolerance=1.0)
    assert "labs-audit-fails" in lines[0]
    assert "ours has shape (2, 1), torch's (2, 2): they do not agree" in html.unescape(lines[0])


def test_nan_on_both_sides_agrees(lines):
    nan = torch.tensor([float("nan"), 1.0])
    audit.compare(nan, nan.clone(), library="torch", tolerance=1e-6)
    assert "labs-audit-fails" not in lines[0]


@pytest.mark.parametrize(("ours", "theirs"), [(float("nan"), 1.0), (1.0, float("nan")), (float("inf"), 1.0)])
def test_nan_or_infinity_on_one_side_never_agrees(lines, ours, theirs):
    audit.compare(torch.tensor([ours]), torch.tensor([theirs]), library="torch", tolerance=1e6)
    assert "labs-audit-fails" in lines[0]
    assert f"ours {ours:g}, theirs {theirs:g}" in lines[0]


def test_minus_infinity_on_both_sides_agrees(lines):
    masked = torch.tensor([float("-inf"), 0.5])
    audit.compare(masked, masked.clone(), library="torch", tolerance=1e-6)
    assert "labs-audit-fails" not in lines[0]


def test_no_numbers_at_all_is_no_disagreement(lines):
    audit.compare(torch.zeros(0), torch.zeros(0), library="torch", tolerance=1e-6)
    assert "over 0 numbers" in lines[0]


def test_half_precision_is_compared_in_full(lines):
    audit.compare(torch.tensor([1.0]).half(), torch.tensor([1.0004]), library="torch", tolerance=1e-4)
    assert "labs-audit-fails" in lines[0]


def test_how_it_was_measured_is_shown_literally(lines):
    audit.measured("median of 5 <runs>")
    assert "median of 5 &lt;runs&gt;" in lines[0]
