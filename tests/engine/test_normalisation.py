"""Normalisation by hand is torch's, its mistakes are the ones they say they are, and the bends are torch's too."""

import doctest

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import activations, normalisation
from engine.activations import FORMULAS, slope
from engine.normalisation import trace_norm

ROWS = st.lists(st.lists(st.floats(-100, 100), min_size=4, max_size=4), min_size=1, max_size=3)
SCALE, SHIFT = torch.tensor([1.0, -2.0, 0.5, 3.0]).double(), torch.tensor([0.0, 1.0, -4.0, 0.25]).double()


@settings(deadline=None)
@given(ROWS, st.sampled_from([1e-5, 0.01, 1.0]))
def test_every_row_is_torchs_layer_norm_and_rms_norm(rows, eps):
    x = torch.tensor(rows).double()
    # 1e-9: near-equal numbers are divided by a root of about sqrt(1e-5), which enlarges a rounding of 1e-14
    close = {"atol": 1e-9, "rtol": 1e-9}
    ours = trace_norm(x, scale=SCALE, shift=SHIFT, eps=eps).output
    torch.testing.assert_close(ours, F.layer_norm(x, (4,), SCALE, SHIFT, eps), **close)
    ours = trace_norm(x, "rmsnorm", scale=SCALE, eps=eps).output
    torch.testing.assert_close(ours, F.rms_norm(x, (4,), SCALE, eps), **close)


def test_stages_lead_from_one_to_the_next():
    trace = trace_norm(torch.tensor([[1.0, 3.0, 3.0, 9.0]]).double(), scale=SCALE, shift=SHIFT, eps=0.0)
    assert trace.mean.tolist() == [[4.0]]
    assert trace.centred.tolist() == [[-3.0, -1.0, -1.0, 5.0]]
    assert trace.squares.tolist() == [[9.0, 1.0, 1.0, 25.0]]
    assert (trace.variance.item(), trace.root.item()) == (9.0, 3.0)
    torch.testing.assert_close(trace.scaled, trace.divided * SCALE)
    torch.testing.assert_close(trace.output, trace.scaled + SHIFT)


def test_dividing_by_one_less_makes_the_numbers_smaller_by_a_known_factor():
    x = torch.tensor([[1.0, 3.0, 3.0, 9.0]]).double()
    right, wrong = trace_norm(x, eps=0.0), trace_norm(x, eps=0.0, unbiased=True)
    torch.testing.assert_close(wrong.variance, x.var(-1, keepdim=True, correction=1))
    torch.testing.assert_close(wrong.output, right.output * 0.75**0.5)


def test_over_tokens_is_batch_normalisation():
    x = torch.tensor([[1.0, 3.0, 3.0, 9.0], [1.0, -5.0, -7.0, -5.0], [0.5, 2.0, 8.0, 1.0]]).double()
    ours = trace_norm(x, over="tokens", eps=1e-5).output
    theirs = F.batch_norm(x, None, None, training=True, eps=1e-5)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("value", [0.1, 3.0, -7.3])
def test_equal_numbers_without_eps_are_nought_by_nought_as_in_torch(value):
    x = torch.full((1, 4), value).double()
    assert trace_norm(x, eps=0.0).output.isnan().all()
    assert F.layer_norm(x, (4,), eps=0.0).isnan().all()
    assert (trace_norm(x, eps=1e-5).output == 0).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"norm": "batchnorm"}, "norm must be one of"),
        ({"over": "words"}, "over must be one of"),
        ({"eps": -1.0}, "eps must be 0 or more"),
        ({"eps": float("nan")}, "eps must be 0 or more"),
        ({"scale": torch.ones(3)}, "scale must have one number a column"),
        ({"norm": "rmsnorm", "shift": torch.zeros(2)}, "RMSNorm has none"),
        ({"unbiased": True, "over": "tokens"}, "divide by 0"),
        ({"x": torch.zeros(0, 2)}, "at least one number"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        trace_norm(**{"x": torch.ones(1, 2), **wrong})


THEIRS = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu}


@pytest.mark.parametrize("name", FORMULAS)
def test_each_bend_and_its_slope_is_torchs(name):
    x = torch.linspace(-8, 8, 401).double()
    torch.testing.assert_close(FORMULAS[name](x), THEIRS[name](x))
    torch.testing.assert_close(slope(FORMULAS[name], x), slope(THEIRS[name], x))


def test_examples_in_the_documentation_hold():
    for module in (normalisation, activations):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed
