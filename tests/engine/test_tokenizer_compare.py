"""Two lists of merges compared, and the influence of a line: against training again from the text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tokenizer import BPETokenizer
from engine.tokenizer.compare import Lines, compare

LINES = ["low lower lowest", "new newer newest", "wide wider widest", "the tower, the flower", "", "é 東京 🙂"]
pairs = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([b"x", b"y"])), unique=True)


@given(pairs, pairs)
def test_every_merge_of_either_list_has_one_fate(before, after):
    found = compare(before, after)
    assert sorted([*found.vanished, *(place for place, _ in found.kept)]) == list(range(len(before)))
    assert sorted([*found.new, *(place for _, place in found.kept)]) == list(range(len(after)))
    assert all(before[one] == after[other] for one, other in found.kept)
    assert all(before[place] not in after for place in found.vanished)
    assert all(after[place] not in before for place in found.new)
    assert found.n_changed == len(before) - sum(one == other for one, other in found.kept)


def test_equal_lists_have_nothing_to_tell():
    merges = [(b"a", b"b"), (b"ab", b"c")]
    assert compare(merges, merges).n_changed == 0


def test_the_same_bytes_from_other_parts_are_another_merge():
    assert compare([(b"a", b"bc")], [(b"ab", b"c")]).vanished == [0]


@pytest.mark.parametrize("without", [(), (0,), (3, 5), range(6)])
def test_lines_train_as_the_tokenizer_does_on_what_is_left(without):
    left = [line for number, line in enumerate(LINES) if number not in without]
    counts = []
    theirs = BPETokenizer.train(left, 256 + 20, on_merge=lambda merge: counts.append(merge.count))
    ours = Lines(LINES).train(20, without)
    assert [merge.pair for merge in ours] == theirs.merges
    assert [merge.count for merge in ours] == counts


def test_influence_is_a_training_without_the_line():
    random.seed(3)
    lines = [" ".join(random.choices(["low", "slow", "lower", "new", "ewe"], k=6)) for _ in range(8)]
    whole = BPETokenizer.train(lines, 256 + 12).merges
    for number, change in enumerate(Lines(lines).influence(12)):
        left = lines[:number] + lines[number + 1 :]
        assert change == compare(whole, BPETokenizer.train(left, 256 + 12).merges)


def test_a_line_that_says_nothing_changes_nothing():
    assert Lines(LINES).influence(20)[4].n_changed == 0


def test_half_a_surrogate_pair_is_named_with_its_line():
    with pytest.raises(ValueError, match="line 2 must be valid Unicode"):
        Lines(["fine", "a\ud800"])
