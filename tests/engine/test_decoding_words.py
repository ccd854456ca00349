"""Words become every token sequence that says them, and exhaustive search finds what it must."""

import itertools
import re
from random import Random

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
    spelled,
    stands,
    wanted_forms,
)


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
    [("a,b,c,d,e,f", "at most 5"), ("x" * 41, "at most 40 characters"), ("a|b, a|b", "list a choice once")],
)
def test_too_much_gets_a_sentence_that_names_the_field(typed, said):
    with pytest.raises(ValueError, match=f"^Required words must .*{said}"):
        read_wanted(typed)


@pytest.mark.parametrize("seed", range(20))
def test_every_spelling_is_found_where_it_stands(seed):
    """A text cut at random places: what is found for a word is the tokens that touch it, no more and no less."""
    text = "A dog sat. Dog! Hotdog, dogs, the DOG, naïve 😀 dog"
    raw, random = text.encode(), Random(seed)
    cuts = [0, *sorted(random.sample(range(1, len(raw)), 14)), len(raw)]
    pieces = [raw[a:b] for a, b in itertools.pairwise(cuts)]
    ours = spelled(list(range(len(pieces))), pieces, "dog")
    theirs = set()
    for match in re.finditer(rb"(?<![a-zA-Z])(dog|Dog|DOG)(?![a-zA-Z])", raw):
        touched = [n for n, (a, b) in enumerate(itertools.pairwise(cuts)) if b > match.start() and a < match.end()]
        theirs.add(tuple(touched))
    assert len(theirs) >= 2
    assert set(ours) == theirs


def test_banning_what_was_found_leaves_no_way_to_write_it_so_again():
    tokenizer, model = (loaded := models.load("story-lm")).tokenizer, loaded.model
    ids = [*tokenizer.start_ids, *tokenizer.encode("Once upon a time, there was a little dog")]
    other = [token for part in (" n", "am", "ed") for token in tokenizer.encode(part)]
    own = [tokenizer.encode(form) for form in banned_forms("named")]
    found = beam_search(model, ids, num_beams=2, max_new_tokens=6, banned=own, must_include=[other])[0]
    runs = spelled(found.ids, [tokenizer.token_bytes(one) for one in found.ids], "named")
    assert runs  # the tokenizer's own pieces alone are not enough
    with pytest.raises(UnsatisfiableConstraint):
        beam_search(model, ids, num_beams=2, max_new_tokens=6, banned=[*own, *runs], must_include=[other])


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
