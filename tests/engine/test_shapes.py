"""The walk through multi-head attention with the classic wrong reshape: right shapes, wrong numbers."""

import pytest
import torch

from engine.attention import MultiHeadAttention, attention_scores, masked_softmax, merge_heads
from engine.shapes import scrambled_heads, shape_walk, split_heads_without_transpose


@pytest.fixture
def attention() -> MultiHeadAttention:
    torch.manual_seed(0)
    return MultiHeadAttention(12, 4).requires_grad_(False)


def test_the_right_walk_ends_where_the_module_ends(attention):
    x = torch.randn(1, 5, 12, generator=torch.Generator().manual_seed(1))
    # 1e-6: float32 sums in another order
    torch.testing.assert_close(shape_walk(attention, x)[-1].tensor, attention(x), atol=1e-6, rtol=0)


def test_the_wrong_walk_has_the_same_shapes_and_other_numbers(attention):
    x = torch.randn(1, 5, 12, generator=torch.Generator().manual_seed(1))
    right = {step.name: step for step in shape_walk(attention, x)}
    wrong = {step.name: step for step in shape_walk(attention, x, transpose=False)}
    assert set(right) - set(wrong) == {"query, cut", "key, cut", "value, cut"}
    assert all(step.shape == right[name].shape for name, step in wrong.items())
    moved = wrong["query, by head"].tensor[0] != right["query, by head"].tensor[0]
    assert torch.equal(moved, scrambled_heads(5, 12, 4).is_scrambled)
    query, key, value = (
        split_heads_without_transpose(proj(x), 4)
        for proj in (attention.query_proj, attention.key_proj, attention.value_proj)
    )
    theirs = attention.out_proj(merge_heads(masked_softmax(attention_scores(query, key)) @ value))
    assert torch.equal(wrong["output"].tensor, theirs)
    assert not torch.allclose(wrong["output"].tensor, right["output"].tensor, atol=1e-3)


def test_with_one_head_the_mistake_changes_nothing():
    torch.manual_seed(0)
    attention = MultiHeadAttention(6, 1).requires_grad_(False)
    x = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(shape_walk(attention, x)[-1].tensor, shape_walk(attention, x, transpose=False)[-1].tensor)
