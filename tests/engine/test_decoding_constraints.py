"""What must be included and what is banned, against every text that there is: small vocabularies, all texts tried."""

import itertools
import math
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.decoding import UnsatisfiableConstraint, beam_search
from engine.decoding.constraints import Constraints
from tests.engine.decoding_models import Table

FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
CLOSE = 1e-5  # sums of up to 5 float32 logarithms, one of them in double precision


@dataclass(frozen=True)
class Problem:
    """One search: what is asked for, and what is true of a text that answers it."""

    seed: int
    vocab_size: int
    zeros: float
    prompt: list[int]
    max_new_tokens: int
    eos: int | None
    must: list
    banned: list[list[int]]
    length_penalty: float = 1.0
    ngram: int = 0

    @property
    def model(self) -> Table:
        return Table.random(self.vocab_size, self.seed, zeros=self.zeros)

    def found(self, num_beams: int, **more):
        """The texts, or None where the search says that there are none."""
        try:
            return beam_search(
                self.model,
                self.prompt,
                num_beams=num_beams,
                max_new_tokens=self.max_new_tokens,
                eos_id=self.eos,
                must_include=self.must,
                banned=self.banned,
                length_penalty=self.length_penalty,
                no_repeat_ngram_size=self.ngram,
                **more,
            )
        except UnsatisfiableConstraint:
            return None

    def best(self) -> float | None:
        """The best score of any text that answers, by trying all of them."""
        log_probs, best = self.model.log_probs, None
        for length in range(1, self.max_new_tokens + 1):
            for ids in itertools.product(range(self.vocab_size), repeat=length):
                whole = length == self.max_new_tokens or ids[-1] == self.eos
                if whole and self.eos not in ids[:-1] and self.answers(ids):
                    total = sum(log_probs[last][token] for last, token in zip([self.prompt[-1], *ids], ids))
                    score = total / length**self.length_penalty
                    if total > -math.inf and (best is None or score > best):
                        best = score
        return best

    def answers(self, ids) -> bool:
        return meets(ids, self.must) and not any(places(ids, run) for run in self.banned) and self.repeats_nothing(ids)

    def repeats_nothing(self, ids) -> bool:
        if not self.ngram:
            return True
        text = [*self.prompt, *ids]
        runs = [tuple(text[i : i + self.ngram]) for i in range(len(text) - self.ngram + 1)]
        new = runs[max(0, len(self.prompt) - self.ngram + 1) :]
        return all(runs.index(run) == len(runs) - len(new) + place for place, run in enumerate(new))


def places(ids, phrase) -> set[int]:
    """Where a phrase starts."""
    return {i for i in range(len(ids) - len(phrase) + 1) if list(ids[i : i + len(phrase)]) == list(phrase)}


def meets(ids, must) -> bool:
    """A phrase that is listed n times starts at n places; of a list of phrases one is there."""
    for item in must:
        if isinstance(item[0], list):
            if not any(places(ids, phrase) for phrase in item):
                return False
        elif len(places(ids, item)) < must.count(item):
            return False
    return True


@st.composite
def problems(draw, with_ngram: bool = False):
    """Phrases that overlap, repeat, stand inside each other or exclude each other, and models that rule texts out."""
    vocab_size, most = draw(st.sampled_from([(3, 5), (4, 4), (2, 5)]))
    word = st.integers(1, vocab_size - 1)
    phrase = st.lists(word, min_size=1, max_size=3)
    must = draw(st.lists(st.one_of(phrase, phrase, st.lists(phrase, min_size=1, max_size=3)), max_size=3))
    if must and draw(st.booleans()):
        must.append(draw(st.sampled_from(must)))
    banned = draw(st.lists(st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=3), max_size=2))
    return Problem(
        seed=draw(st.integers(0, 999)),
        vocab_size=vocab_size,
        zeros=draw(st.sampled_from([0.0, 0.0, 0.3, 0.5])),
        prompt=draw(st.lists(word, min_size=1, max_size=3)),
        max_new_tokens=draw(st.integers(1, most)),
        eos=draw(st.sampled_from([0, 0, None])),
        must=must,
        banned=banned,
        length_penalty=draw(st.sampled_from([0.0, 1.0, 2.0])),
        ngram=draw(st.integers(1, 3)) if with_ngram else 0,
    )


@FEW
@given(problems())
def test_with_a_beam_for_every_text_the_best_one_is_found_or_it_is_said_that_there_is_none(problem):
    ours, best = problem.found(problem.vocab_size**problem.max_new_tokens), problem.best()
    assert (ours is None) == (best is None)
    if ours is not None:
        assert ours[0].score == pytest.approx(best, abs=CLOSE)
        assert all(problem.answers(one.ids) for one in ours)


@FEW
@given(problems(), st.integers(1, 3))
def test_with_few_beams_every_text_meets_everything_or_it_is_said_that_none_can(problem, num_beams):
    ours, best = problem.found(num_beams), problem.best()
    assert (ours is None) == (best is None)
    for one in ours or []:
        assert problem.answers(one.ids)
        assert one.score <= best + CLOSE
        assert problem.eos not in one.ids[:-1]
        assert one.finished == (one.ids[-1] == problem.eos)
        assert one.finished or len(one.ids) == problem.max_new_tokens
    assert len({tuple(one.ids) for one in ours or []}) == len(ours or [])


@FEW
@given(problems(with_ngram=True), st.integers(1, 3))
def test_the_same_holds_where_no_run_of_tokens_may_repeat(problem, num_beams):
    ours, best = problem.found(num_beams), problem.best()
    assert (ours is None) == (best is None)
    assert all(problem.answers(one.ids) for one in ours or [])


def test_the_problems_above_are_of_both_kinds():
    """Else the properties would hold of a search that always or never finds something."""
    seen = set()

    @settings(FEW, max_examples=150)
    @given(problems())
    def look(problem):
        seen.add((problem.best() is None, bool(problem.must), bool(problem.banned)))

    look()
    assert {(False, True, True), (True, True, True), (False, True, False), (True, True, False)} <= seen


def shortest(must, banned, vocab_size: int, start=(), most: int = 7) -> float:
    """The fewest tokens after `start` with which a text meets everything, by trying all; infinite beyond `most`."""
    for extra in range(most + 1):
        for rest in itertools.product(range(vocab_size), repeat=extra):
            ids = [*start, *rest]
            if meets(ids, must) and not any(places(ids, run) for run in banned):
                return extra
    return math.inf


@FEW
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=1, max_size=3),
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=2), max_size=2),
    st.lists(st.integers(0, 2), max_size=3),
)
def test_remaining_is_the_length_of_the_shortest_text_that_holds_everything(must, banned, start):
    """The shortest common superstring, with what is banned; at the beginning, and after any few tokens."""
    needed = shortest(must, banned, 3)
    try:
        machine = Constraints(must, banned, vocab_size=3, max_new_tokens=7)
    except UnsatisfiableConstraint:
        assert needed == math.inf
        return
    assert machine.remaining(machine.start) == needed
    state = machine.start
    for token in start:
        state = machine.after(state, token)
        if state is None:
            assert any(places(start, run) for run in banned)
            return
    remaining = machine.remaining(state)
    assert min(8, remaining) == min(8, shortest(must, banned, 3, start))  # 8 for all beyond 7


@pytest.mark.parametrize(
    ("must", "needed"),
    [
        ([[1, 2], [2, 3]], 3),  # they share a token
        ([[1, 2, 3], [2]], 3),  # one stands inside the other
        ([[1, 1], [1, 1]], 3),  # at two places that overlap
        ([[1, 2], [1, 2], [1, 2]], 6),
        ([[[1, 2, 3], [2]]], 1),
        ([[[1, 2, 3], [2]], [[1, 2, 3], [2]]], 1),  # a choice asks for one, however often it is listed
        ([[1, 2, 1], [2, 1, 2], [3]], 5),
        ([], 0),
    ],
    ids=str,
)
def test_phrases_may_overlap_repeat_and_stand_inside_each_other(must, needed):
    machine = Constraints(must, vocab_size=5, max_new_tokens=9)
    assert machine.needed == needed == shortest(must, [], 5, most=6)
    if needed:
        with pytest.raises(UnsatisfiableConstraint, match=rf"at least {needed} tokens"):
            Constraints(must, vocab_size=5, max_new_tokens=needed - 1)
