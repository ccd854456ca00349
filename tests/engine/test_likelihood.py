"""The likelihood of a text that is there already: equal to transformers' and to the texts that were written."""

import math

import pytest
import torch

from engine import models
from engine.decoding import greedy
from engine.decoding.likelihood import cross_entropies, perplexity, token_log_probs


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


@pytest.fixture(scope="module")
def ids(story):
    return [*story.tokenizer.start_ids, *story.tokenizer.encode("Ben had a red boat. He put it into the pond.")]


def test_each_token_has_the_probability_that_transformers_gives_it(story, ids):
    ours = token_log_probs(story.model, ids)
    with torch.inference_mode():
        logits = models.load_reference("story-lm")(torch.tensor([ids])).logits[0, :-1]
    theirs = logits.log_softmax(dim=-1)[range(len(ids) - 1), ids[1:]]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-4)  # float32, added up in another order


def test_a_text_that_was_written_has_the_log_probability_it_was_written_with(story, ids):
    written = greedy(story.model, ids, max_new_tokens=30)
    again = token_log_probs(story.model, [*ids, *written.ids])[len(ids) - 1 :]
    assert again.sum().item() == pytest.approx(written.log_prob, abs=1e-3)


def test_a_temperature_bends_the_distribution_and_not_the_text(story, ids):
    with torch.inference_mode():
        logits = story.model(torch.tensor([ids]))[0, :-1]
    targets = torch.tensor(ids[1:])
    theirs = [torch.nn.functional.cross_entropy(logits / t, targets).item() for t in (0.5, 1.0, 2.0)]
    assert cross_entropies(story.model, [ids], [0.5, 1.0, 2.0]) == pytest.approx(theirs, abs=1e-5)
    assert theirs[1] == pytest.approx(-token_log_probs(story.model, ids).mean().item(), abs=1e-5)


def test_several_texts_count_by_their_tokens(story, ids):
    one, two = ids[:6], ids
    sums = [cross_entropies(story.model, [text], [0.7])[0] * (len(text) - 1) for text in (one, two)]
    assert cross_entropies(story.model, [one, two], [0.7])[0] == pytest.approx(sum(sums) / (len(one) + len(two) - 2))


def test_the_lowest_cross_entropy_of_the_models_own_distribution_is_at_temperature_one():
    class Known:  # says the right distribution of a coin that falls on heads three times in four
        def __call__(self, ids):
            return torch.tensor([0.75, 0.25]).log().expand(*ids.shape, 2)

    tosses = [0, *[0, 0, 0, 1] * 50]
    values = cross_entropies(Known(), [tosses], [0.5, 0.8, 1.0, 1.25, 2.0])
    assert min(values) == values[2] == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), abs=1e-6)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.inf])
def test_an_impossible_temperature_is_refused_in_a_sentence(story, ids, wrong):
    with pytest.raises(ValueError, match="temperatures must be numbers above 0"):
        cross_entropies(story.model, [ids], [wrong])


def test_texts_without_a_predicted_token_are_refused(story):
    with pytest.raises(ValueError, match="ids must hold two tokens or more"):
        token_log_probs(story.model, [5])
    with pytest.raises(ValueError, match="texts must hold a token"):
        cross_entropies(story.model, [], [1.0])


def test_no_tokens_have_no_perplexity():
    assert math.isnan(perplexity([]))
