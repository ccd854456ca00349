"""By hand, shapes, leaks, patterns, similarity and cost: what the first lab's sections are made of."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.attention import MultiHeadAttention, causal_mask, scaled_dot_product_attention, split_heads
from engine.cost import CostConfig, fit_exponent, measure_cost, peak_bytes
from engine.leaks import leak_report
from engine.patterns import head_patterns
from engine.shapes import scrambled_heads, shape_walk, split_heads_without_transpose
from engine.similarity import cosine_similarity, sentence_embedding
from engine.worked_example import HandExample, project, work_by_hand, write_dot_product

CLOSE = {"atol": 1e-6, "rtol": 1e-5}  # float32, sums of a handful of products


# --- by hand ---


@pytest.mark.parametrize("mask", [None, causal_mask(3), torch.tensor([[1, 1, 0], [0, 0, 0], [1, 1, 1]]).bool()])
def test_by_hand_with_switches_at_rest_is_attention(mask):
    query, key, value = HandExample().tensors()
    ours, weights = scaled_dot_product_attention(query, key, value, mask)
    trace = work_by_hand(query, key, value, mask)
    torch.testing.assert_close(trace.output, ours, **CLOSE)
    torch.testing.assert_close(trace.weights, weights, **CLOSE)
    torch.testing.assert_close(trace.scaled * 2**0.5, trace.scores, **CLOSE)


def test_the_example_can_be_checked_on_paper():
    example = HandExample(("a", "b"), ((1.0, 0.0), (0.0, 1.0)), *[((2.0, 0.0), (0.0, 2.0))] * 3)
    trace = work_by_hand(*example.tensors(), scaled=False)
    assert trace.scores.tolist() == [[4.0, 0.0], [0.0, 4.0]]
    assert trace.weights[0, 0].item() == pytest.approx(1 / (1 + torch.e**-4))


def test_a_large_number_instead_of_minus_infinity_differs_only_where_nothing_may_be_read():
    query, key, value = HandExample().tensors()
    mask = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 0]]).bool()
    right, wrong = (work_by_hand(query, key, value, mask, fill=fill) for fill in ("-inf", "-1e9"))
    assert torch.equal(right.weights[[0, 2]], wrong.weights[[0, 2]])
    assert right.output[1].eq(0).all()
    assert right.weights[1].eq(0).all()
    torch.testing.assert_close(wrong.output[1], value.mean(dim=0), **CLOSE)


def test_softmax_over_the_wrong_axis_makes_columns_add_up_instead_of_rows():
    trace = work_by_hand(*HandExample().tensors(), softmax_over="queries")
    torch.testing.assert_close(trace.weights.sum(dim=0), torch.ones(3), **CLOSE)
    assert (trace.row_sums - 1).abs().max() > 0.1


def test_without_scaling_rows_saturate():
    query, key, value = HandExample().tensors()
    scaled, unscaled = work_by_hand(query, key, value), work_by_hand(query, key, value, scaled=False)
    assert (unscaled.entropy < scaled.entropy).any()
    assert (unscaled.saturation >= scaled.saturation).all()
    assert (unscaled.gradient_room <= scaled.gradient_room).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=4))
def test_row_measures_stay_in_their_ranges(numbers):
    key = torch.tensor(numbers)[:, None]
    trace = work_by_hand(torch.ones(1, 1), key, key)
    n_keys = torch.tensor(float(len(numbers)))
    assert -1e-6 <= trace.entropy.item() <= n_keys.log2().item() + 1e-6  # rounding
    assert 1 / n_keys.item() - 1e-6 <= trace.saturation.item() <= 1 + 1e-6
    assert -1e-6 <= trace.gradient_room.item() < 1


def test_gradient_room_is_the_trace_of_the_softmax_jacobian():
    trace = work_by_hand(*HandExample().tensors())
    for row, room in zip(trace.masked, trace.gradient_room, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda scores: scores.softmax(-1), row)
        torch.testing.assert_close(jacobian.diagonal().sum(), room, **CLOSE)


def test_a_dot_product_is_written_as_on_paper():
    write = lambda left, right, **k: write_dot_product(torch.tensor(left), torch.tensor(right), **k)  # noqa: E731
    assert write([1.0, 0.0, -1.0], [0.5, 2.0, 3.0]) == "1·0.5 + 0·2 + (-1)·3 = -2.5"
    assert write([0.12345], [-10.0], digits=2) == "0.12·(-10) = -1.23"
    assert write([-0.0001], [1.0], digits=2) == "0·1 = 0"
    assert write([100.0], [10.0], digits=0) == "100·10 = 1000"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: work_by_hand(*[torch.ones(2, 2)] * 3, softmax_over="rows"), "softmax_over must be one of"),
        (lambda: work_by_hand(*[torch.ones(2, 2)] * 3, fill="0"), "fill must be one of"),
        (lambda: work_by_hand(torch.ones(2, 3), torch.ones(2, 2), torch.ones(2, 2)), "key must have the query's 3"),
        (lambda: work_by_hand(torch.ones(2, 2), torch.ones(2, 2), torch.ones(3, 2)), "value must have one row"),
        (lambda: work_by_hand(*[torch.ones(2, 2)] * 3, mask=causal_mask(3)), "mask must be bool of shape"),
        (lambda: project(torch.ones(2, 2), torch.ones(3, 2)), "weight must have"),
        (lambda: write_dot_product(torch.ones(2), torch.ones(3)), "right must be as long as left"),
        (lambda: HandExample(("a",), ((1.0,), (2.0,)), ((1.0,),), ((1.0,),), ((1.0,),)), "x must have one row a token"),
        (lambda: HandExample(("a",), ((float("nan"),),), ((1.0,),), ((1.0,),), ((1.0,),)), "finite numbers only"),
    ],
)
def test_wrong_hand_work_is_refused_in_a_sentence(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# --- shapes ---


def test_the_walk_ends_where_the_module_does_and_names_every_axis(numbers):
    attention, x = MultiHeadAttention(12, 3), numbers(2, 5, 12)
    steps = shape_walk(attention, x)
    trace = attention.trace(x)
    by_name = {step.name: step.tensor for step in steps}
    torch.testing.assert_close(by_name["output"], attention(x), **CLOSE)
    for ours, theirs in (("query, by head", trace.query), ("weights", trace.weights), ("context", trace.context)):
        torch.testing.assert_close(by_name[ours], theirs, **CLOSE)
    assert len(by_name) == len(steps) == 16
    for step in steps:
        assert len(step.axes) == len(step.shape) == step.tensor.dim()
        assert tuple(step.tensor.shape) == step.shape
    with pytest.raises(ValueError, match="must be plain"):
        shape_walk(MultiHeadAttention(12, 4, n_kv_heads=2), x)
    with pytest.raises(ValueError, match="x must be"):
        shape_walk(attention, x[..., :-1])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_each_number_of_the_wrong_split_is_traced_to_its_origin(seq_len, n_heads, head_dim):
    d_model = n_heads * head_dim
    x = torch.randn(1, seq_len, d_model, generator=torch.Generator().manual_seed(0))
    wrong, right, report = split_heads_without_transpose(x, n_heads), split_heads(x, n_heads), None
    report = scrambled_heads(seq_len, d_model, n_heads)
    assert torch.equal(wrong[0], x[0][report.token, report.feature])
    assert torch.equal(right[0], x[0][report.expected_token, report.expected_feature])
    assert torch.equal(report.is_scrambled, wrong[0] != right[0])
    assert report.share == pytest.approx(report.is_scrambled.float().mean().item())
    assert (report.share == 0) == (n_heads == 1 or seq_len == 1)


# --- leaks ---


def test_a_causal_mask_leaks_nothing_and_no_mask_leaks_everything(numbers):
    attention, x = MultiHeadAttention(8, 2), numbers(1, 6, 8)
    for position in range(6):
        report = leak_report(attention, x, causal_mask(6), position, seed=0)
        assert report.leaks == []
        assert report.moved == list(range(position, 6))
        report = leak_report(attention, x, None, position, seed=0)
        assert report.moved == list(range(6))
        assert report.leaks == list(range(position))


def test_exactly_the_outputs_that_may_read_the_token_move(numbers):
    attention, x = MultiHeadAttention(8, 2), numbers(1, 6, 8)
    mask = torch.rand(6, 6, generator=torch.Generator().manual_seed(1)) > 0.5
    for position in range(6):
        moved = leak_report(lambda x, mask: attention.trace(x, mask=mask).output, x, mask, position, seed=3).moved
        # The token's own output moves when it reads anything at all: its query has changed.
        expected = [i for i in range(6) if mask[i, position] or (i == position and mask[i].sum() > 1)]
        assert moved == expected


def test_a_leak_report_comes_from_its_seed_and_edits_only_one_token(numbers):
    attention, x = MultiHeadAttention(8, 2), numbers(1, 4, 8)
    before = x.clone()
    one, two = (leak_report(attention, x, None, 2, seed=5) for _ in range(2))
    assert torch.equal(one.edited, two.edited)
    assert torch.equal(x, before)
    assert torch.equal(one.edited[:, [0, 1, 3]], x[:, [0, 1, 3]])
    with pytest.raises(ValueError, match="position must lie between 0 and 3, got 4"):
        leak_report(attention, x, None, 4, seed=0)


# --- patterns ---


def built_head(pairs, seq_len=6):
    weights = torch.zeros(seq_len, seq_len)
    for i, j in pairs:
        weights[i, j] = 1.0
    return weights


def test_heads_built_to_a_pattern_get_its_name():
    special = [True, False, False, False, False, True]
    heads = {
        "previous": built_head((i, max(i - 1, 0)) for i in range(6)),
        "next": built_head((i, min(i + 1, 5)) for i in range(6)),
        "same token": torch.eye(6),
        "separator sink": built_head((i, 5) for i in range(6)),
        "broad": torch.full((6, 6), 1 / 6),
    }
    patterns = head_patterns(torch.stack(list(heads.values())), special)
    assert [p.label for p in patterns] == list(heads)
    for pattern in patterns:
        assert pattern.score == pytest.approx(1.0) == pattern.scores[pattern.label]
        assert all(0 <= score <= 1 for score in pattern.scores.values())


def test_a_head_without_a_pattern_is_mixed_and_repeats_count_as_the_same_token():
    third = built_head([(0, 3), (1, 4), (2, 4), (3, 0), (4, 1), (5, 2)])
    pattern = head_patterns(third[None], [False] * 6)[0]
    assert pattern.label == "mixed"
    assert pattern.score == max(pattern.scores.values())
    repeated = head_patterns(third[None], [False] * 6, ids=[5, 6, 6, 5, 6, 6])[0]
    assert repeated.label == "same token"
    assert repeated.score == pytest.approx(1.0)


@pytest.mark.parametrize("special", [[True, True], [True, False, True], [False]])
def test_texts_too_short_for_a_pattern_score_zero_not_nan(special):
    n = len(special)
    for pattern in head_patterns(torch.full((1, n, n), 1 / n), special):
        assert all(0 <= score <= 1 for score in pattern.scores.values())
        assert pattern.scores["previous"] == pattern.scores["next"] == 0
    with pytest.raises(ValueError, match="weights must be"):
        head_patterns(torch.zeros(1, n, n + 1), special)


# --- similarity ---


def test_a_sentence_embedding_ignores_padding_and_has_length_one(numbers):
    hidden = numbers(2, 4, 8)
    ours = sentence_embedding(hidden, torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]))
    torch.testing.assert_close(ours[0], torch.nn.functional.normalize(hidden[0, :2].mean(0), dim=0), **CLOSE)
    torch.testing.assert_close(ours.norm(dim=-1), torch.ones(2), **CLOSE)
    with pytest.raises(ValueError, match="at least one real token"):
        sentence_embedding(hidden, torch.zeros(2, 4))


def test_cosine_similarity_equals_torch(numbers):
    left, right = numbers(3, 5), numbers(4, 5)
    ours = cosine_similarity(left, right)
    for i, j in itertools.product(range(3), range(4)):
        theirs = torch.nn.functional.cosine_similarity(left[i], right[j], dim=0)
        torch.testing.assert_close(ours[i, j], theirs, **CLOSE)


# --- cost ---


def test_cost_is_measured_for_both_ways_at_every_length():
    config = CostConfig(lengths=(256, 64, 128), n_heads=2, head_dim=16, repeats=2)
    points = list(measure_cost(config))
    assert [(p.seq_len, p.variant) for p in points] == list(itertools.product([64, 128, 256], ["naive", "fused"]))
    assert all(p.seconds > 0 and p.bytes_peak > 0 for p in points)
    naive = [p.bytes_peak for p in points if p.variant == "naive"]
    for seq_len, held in zip([64, 128, 256], naive, strict=True):
        assert held >= 2 * seq_len**2 * 4  # at least one full table of float32 for each of two heads
    assert fit_exponent([64, 128, 256], naive) == pytest.approx(2.0, abs=0.05)  # smaller tensors grow more slowly
    assert next(p.bytes_peak for p in points[::-1] if p.variant == "fused") < naive[-1]


def test_peak_memory_is_the_most_held_at_once_not_the_sum():
    block = 1 << 20

    def one_after_another():
        for _ in range(3):
            torch.ones(block // 4)

    def together():
        return [torch.ones(block // 4) for _ in range(3)]

    assert peak_bytes(one_after_another) == pytest.approx(block, rel=0.01)  # a few bytes of bookkeeping
    assert peak_bytes(together) == pytest.approx(3 * block, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 3), st.floats(1e-6, 10))
def test_the_fitted_exponent_of_a_power_is_the_power(power, factor):
    lengths = [64, 128, 256, 512, 1024]
    values = [factor * n**power for n in lengths]
    assert fit_exponent(lengths, values) == pytest.approx(power, abs=1e-9)  # a closed form in float64
    values[0] *= 100  # the short half is not looked at
    assert fit_exponent(lengths, values) == pytest.approx(power, abs=1e-9)


def test_wrong_measurements_are_refused_in_a_sentence():
    for lengths, values, says in (([1], [1], "two different"), ([1, 2], [1], "as many"), ([1, 2], [0, 1], "above 0")):
        with pytest.raises(ValueError, match=says):
            fit_exponent(lengths, values)
    with pytest.raises(ValueError, match="lengths must be whole numbers from 1 to 8192"):
        CostConfig(lengths=(0,))
    with pytest.raises(ValueError, match="repeats must be"):
        CostConfig(repeats=0)
