"""Lab 1, section 5: what a mask hides stays hidden, and the leak detector finds the holes."""

import base64
import doctest

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components import models
from engine.leaks import leak_report
from engine.masks import causal_mask, prefix_mask, sliding_window_mask
from pages.lab1_attention import masks, painted_mask
from tests.pages.conftest import floats

N = 7  # tokens of the sentence that the section opens on


def drawn(page):
    """The three panels: mask, weights, leak detector."""
    return page.figure("heatmap")["panels"]


def hidden(panel) -> np.ndarray:
    flat = np.frombuffer(base64.b64decode(panel["masked"]), dtype=np.uint8)
    return flat.reshape(len(panel["rows"]), len(panel["columns"])).astype(bool)


def moved(page) -> list[bool]:
    """Of each output, whether the picture says that it moved."""
    return ["moved" in text for text in drawn(page)[2]["texts"]]


def with_hole(row: int, column: int) -> str:
    mask = causal_mask(N)
    mask[row, column] = True
    return painted_mask.pack(mask)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ({"mask": "none"}, torch.ones(N, N, dtype=torch.bool)),
        ({}, causal_mask(N)),
        ({"mask": "window", "window": "3"}, sliding_window_mask(N, 3)),
        ({"mask": "prefix", "prefix": "4"}, prefix_mask(N, 4)),
        ({"mask": "padding", "real": "5"}, (torch.arange(N) < 5).expand(N, N)),
        ({"mask": "painter", "painted": with_hole(1, 4)}, painted_mask.unpack(with_hole(1, 4))),
    ],
)
def test_every_mask_is_the_engines_and_hides_weights_and_keeps_rows_at_one(open_lab1, link, expected):
    page = open_lab1("masks", **link)
    mask_panel, weights_panel, _ = drawn(page)
    for panel in (mask_panel, weights_panel):
        np.testing.assert_array_equal(hidden(panel), ~expected.numpy())
    weights = floats(weights_panel)
    assert (weights[~expected.numpy()] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)  # float32 rounding over 7 weights
    assert "ours and torch agree" in page.html()


def test_under_a_causal_mask_nothing_earlier_moves(open_lab1):
    page = open_lab1("masks", edit="5")
    assert moved(page) == [False] * 4 + [True] * 3
    assert drawn(page)[2]["marks"] == []
    assert "No leak" in page.html()


def test_without_a_mask_everything_moves_and_the_earlier_are_marked(open_lab1):
    page = open_lab1("masks", mask="none", edit="5")
    assert moved(page) == [True] * N
    assert drawn(page)[2]["marks"] == [[0, 0], [1, 0], [2, 0], [3, 0]]
    assert "4 of the 4 before it moved" in page.html()


def test_a_painted_hole_leaks_to_exactly_those_who_can_read_it(open_lab1):
    page = open_lab1("masks", mask="painter", painted=with_hole(1, 4), edit="5")
    assert moved(page) == [False, True, False, False, True, True, True]
    assert drawn(page)[2]["marks"] == [[1, 0]]
    assert "Row 2 stands before it and moved" in page.html()
    page.set("edit", 6)
    assert drawn(page)[2]["marks"] == []


def test_editing_padding_moves_only_its_own_output(open_lab1):
    page = open_lab1("masks", mask="padding", real="4", edit="6")
    assert moved(page) == [False] * 5 + [True, False]
    assert drawn(page)[0]["rows"][4:] == ["5 [PAD]", "6 [PAD]", "7 [PAD]"]
    assert "hides keys, not queries" in page.html()


def test_a_stroke_makes_any_mask_the_learners_own_and_a_click_chooses_the_token():
    cells = "".join(str(int(cell)) for cell in painted_mask.unpack(with_hole(0, 6)).flatten())
    painted = masks.after_event({"type": "paint", "cells": cells, "time": 1})
    assert painted == {masks.PAINTED: with_hole(0, 6), masks.KIND: "painter"}
    assert masks.after_event({"type": "select", "panel": 1, "row": 0, "column": 3}) == {masks.EDIT: 4}
    assert masks.after_event({}) == {}


def test_the_buttons_set_the_controls_they_name(open_lab1):
    page = open_lab1("masks")
    page.press("Let token 4 look one token ahead")
    assert drawn(page)[2]["marks"] == [[3, 0]]
    page.press("Sliding window of 2")
    np.testing.assert_array_equal(hidden(drawn(page)[0]), ~sliding_window_mask(N, 2).numpy())
    page.press("Mask a whole row")
    assert hidden(drawn(page)[0])[2].all()
    assert page.link()["mask"] == "painter"


def test_a_row_that_reads_nothing_is_explained_with_all_three_answers(open_lab1):
    mask = causal_mask(N)
    mask[2] = False
    page = open_lab1("masks", mask="painter", painted=painted_mask.pack(mask))
    html = page.html()
    assert "Row “3 sat” may read nothing" in html
    assert "NaN NaN NaN NaN NaN NaN NaN" in html
    assert " ".join(["0.14"] * N) in html  # 1/7 of each value: what a fill of -1e9 leaves
    assert not np.isnan(floats(drawn(page)[1])).any()
    assert "ours and torch agree" in html


def test_a_batch_of_nothing_but_padding_is_explained_too(open_lab1):
    page = open_lab1("masks", mask="padding", real="0")
    assert "The same holds for 6 more" in page.html()


@settings(deadline=None)  # the first example loads the model
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_any_painted_mask_moves_only_outputs_that_may_read_the_change(n, seed, position):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(n, n, generator=generator) < 0.5
    x = torch.randn(1, n, 384, generator=generator)
    position = min(position, n - 1)
    attention = models.minilm().model.layers[masks.LAYER].attention.cpu()
    report = leak_report(attention, x, mask, position, seed=0)
    may_read = set(mask[:, position].nonzero().flatten().tolist()) | {position}  # its own query changed as well
    assert set(report.moved) <= may_read


@given(st.integers(1, painted_mask.MOST_TOKENS), st.randoms())
def test_a_painted_mask_survives_the_link(n, random):
    mask = torch.tensor([[random.random() < 0.5 for _ in range(n)] for _ in range(n)])
    packed = painted_mask.pack(mask)
    assert masks.PAINTED.parse(masks.PAINTED.format(packed)) == packed
    assert torch.equal(painted_mask.unpack(packed), mask)


def test_the_examples_of_the_painted_mask_hold():
    assert doctest.testmod(painted_mask).failed == 0


@pytest.mark.parametrize("bad", ["7-zz", "0-0", "13-0", "3-9b", "3-9bff", "-", "x" * 5000, "3-9b9"])
def test_an_impossible_painted_mask_gets_a_sentence(bad):
    with pytest.raises(ValueError, match="painted must be the number of tokens"):
        masks.PAINTED.parse(bad)


def test_a_link_with_impossible_values_keeps_every_control(open_lab1):
    page = open_lab1("masks", mask="purple", painted="7-zz", edit="0", mask_head="13")
    for sentence in ("mask must be one of", "painted must be", "edit must be a whole", "mask_head must be a whole"):
        assert sentence in page.html()
    for name in ("mask_text", "mask", "edit", "mask_head"):
        assert page.widget(name) is not None
    np.testing.assert_array_equal(hidden(drawn(page)[0]), ~causal_mask(N).numpy())


def test_a_mask_painted_for_another_length_keeps_its_cells_and_says_so(open_lab1):
    page = open_lab1("masks", mask="painter", painted="3-fff"[:4] + "8")
    assert "painted for 3 tokens, the text has 7" in page.html()
    assert not hidden(drawn(page)[0])[:3, :3].any()


def test_an_empty_text_gets_a_sentence_and_loses_nothing(open_lab1):
    page = open_lab1("masks", mask="window", window="4")
    page.set("mask_text", "")
    assert "text must hold at least one letter" in page.html()
    assert page.figures("heatmap") == []
    assert page.link()["window"] == "4"
    page.set("mask_text", "back again")
    assert len(drawn(page)[0]["rows"]) == 2


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ({"edit": "6"}, "edit"),
        ({"mask": "painter", "painted": with_hole(1, 4), "edit": "6"}, "edit"),
        ({"mask": "prefix", "prefix": "4"}, "prefix"),
        ({"mask": "padding", "real": "5"}, "real"),
    ],
)
def test_a_short_text_and_back_brings_every_value_back(open_lab1, link, name):
    page = open_lab1("masks", **link)
    before, wish, sentence = drawn(page), int(link[name]), f"goes up to 1 here; {link[name]} comes back"
    page.set("mask_text", "hi")
    assert len(drawn(page)[0]["rows"]) == 1
    assert sentence in page.html()
    assert page.link()[name] == link[name]
    page.set("mask_text", masks.TEXT.default)
    assert page.widget(name).value == wish
    assert "comes back" not in page.html()
    assert drawn(page) == before


def test_rows_inside_a_prefix_are_open_by_design_and_no_leak(open_lab1):
    page = open_lab1("masks", mask="prefix", prefix="3", edit="2")
    assert drawn(page)[2]["texts"][0].startswith("allowed: moved")
    assert drawn(page)[0]["marks"] == drawn(page)[2]["marks"] == []
    assert "1 of the 1 before it moved, by design" in page.html()
    assert "read the future" not in page.html()
    page.set("edit", 5)
    assert "No leak" in page.html()


@pytest.mark.parametrize(
    "typed", ["hi", "x " * 50_000, "שלום עולם", "🙂🙂 ok", "<b>x</b> **y** $z$ :smile: <script>alert(1)</script>"]
)
def test_any_text_is_drawn_as_data(open_lab1, typed):
    page = open_lab1("masks", mask="none")
    page.set("mask_text", typed)
    assert 1 <= len(drawn(page)[0]["rows"]) <= painted_mask.MOST_TOKENS
    assert ("Only the first 12 tokens" in page.html()) == (len(typed) > 20)
    assert "<script>" not in page.html()
    assert page.widget("mask_text").value == typed
