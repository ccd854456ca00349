"""The records of a beam search: from them alone the search can be drawn, and every number is what its name says."""

import itertools
from dataclasses import astuple, dataclass

import pytest

from engine.decoding import BeamCandidate, BeamStep, Generation, beam_search, beam_search_steps
from tests.engine.decoding_models import Spy, Table

CLOSE = {"abs": 1e-5}  # sums of up to 7 float32 logarithms in two orders


@dataclass(frozen=True)
class Search:
    model: Table
    prompt: list[int]
    settings: dict
    steps: list[BeamStep]
    found: list[Generation]

    @property
    def candidates(self) -> dict[int, BeamCandidate]:
        return {one.node: one for step in self.steps for one in step.candidates}

    def ids(self, node: int) -> list[int]:
        """The new tokens that lead to a node."""
        ids = []
        while node:
            ids.insert(0, self.candidates[node].token_id)
            node = self.candidates[node].parent
        return ids


SETTINGS = {
    "plain": {},
    "an end token": {"eos_id": 0},
    "two end tokens, full": {"eos_id": [0, 3], "early_stopping": True, "length_penalty": 2.0},
    "never": {"eos_id": 0, "early_stopping": "never", "length_penalty": 0.0},
    "many beams": {"num_beams": 30, "eos_id": 2, "max_new_tokens": 3},
    "a phrase": {"eos_id": 0, "must_include": [[4, 5], [6]], "banned": [[1, 1], [2, 4]]},
}


@pytest.fixture(scope="module", params=SETTINGS)
def search(request) -> Search:
    model, prompt = Table.random(7, seed=len(request.param), zeros=0.2), [1, 5]
    settings = {"num_beams": 3, "max_new_tokens": 7} | SETTINGS[request.param]
    steps = list(beam_search_steps(model, prompt, **settings))
    return Search(model, prompt, settings, steps, beam_search(model, prompt, keep_steps=True, **settings))


def kept(step: BeamStep) -> list[BeamCandidate]:
    return [one for one in step.candidates if one.status == "kept"]


def test_the_steps_of_the_whole_search_are_those_that_come_one_by_one(search):
    assert all(text.steps == tuple(search.steps) for text in search.found)
    assert [step.step for step in search.steps] == list(range(len(search.steps)))
    assert all(step.num_beams == search.settings["num_beams"] for step in search.steps)


def test_every_candidate_goes_on_from_a_beam_that_the_step_before_kept(search):
    before = [0]
    for step in search.steps:
        assert all(one.parent == before[one.row] for one in step.candidates)
        before = [one.node for one in kept(step)]
    nodes = [one.node for step in search.steps for one in step.candidates]
    assert len(set(nodes)) == len(nodes)
    assert 0 not in nodes


def test_a_candidates_numbers_are_the_models(search):
    log_probs = search.model.log_probs
    for step in search.steps:
        for one in step.candidates:
            ids = search.ids(one.node)
            assert len(ids) == step.step + 1
            last = [*search.prompt, *ids][-2]
            assert one.log_prob == pytest.approx(log_probs[last][one.token_id], **CLOSE)
            total = sum(log_probs[last][token] for last, token in zip([search.prompt[-1], *ids], ids))
            assert one.total_log_prob == pytest.approx(total, **CLOSE)


def test_candidates_stand_best_first_with_their_rank_and_none_stands_there_twice(search):
    for step in search.steps:
        totals = [one.total_log_prob for one in step.candidates]
        assert all(one >= two - 1e-5 for one, two in itertools.pairwise(totals))  # compared in float32, told in double
        ranks = [one.rank for one in step.candidates]
        assert ranks == sorted(set(ranks))
        assert len({(one.row, one.token_id) for one in step.candidates}) == len(step.candidates)
        assert step.n_considered >= len(step.candidates) == len(ranks)


def test_the_number_of_continuations_is_that_of_tokens_with_a_probability():
    model = Table.random(7, seed=4, zeros=0.3)
    steps = list(beam_search_steps(model, [1], num_beams=3, max_new_tokens=4))
    last = [1]
    for step in steps:
        assert step.n_considered == sum((model.logits[token] > -float("inf")).sum() for token in last)
        last = [one.token_id for one in kept(step)]


def test_kept_are_at_most_num_beams_that_have_not_ended_and_better_than_what_was_pruned(search):
    ends = search.settings.get("eos_id", [])
    ends = [ends] if isinstance(ends, int) else ends
    for step in search.steps:
        final = step.step + 1 == search.settings["max_new_tokens"]
        assert len(kept(step)) <= step.num_beams
        assert not (final and kept(step))
        for one in step.candidates:
            ended = final or one.token_id in ends
            assert not (one.status == "kept" and ended)
            assert not (one.status == "finished" and not ended)
            if one.status == "pruned" and not ended and "must_include" not in search.settings:
                assert len(kept(step)) == step.num_beams
                assert one.rank > max(other.rank for other in kept(step))
            assert (one.score is not None) == (one.status == "finished")


def test_finished_candidates_have_a_score_and_the_best_of_all_so_far_are_held(search):
    penalty, scores = search.settings.get("length_penalty", 1.0), {}
    for step in search.steps:
        for one in step.candidates:
            if one.status == "finished":
                scores[one.node] = one.score
                assert one.score == pytest.approx(one.total_log_prob / (step.step + 1) ** penalty, **CLOSE)
        best = sorted(scores.values(), reverse=True)[: step.num_beams]
        assert [scores[node] for node in step.best_finished] == best


def test_the_nodes_held_at_the_end_lead_back_to_the_texts_that_are_given(search):
    assert [search.ids(node) for node in search.steps[-1].best_finished] == [text.ids for text in search.found]
    for node, text in zip(search.steps[-1].best_finished, search.found):
        assert search.candidates[node].score == pytest.approx(text.score, **CLOSE)
        assert search.candidates[node].total_log_prob == pytest.approx(text.log_prob, **CLOSE)


def test_only_the_last_step_says_why_the_search_ended(search):
    assert [step.ended is None for step in search.steps] == [True] * (len(search.steps) - 1) + [False]
    if search.steps[-1].ended == "length":
        assert len(search.steps) == search.settings["max_new_tokens"]


@pytest.mark.parametrize(
    ("probabilities", "settings", "why", "length"),
    [
        ([0.5, 0.5], {}, "length", 4),
        ([0.5, 0.3, 0.2], {"eos_id": 0, "early_stopping": True}, "full", 2),
        ([0.5, 0.3, 0.2], {"eos_id": 0, "length_penalty": 0.0}, "no better", 2),
        ([0.5, 0.3, 0.2], {"eos_id": 0, "length_penalty": 8.0, "early_stopping": "never"}, "length", 4),
        ([1.0, 0.0], {"eos_id": 0}, "nothing left", 1),
    ],
    ids=str,
)
def test_the_search_ends_for_each_of_four_reasons(probabilities, settings, why, length):
    spy = Spy(Table.always(probabilities))
    steps = list(beam_search_steps(spy, [0], num_beams=2, max_new_tokens=4, **settings))
    assert steps[-1].ended == why
    assert len(steps) == len(spy.asked) == length


def test_no_better_is_said_only_where_no_beam_could_still_beat_the_worst_that_is_held():
    """With the plain sum a text only gets worse, so this is certain; with required phrases as well."""
    seen = 0
    for seed in range(40):
        settings = {"num_beams": 3, "max_new_tokens": 9, "eos_id": 0, "length_penalty": 0.0}
        settings |= {"must_include": [[2, 3]]} if seed % 2 else {}
        steps = list(beam_search_steps(Table.random(6, seed), [1], **settings))
        if steps[-1].ended == "no better":
            seen += 1
            scores = {one.node: one.score for step in steps for one in step.candidates}
            worst = scores[steps[-1].best_finished[-1]]
            assert all(one.total_log_prob <= worst + 1e-5 for one in kept(steps[-1]))
    assert seen > 10


def test_banks_and_met_tell_how_much_of_the_phrases_is_there():
    model, must = Table.random(7, seed=3), [[4, 5], [6]]
    steps = list(beam_search_steps(model, [1, 4], num_beams=4, max_new_tokens=6, must_include=must))
    search = Search(model, [1, 4], {}, steps, [])
    banks = set()
    for step in steps:
        for one in step.candidates:
            ids = search.ids(one.node)
            pair = any(ids[i : i + 2] == [4, 5] for i in range(len(ids)))
            assert one.met == (int(pair), int(6 in ids)), ids
            assert one.bank == 2 * pair + (6 in ids) + (not pair and ids[-1] == 4)
            banks.add(one.bank)
    assert banks == {0, 1, 2, 3}


def test_without_phrases_there_is_one_bank_and_nothing_to_meet():
    for step in beam_search_steps(Table.random(7, seed=3), [1], num_beams=4, max_new_tokens=3):
        assert {(one.bank, one.met) for one in step.candidates} == {(0, ())}


def test_a_search_that_starts_again_with_more_beams_says_so_in_its_records():
    """One beam runs into a token after which nothing has a probability but what is banned."""
    model = Table.always([0.5, 0.3, 0.2])
    model.logits[0] = Table.always([1.0, 0.0, 0.0]).logits[0]
    steps = list(beam_search_steps(model, [1], num_beams=1, max_new_tokens=3, banned=[[0, 0]]))
    assert [(step.num_beams, step.step) for step in steps][-3:] == [(4, 0), (4, 1), (4, 2)]
    assert steps[0].num_beams == 1
    assert 0 not in beam_search(model, [1], num_beams=1, max_new_tokens=3, banned=[[0, 0]])[0].ids[:2]


def test_steps_come_one_by_one_and_hold_plain_numbers_only():
    def plain(value):
        return all(map(plain, value)) if isinstance(value, tuple) else type(value) in (int, float, str, type(None))

    spy = Spy(Table.random(7, seed=3))
    walk = beam_search_steps(spy, [1], num_beams=4, max_new_tokens=6, eos_id=0)
    assert spy.asked == []
    assert plain(astuple(next(walk)))
    assert plain(astuple(next(walk)))
    assert len(spy.asked) == 2
