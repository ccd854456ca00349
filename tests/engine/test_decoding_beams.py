"""Beam search finds what transformers finds, beam by beam and score by score, and its records tell how."""

import itertools
import math
import random

import pytest
import torch

from engine.decoding import beam_search, beam_search_steps, greedy
from tests.engine.decoding_models import Spy, Table, Wrapped, opened, random_gpt2, random_llama

# Ours are sums in double precision of float32 logarithms, theirs are added up in float32: 10 roundings at most.
SCORE = {"rel": 1e-5, "abs": 1e-6}
ENDS = {"no end token": None, "one end token": 0, "two end tokens": [0, 4]}


def assert_same_beams(theirs, prompt, *, model=None, **settings) -> None:
    """All beams of both, ids and scores. model: ours; unless given, theirs, so that logits are the very same."""
    expected, scores = their_beams(theirs, prompt, **settings)
    settings["eos_id"] = settings.pop("eos_token_id")
    with torch.no_grad():
        ours = beam_search(model or Wrapped(theirs), prompt, **settings)
    assert [one.ids for one in ours] == expected, settings
    assert [one.score for one in ours] == pytest.approx(scores, **SCORE), settings
    assert [one.score for one in ours] == sorted((one.score for one in ours), reverse=True)


@torch.no_grad()
def their_beams(theirs, prompt, *, num_beams, **settings):
    found = theirs.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        num_beams=num_beams,
        num_return_sequences=num_beams,
        do_sample=False,
        pad_token_id=1,
        output_scores=True,
        return_dict_in_generate=True,
        **settings,
    )
    ends, texts = settings["eos_token_id"], []
    ends = [] if ends is None else [ends] if isinstance(ends, int) else ends
    for text in found.sequences[:, len(prompt) :].tolist():
        end = next((place for place, token in enumerate(text) if token in ends), len(text))
        texts.append(text[: end + 1])
    return texts, found.sequences_scores.tolist()


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -1.0])
def test_all_beams_and_scores_are_those_of_generate(length_penalty, early_stopping, ends):
    """On small vocabularies, where end tokens come early and often."""
    chance = random.Random(f"{length_penalty} {early_stopping} {ends}")
    for num_beams, ngram in ((2, 0), (3, 2), (5, 0)):
        theirs = random_gpt2(chance.choice([9, 12, 20]), seed=chance.randrange(1000))
        theirs.generation_config.eos_token_id = None
        prompt = [chance.randrange(1, 9) for _ in range(chance.randint(1, 5))]
        settings = {"length_penalty": length_penalty, "early_stopping": early_stopping, "eos_token_id": ENDS[ends]}
        settings |= {"num_beams": num_beams, "no_repeat_ngram_size": ngram}
        assert_same_beams(theirs, prompt, max_new_tokens=chance.choice([3, 6, 9]), **settings)


@pytest.mark.parametrize("length_penalty", [1.0, 3.0])
def test_beams_go_on_as_in_generate_where_the_likeliest_continuations_are_all_end_tokens(length_penalty):
    """Behind every ending continuation another one must stand, however many end tokens there are."""
    theirs = random_gpt2(9, seed=6)
    theirs.generation_config.eos_token_id = None
    likelier = torch.tensor([40.0, 0, 0, 0, 40, 0, 0, 0, 0])
    theirs.lm_head.register_forward_hook(lambda _, given, out: out + likelier)
    for num_beams in (2, 3):
        settings = {"num_beams": num_beams, "length_penalty": length_penalty, "early_stopping": "never"}
        assert_same_beams(theirs, [3, 5], max_new_tokens=5, eos_token_id=[0, 4], **settings)


@pytest.mark.parametrize("make", [random_gpt2, random_llama])
def test_a_model_opened_by_ours_and_read_by_the_lean_loop_finds_the_same_beams(make, tmp_path):
    theirs = make(40, seed=4)
    theirs.generation_config.eos_token_id = None
    settings = {"num_beams": 4, "max_new_tokens": 10, "length_penalty": 1.0, "early_stopping": False}
    for prompt, ends in (([3], [2, 7, 9]), ([5, 8, 8, 30], None)):
        assert_same_beams(theirs, prompt, model=opened(theirs, tmp_path), eos_token_id=ends, **settings)


@pytest.mark.parametrize("ends", [None, 0, [0, 4]])
def test_where_all_texts_are_equally_good_some_of_them_are_found_with_the_scores_of_generate(ends):
    """Which ones is left to torch.topk: theirs asks it three times a step, ours once."""
    theirs = random_gpt2(9, seed=1)
    theirs.generation_config.eos_token_id = None
    theirs.lm_head.register_forward_hook(lambda _, given, out: out * 0)
    settings = {"num_beams": 4, "max_new_tokens": 4, "length_penalty": 1.0, "early_stopping": False}
    _, scores = their_beams(theirs, [3, 5], eos_token_id=ends, **settings)
    with torch.no_grad():
        ours = beam_search(Wrapped(theirs), [3, 5], eos_id=ends, **settings)
    assert [one.score for one in ours] == pytest.approx(scores, **SCORE)
    assert len({tuple(one.ids) for one in ours}) == 4


def test_one_beam_that_stops_at_the_first_end_is_greedy_decoding():
    for seed in range(20):
        model = Table.random(6, seed)
        one = beam_search(model, [2], num_beams=1, max_new_tokens=8, eos_id=0, early_stopping=True)[0]
        alone = greedy(model, [2], max_new_tokens=8, eos_id=0)
        assert (one.ids, one.finished) == (alone.ids, alone.finished)
        assert one.log_prob == pytest.approx(alone.log_prob, **SCORE)


def every_text(model: Table, prompt: list[int], length: int, eos: int | None):
    """(sum of log probabilities, ids) of every text that ends with its first end token or is `length` tokens long."""
    log_probs = model.log_probs
    for size in range(1, length + 1):
        for ids in itertools.product(range(len(log_probs)), repeat=size):
            if eos not in ids[:-1] and (size == length or ids[-1] == eos):
                yield sum(log_probs[last][token] for last, token in zip([prompt[-1], *ids], ids)), list(ids)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.5])
def test_with_a_beam_for_every_text_the_best_are_found_and_are_at_least_as_good_as_greedy(length_penalty):
    for seed in range(6):
        model, eos = Table.random(3, seed), None if seed % 2 else 0
        best = sorted(
            (total / len(ids) ** length_penalty for total, ids in every_text(model, [1], 4, eos)), reverse=True
        )
        found = beam_search(model, [1], num_beams=81, max_new_tokens=4, length_penalty=length_penalty, eos_id=eos)
        assert [one.score for one in found] == pytest.approx(best[:81], **SCORE)
        if length_penalty == 0:
            assert found[0].log_prob >= greedy(model, [1], max_new_tokens=4, eos_id=eos).log_prob - 1e-6  # rounding


def test_two_beams_can_miss_what_three_find_and_find_what_greedy_misses():
    """Else the comparisons above would hold for any search."""
    scores = []
    for num_beams in (1, 2, 3):
        found = [
            beam_search(Table.random(8, seed), [1], num_beams=num_beams, max_new_tokens=6)[0] for seed in range(30)
        ]
        scores.append([one.log_prob for one in found])
    assert any(two > one + 0.01 for one, two in zip(*scores[:2]))
    assert any(three > two + 0.01 for two, three in zip(*scores[1:]))


def test_the_length_of_the_prompt_does_not_enter_the_score():
    model = Table.random(7, seed=3)
    settings = {"num_beams": 3, "max_new_tokens": 6, "eos_id": 0, "length_penalty": 1.5}
    short, long = beam_search(model, [2], **settings), beam_search(model, [5] * 49 + [2], **settings)
    assert [(one.ids, one.score) for one in short] == [(one.ids, one.score) for one in long]


def test_a_score_is_the_log_prob_over_a_power_of_the_length_with_the_end_token_counted():
    model = Table.random(7, seed=3)
    for penalty in (0, 1, 1.5, -2):
        for one in beam_search(model, [2], num_beams=4, max_new_tokens=6, eos_id=0, length_penalty=penalty):
            own = sum(model.log_probs[last][token] for last, token in zip([2, *one.ids], one.ids))
            assert one.log_prob == pytest.approx(own, **SCORE)
            assert one.score == pytest.approx(one.log_prob / len(one.ids) ** penalty, rel=1e-12)  # one division
            assert one.finished == (one.ids[-1] == 0)


def test_beams_are_distinct_and_as_many_as_asked_for():
    model = Table.random(7, seed=5)
    settings = {"num_beams": 6, "max_new_tokens": 5, "eos_id": 0}
    found = beam_search(model, [1], **settings)
    assert len({tuple(one.ids) for one in found}) == len(found) == 6
    for n in (1, 4, 6):
        assert beam_search(model, [1], num_return=n, **settings) == found[:n]


def test_there_are_fewer_beams_than_asked_for_where_there_are_fewer_texts():
    assert [one.ids for one in beam_search(Table.always([0.6, 0.4]), [0], num_beams=9, max_new_tokens=1)] == [[0], [1]]
    certain = beam_search(Table.always([0.0, 1.0]), [0], num_beams=3, max_new_tokens=4)
    assert [(one.ids, one.log_prob) for one in certain] == [([1, 1, 1, 1], 0)]


@pytest.mark.parametrize("make", [random_gpt2, random_llama])
def test_cached_and_lean_readings_find_what_reading_the_whole_text_finds(make, tmp_path):
    ours = opened(make(30, seed=2), tmp_path)
    settings = {"num_beams": 5, "max_new_tokens": 9, "eos_id": [3, 8], "no_repeat_ngram_size": 2}
    whole = beam_search(ours, [4, 9], reading="whole", **settings)
    for reading in ("cached", "lean"):
        found = beam_search(ours, [4, 9], reading=reading, **settings)
        assert [one.ids for one in found] == [one.ids for one in whole]
        assert [one.score for one in found] == pytest.approx([one.score for one in whole], rel=1e-4)  # other sums


def test_the_prompt_is_read_once_and_every_step_reads_each_beam_once():
    spy = Spy(Table.random(7, seed=3))
    beam_search(spy, [1, 2, 3], num_beams=4, max_new_tokens=4)
    assert spy.asked == [(1, 3), (4, 4), (4, 5), (4, 6)]


BAD = [("num_beams", value) for value in (0, -1, 2.0, None, True)]
BAD += [("no_repeat_ngram_size", value) for value in (-1, 1.0, None)]
BAD += [("length_penalty", value) for value in (None, "1", math.nan, math.inf, -math.inf, 1000, -1000.0, True)]
BAD += [("early_stopping", value) for value in ("always", None, 2, 1)]
BAD += [("num_return", value) for value in (0, 4, -1, 1.0, True)]
BAD += [("max_new_tokens", value) for value in (0, None)]
BAD += [("eos_id", -3), ("stop", "x"), ("reading", "lean"), ("must_include", [3]), ("banned", [[]])]


@pytest.mark.parametrize(("name", "value"), BAD, ids=str)
def test_an_impossible_setting_is_refused_by_its_name(name, value):
    settings = {"num_beams": 3, "max_new_tokens": 4} | {name: value}
    with pytest.raises(ValueError, match=rf"^{'decode' if name == 'stop' else name} must"):
        beam_search(Table.random(5, seed=0), [1], **settings)


def test_the_steps_alone_refuse_what_the_search_refuses_before_they_are_walked():
    with pytest.raises(ValueError, match=r"^num_beams must"):
        beam_search_steps(Table.random(5, seed=0), [1], num_beams=0, max_new_tokens=4)
