"""Attention against torch, and the plain path against the fused one."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.attention import (
    MultiHeadAttention,
    causal_mask,
    fused_attention,
    merge_heads,
    padding_mask,
    prefix_mask,
    scaled_dot_product_attention,
    sliding_window_mask,
    split_heads,
)
from engine.cache import KeyValueCache

CLOSE = {"atol": 2e-6, "rtol": 1e-5}  # float32: sums of a few dozen products, added up in another order
MASKS = {
    "none": None,
    "causal": causal_mask(5),
    "padding": padding_mask([5, 3], 5),
    "window": sliding_window_mask(5, 2),
    "prefix": prefix_mask(5, 2),
    "one row reads nothing": torch.tensor([1, 1, 0, 1, 1]).bool()[:, None].expand(5, 5),
    "all of one text is padding": padding_mask([5, 0], 5),
}


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_equals_torch_for_every_mask_bias_and_scale(numbers, mask, with_bias, scale):
    query, key, value = numbers(2, 3, 5, 4), numbers(2, 3, 5, 4), numbers(2, 3, 5, 6)
    bias = numbers(3, 5, 5) if with_bias else None
    ours, weights = scaled_dot_product_attention(query, key, value, mask, bias=bias, scale=scale)
    added = torch.zeros(2, 3, 5, 5) if bias is None else bias.expand(2, 3, 5, 5)
    added = added if mask is None else added.masked_fill(~mask, -torch.inf)
    theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=added, scale=scale)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    torch.testing.assert_close(fused_attention(query, key, value, mask, bias=bias, scale=scale), theirs, **CLOSE)
    rows = weights.sum(dim=-1)
    assert bool(((rows - 1).abs().lt(1e-6) | (rows == 0)).all())


@pytest.mark.parametrize("attend", [lambda *a, **k: scaled_dot_product_attention(*a, **k)[0], fused_attention])
@pytest.mark.parametrize("through", ["mask", "bias"])
def test_a_row_that_reads_nothing_is_zero_and_its_gradient_finite(numbers, attend, through):
    query, key, value = (numbers(1, 1, 3, 4).requires_grad_() for _ in range(3))
    mask = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 0]]).bool()
    closed = {"mask": mask} if through == "mask" else {"bias": torch.zeros(3, 3).masked_fill(~mask, -torch.inf)}
    output = attend(query, key, value, **closed)
    assert output[0, 0, 1].eq(0).all()
    assert output[0, 0, 0].ne(0).all()
    output.square().sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad.isfinite().all()
    assert query.grad[0, 0, 1].eq(0).all()


def test_broken_numbers_are_not_hidden():
    query = torch.tensor([[float("nan")]])
    output, _ = scaled_dot_product_attention(query, torch.ones(2, 1), torch.ones(2, 1), torch.ones(1, 2).bool())
    assert output.isnan().all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_outputs_are_mixtures_of_the_values_that_may_be_read(query_len, key_len, seed):
    generator = torch.Generator().manual_seed(seed)
    query, key = torch.randn(query_len, 3, generator=generator), torch.randn(key_len, 3, generator=generator)
    value = torch.randn(key_len, 2, generator=generator)
    mask = torch.rand(query_len, key_len, generator=generator) > 0.4
    output, weights = scaled_dot_product_attention(query, key, value, mask)
    assert weights[~mask].eq(0).all()
    for row, allowed in zip(output, mask, strict=True):
        if not allowed.any():
            assert row.eq(0).all()
        else:
            low, high = value[allowed].amin(0), value[allowed].amax(0)
            assert bool(((row >= low - 1e-6) & (row <= high + 1e-6)).all())  # rounding of one weighted sum


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_the_keys_does_not_matter(order):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(5, 4, generator=generator) for _ in range(3))
    plain, _ = scaled_dot_product_attention(query, key, value)
    shuffled, _ = scaled_dot_product_attention(query, key[order], value[order])
    torch.testing.assert_close(plain, shuffled, **CLOSE)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize(
    ("with_bias", "n_kv_heads", "rotary_base"), itertools.product([False, True], [4, 2, 1], [None, 100.0])
)
def test_trace_equals_forward(numbers, mask, with_bias, n_kv_heads, rotary_base):
    attention = MultiHeadAttention(16, 4, n_kv_heads=n_kv_heads, rotary_base=rotary_base)
    x, bias = numbers(2, 5, 16), numbers(4, 5, 5) if with_bias else None
    trace = attention.trace(x, mask=mask, bias=bias, muted_heads=[1])
    torch.testing.assert_close(trace.output, attention(x, mask=mask, bias=bias, muted_heads=[1]), **CLOSE)
    torch.testing.assert_close(trace.scores - (0 if bias is None else bias), trace.query @ trace.key.mT / 2, **CLOSE)
    assert trace.context[:, 1].eq(0).all()
    torch.testing.assert_close(trace.output, attention.out_proj(merge_heads(trace.context)), **CLOSE)


@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
@pytest.mark.parametrize("rotary_base", [None, 100.0])
@pytest.mark.parametrize("path", ["forward", "trace"])
@pytest.mark.parametrize("pieces", [[1, 1, 1, 1, 1], [3, 2], [2, 1, 2]])
def test_reading_in_pieces_through_a_cache_equals_reading_at_once(numbers, n_kv_heads, rotary_base, path, pieces):
    attention = MultiHeadAttention(16, 4, n_kv_heads=n_kv_heads, rotary_base=rotary_base)
    x, cache, outputs, start = numbers(2, 5, 16), KeyValueCache(), [], 0
    for size in pieces:
        mask = causal_mask(size, start + size)
        step = getattr(attention, path)(x[:, start : start + size], mask=mask, cache=cache)
        outputs.append(step if path == "forward" else step.output)
        start += size
    assert cache.length == 5
    torch.testing.assert_close(torch.cat(outputs, dim=1), attention(x, mask=causal_mask(5)), **CLOSE)


def test_a_cache_can_be_reordered_and_shortened(numbers):
    attention, x, cache = MultiHeadAttention(8, 2, rotary_base=100.0), numbers(2, 5, 8), KeyValueCache()
    attention(x[:, :4], mask=causal_mask(4), cache=cache)
    cache.truncate(2)
    cache.reorder([1, 1, 0])
    swapped = x[[1, 1, 0]]
    ours = attention(swapped[:, 2:], mask=causal_mask(3, 5), cache=cache)
    torch.testing.assert_close(ours, attention(swapped, mask=causal_mask(5))[:, 2:], **CLOSE)
    for call, says in (
        (lambda: cache.truncate(6), "length must lie between 0 and the 5 tokens"),
        (lambda: cache.reorder([3]), "rows must be whole numbers from 0 to 2"),
        (lambda: KeyValueCache(0), "n_layers must be"),
    ):
        with pytest.raises(ValueError, match=says):
            call()


def test_a_refused_call_leaves_the_cache_alone(numbers):
    attention, cache = MultiHeadAttention(8, 2), KeyValueCache()
    attention(numbers(1, 3, 8), cache=cache)
    with pytest.raises(ValueError, match="mask"):
        attention(numbers(1, 1, 8), mask=causal_mask(2), cache=cache)
    assert cache.length == 3


@pytest.mark.parametrize("bias", [True, False])
def test_multi_head_attention_equals_torch(numbers, bias):
    theirs = nn.MultiheadAttention(12, 3, bias=bias, batch_first=True).eval()
    ours = MultiHeadAttention.from_torch(theirs)
    x, memory, lengths = numbers(2, 4, 12), numbers(2, 6, 12), torch.tensor([6, 2])
    padding = padding_mask(lengths, 6)
    expected, weights = theirs(x, memory, memory, key_padding_mask=~padding[:, 0, 0], average_attn_weights=False)
    trace = ours.trace(x, memory, padding)
    torch.testing.assert_close(trace.output, expected, **CLOSE)
    torch.testing.assert_close(trace.weights, weights, **CLOSE)
    torch.testing.assert_close(ours(x, memory, padding), expected, **CLOSE)


def test_inputs_are_not_edited(numbers):
    tensors = [numbers(1, 2, 3, 4), numbers(1, 2, 3, 4), numbers(1, 2, 3, 4), causal_mask(3), numbers(2, 3, 3)]
    before = [t.clone() for t in tensors]
    scaled_dot_product_attention(*tensors[:4], bias=tensors[4])
    fused_attention(*tensors[:4], bias=tensors[4])
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_split_heads_keeps_each_token_together(numbers):
    x = numbers(2, 3, 8)
    heads = split_heads(x, 4)
    for head, token in itertools.product(range(4), range(3)):
        assert torch.equal(heads[:, head, token], x[:, token, 2 * head : 2 * head + 2])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 7))
def test_masks_say_what_their_names_say(seq_len, window, prefix_len):
    prefix_len = min(prefix_len, seq_len)
    sliding, prefix = sliding_window_mask(seq_len, window), prefix_mask(seq_len, prefix_len)
    for i, j in itertools.product(range(seq_len), repeat=2):
        assert causal_mask(seq_len)[i, j] == (j <= i)
        assert sliding[i, j] == (i - window < j <= i)
        assert prefix[i, j] == (j <= i or j < prefix_len)
    assert torch.equal(causal_mask(1, seq_len), torch.ones(1, seq_len).bool())


def test_a_causal_mask_with_cached_keys_equals_torchs_lower_right_mask():
    from torch.nn.attention.bias import causal_lower_right

    assert torch.equal(causal_mask(3, 7), causal_lower_right(3, 7)._materialize())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MultiHeadAttention(10, 3), r"n_heads must divide d_model = 10.*got 3.*1, 2, 5, 10"),
        (lambda: MultiHeadAttention(8, 4, n_kv_heads=3), "n_kv_heads must divide n_heads = 4.*got 3"),
        (lambda: MultiHeadAttention(0, 1), "d_model must be a whole number of 1 or more, got 0"),
        (lambda: MultiHeadAttention(6, 2, rotary_base=10.0), "must be even"),
        (lambda: MultiHeadAttention(8, 2)(torch.zeros(1, 3, 7)), "x must be .*d_model = 8"),
        (lambda: MultiHeadAttention(8, 2)(torch.zeros(1, 3, 8), muted_heads=[2]), "muted_heads .* 0 and 1, got 2"),
        (lambda: MultiHeadAttention(8, 2)(torch.zeros(1, 3, 8), mask=torch.ones(3, 3)), "mask must be bool"),
        (lambda: MultiHeadAttention(8, 2)(torch.zeros(1, 3, 8), mask=causal_mask(4)), "mask must broadcast"),
        (
            lambda: MultiHeadAttention(8, 2)(torch.zeros(1, 3, 8), torch.zeros(1, 3, 8), cache=KeyValueCache()),
            "memory must be None",
        ),
        (
            lambda: scaled_dot_product_attention(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2, 4)),
            "head_dim of 3",
        ),
        (lambda: scaled_dot_product_attention(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(1, 4)), "key_len of 2"),
        (lambda: causal_mask(-1), "query_len"),
        (lambda: padding_mask([4], 3), "lengths must lie between 0 and key_len = 3"),
        (lambda: sliding_window_mask(3, 0), "window .* got 0"),
        (lambda: prefix_mask(3, 4), "prefix_len .* got 4"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(call, says):
    with pytest.raises(ValueError, match=says):
        call()
