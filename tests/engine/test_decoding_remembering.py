"""A model that remembers says what the model says, and is asked only once."""

import pytest
import torch

from engine import models
from engine.decoding import beam_search, greedy
from engine.decoding.remembering import Remembering
from engine.model_config import ModelConfig
from tests.engine.decoding_models import Spy, Table, random_causal

PROMPT = [3, 1, 4]


def table() -> Table:
    return Table.random(9, seed=3)


@pytest.mark.parametrize("num_beams", [1, 3, 5])
@pytest.mark.parametrize("penalty", [-1.0, 0.0, 2.0])
def test_a_search_on_it_is_the_search_on_the_model(num_beams, penalty):
    settings = {"num_beams": num_beams, "max_new_tokens": 6, "length_penalty": penalty, "eos_id": 0}
    ours = beam_search(Remembering(table(), PROMPT, room=6), PROMPT, **settings)
    assert ours == beam_search(table(), PROMPT, **settings)


def test_the_same_search_again_asks_nothing():
    spy = Spy(table())
    model = Remembering(spy, PROMPT, room=6)
    first = beam_search(model, PROMPT, num_beams=3, max_new_tokens=6, eos_id=0)
    asked = len(spy.asked)
    assert beam_search(model, PROMPT, num_beams=3, max_new_tokens=6, eos_id=0) == first
    assert len(spy.asked) == asked > 0


def test_searches_that_part_from_each_other_still_get_the_models_numbers():
    loaded = models.load("story-lm")
    ids = [*loaded.tokenizer.start_ids, *loaded.tokenizer.encode("One day, a small bird")]
    model = Remembering(loaded.model, ids, room=10)
    for settings in (
        {"num_beams": 2},
        {"num_beams": 5},
        {"num_beams": 3, "banned": [loaded.tokenizer.encode(" named")]},
    ):
        ours = beam_search(model, ids, max_new_tokens=10, **settings)
        theirs = beam_search(loaded.model, ids, max_new_tokens=10, **settings)
        assert [text.ids for text in ours] == [text.ids for text in theirs]
        assert [text.log_prob for text in ours] == pytest.approx([text.log_prob for text in theirs], abs=1e-4)
    assert greedy(model, ids, max_new_tokens=10).ids == greedy(loaded.model, ids, max_new_tokens=10).ids


def test_every_shape_that_has_another_reader_agrees():
    """Learned positions, and a text that must be read again from the prompt on because another came between."""
    config = ModelConfig(vocab_size=20, d_model=16, n_layers=2, n_heads=2, d_ff=24, max_len=16)
    own = random_causal(config)
    model = Remembering(own, PROMPT, room=4)
    for text in ([*PROMPT], [*PROMPT, 5, 6], [*PROMPT, 7], [*PROMPT, 5, 6, 8], [*PROMPT, 2, 2, 2, 2]):
        theirs = own.next_logits(torch.tensor([text]))
        torch.testing.assert_close(model.next_logits([text]), theirs, atol=1e-4, rtol=1e-4)  # another order of sums


def test_what_was_answered_first_is_forgotten_first(monkeypatch):
    monkeypatch.setattr("engine.decoding.remembering.MOST_BYTES", 0)
    spy = Spy(table())
    model = Remembering(spy, PROMPT, room=2)  # so many answers are kept in any case
    for token in (1, 2, 3):
        model.next_logits([[*PROMPT, token]])
    asked = len(spy.asked)
    model.next_logits([[*PROMPT, 3]])
    assert len(spy.asked) == asked
    model.next_logits([[*PROMPT, 1]])
    assert len(spy.asked) > asked


@pytest.mark.parametrize("text", [[3, 1], [9, 1, 4, 2], [3, 1, 4, 1, 1, 1]])
def test_a_text_that_is_no_continuation_is_refused(text):
    with pytest.raises(ValueError, match="ids must be the prompt's 3 tokens and at most 2 more"):
        Remembering(table(), PROMPT, room=2).next_logits([text])
