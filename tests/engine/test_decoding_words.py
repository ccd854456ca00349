"""Words become every token sequence that says them, and exhaustive search finds what it must."""

import itertools

import pytest
import torch

from engine import models
from engine.decoding import UnsatisfiableConstraint, beam_search
from engine.decoding.exhaustive import TableModel, every_text
from engine.decoding.word_forms import (
    Wanted,
    banned_forms,
    held,
    read_banned,
    read_wanted,
    spellings,
    stands,
    wanted_forms,
)

LETTERS = {bytes([code]): place for place, code in enumerate(b"abcdefgh")}


def test_commas_part_and_bars_choose():
    assert read_wanted(" dragon , castle | tower,,dog,dog ,|") == (
        Wanted(("dragon",)),
        Wanted(("castle", "tower")),
        Wanted(("dog",), 2),
    )
    assert read_wanted("") == () == read_wanted(" , ,")
    assert read_banned("sad, very happy, sad") == ("sad", "very happy")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("a," * 9, "at most 8"), ("x" * 41, "at most 40 characters"), ("a|b, a|b", "list a choice once")],
)
def test_too_much_gets_a_sentence_that_names_the_field(typed, said):
    with pytest.raises(ValueError, match=f"^Required words must .*{said}"):
        read_wanted(typed)


@pytest.mark.parametrize("text", [b"abc", b"abcabc", b"hgf", b"aaaa"])
def test_spellings_are_all_ways_to_cut_and_each_says_the_text(text):
    tokens = LETTERS | {b"ab": 10, b"bc": 11, b"abc": 12, b"aa": 13, b"ca": 14}
    bytes_of = {number: token for token, number in tokens.items()}
    ours = spellings(text, tokens)
    theirs = set()
    for cuts in itertools.product((False, True), repeat=len(text) - 1):
        places = [0, *(place for place, cut in enumerate(cuts, start=1) if cut), len(text)]
        pieces = [text[a:b] for a, b in itertools.pairwise(places)]
        if all(piece in tokens for piece in pieces):
            theirs.add(tuple(tokens[piece] for piece in pieces))
    assert sorted(ours) == sorted(theirs)
    assert all(b"".join(bytes_of[one] for one in ids) == text for ids in ours)


def test_more_spellings_than_asked_for_are_none():
    assert spellings(b"aaaa", {b"a": 0, b"aa": 1}, most=5) == [(0, 0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1)]
    assert spellings(b"aaaa", {b"a": 0, b"aa": 1}, most=4) == []
    assert spellings(b"ax", {b"a": 0}) == []


def test_a_banned_word_cannot_be_spelled_out_in_smaller_tokens():
    loaded = models.load("story-lm")
    tokenizer = loaded.tokenizer
    tokens = {tokenizer.token_bytes(one): one for one in range(tokenizer.vocab_size) if one != tokenizer.eos_id}
    ids = [*tokenizer.start_ids, *tokenizer.encode("Once upon a time, there was a little dog")]
    own = [tokenizer.encode(form) for form in banned_forms("named")]
    every = [list(run) for form in banned_forms("named") for run in spellings(form.encode(), tokens)]
    other = next(run for run in every if run not in own and tokenizer.decode(run) == " named")
    found = beam_search(loaded.model, ids, num_beams=2, max_new_tokens=6, banned=own, must_include=[other])
    assert "named" in tokenizer.decode(found[0].ids)  # the tokenizer's own pieces alone are not enough
    with pytest.raises(UnsatisfiableConstraint):
        beam_search(loaded.model, ids, num_beams=2, max_new_tokens=6, banned=every, must_include=[other])


def test_words_are_read_off_the_text():
    assert stands(" a dog.", Wanted(("dog",)))
    assert stands("Dog!", Wanted(("dog",)))
    assert not stands(" a do g.", Wanted(("dog",)))
    assert stands(" a cat", Wanted(("dog", "cat")))
    assert stands("dog and dog", Wanted(("dog",), 2))
    assert not stands("hotdog and dog", Wanted(("dog",), 2))
    assert held("No DOG, no Cat, no birds", ("dog", "cat", "bird", "no")) == ("dog", "cat", "no")
    assert " Dog" in wanted_forms("dog")
    assert "DOG" in banned_forms("dog")


@pytest.mark.parametrize("seed", range(6))
def test_beam_search_wide_enough_finds_the_enumeration(seed):
    table = TableModel(2 * torch.randn(4, 4, generator=torch.Generator().manual_seed(seed)))
    must_include, banned = [[[1, 2], [3, 3]], [[2]]], [[2, 2], [0, 1]]
    theirs = every_text(table, 0, length=4, must_include=must_include, banned=banned)
    ours = beam_search(
        table, [0], num_beams=4**3, max_new_tokens=4, must_include=[[[1, 2], [3, 3]], [2]], banned=banned
    )
    assert theirs.n_texts == 256
    assert {tuple(text.ids) for text in ours} == {ids for ids, _ in theirs.best}  # equal ones in either order
    assert len(ours) == len(theirs.best) > 10
    assert [text.log_prob for text in ours] == pytest.approx([log_prob for _, log_prob in theirs.best], abs=1e-5)


def test_the_enumeration_counts_places_and_knows_what_is_impossible():
    table = TableModel(torch.zeros(3, 3))
    twice = every_text(table, 0, length=3, must_include=[[[1, 1]], [[1, 1]]])
    assert [ids for ids, _ in twice.best] == [(1, 1, 1)]
    assert not every_text(table, 0, length=3, must_include=[[[1, 2]]], banned=[[2]]).best
    with pytest.raises(UnsatisfiableConstraint):
        beam_search(table, [0], num_beams=9, max_new_tokens=3, must_include=[[1, 2]], banned=[[2]])
    with pytest.raises(ValueError, match="length must leave at most 100,000 texts"):
        every_text(table, 0, length=11)
