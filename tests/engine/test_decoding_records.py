"""The records of greedy decoding and sampling: every number against its definition."""

import math
from dataclasses import astuple, replace

import pytest
import torch

from engine.decoding import Filters, greedy, sample
from engine.decoding.walking import N_CANDIDATES
from engine.model_config import ModelConfig
from tests.engine.decoding_models import Table, random_causal

CLOSE = 1e-5  # sums of float32 logarithms in another order, and logits by the lean loop: measured below 2e-6
CONFIG = ModelConfig(
    vocab_size=30, d_model=16, n_heads=2, n_layers=2, d_ff=24, max_len=64, positions="rotary", norm="rmsnorm",
    norm_first=True, activation="swiglu", tie_embeddings=False,
)  # fmt: skip
SETTINGS = {"repetition_penalty": 1.3, "temperature": 1.4, "top_k": 12, "top_p": 0.9, "min_p": 0.01}
PROMPT = [3, 8, 8]


@pytest.fixture(scope="module")
def model():
    return random_causal(CONFIG)


@pytest.fixture(scope="module", params=["sample", "greedy"])
def told(request, model):
    """(text with its records, its filters)."""
    if request.param == "greedy":
        chosen = {"repetition_penalty": 1.3, "banned": [[4], [8, 8]]}
        return greedy(model, PROMPT, max_new_tokens=20, eos_id=29, keep_steps=True, **chosen), Filters(**chosen)
    return sample(model, PROMPT, max_new_tokens=20, seed=4, keep_steps=True, **SETTINGS), Filters(**SETTINGS)


def test_every_number_of_a_record_is_what_its_name_says(model, told):
    text, filters = told
    ids, total = list(PROMPT), 0.0
    assert len(text.steps) == len(text.ids)
    for number, (step, token) in enumerate(zip(text.steps, text.ids)):
        logits = model.next_logits([ids])
        filtered = filters.apply(logits, [ids], [ids[len(PROMPT) :]])
        before, after = logits[0].double().softmax(dim=-1), filtered[0].double().softmax(dim=-1)
        total += before[token].log().item()
        assert (step.step, step.token_id) == (number, token)
        assert step.log_prob == pytest.approx(before[token].log().item(), abs=CLOSE)
        assert step.filtered_log_prob == pytest.approx(after[token].log().item(), abs=CLOSE)
        assert step.total_log_prob == pytest.approx(total, abs=CLOSE)
        assert step.entropy == pytest.approx(torch.special.entr(before).sum().item(), abs=CLOSE)
        assert step.filtered_entropy == pytest.approx(torch.special.entr(after).sum().item(), abs=CLOSE)
        assert step.n_kept == (after > 0).sum()
        assert step.kept_mass == pytest.approx(before[after > 0].sum().item(), abs=CLOSE)
        assert step.rank == (before > before[token]).sum()
        ids.append(token)


def test_the_candidates_are_the_models_likeliest_tokens_and_the_chosen_one(model, told):
    text, filters = told
    ids = list(PROMPT)
    for step in text.steps:
        logits = model.next_logits([ids])
        filtered = filters.apply(logits, [ids], [ids[len(PROMPT) :]])
        shown = [one.token_id for one in step.candidates]
        best = logits[0].argsort(descending=True)[:N_CANDIDATES].tolist()
        assert shown == best if step.token_id in best else shown == [*best, step.token_id]
        for one in step.candidates:
            assert one.probability == pytest.approx(logits.softmax(dim=-1)[0, one.token_id].item(), abs=CLOSE)
            assert one.filtered == pytest.approx(filtered.softmax(dim=-1)[0, one.token_id].item(), abs=CLOSE)
        ids.append(step.token_id)


def test_the_examples_hold_a_choice_beyond_the_likeliest_and_one_beyond_the_candidates(model):
    """Else rank and the last candidate would never be looked at."""
    text = sample(model, PROMPT, max_new_tokens=40, seed=4, keep_steps=True, temperature=4.0)
    ranks = [step.rank for step in text.steps]
    assert max(ranks) >= N_CANDIDATES
    assert len(set(ranks)) > 5
    for step in text.steps:
        assert len(step.candidates) == N_CANDIDATES + (step.rank >= N_CANDIDATES)


def test_a_texts_log_prob_is_under_the_models_own_distribution_whatever_the_filters(model, told):
    text, _ = told
    log_probs = model(torch.tensor([[*PROMPT, *text.ids]]))[0].log_softmax(dim=-1)
    own = [log_probs[len(PROMPT) - 1 + place, token].item() for place, token in enumerate(text.ids)]
    assert text.log_prob == pytest.approx(sum(own), abs=CLOSE)
    assert text.log_prob == pytest.approx(text.steps[-1].total_log_prob, abs=CLOSE)
    assert text.score == pytest.approx(text.log_prob / len(text.ids), abs=1e-12)  # one division in double precision


def test_records_are_kept_only_when_asked_for_and_change_nothing_else(model):
    for write in (greedy, lambda *given, **named: sample(*given, seed=3, **named)):
        with_steps = write(model, PROMPT, max_new_tokens=8, keep_steps=True)
        without = write(model, PROMPT, max_new_tokens=8)
        assert without.steps == ()
        assert len(with_steps.steps) == 8
        assert replace(with_steps, steps=()) == without


def test_records_hold_plain_numbers_and_no_tensors(told):
    def plain(value):
        return all(map(plain, value)) if isinstance(value, tuple) else type(value) in (int, float, bool, type(None))

    assert all(plain(astuple(step)) for step in told[0].steps)


def test_only_sampling_has_a_draw_and_each_of_several_texts_its_own(model):
    assert all(step.draw is None for step in greedy(model, PROMPT, max_new_tokens=3, keep_steps=True).steps)
    texts = sample(model, PROMPT, max_new_tokens=3, keep_steps=True, num_return=3, seed=1)
    assert len({step.draw for text in texts for step in text.steps}) == 9
    assert [[step.token_id for step in text.steps] for text in texts] == [text.ids for text in texts]


def test_only_the_last_record_of_a_text_that_ends_says_so():
    model = Table.always([0.5, 0.5])
    for text in sample(model, [0], max_new_tokens=6, num_return=20, eos_id=1, seed=0, keep_steps=True):
        assert [step.finished for step in text.steps] == [token == 1 for token in text.ids]
        assert text.finished == text.steps[-1].finished


def test_a_certain_token_has_no_surprise_and_an_even_chance_the_most():
    certain, even = Table.always([0.0, 1.0, 0.0]), Table.always([0.25] * 4)
    sure = greedy(certain, [0], max_new_tokens=1, keep_steps=True).steps[0]
    assert (sure.log_prob, sure.entropy, sure.n_kept, sure.kept_mass, sure.rank) == (0, 0, 1, 1, 0)
    assert [one.probability for one in sure.candidates] == [1, 0, 0]
    open_step = sample(even, [0], max_new_tokens=1, keep_steps=True, seed=0).steps[0]
    assert open_step.entropy == pytest.approx(math.log(4), abs=1e-6)  # one float32 logarithm
    assert (open_step.rank, open_step.n_kept) == (0, 4)
