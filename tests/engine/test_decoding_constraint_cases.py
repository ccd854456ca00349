"""Constraints case by case: what is refused before the search, what counts, and where in a text it may stand."""

import pytest
import torch

import engine.decoding.constraints as constraints
from engine.decoding import UnsatisfiableConstraint, beam_search, beam_search_steps
from tests.engine.decoding_models import Spy, Table, opened, random_llama

# After 1 comes 2, after 2 comes 3 and so on; after 5 the end token 0 is likeliest, 6 to 8 come rarely.
CHAIN = torch.full((9, 9), -5.0)
for last in range(9):
    CHAIN[last, (last + 1) % 6 if last < 6 else 1] = 3.0


def search(prompt, **settings):
    settings = {"num_beams": 2, "max_new_tokens": 8, "eos_id": 0} | settings
    return beam_search(Table(CHAIN), prompt, **settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"must_include": [[1, 2, 3]], "max_new_tokens": 2}, "at least 3 tokens"),
        ({"must_include": [[1, 2], [3, 4], [5]], "max_new_tokens": 4}, "at least 5 tokens"),
        ({"must_include": [[7]] * 5, "max_new_tokens": 4}, "at least 5 tokens"),
        ({"must_include": [[1, 2, 3]], "banned": [[2, 3]]}, r"holds \[2, 3\], which is banned"),
        ({"must_include": [[[1, 2], [2]]], "banned": [[2]]}, "which is banned"),
        ({"must_include": [[5, 0]]}, "holds an end token"),
        ({"must_include": [[[0], [3, 0, 4]]]}, "holds an end token"),
        ({"must_include": [[3]], "eos_id": [0, 3]}, "holds an end token"),
        ({"must_include": [[1, 1, 1]], "no_repeat_ngram_size": 2}, "no_repeat_ngram_size=2 forbids"),
        ({"must_include": [[1, 2], [1, 2]], "no_repeat_ngram_size": 2}, "no_repeat_ngram_size=2 forbids"),
        ({"must_include": [[4, 5]], "no_repeat_ngram_size": 2}, "no_repeat_ngram_size=2 forbids"),  # the prompt has it
        ({"must_include": [[4]], "banned": [[one, 4] for one in range(1, 9)] + [[4, one] for one in range(9)],
          "max_new_tokens": 1, "eos_id": None}, None),  # alone it fits
        ({"must_include": [[4], [5]], "banned": [[4, one] for one in range(1, 9)] + [[5, one] for one in range(1, 9)]},
         "leaves no way"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused_before_more_than_the_prompt_is_read(settings, says):
    spy = Spy(Table(CHAIN))
    settings = {"num_beams": 3, "max_new_tokens": 9, "eos_id": 0} | settings
    if says is None:
        assert beam_search(spy, [3, 4, 5], **settings)[0].ids == [4]
        return
    with pytest.raises(UnsatisfiableConstraint, match=rf"^must_include must .*{says}"):
        beam_search(spy, [3, 4, 5], **settings)
    assert spy.asked == [(1, 3)]
    with pytest.raises(ValueError, match=says):  # for those who know nothing of constraints
        next(beam_search_steps(spy, [3, 4, 5], **settings))


def test_a_choice_of_phrases_is_refused_only_where_none_of_them_can_be():
    found = search([1], must_include=[[[5, 0], [7, 2], [6]]], banned=[[7]])
    assert all(6 in one.ids for one in found)


@pytest.mark.parametrize("banned", [(), [[6, 7]]])
def test_where_the_model_leaves_no_way_this_is_said_at_the_end(banned):
    logits = CHAIN.clone()
    logits[:, 8] = -torch.inf
    with pytest.raises(UnsatisfiableConstraint, match=r"the model has none"):
        beam_search(Table(logits), [1], num_beams=2, max_new_tokens=5, must_include=[[8]], banned=banned)


def test_a_phrase_that_only_a_rare_way_leads_to_is_found_by_a_single_beam():
    """8 has a probability after 7 alone, and 7 after 6 alone."""
    logits = CHAIN.clone()
    logits[:, 7:] = -torch.inf
    logits[6, 7] = logits[7, 8] = 0.0
    found = beam_search(Table(logits), [1], num_beams=1, max_new_tokens=6, must_include=[[8]])[0].ids
    assert 8 in found
    assert found[found.index(8) - 2 : found.index(8)] == [6, 7]


@pytest.mark.parametrize(
    "settings",
    [{"must_include": [[3, 10]]}, {"must_include": [[-1]]}, {"banned": [[9]]}, {"must_include": [[]]},
     {"must_include": [[[]]]}, {"must_include": ["ab"]}, {"must_include": [[[1], 2]]}, {"must_include": [[1.5]]},
     {"banned": [3]}, {"banned": ["a"]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_phrase_of_the_vocabulary_is_refused_by_name(settings):
    with pytest.raises(ValueError, match=rf"^{next(iter(settings))} must hold phrases") as error:
        search([1], **settings)
    assert not isinstance(error.value, UnsatisfiableConstraint)


def test_more_phrases_than_can_be_searched_are_refused(monkeypatch):
    monkeypatch.setattr(constraints, "MOST_STATES", 50)
    search([1], must_include=[[1], [2], [3]])
    with pytest.raises(ValueError, match=r"^must_include must hold fewer"):
        search([1], must_include=[[1], [2], [3], [4], [5], [6], [7]])


@pytest.mark.parametrize("num_beams", [2, 4])
def test_a_phrase_stands_where_it_is_likeliest_and_not_at_the_very_end(num_beams):
    """Alone the model writes 2 3 4 5 and ends. 3 4 is in that already; 6 has to be fitted in, and the text goes on."""
    plain = search([1], num_beams=num_beams)[0]
    assert plain.ids == [2, 3, 4, 5, 0]
    assert search([1], num_beams=num_beams, must_include=[[3, 4]])[0] == plain
    found = search([1], num_beams=num_beams, must_include=[[6, 1]], max_new_tokens=12)[0]
    assert found.finished
    assert found.ids[-1] == 0
    assert found.ids.index(6) < len(found.ids) - 4


def test_no_text_ends_before_everything_is_there_however_likely_the_end():
    logits = CHAIN.clone()
    logits[:, 0] = 9.0
    for one in beam_search(Table(logits), [1], num_beams=3, max_new_tokens=9, eos_id=0, must_include=[[4, 4], [7]]):
        assert 0 not in one.ids[:-1]
        assert one.finished
        assert 7 in one.ids
        assert any(one.ids[i : i + 2] == [4, 4] for i in range(len(one.ids)))


def test_a_stop_string_ends_a_text_only_once_everything_is_there():
    def read(ids):
        return "".join(map(str, ids))

    plain = search([1], num_beams=3, stop="3", decode=read)[0]
    assert (plain.ids, plain.finished) == ([2, 3], True)
    found = search([1], num_beams=3, stop="3", decode=read, must_include=[[5]])[0]
    assert (found.ids, found.finished) == ([2, 3, 4, 5], True)


def test_what_the_prompt_holds_does_not_count_and_neither_does_a_phrase_that_begins_in_it():
    found = search([6, 7, 1], must_include=[[6, 7]])[0].ids
    assert any(found[i : i + 2] == [6, 7] for i in range(len(found)))
    found = search([1, 2], must_include=[[2, 3]], max_new_tokens=9)[0].ids
    assert found[0] == 3
    assert any(found[i : i + 2] == [2, 3] for i in range(len(found)))
    assert search([1, 2], banned=[[2, 3]])[0].ids[0] == 3


def test_of_a_choice_the_likelier_phrase_is_written_and_one_is_enough():
    found = search([1], must_include=[[[7, 7], [3, 4], [8]]])[0].ids
    assert found == [2, 3, 4, 5, 0]


def test_a_phrase_that_is_listed_twice_starts_at_two_places_which_may_overlap():
    found = search([1], must_include=[[6, 6], [6, 6]])[0].ids
    starts = [i for i in range(len(found)) if found[i : i + 2] == [6, 6]]
    assert len(starts) >= 2
    once = search([1], must_include=[[[6, 6]], [[6, 6]]])[0].ids
    assert sum(once[i : i + 2] == [6, 6] for i in range(len(once))) == 1


def test_banned_phrases_never_stand_in_a_row_but_their_tokens_may_come():
    found = search([1], banned=[[3, 4], [0]], num_beams=3)
    for one in found:
        assert 0 not in one.ids
        assert not any(one.ids[i : i + 2] == [3, 4] for i in range(len(one.ids)))
    assert any(3 in one.ids for one in found)


def test_constrained_texts_come_best_first_and_as_many_as_asked_for():
    settings = {"num_beams": 6, "must_include": [[7]], "max_new_tokens": 6}
    found = search([1], **settings)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len(found) == 6
    assert search([1], num_return=2, **settings) == found[:2]


def test_cached_and_lean_readings_find_what_reading_the_whole_text_finds(tmp_path):
    ours = opened(random_llama(30, seed=6), tmp_path)
    settings = {"num_beams": 4, "max_new_tokens": 10, "eos_id": 3, "must_include": [[7, 8], [[9], [10, 11]]]}
    whole, cached, lean = (
        beam_search(ours, [4, 9], banned=[[5]], reading=reading, **settings) for reading in ("whole", "cached", "lean")
    )
    assert [one.ids for one in whole] == [one.ids for one in cached] == [one.ids for one in lean]
