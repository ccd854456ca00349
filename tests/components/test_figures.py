"""Figures as values: what the browser is given is what the page computed."""

import base64

import numpy as np
import pytest
import torch

from components.figures import lens, matrix, theme
from components.figures.token_strip import Chip, columns
from engine.logit_lens import LogitLens


def test_positions_keep_repeats_apart():
    assert matrix.positions(["the", "cat", "the"]) == ["1 the", "2 cat", "3 the"]


def test_floats_and_flags_survive_the_way_to_the_browser():
    values = torch.tensor([[0.1, -2.0], [float("inf"), 3.5]])
    back = np.frombuffer(base64.b64decode(matrix.floats(values)), dtype="<f4").reshape(2, 2)
    np.testing.assert_array_equal(back, values.numpy())
    assert base64.b64decode(matrix.flags(torch.tensor([True, False, True]))) == b"\x01\x00\x01"


def test_a_transposed_matrix_is_sent_row_by_row():
    values = torch.arange(6.0).reshape(2, 3).T
    back = np.frombuffer(base64.b64decode(matrix.floats(values)), dtype="<f4").reshape(3, 2)
    np.testing.assert_array_equal(back, values.numpy())


def test_the_alt_text_names_the_strongest_cell_that_is_not_masked():
    panel = matrix.Panel(
        torch.tensor([[0.2, 0.8], [0.6, 0.4]]),
        ["1 a", "2 b"],
        ["1 a", "2 b"],
        title="Head 1",
        masked=torch.tensor([[False, True], [False, False]]),
    )
    assert matrix.describe([panel]) == "Head 1: strongest 2 b to 1 a, 0.60"


@pytest.mark.parametrize("n", [1, 96, 97, 200, 512])
def test_pooling_keeps_what_is_legible_and_averages_the_rest(n):
    values = torch.rand(n, n, generator=torch.Generator().manual_seed(0))
    pooled, labels, block = matrix.pool(values, [str(i) for i in range(n)])
    assert len(labels) == pooled.shape[0] == pooled.shape[1] == -(-n // block)
    assert len(labels) <= matrix.LEGIBLE_CELLS
    assert (block == 1) == (n <= matrix.LEGIBLE_CELLS)
    torch.testing.assert_close(pooled[0, 0], values[:block, :block].mean())


def test_both_themes_have_a_colour_of_their_own_for_every_role():
    assert {name for name, _, _ in theme.role_colours()} == set(theme.ROLES)
    assert all(light != dark for _, light, dark in theme.role_colours())


def test_chips_send_their_shares_only_where_one_has_one():
    assert columns([Chip("a"), Chip("b")])["shares"] == []
    assert columns([Chip("a"), Chip("b", share=0.25), Chip("c", share=0.0)])["shares"] == [None, 0.25, 0.0]


def test_the_lens_names_each_token_once_and_every_cell_finds_its_own():
    ids = torch.tensor([[[7, 3], [3, 9]], [[9, 7], [7, 7]]])  # (depths, places, n_top)
    blank = torch.zeros(2, 2)
    named, top = lens._named(LogitLens((0, 1), ids, ids.float(), blank, ids[0, 0], blank, blank.long()))
    assert sorted(named) == [3, 7, 9]
    assert [named[place] for place in top] == ids.flatten().tolist()
