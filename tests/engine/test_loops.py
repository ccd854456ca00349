"""Loops in a text: every one is found, none is made up, and the one at the end is the one the paper asks for."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from engine.decoding.loops import Stretch, find_loops, said_before
from engine.decoding.measures import ending_loop, repeated

texts = st.lists(st.integers(0, 2), max_size=40)


def is_loop(text: list, start: int, length: int, end: int) -> bool:
    """The definition, taken literally."""
    phrase = text[start : start + length]
    return all(text[place] == phrase[(place - start) % length] for place in range(start, end))


@given(texts)
def test_what_is_found_is_a_phrase_said_three_times_in_a_row(text):
    for loop in find_loops(text):
        assert loop.length >= 2
        assert loop.times >= 3
        assert is_loop(text, loop.start, loop.length, loop.end)
        assert loop.end == len(text) or not is_loop(text, loop.start, loop.length, loop.end + 1)


@given(texts)
def test_a_loop_is_found_exactly_when_there_is_one(text):
    there = any(
        is_loop(text, start, length, start + 3 * length)
        for length in range(2, len(text) // 3 + 1)
        for start in range(len(text) - 3 * length + 1)
    )
    assert bool(find_loops(text)) == there


@given(texts)
def test_stretches_do_not_overlap(text):
    found = find_loops(text)
    assert all(first.end <= second.start for first, second in itertools.pairwise(found))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=5, unique=True), st.integers(3, 6), texts)
def test_a_text_that_ends_in_a_loop_has_one_there(phrase, times, before):
    text = [*[one + 10 for one in before], *phrase * times]
    ours, theirs = find_loops(text)[-1], ending_loop(text)
    assert (ours.start, ours.length, ours.times) == (theirs.start, theirs.length, theirs.times)
    assert ours.end == len(text)


def test_the_shortest_phrase_of_the_longest_stretch_is_taken():
    assert find_loops(list("xababababab")) == [Stretch(1, 2, 11)]  # not "abab" two and a half times


def test_a_broken_off_last_time_belongs_to_the_loop():
    assert find_loops(list("abcabcabcab-")) == [Stretch(0, 3, 11)]
    assert find_loops(list("abcabcabcab-"))[0].times == 3


@given(texts, st.integers(1, 5))
def test_the_marked_tokens_are_those_of_runs_that_came_before(text, n):
    starts = range(len(text) - n + 1)
    again = [start for start in starts if text[start : start + n] in (text[i : i + n] for i in range(start))]
    assert said_before(text, n) == [any(start <= place < start + n for start in again) for place in range(len(text))]
    if len(text) >= n:
        assert abs(repeated(text, n) - len(again) / len(starts)) < 1e-12
