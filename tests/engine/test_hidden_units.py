"""Hidden units: who fires where, and that the feed-forward part sees one token at a time."""

import doctest

import pytest
import torch

from engine import hidden_units
from engine.attention import MultiHeadAttention
from engine.encoder import Encoder
from engine.feed_forward import FeedForward
from engine.hidden_units import order_units, pick_units, read_hidden_units, rows_changed, shuffled_difference
from engine.model_config import ModelConfig

HIDDEN = torch.tensor([[0.0, 3.0, 1.0, 0.1], [2.0, 0.0, 1.1, 0.1], [0.0, 0.2, 1.2, 0.1]])  # (seq_len, d_ff)


def test_units_are_picked_by_the_measure_that_was_asked_for():
    assert set(pick_units(HIDDEN, "differ", 2)) == {0, 1}
    assert set(pick_units(HIDDEN, "mean", 2)) == {1, 2}
    assert pick_units(HIDDEN, "token", 1, token=1) == [0]


def test_units_stand_in_the_order_of_the_tokens_they_answer():
    assert order_units(HIDDEN, [2, 0, 1]) == [1, 0, 2]


@pytest.mark.parametrize(("by", "n"), [("luck", 1), ("mean", 0), ("mean", 5)])
def test_an_impossible_choice_of_units_is_said_in_a_sentence(by, n):
    with pytest.raises(ValueError, match="must"):
        pick_units(HIDDEN, by, n)


@pytest.fixture(scope="module")
def model() -> Encoder:
    config = ModelConfig(vocab_size=20, d_model=8, n_heads=2, n_layers=2, d_ff=16, max_len=8, norm_first=False)
    return Encoder(config, seed=3).eval()


def test_a_batch_of_texts_gives_the_same_units_as_each_text_alone(model):
    texts = [[1, 5, 6, 7, 2], [1, 8, 2], [1, 9, 10, 11, 12, 2]]
    together = read_hidden_units(model, texts, batch_size=2)
    assert together.values.shape == (2, 3 + 1 + 4, 16)
    at = 0
    for number, ids in enumerate(texts):
        alone = model.trace([ids])
        for place in range(1, len(ids) - 1):
            assert (together.texts[at].item(), together.tokens[at].item()) == (number, place)
            for layer, block in enumerate(alone.blocks):
                # kept as float16: 11 bits, so 0.001 of values of about 1
                torch.testing.assert_close(
                    together.values[layer, at].float(), block.hidden[0, place], atol=1e-3, rtol=1e-3, check_dtype=False
                )
            at += 1


def test_the_strongest_tokens_are_those_an_exhaustive_search_finds(model):
    units = read_hidden_units(model, [[1, 5, 6, 7, 2], [1, 8, 9, 2]])
    found = units.strongest(1, 4, 3)
    assert [value for value, _, _ in found] == sorted(units.values[1, :, 4].tolist(), reverse=True)[:3]
    for value, text, token in found:
        at = next(i for i in range(5) if (units.texts[i], units.tokens[i]) == (text, token))
        assert units.values[1, at, 4].item() == value


def test_texts_without_a_token_are_refused(model):
    with pytest.raises(ValueError, match="at least one token"):
        read_hidden_units(model, [[1, 2]])


def test_the_feed_forward_part_sees_one_token_and_attention_sees_all():
    torch.manual_seed(0)
    x = torch.randn(1, 6, 8)
    feed_forward, attention = FeedForward(8, 32).eval(), MultiHeadAttention(8, 2).eval()
    assert shuffled_difference(feed_forward, x) < 1e-6  # rounding of float32 sums taken in another order
    assert rows_changed(feed_forward, x, 2, 4).tolist() == [False, False, True, False, False, False]
    assert rows_changed(attention, x, 2, 4).all()


def test_examples_in_the_documentation_hold():
    result = doctest.testmod(hidden_units)
    assert result.attempted
    assert not result.failed
