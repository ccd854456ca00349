"""Lab 1, section 4: every cut of the same weights is real attention, and the model's own cut is the model's own."""

import numpy as np
import pytest
import torch

from components import models
from pages.lab1_attention.many_heads import D_MODEL, HEADS, recut
from tests.pages.conftest import floats


@pytest.mark.parametrize("n_heads", HEADS.options)
def test_every_number_of_heads_draws_as_many_squares_whose_rows_add_up_to_one(open_lab1, n_heads):
    page = open_lab1("many-heads", heads=n_heads)
    panels = page.figure("heatmap")["panels"]
    assert len(panels) == int(n_heads)
    for panel in panels:
        np.testing.assert_allclose(floats(panel).sum(axis=1), 1.0, atol=1e-5)  # float32 rounding over 16 weights
    assert "torch.nn.MultiheadAttention agree" in page.html()


def test_twelve_heads_are_the_models_own():
    read = models.short_reading("dogs chase cats", 24)
    with torch.no_grad():
        ours = recut(2, 12).trace(read.trace.hidden_states[2].clone())
    torch.testing.assert_close(ours.weights, read.trace.layers[2].weights.clone(), atol=1e-6, rtol=0)  # same operations


def test_the_number_of_parameters_does_not_depend_on_the_number_of_heads():
    counts = {sum(p.numel() for p in recut(0, int(n)).parameters()) for n in HEADS.options}
    assert counts == {4 * (D_MODEL * D_MODEL + D_MODEL)}


def test_the_merge_shows_the_heads_side_by_side_and_the_output(open_lab1):
    page = open_lab1("many-heads", heads="4", show="merge")
    side_by_side, output = page.figure("heatmap")["panels"]
    assert side_by_side["dividers"] == [96, 192, 288]
    assert len(side_by_side["columns"]) == len(output["columns"]) == D_MODEL
    assert side_by_side["columns"][95:97] == ["h1.96", "h2.1"]


def test_a_count_that_is_not_offered_gets_a_sentence(open_lab1):
    page = open_lab1("many-heads", heads="5")
    assert "heads must be one of 1, 2, 3, 4, 6, 8, 12, 16" in page.html()
    assert len(page.figure("heatmap")["panels"]) == 12


def test_the_words_speak_of_the_picture_that_is_shown(open_lab1):
    assert "hands over the largest numbers" in open_lab1("many-heads", heads="4", show="merge").html()
    page = open_lab1("many-heads", heads="4")
    assert "favourites" in page.html()
    assert "this cut is our own" in page.html()
    assert "this cut is our own" not in open_lab1("many-heads").html()
