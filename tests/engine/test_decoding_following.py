"""A given text under the model, and what greedy decoding and beam search find in as many tokens."""

import itertools
import threading

import pytest
import torch

from engine import models
from engine.decoding import beam_search, greedy
from engine.decoding.following import Rivals, follow
from tests.engine.decoding_models import Table

STORY = " who lived on the moon. He wanted a hat."


@pytest.fixture(scope="module")
def story():
    """(our model, transformers' model, prompt ids, ids of a continuation)."""
    loaded = models.load("story-lm")
    prompt = [*loaded.tokenizer.start_ids, *loaded.tokenizer.encode("Once upon a time, there was a little dog")]
    return loaded.model, models.load_reference("story-lm"), prompt, loaded.tokenizer.encode(STORY)


@pytest.mark.parametrize("reading", ["lean", "cached", "whole"])
def test_log_probabilities_are_transformers_sum_of_log_softmax(story, reading):
    model, theirs, prompt, ids = story
    ours = follow(model, prompt, ids, reading=reading)
    with torch.inference_mode():
        logits = theirs(torch.tensor([prompt + ids])).logits[0]
    log_probs = logits[len(prompt) - 1 :].log_softmax(-1)
    expected = log_probs[:-1].gather(-1, torch.tensor(ids)[:, None])[:, 0]
    # float32 logits near 10, added up in another order
    torch.testing.assert_close(torch.tensor([one.log_prob for one in ours.steps]), expected, atol=1e-4, rtol=0)
    assert ours.log_prob == pytest.approx(expected.double().sum().item(), abs=1e-4)
    torch.testing.assert_close(ours.next_logits, logits[-1], atol=1e-4, rtol=0)
    ranks = [(row > row[one]).sum().item() for row, one in zip(log_probs, ids)]
    assert [one.rank for one in ours.steps] == ranks
    entropies = -(log_probs.exp() * log_probs).sum(-1)
    torch.testing.assert_close(torch.tensor([one.entropy for one in ours.steps]), entropies[:-1], atol=1e-4, rtol=0)


def test_a_table_gives_the_closed_form():
    table = Table.random(5, seed=1)
    ids = [3, 3, 0, 4]
    expected = sum(table.log_probs[a][b] for a, b in itertools.pairwise([2, *ids]))
    assert follow(table, [2], ids).log_prob == pytest.approx(expected, abs=1e-6)
    assert torch.equal(follow(table, [2], ids).next_logits, table.logits[4])


def test_no_tokens_cost_nothing():
    table = Table.random(5, seed=1)
    empty = follow(table, [2], [])
    assert (empty.steps, empty.log_prob) == ((), 0.0)
    assert torch.equal(empty.next_logits, table.logits[2])


def test_ids_that_are_no_tokens_are_refused(story):
    with pytest.raises(ValueError, match="below 4096, got 4096"):
        follow(story[0], story[2], [4096])


@pytest.mark.parametrize("lengths", [range(1, 13), [12, 1, 7, 7]])
def test_rivals_at_any_length_are_those_of_a_search_to_that_length(story, lengths):
    model, _, prompt, _ = story
    rivals = Rivals(model, prompt, longest=12)
    for n in lengths:
        walked, *searched = rivals.at(n)
        alone = greedy(model, prompt, max_new_tokens=n)
        assert walked.ids == tuple(alone.ids)
        assert walked.log_prob == pytest.approx(alone.log_prob, abs=1e-4)
        for rival, num_beams in zip(searched, (4, 16), strict=True):
            best = beam_search(model, prompt, num_beams=num_beams, max_new_tokens=n)[0]
            assert rival.name == f"beam {num_beams}"
            assert rival.ids == tuple(best.ids)
            assert rival.log_prob == pytest.approx(best.log_prob, abs=1e-4)


def test_a_wide_beam_is_as_good_as_trying_every_text():
    table = Table.random(4, seed=3)
    best = max(
        (sum(table.log_probs[a][b] for a, b in itertools.pairwise([0, *ids])), ids)
        for ids in itertools.product(range(4), repeat=3)
    )
    found = Rivals(table, [0], longest=3, beams=(64,)).one("beam 64", 3)
    assert found.ids == best[1]
    assert found.log_prob == pytest.approx(best[0], abs=1e-5)


def test_what_a_rival_writes_has_the_log_probability_that_following_it_gives(story):
    model, _, prompt, _ = story
    for rival in Rivals(model, prompt, longest=20).at(20):
        assert follow(model, prompt, rival.ids).log_prob == pytest.approx(rival.log_prob, abs=1e-3)


def test_several_threads_get_the_same_texts(story):
    model, _, prompt, _ = story
    shared, found = Rivals(model, prompt, longest=10, beams=(4,)), []
    threads = [threading.Thread(target=lambda: found.append(shared.at(10))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == 4 * [Rivals(model, prompt, longest=10, beams=(4,)).at(10)]


@pytest.mark.parametrize(("name", "n"), [("greedy", 0), ("greedy", 6), ("luck", 1)])
def test_lengths_and_names_that_there_are_not_get_a_sentence(name, n):
    with pytest.raises(ValueError, match="must be"):
        Rivals(Table.random(4, seed=0), [0], longest=5).one(name, n)
