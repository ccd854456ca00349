"""The tasks know their right answers, refuse what they do not allow in a sentence, and keep held-out answers back."""

import datetime
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.experiments.sequence_tasks import END, PAD, START, TASKS, batch_of, find_task

ALL = list(TASKS.values())
DATE = TASKS["date"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_every_made_input_is_allowed_and_has_an_answer_the_model_can_write(task):
    texts = task.inputs(500, generator())
    for text in texts:
        assert task.clean(text) == text
        assert len(task.answer(text)) <= task.max_answer_len
        assert task.text(task.ids(task.answer(text))) == task.answer(text)
    lengths = set(map(len, texts))
    assert (min(lengths), max(lengths)) == (task.min_len, task.max_len)


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_training_never_sees_a_held_out_answer(task):
    seen = {task.answer(text) for text in task.inputs(3000, generator(1))}
    kept_back = task.inputs(200, generator(2), held_out=True)
    assert len(set(kept_back)) == 200
    assert not seen & {task.answer(text) for text in kept_back}
    assert task.held_out(task.example), "the example on screen is one that the model cannot have memorised"


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_the_same_seed_gives_the_same_inputs_and_another_seed_others(task):
    assert task.inputs(50, generator(3)) == task.inputs(50, generator(3))
    assert task.inputs(50, generator(3)) != task.inputs(50, generator(4))


@given(st.text("abcxyz", min_size=2, max_size=12))
def test_reversing_twice_gives_the_word_back(word):
    task = TASKS["reverse"]
    assert task.answer(task.answer(word)) == word


@given(st.text("abz019", min_size=2, max_size=12))
def test_sorting_keeps_every_character_and_puts_each_behind_the_smaller_ones(word):
    ours = TASKS["sort"].answer(word)
    assert all(left <= right for left, right in itertools.pairwise(ours))
    assert all(ours.count(character) == word.count(character) for character in word)


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)))
def test_every_format_of_every_day_is_read_as_pythons_own_calendar_writes_it(day):
    forms = ("%-d %B %Y", "%B %-d, %Y", "%-d %b %Y", "%-d.%-m.%Y")
    theirs = day.isoformat()
    for form in forms:
        assert DATE.answer(day.strftime(form)) == theirs


def test_days_that_the_calendar_does_not_have_are_refused():
    for year in (1900, 2000, 2023, 2024):
        leap = (datetime.date(year, 3, 1) - datetime.timedelta(days=1)).day == 29
        if leap:
            assert DATE.answer(f"29 feb {year}") == f"{year}-02-29"
        else:
            with pytest.raises(ValueError, match=f"February {year} has 28 days; got day 29"):
                DATE.answer(f"29 feb {year}")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("reverse", "", "2 to 12 letters from a to z: it is empty"),
        ("reverse", "   ", "it is empty"),
        ("reverse", "a", "2 to 12 characters, because training had; this one has 1"),
        ("reverse", "abcdefghijklm", "this one has 13"),
        ("reverse", "abc1", "“1” is not among them"),
        ("reverse", "two words", "a space is not among them"),
        ("reverse", "naïve", "“ï” is not among them"),
        ("reverse", "שלום", "is not among them"),
        ("reverse", "x" * 100_000, "this one has 100000"),
        ("sort", "a-b", "“-” is not among them"),
        ("date", "31 april 2014", "April 2014 has 30 days; got day 31"),
        ("date", "3 marhc 2014", "written in English, such as march or mar; got “marhc”"),
        ("date", "3.13.2014", "between 1 and 12, got 13"),
        ("date", "3 march 1815", "between 1900 and 2099"),
        ("date", "2014 march 3", "a date such as 3 march 2014"),
        ("date", "3 march 14", "a date such as 3 march 2014"),
    ],
)
def test_a_wrong_input_is_a_sentence_that_says_what_is_allowed(name, text, says):
    with pytest.raises(ValueError, match=says):
        find_task(name).answer(text)


def test_capitals_and_spaces_around_are_not_held_against_anybody():
    assert TASKS["reverse"].answer("  Hello ") == "olleh"
    assert DATE.answer("March 3, 2014") == "2014-03-03"


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task must be one of reverse, sort, date"):
        find_task("translate")


def test_the_decoder_is_given_the_answer_one_place_later_than_it_is_asked_for():
    task = TASKS["reverse"]
    batch = batch_of(task, ["ab", "abcd"])
    assert task.text(batch.wanted_ids[0].tolist()) == "ba"
    assert batch.wanted_ids.shape == batch.target_ids.shape == (2, 5)
    assert batch.target_ids[:, 0].tolist() == [START, START]
    assert batch.target_ids[1, 1:].tolist() == batch.wanted_ids[1, :-1].tolist()
    assert END not in batch.target_ids, "nothing is asked for after the end, so the end is never given"
    assert batch.source_mask.sum(dim=1).tolist() == [3, 5], "a text and its end token"
    assert (batch.source_ids == PAD).equal(~batch.source_mask)
