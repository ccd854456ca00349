"""The tree of a beam search: what is drawn, where it stands, and what has become of it."""

import pytest

from components.figures import banks, beam_tree
from engine.decoding import BeamSearch
from pages.lab6_generation.searching import path
from tests.engine.decoding_models import Table


def searched(num_beams=3, max_new_tokens=6, seed=1, **settings):
    search = BeamSearch(
        Table.random(12, seed=seed), [3], num_beams=num_beams, max_new_tokens=max_new_tokens, eos_id=0, **settings
    )
    steps = tuple(search.steps())
    return steps, path(steps, steps[-1].best_finished[0]), search.found()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_beams", [1, 2, 5])
def test_no_two_nodes_share_a_place_and_no_two_lines_cross(seed, num_beams):
    steps, winner, _ = searched(num_beams, seed=seed, early_stopping="never")
    tree = beam_tree.plan(steps, winner)
    places = [(tree.columns[one.node], tree.rows[one.node]) for one in tree.nodes]
    assert len(set(places)) == len(places) > num_beams
    for first in tree.nodes:
        for second in tree.nodes:
            if tree.columns[first.node] == tree.columns[second.node] > 0:
                ends = tree.rows[first.node] - tree.rows[second.node]
                starts = tree.rows[first.parent] - tree.rows[second.parent]
                assert ends * starts >= 0
    assert all(one.parent in tree.columns or one.parent == 0 for one in tree.nodes)


def test_the_winner_is_one_straight_line_at_the_top_and_spells_its_text():
    steps, winner, found = searched(seed=2)
    tree = beam_tree.plan(steps, winner)
    assert [tree.rows[node] for node in tree.winner] == [0] * len(tree.winner)
    tokens = {one.node: one.token_id for one in tree.nodes}
    assert [tokens[node] for node in tree.winner] == found[0].ids[: beam_tree.MOST_STEPS]


def test_the_drawing_is_cut_and_holds_everything_but_most_of_what_was_pruned():
    steps, winner, _ = searched(4, max_new_tokens=15, early_stopping="never", length_penalty=3.0)
    assert len(steps) > beam_tree.MOST_STEPS
    tree = beam_tree.plan(steps, winner)
    assert tree.n_columns == beam_tree.MOST_STEPS
    for step in steps[: beam_tree.MOST_STEPS]:
        drawn = [one for one in tree.nodes if tree.columns[one.node] == step.step]
        kept = [one.node for one in step.candidates if one.status != "pruned"]
        pruned = [one for one in step.candidates if one.status == "pruned"][: beam_tree.MOST_PRUNED]
        assert {one.node for one in drawn} == {*kept, *(one.node for one in pruned)}


def test_a_text_is_alive_as_long_as_one_that_begins_so_is_kept():
    steps, winner, _ = searched(3, seed=4)
    tree = beam_tree.plan(steps, winner)
    for node, last in tree.last_alive.items():
        for step in steps:
            begins = [one for one in step.candidates if one.status == "kept" and node in path(steps, one.node)]
            if begins:
                assert last >= step.step
            elif any(tree.columns.get(node) == other.step for other in steps) and step.step > tree.columns[node]:
                assert last < step.step


def test_a_card_shows_the_end_of_its_text_on_one_line():
    assert banks.tail("a\nb") == "a⏎b"
    assert banks.tail("x" * 100) == "…" + "x" * banks.TAIL
