"""The untrained stack: the paper's direction, and what the numbers are, found again by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.initial import initialise
from engine.masks import causal_mask
from engine.signals import SignalConfig, _Stack, measure_signals

DEPTHS = (2, 8, 32)


def last_gradients(**settings):
    """Xiong et al. 2020, figure 3, in miniature: the mean over three seeds, for each depth."""
    return [
        sum(measure_signals(SignalConfig(n_layers=n, seed=s, **settings)).last_feed_forward_gradient for s in range(3))
        / 3
        for n in DEPTHS
    ]


@pytest.mark.parametrize("form", [{}, {"norm": "rmsnorm"}, {"activation": "gelu"}], ids=str)
def test_the_last_feed_forward_gradient_falls_with_depth_for_pre_ln_and_not_for_post_ln(form):
    pre, post = last_gradients(norm_first=True, **form), last_gradients(norm_first=False, **form)
    assert pre[0] > pre[1] > pre[2]
    exponent = math.log(pre[2] / pre[0]) / math.log(DEPTHS[2] / DEPTHS[0])
    assert -0.7 < exponent < -0.3  # the theory says -1/2
    assert 0.7 < post[2] / post[0] < 1.5  # the theory says 1
    assert post[2] > 3 * pre[2]


def test_the_stream_of_pre_ln_grows_like_the_root_of_depth_and_that_of_post_ln_not_at_all():
    pre, post = (measure_signals(SignalConfig(n_layers=32, norm_first=first)) for first in (True, False))
    signals = [layer.signal for layer in pre.layers]
    assert signals[3::4] == sorted(signals[3::4])  # a single layer may point backwards
    assert 0.35 < math.log(signals[31] / signals[7]) / math.log(4) < 0.65
    for layer in post.layers:
        assert layer.signal == pytest.approx(8, rel=1e-3)  # sqrt(d_model): a fresh norm gives spread 1


@pytest.mark.parametrize("norm_first", [True, False])
def test_without_shortcuts_the_tokens_become_one(norm_first):
    kept, lost = (measure_signals(SignalConfig(n_layers=6, norm_first=norm_first, residual=r)) for r in (True, False))
    assert lost.layers[-1].similarity > 0.99
    assert kept.layers[-1].similarity < 0.9
    assert lost.layers[0].similarity > kept.layers[0].similarity


@pytest.mark.parametrize("norm_first", [True, False])
def test_torchs_own_layers_give_the_same_gradients(norm_first):
    config = SignalConfig(n_layers=3, norm_first=norm_first, d_model=16, n_heads=2, d_ff=24)
    report, generator = measure_signals(config), torch.Generator().manual_seed(0)
    stack = _Stack(config)
    initialise(stack, generator)  # the same draws in the same order
    x = torch.randn(4, 16, 16, generator=generator)
    words = torch.randint(100, (4, 16), generator=generator)
    layers = []
    for block in stack.layers:
        layer = nn.TransformerEncoderLayer(16, 2, 24, dropout=0.0, batch_first=True, norm_first=norm_first)
        attention, parts = block.attention, block.feed_forward
        with torch.no_grad():
            projections = (attention.query_proj, attention.key_proj, attention.value_proj)
            layer.self_attn.in_proj_weight.copy_(torch.cat([proj.weight for proj in projections]))
        layer.self_attn.out_proj.load_state_dict(attention.out_proj.state_dict())
        layer.linear1.load_state_dict(parts.up_proj.state_dict())
        layer.linear2.load_state_dict(parts.down_proj.state_dict())
        layers.append(layer)
        x = layer(x, src_mask=~causal_mask(16))
    F.cross_entropy(stack.head(stack.final_norm(x)).flatten(0, 1), words.flatten()).backward()
    for ours, layer in zip(report.layers, layers, strict=True):
        theirs = [parameter.grad for part in (layer.linear1, layer.linear2) for parameter in part.parameters()]
        size = sum(gradient.square().sum() for gradient in theirs) ** 0.5
        assert ours.feed_forward_gradient == pytest.approx(size.item(), rel=1e-4)  # float32 through three layers


def test_the_same_seed_gives_the_same_numbers_and_no_gradient_mode_does_not_matter():
    before = torch.get_rng_state()
    first = measure_signals(SignalConfig(n_layers=3))
    with torch.no_grad():
        assert measure_signals(SignalConfig(n_layers=3)) == first
    assert measure_signals(SignalConfig(n_layers=3, seed=1)) != first
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_layers": 0}, "n_layers must be a whole number from 1 to 96, got 0"),
        ({"n_layers": 1000}, "n_layers must be .* got 1000"),
        ({"n_heads": 5}, "n_heads must divide d_model = 64"),
        ({"norm": "batchnorm"}, "norm must be one of layernorm, rmsnorm"),
        ({"activation": "tanh"}, "activation must be one of"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        SignalConfig(**change)
