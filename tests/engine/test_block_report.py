"""The report of a block's stops: the modules' own trace, in the order of the work, with numbers that can be checked."""

import itertools

import pytest
import torch

from engine.block_report import MOST_LAYERS, StackConfig, build_stack, differences_alone, walk_stack, with_weights_of
from engine.blocks import ACTIVATIONS, NORMS, EncoderBlock
from engine.budget import parameter_terms
from engine.torch_blocks import torch_layer, torch_outputs

IDS = [0, 1, 2, 3, 1, 4]
SMALL = {"n_layers": 3, "d_model": 16, "n_heads": 4, "d_ff": 40, "seed": 3}
ALL_KINDS = list(itertools.product((True, False), NORMS, ACTIVATIONS))


@pytest.mark.parametrize(("norm_first", "norm", "activation"), ALL_KINDS)
def test_the_walk_ends_where_the_forward_pass_does_and_torch_agrees_on_every_layer(norm_first, norm, activation):
    stack = build_stack(StackConfig(norm_first=norm_first, norm=norm, activation=activation, **SMALL))
    walk = walk_stack(stack, IDS)
    last = walk.end or walk.layers[-1][-1]
    # Plain and fused paths add in another order: float32 rounding over three layers.
    torch.testing.assert_close(last.values, stack(torch.tensor([IDS]))[0], rtol=1e-5, atol=1e-5)
    theirs = torch_outputs(list(stack.layers), walk.layers[0][0].values[None])
    for stops, output in zip(walk.layers, theirs, strict=True):
        torch.testing.assert_close(stops[-1].values, output[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm_first", [True, False])
def test_each_stop_follows_from_the_ones_before_it(norm_first):
    stack = build_stack(StackConfig(norm_first=norm_first, **SMALL))
    for block, stops in zip(stack.layers, walk_stack(stack, IDS).layers, strict=True):
        at = {stop.name: stop.values for stop in stops}
        after = at["attention_sum"] if norm_first else at["attention_norm"]
        exactly = {"rtol": 0, "atol": 0}  # the same operations on the same numbers
        torch.testing.assert_close(at["attention_sum"], at["input"] + at["attention"], **exactly)
        torch.testing.assert_close(at["feed_forward_sum"], after + at["feed_forward"], **exactly)
        normed = "input" if norm_first else "attention_sum"
        torch.testing.assert_close(at["attention_norm"], block.attention_norm(at[normed]), **exactly)
        given = at["feed_forward_norm"] if norm_first else after
        torch.testing.assert_close(at["hidden"], block.feed_forward.hidden(given), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_stops_stand_in_the_order_of_the_work_and_say_which_are_the_stream(norm_first):
    stops = walk_stack(build_stack(StackConfig(norm_first=norm_first, **SMALL)), IDS).layers[1]
    names = [stop.name for stop in stops]
    assert names.index("attention_norm") < names.index("attention") or not norm_first
    assert names.index("attention_sum") < names.index("attention_norm") or norm_first
    stream = [stop.name for stop in stops if stop.on_stream]
    sums = ["input", "attention_sum", "feed_forward_sum"]
    normed = ["input", "attention_sum", "attention_norm", "feed_forward_sum", "feed_forward_norm"]
    assert stream == (sums if norm_first else normed)


def test_mean_std_and_norm_are_those_of_each_tokens_own_vector():
    stop = walk_stack(build_stack(StackConfig(**SMALL)), IDS).layers[0][1]
    assert stop.name == "attention_norm"
    numbers = stop.values[2].tolist()
    mean = sum(numbers) / 16
    assert stop.mean[2].item() == pytest.approx(mean, abs=1e-6)
    assert stop.std[2].item() == pytest.approx((sum((n - mean) ** 2 for n in numbers) / 16) ** 0.5, rel=1e-5)
    assert stop.norm[2].item() == pytest.approx(sum(n * n for n in numbers) ** 0.5, rel=1e-5)
    assert stop.std[2].item() == pytest.approx(1, abs=1e-3)  # LayerNorm's promise


@pytest.mark.parametrize("seed", range(3))
def test_the_stream_keeps_growing_in_pre_ln_and_is_reset_in_post_ln(seed):
    def sizes(norm_first):
        walk = walk_stack(build_stack(StackConfig(n_layers=12, norm_first=norm_first, seed=seed)), IDS)
        return [stops[-1].norm.mean().item() for stops in walk.layers]

    pre, post = sizes(True), sizes(False)
    assert all(later > earlier for earlier, later in itertools.pairwise(pre))
    assert pre[-1] > 2 * pre[0]
    assert post == pytest.approx([8.0] * 12, rel=1e-3)  # sqrt(d_model)


@pytest.mark.parametrize(("norm_first", "norm", "activation"), ALL_KINDS)
def test_shared_weights_give_the_stack_that_would_have_been_built(norm_first, norm, activation):
    gated = "swiglu" if activation == "swiglu" else "gelu"
    stack = build_stack(StackConfig(activation=gated, **SMALL))
    wanted = StackConfig(norm_first=norm_first, norm=norm, activation=activation, **{**SMALL, "n_heads": 2})
    shared, built = with_weights_of(stack, wanted), build_stack(wanted)
    ours, theirs = (one.layers[0].attention.query_proj.weight for one in (shared, stack))
    assert ours.data_ptr() == theirs.data_ptr()
    torch.testing.assert_close(shared(torch.tensor([IDS])), built(torch.tensor([IDS])), rtol=0, atol=0)


def test_weights_of_other_sizes_are_not_shared():
    stack = build_stack(StackConfig(**SMALL))
    for other in ({"d_ff": 50}, {"n_layers": 4}, {"activation": "swiglu"}):
        with pytest.raises(ValueError, match="stack must hold"):
            with_weights_of(stack, StackConfig(**{**SMALL, **other}))


@pytest.mark.parametrize(("norm_first", "norm", "activation"), ALL_KINDS)
def test_the_parameters_of_the_stops_add_up_to_the_layers_and_to_the_formulas(norm_first, norm, activation):
    config = StackConfig(norm_first=norm_first, norm=norm, activation=activation, **SMALL)
    stack = build_stack(config)
    layers = walk_stack(stack, IDS).layers
    for block, stops in zip(stack.layers, layers, strict=True):
        assert sum(stop.n_parameters for stop in stops) == sum(weights.numel() for weights in block.parameters())
    blocks = sum(stop.n_parameters for stops in layers for stop in stops)
    named = {"attention", "feed-forward", "norms in the blocks"}
    assert blocks == sum(term.value for term in parameter_terms(config.model, "encoder") if term.name in named)


@pytest.mark.parametrize("norm_first", [True, False])
def test_only_attention_answers_otherwise_when_a_token_is_alone(norm_first):
    stack = build_stack(StackConfig(norm_first=norm_first, **SMALL))
    found = differences_alone(stack.layers[1], walk_stack(stack, IDS).layers[1], position=2)
    assert found.pop("attention") > 0.1
    assert max(found.values()) < 1e-5  # matrices of other shapes may add in another order
    one = walk_stack(stack, IDS[:1]).layers[1]
    assert max(differences_alone(stack.layers[1], one, position=0).values()) == 0  # nobody else to read


def test_more_layers_go_on_where_fewer_end():
    short, long = (walk_stack(build_stack(StackConfig(n_layers=n)), IDS) for n in (2, 4))
    torch.testing.assert_close(short.layers[1][-1].values, long.layers[1][-1].values, rtol=0, atol=0)
    assert len(long.stream()) == 1 + 4 * 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"n_layers": 0}, "n_layers must be a whole number of 1 or more, got 0"),
        ({"n_layers": MOST_LAYERS + 1}, "n_layers must be a whole number from 1 to"),
        ({"n_heads": 10_000}, "n_heads must divide d_model = 64"),
        ({"n_heads": 5}, "1, 2, 4, 8, 16, 32, 64 would do"),
        ({"d_ff": 0}, "d_ff must be"),
        ({"d_model": 4096, "d_ff": 16384}, "at most 20,000,000 parameters"),
        ({"d_model": 1_000_000}, "config must fit the memory of cpu"),
        ({"norm": "batchnorm"}, "norm must be one of layernorm, rmsnorm"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_sizes_that_cannot_be_are_refused_with_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        StackConfig(**wrong)


def test_torch_layer_refuses_what_torch_has_not():
    settings = {"norm_first": True}
    for other in ({"n_kv_heads": 2}, {"residual": False}, {"bias": False}, {"rotary_base": 10000.0}):
        with pytest.raises(ValueError, match="block must have"):
            torch_layer(EncoderBlock(16, 4, 32, **settings, **other))
