"""Greedy decoding writes what transformers writes; sampling draws each token as often as it should, and again."""

import pytest
import torch

from engine.decoding import Filters, greedy, greedy_steps, sample, sample_steps
from engine.decoding.walking import Dice, draw
from tests.engine.decoding_models import Spy, Table, generated, opened, random_gpt2, random_llama

PROMPTS = ([3], [5, 9, 5, 9, 2])


@pytest.fixture(scope="module", params=[random_gpt2, random_llama], ids=["gpt2", "llama"])
def pair(request, tmp_path_factory):
    """(ours, theirs): one model, saved by transformers and opened by load_causal_lm."""
    theirs = request.param(40, seed=5)
    theirs.generation_config.eos_token_id = None  # Llama's default of 2 would end texts that have no end token
    return opened(theirs, tmp_path_factory.mktemp("model")), theirs


@pytest.mark.parametrize("ngram", [0, 2])
@pytest.mark.parametrize("penalty", [1.0, 1.6])
@pytest.mark.parametrize("eos", [None, [2, 17, 21, 33]], ids=str)
def test_greedy_writes_what_generate_writes(pair, penalty, ngram, eos):
    ours, theirs = pair
    for prompt in PROMPTS:
        settings = {"repetition_penalty": penalty, "no_repeat_ngram_size": ngram, "max_new_tokens": 16}
        expected = generated(theirs, prompt, do_sample=False, eos_token_id=eos, **settings)[0]
        found = greedy(ours, prompt, eos_id=eos, **settings)
        assert found.ids == expected
        assert found.finished == (found.ids[-1] in (eos or ()))


def test_greedy_ends_where_generate_ends_with_an_end_token_inside_the_text(pair):
    """The tokens above may never come: here they are taken from the text itself."""
    ours, theirs = pair
    settings = {"max_new_tokens": 16, "repetition_penalty": 1.6}
    text = greedy(ours, PROMPTS[1], **settings).ids
    for ends in (text[6], [text[9], text[4]]):
        expected = generated(theirs, PROMPTS[1], do_sample=False, eos_token_id=ends, **settings)[0]
        stopped = greedy(ours, PROMPTS[1], eos_id=ends, **settings)
        assert stopped.ids == expected
        assert len(expected) < 10
        assert stopped.finished


@pytest.mark.parametrize("banned", [[[12]], [[9, 1], [30]]], ids=str)
def test_greedy_with_banned_phrases_writes_what_generate_writes_with_bad_words(pair, banned):
    """On prompts that hold none of their tokens: theirs count the prompt too."""
    ours, theirs = pair
    free = greedy(ours, [3], max_new_tokens=14).ids
    banned = [*banned, free[2:3], free[5:7]]  # so that they matter
    expected = generated(theirs, [3], do_sample=False, bad_words_ids=banned, max_new_tokens=14)[0]
    found = greedy(ours, [3], max_new_tokens=14, banned=banned).ids
    assert found == expected
    assert found != free


def test_of_equally_likely_tokens_greedy_takes_the_first_with_and_without_filters():
    model = Table.always([0.1, 0.3, 0.3, 0.3])
    assert greedy(model, [0], max_new_tokens=3).ids == [1, 1, 1]
    assert greedy(model, [0], max_new_tokens=3, repetition_penalty=1.5).ids == [1, 2, 3]
    assert greedy(model, [0], max_new_tokens=3, no_repeat_ngram_size=1).ids == [1, 2, 3]
    assert sample(model, [0], max_new_tokens=3, temperature=0, seed=4).ids == [1, 1, 1]


def test_a_banned_phrase_counts_in_the_new_tokens_only():
    model = Table.always([0.1, 0.2, 0.7])
    assert greedy(model, [1], max_new_tokens=2, banned=[[1, 2], [2, 2]]).ids == [2, 1]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 2.0, "top_k": 4},
        {"top_p": 0.8, "min_p": 0.2},
        {"typical": 0.7},
        {"repetition_penalty": 2.0, "top_p": 0.95},
        {"banned": [[1]], "top_k": 5},
    ],
    ids=str,
)
def test_each_token_is_drawn_as_often_as_what_the_filters_leave_says(settings):
    """Within 4 standard errors of n draws; what is dropped never comes."""
    model, n = Table(torch.tensor([[2.0, 1.5, 1.5, 0.3, 0.0, -0.4, -1.0, -3.0]] * 8)), 800
    filtered = Filters(**settings).apply(model.logits[:1], [[2]], [[]]).softmax(dim=-1)[0]
    found = sample(model, [2], max_new_tokens=1, num_return=n, seed=11, **settings)
    counts = torch.bincount(torch.tensor([text.ids[0] for text in found]), minlength=8)
    error = (n * filtered * (1 - filtered)).sqrt()
    assert ((counts - n * filtered).abs() <= 4 * error).all(), (counts, n * filtered)
    assert counts[filtered == 0].sum() == 0


def test_pairs_of_tokens_come_as_often_as_the_chain_rule_says():
    """The second draw of a text does not depend on the first one but through the model. Within 4 standard errors."""
    model, n = Table.random(3, seed=2), 800
    first = model.logits[0].softmax(dim=-1)
    expected = first[:, None] * model.logits.softmax(dim=-1)  # (first token, second token)
    found = torch.tensor([text.ids for text in sample(model, [0], max_new_tokens=2, num_return=n, seed=3)])
    counts = torch.bincount(3 * found[:, 0] + found[:, 1], minlength=9).view(3, 3)
    assert ((counts - n * expected).abs() <= 4 * (n * expected * (1 - expected)).sqrt()).all()


def test_one_long_text_draws_each_token_as_often_as_it_should():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    ids = sample(Table.always(probabilities.tolist()), [0], max_new_tokens=500, seed=8).ids
    error = (500 * probabilities * (1 - probabilities)).sqrt()
    assert ((torch.bincount(torch.tensor(ids), minlength=4) - 500 * probabilities).abs() <= 4 * error).all()


@pytest.mark.parametrize("n", [5, 64, 65, 1000])
def test_draw_stands_the_likeliest_first_and_gives_each_its_share(n):
    """Against a sum in double precision, at the middle of each token's stretch of [0, 1)."""
    logits = 4 * torch.randn(n, generator=torch.Generator().manual_seed(n))
    logits[:2] = -torch.inf
    log_probs = logits.log_softmax(dim=-1)
    start = 0.0
    for token in log_probs.argsort(descending=True).tolist()[:-2]:
        probability = log_probs[token].double().exp().item()
        if probability > 1e-6:  # shorter stretches are moved by the rounding of the sum
            assert draw(log_probs, start + probability / 2) == token
        start += probability
    assert {draw(log_probs, share) for share in (1 - 1e-16, 0.9999999999)}.isdisjoint({0, 1})


def test_every_token_of_a_text_is_the_draw_of_its_records_share(pair):
    ours, _ = pair
    settings = {"temperature": 0.9, "top_k": 12, "top_p": 0.95, "repetition_penalty": 1.2}
    text = sample(ours, PROMPTS[1], max_new_tokens=20, seed=6, keep_steps=True, reading="whole", **settings)
    dice, ids = Dice(6), list(PROMPTS[1])
    for step in text.steps:
        assert step.draw == dice.roll()
        assert 0 <= step.draw < 1
        filtered = Filters(**settings).apply(ours.next_logits([ids]), [ids], [ids[len(PROMPTS[1]) :]])
        assert draw(filtered[0].log_softmax(dim=-1), step.draw) == step.token_id
        ids.append(step.token_id)
    assert ids == [*PROMPTS[1], *text.ids]


def test_the_same_seed_writes_the_same_text_and_another_one_another_text(pair):
    ours, _ = pair
    texts = [sample(ours, [3], max_new_tokens=20, temperature=3.0, seed=seed).ids for seed in (1, 1, 2, -1, 2**70)]
    assert texts[0] == texts[1]
    assert len({tuple(text) for text in texts}) == 4
    fresh = [sample(ours, [3], max_new_tokens=20, temperature=3.0).ids for _ in range(3)]
    assert len({tuple(text) for text in fresh}) == 3


def test_torchs_own_random_numbers_are_left_alone(pair):
    before = torch.get_rng_state()
    sample(pair[0], [3], max_new_tokens=5, seed=1, num_return=2)
    sample(pair[0], [3], max_new_tokens=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_as_seed_goes_on_from_call_to_call_and_can_be_set_back(pair):
    ours, _ = pair
    generator = torch.Generator().manual_seed(3)
    first, second = (sample(ours, [3], max_new_tokens=15, temperature=3.0, seed=generator).ids for _ in range(2))
    again = sample(ours, [3], max_new_tokens=15, temperature=3.0, seed=torch.Generator().manual_seed(3), num_return=2)
    assert again[0].ids == first
    assert first != second
    assert again[1].ids != first


@pytest.mark.parametrize("reading", ["lean", "cached", "whole"])
def test_the_first_of_several_texts_is_the_one_that_is_written_alone(pair, reading):
    ours, _ = pair
    settings = {"max_new_tokens": 15, "temperature": 2.0, "top_k": 20, "seed": 9, "eos_id": 7, "reading": reading}
    several = sample(ours, PROMPTS[1], num_return=4, **settings)
    alone = sample(ours, PROMPTS[1], **settings)
    assert several[0].ids == alone.ids
    assert several[0].finished == alone.finished
    assert len({tuple(text.ids) for text in several}) == 4


def test_several_texts_share_the_reading_of_the_prompt(pair, monkeypatch):
    ours, _ = pair
    spy = Spy(Table.random(6, seed=1))
    sample(spy, [1, 2, 3], max_new_tokens=3, num_return=5, seed=0)
    assert spy.asked == [(1, 3), (5, 4), (5, 5)]
    asked, next_logits = [], ours.next_logits

    def noting(ids, **options):
        asked.append((len(ids), len(ids[0])))
        return next_logits(ids, **options)

    monkeypatch.setattr(ours, "next_logits", noting)
    sample(ours, [1, 2, 3], max_new_tokens=3, num_return=5, seed=0, reading="cached")
    assert asked == [(1, 3), (5, 1), (5, 1)]


def test_texts_that_have_ended_are_not_read_any_further():
    spy = Spy(Table.always([0.5, 0.5]))
    found = sample(spy, [1], max_new_tokens=12, num_return=30, eos_id=0, seed=5)
    going = [sum(len(text.ids) > step for text in found) for step in range(12)]
    assert [texts for texts, _ in spy.asked[1:]] == [n for n in going[1:] if n]
    assert 0 < going[3] < 30


def test_the_steps_are_those_of_the_whole_text_and_are_read_one_by_one(pair):
    ours, _ = pair
    settings = {"max_new_tokens": 9, "repetition_penalty": 1.3}
    assert tuple(greedy_steps(ours, [3], **settings)) == greedy(ours, [3], keep_steps=True, **settings).steps
    settings |= {"seed": 2, "top_p": 0.9}
    assert tuple(sample_steps(ours, [3], **settings)) == sample(ours, [3], keep_steps=True, **settings).steps
    spy = Spy(Table.random(6, seed=1))
    walk = greedy_steps(spy, [1], max_new_tokens=9)
    next(walk), next(walk)
    assert len(spy.asked) == 2
