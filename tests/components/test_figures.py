"""Figures as values: what the browser is given is what the page computed."""

import base64

import numpy as np
import pytest
import torch

from components.figures import matrix, theme


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
