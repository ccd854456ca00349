"""torch's own layers find the same curves, with and without shortcuts, wherever the norm stands."""

import math

import pytest
import torch

from engine.signal_checks import curves, torch_curves
from engine.signals import SignalConfig, measure_signals

WAYS = {"pre": {"norm_first": True}, "post": {"norm_first": False}, "none": {"norm": "none"}}


def both_ways(**settings):
    """With shortcuts, and without."""
    return (measure_signals(SignalConfig(residual=residual, double=True, **settings)) for residual in (True, False))


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("way", [*WAYS.values(), {"norm": "rmsnorm", "activation": "gelu"}], ids=str)
def test_torchs_layers_give_the_same_curves(way, residual):
    config = SignalConfig(n_layers=6, residual=residual, d_model=16, n_heads=2, d_ff=24, double=True, **way)
    ours, theirs = curves(measure_signals(config)), torch_curves(config)
    assert ours.shape == (3, 6)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)  # 64-bit rounding through six layers


@pytest.mark.parametrize("way", WAYS.values(), ids=str)
@pytest.mark.parametrize("residual", [True, False])
def test_they_agree_in_the_deepest_stack_too_where_numbers_explode_and_where_only_rounding_is_left(way, residual):
    config = SignalConfig(n_layers=48, residual=residual, double=True, **way)
    ours, theirs = curves(measure_signals(config)), torch_curves(config)
    rows = 2 if way == WAYS["none"] else 3  # without a norm rounding explodes with the gradient
    torch.testing.assert_close(
        ours[:rows], theirs[:rows], rtol=0, atol=1e-8
    )  # 48 layers may each enlarge 64-bit rounding


def test_a_curve_is_a_share_of_its_whole():
    report = measure_signals(SignalConfig(n_layers=3))
    sizes = [layer.signal for layer in report.layers]
    attention = max(layer.attention_gradient for layer in report.layers)
    size, similarity, gradient = curves(report).tolist()
    assert size == [each / max(sizes) for each in sizes]
    assert similarity == [layer.similarity for layer in report.layers]
    assert gradient == [layer.query_key_gradient / attention for layer in report.layers]


def test_without_a_norm_the_stream_explodes_with_shortcuts_and_dies_without():
    kept, lost = both_ways(n_layers=48, norm="none")
    assert kept.layers[-1].signal > 1e8
    assert lost.layers[-1].signal < 1e-8
    assert math.isfinite(kept.layers[0].query_key_gradient)  # 64 bits hold what 32 cannot
    assert not math.isfinite(measure_signals(SignalConfig(n_layers=48, norm="none")).layers[0].query_key_gradient)


@pytest.mark.parametrize("norm_first", [True, False])
def test_where_all_tokens_are_the_same_nothing_tells_attention_whom_to_read(norm_first):
    kept, lost = both_ways(n_layers=12, norm_first=norm_first)
    assert lost.layers[-1].similarity > 0.9999
    assert lost.layers[5].query_key_gradient < 1e-3 * kept.layers[5].query_key_gradient
    assert lost.layers[5].feed_forward_gradient > 0.1 * kept.layers[5].feed_forward_gradient  # that one still learns


def test_64_bits_change_no_number_that_32_can_hold():
    single, double = (measure_signals(SignalConfig(n_layers=4, double=d)) for d in (False, True))
    for ours, theirs in zip(single.layers, double.layers, strict=True):
        for name in ("signal", "similarity", "query_key_gradient", "feed_forward_gradient"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-4)  # 32-bit rounding
