"""Our decoder block against torch's, and both blocks' gated, shortcut-free and cached forms."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from engine.attention import causal_mask, padding_mask
from engine.blocks import DecoderBlock, EncoderBlock, FeedForward
from engine.cache import KeyValueCache

CLOSE = {"atol": 5e-6, "rtol": 1e-5}  # float32 through three sublayers and three norms


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", F.gelu, nn.GELU(approximate="tanh"), nn.ReLU()], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_block_equals_torch(numbers, norm_first, activation, bias):
    options = {"activation": activation, "norm_first": norm_first, "bias": bias}
    theirs = nn.TransformerDecoderLayer(12, 3, 20, dropout=0.1, batch_first=True, **options).eval()
    for norm in (theirs.norm1, theirs.norm2, theirs.norm3):  # a fresh norm is all 1 and 0 and would hide a swap
        norm.weight = nn.Parameter(1 + 0.3 * numbers(12))
    ours, x, memory = DecoderBlock.from_torch(theirs), numbers(2, 5, 12), numbers(2, 7, 12)
    mask, readable = causal_mask(5), padding_mask([7, 4], 7)
    expected = theirs(x, memory, tgt_mask=~mask, memory_key_padding_mask=~readable[:, 0, 0])
    torch.testing.assert_close(ours(x, memory, mask, readable), expected, **CLOSE)
    torch.testing.assert_close(ours.trace(x, memory, mask, readable).output, expected, **CLOSE)


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize(("norm_first", "residual"), itertools.product([False, True], repeat=2))
def test_trace_adds_up_stage_by_stage(numbers, norm, norm_first, residual):
    block = DecoderBlock(8, 2, 16, norm_first=norm_first, norm=norm, residual=residual, activation="swiglu")
    x, memory = numbers(1, 4, 8), numbers(1, 3, 8)
    trace, keep = block.trace(x, memory, causal_mask(4)), float(residual)
    stages = (
        (x, trace.attention.output, trace.after_attention, block.attention_norm),
        (trace.after_attention, trace.cross_attention.output, trace.after_cross_attention, block.cross_attention_norm),
        (trace.after_cross_attention, trace.feed_forward, trace.output, block.feed_forward_norm),
    )
    for before, part, after, norm_module in stages:
        added = keep * before + part
        torch.testing.assert_close(after, added if norm_first else norm_module(added), **CLOSE)
    given = block.feed_forward_norm(trace.after_cross_attention) if norm_first else trace.after_cross_attention
    torch.testing.assert_close(trace.feed_forward_input, given, **CLOSE)
    torch.testing.assert_close(block.feed_forward.contract(trace.hidden), trace.feed_forward, **CLOSE)
    torch.testing.assert_close(block(x, memory, causal_mask(4)), trace.output, **CLOSE)


@pytest.mark.parametrize("bias", [True, False])
def test_swiglu_equals_llamas(numbers, bias):
    config = LlamaConfig(hidden_size=12, intermediate_size=20, num_attention_heads=3, mlp_bias=bias)
    theirs, x = LlamaMLP(config), numbers(2, 3, 12)
    ours = FeedForward(12, 20, activation="swiglu", bias=bias)
    ours.load_state_dict(theirs.state_dict())  # the parts have the same names
    torch.testing.assert_close(ours(x), theirs(x), **CLOSE)


def test_without_cross_attention_nothing_of_it_is_there(numbers):
    block, x = DecoderBlock(8, 2, 16, norm_first=True, cross_attention=False), numbers(1, 4, 8)
    assert not [name for name, _ in block.named_parameters() if "cross" in name]
    assert block.trace(x).cross_attention is None
    same = EncoderBlock(8, 2, 16, norm_first=True)
    same.load_state_dict(block.state_dict())
    torch.testing.assert_close(block(x, mask=causal_mask(4)), same(x, causal_mask(4)), rtol=0, atol=0)
    with pytest.raises(ValueError, match="memory must be None: this block was built with cross_attention=False"):
        block(x, numbers(1, 3, 8))


def test_without_memory_the_cross_attention_is_left_out(numbers):
    block, x = DecoderBlock(8, 2, 16, norm_first=False), numbers(1, 4, 8)
    same = DecoderBlock(8, 2, 16, norm_first=False, cross_attention=False)
    same.load_state_dict({k: v for k, v in block.state_dict().items() if "cross" not in k})
    torch.testing.assert_close(block(x), same(x), rtol=0, atol=0)


@pytest.mark.parametrize("path", ["forward", "trace"])
def test_reading_on_through_a_cache_equals_reading_at_once(numbers, path):
    block = DecoderBlock(16, 4, 16, norm_first=True, n_kv_heads=2, rotary_base=100.0)
    x, memory, cache = numbers(2, 5, 16), numbers(2, 3, 16), KeyValueCache()
    outputs = []
    for start, end in ((0, 2), (2, 3), (3, 5)):
        step = getattr(block, path)(x[:, start:end], memory, causal_mask(end - start, end), cache=cache)
        outputs.append(step if path == "forward" else step.output)
    torch.testing.assert_close(torch.cat(outputs, dim=1), block(x, memory, causal_mask(5)), **CLOSE)


@pytest.mark.parametrize("make", [EncoderBlock, DecoderBlock])
def test_settings_for_parts_overrule_the_one_for_all(make):
    block = make(8, 2, 16, norm_first=True, bias=False, attention_bias=True)
    assert block.attention.query_proj.bias is not None
    assert block.feed_forward.up_proj.bias is None
    assert block.attention_norm.bias is None


def test_a_torch_layer_with_another_activation_is_refused():
    layer = nn.TransformerDecoderLayer(8, 2, 16, activation=F.silu)
    with pytest.raises(ValueError, match="layer must use relu or gelu"):
        DecoderBlock.from_torch(layer)
