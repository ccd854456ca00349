"""A race adds nothing to its strategies: each lane writes what the strategy writes alone, token by token."""

import itertools
import time

import pytest
import torch

from engine.decoding import beam_search, greedy, sample
from engine.decoding.race import Lane, Race, RaceConfig, Text, partings
from engine.decoding.settings import Filters
from engine.decoding.walking import Dice
from tests.engine.decoding_models import Table

LANES = (
    Lane("greedy", "greedy"),
    Lane("beam", "beam", num_beams=3),
    Lane("sample", "sample"),
    Lane("top-p", "sample", Filters(temperature=1.3, top_p=0.8)),
)


def config(**changes) -> RaceConfig:
    return RaceConfig(**{"prompt_ids": (1, 2), "max_new_tokens": 12, "seed": 5, "lanes": LANES, "eos_id": 0, **changes})


@pytest.fixture(scope="module")
def model() -> Table:
    return Table.random(9, seed=3)


@pytest.mark.parametrize("seed", range(6))
def test_each_lane_writes_what_its_strategy_writes_alone(model, seed):
    texts = Race(model, config(seed=seed)).run().texts
    common = {"max_new_tokens": 12, "eos_id": 0}
    alone = [
        greedy(model, [1, 2], **common),
        beam_search(model, [1, 2], num_beams=3, **common)[0],
        sample(model, [1, 2], seed=seed, **common),
        sample(model, [1, 2], seed=seed, temperature=1.3, top_p=0.8, **common),
    ]
    for ours, theirs in zip(texts, alone, strict=True):
        assert list(ours.ids) == theirs.ids
        assert ours.log_prob == pytest.approx(theirs.log_prob, abs=1e-5)
        assert ours.ended == ("end token" if theirs.finished else "length")


def test_no_lane_is_ever_more_than_one_token_ahead(model):
    race = Race(model, config(eos_id=None))
    for _ in race.turns():
        steps = [text.steps for text in race.texts]
        assert max(steps) - min(steps) <= 1
    assert steps == [12] * 4


def test_entropies_are_those_of_the_models_own_distribution(model):
    for text in Race(model, config()).run().texts:
        last = [2, *text.ids[:-1]]
        wanted = [torch.distributions.Categorical(logits=model.logits[one]).entropy().item() for one in last]
        assert list(text.entropies) == pytest.approx(wanted, abs=1e-5)


def test_all_samples_get_the_same_random_numbers_and_greedy_none(model):
    first, beam, plain, filtered = Race(model, config(eos_id=None)).run().texts
    dice = Dice(5)
    assert plain.draws == filtered.draws == tuple(dice.roll() for _ in range(12))
    assert first.draws == beam.draws == ()


def test_a_beam_shows_a_whole_hypothesis_of_the_step_at_every_moment(model):
    race = Race(model, config(lanes=(LANES[1],), eos_id=None))
    for n, _ in enumerate(race.turns(), start=1):
        text = race.texts[0]
        assert len(text.ids) == n
        last = [2, *text.ids[:-1]]
        log_prob = sum(model.log_probs[one][token] for one, token in zip(last, text.ids, strict=True))
        assert text.log_prob == pytest.approx(log_prob, abs=1e-4)
        best = beam_search(model, [1, 2], num_beams=3, max_new_tokens=n)[0]
        assert list(text.ids) == best.ids, "the best hypothesis now is what a search of this length would give"


def test_a_phrase_that_cannot_be_met_ends_its_lane_with_a_sentence_and_no_other(model):
    lanes = (LANES[0], Lane("long", "beam", num_beams=2, must_include=((3,) * 20,)))
    first, second = Race(model, config(lanes=lanes)).run().texts
    assert (first.ended, second.ended) != ("problem", "problem")
    assert second.ended == "problem"
    assert "must_include" in second.problem
    assert second.ids == ()


def test_a_required_phrase_stands_in_the_text(model):
    lanes = (Lane("must", "beam", num_beams=2, must_include=((7, 7), (8, 8))),)
    ids = Race(model, config(lanes=lanes)).run().texts[0].ids
    assert any(pair in ((7, 7), (8, 8)) for pair in itertools.pairwise(ids))


def test_a_stop_string_ends_a_lane(model):
    spelled = "abcdefghi"
    race = Race(model, config(stop=("h", "g"), eos_id=None), lambda ids: "".join(spelled[one] for one in ids)).run()
    for text in race.texts:
        assert (text.ended == "stop string") == (text.ids[-1] in (6, 7))
    assert any(text.ended == "stop string" for text in race.texts)


def test_where_texts_part():
    ended = Text((4, 5), ended="end token")
    assert partings([Text((4, 5, 6)), Text((4, 5, 6)), Text((4, 7, 6)), ended]) == ([None, None, 1, 2], 1)
    assert partings([Text((4, 5)), Text((4, 5, 6))]) == ([None, None], None)


def test_a_race_without_lanes_and_an_unknown_kind_are_refused(model):
    with pytest.raises(ValueError, match="lanes must hold"):
        Race(model, config(lanes=()))
    with pytest.raises(ValueError, match="kind must be one of"):
        Lane("x", "magic")


def test_one_step_that_had_to_wait_does_not_make_its_lane_a_slow_one(model):
    class Interrupted(Table):
        calls = 0

        def next_logits(self, ids):
            self.calls += 1
            if self.calls == 4:
                time.sleep(0.5)
            return super().next_logits(ids)

    (text,) = Race(Interrupted(model.logits), config(eos_id=None, lanes=LANES[:1])).run().texts
    assert text.tokens_per_second > 100  # all steps together took more than half a second: fewer than 24
