"""Lab 1, section 3: every tensor of a real run with its shape, and the wrong reshape shown for what it is."""

import base64
import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.attention import split_heads
from pages.lab1_attention import shapes_run
from tests.pages.conftest import floats

TOKENS = ["[CLS]", "the", "cat", "sat", "on", "the", "mat", "[SEP]"]


def bricks(page) -> dict[str, dict]:
    return {brick["name"]: brick for line in page.figure("bricks")["lines"] for brick in line if brick}


def cells(brick: dict, part: str = "owners") -> np.ndarray:
    return np.frombuffer(base64.b64decode(brick[part]), dtype=np.uint8).reshape(brick["shape"])


def a_run(seq_len: int, d_model: int, n_heads: int) -> shapes_run.Run:
    return shapes_run.run(tuple(range(1, seq_len + 1)), tuple("abcdefghij"[:seq_len]), d_model, n_heads, seed=0)


def test_every_tensor_stands_with_its_shape_and_the_name_of_each_axis(open_lab1):
    page = open_lab1("shapes")
    shapes = {name: dict(zip(brick["axes"], brick["shape"], strict=True)) for name, brick in bricks(page).items()}
    assert len(shapes) == 16
    assert shapes["x"] == {"batch": 1, "seq_len": 8, "d_model": 16}
    assert shapes["query-cut"] == {"batch": 1, "seq_len": 8, "n_heads": 4, "head_dim": 4}
    assert shapes["query-by-head"] == {"batch": 1, "n_heads": 4, "seq_len": 8, "head_dim": 4}
    assert shapes["scores"] == {"batch": 1, "n_heads": 4, "query_len": 8, "key_len": 8}
    assert shapes["output"] == shapes["x"]
    assert page.figure("bricks")["labels"] == [f"{i} {token}" for i, token in enumerate(TOKENS, 1)]
    assert "output: ours and torch.nn.MultiheadAttention agree" in page.html()
    assert "The text is cut" not in page.html()
    assert page.link() == {"section": "shapes"}


@pytest.mark.parametrize("link", [{}, {"s_wrong": "1"}])
def test_the_words_stand_in_the_order_of_the_house(open_lab1, link):
    words = open_lab1("shapes", **link).html()
    places = [
        words.index(part) for part in ("One cell is one number", "What to notice", "Try this", "MultiheadAttention")
    ]
    assert places == sorted(places)


def test_a_text_that_is_cut_says_so(open_lab1):
    page = open_lab1("shapes", s_text="The animal didn't cross the street because it was too tired.")
    assert "cut after 10 tokens" in page.html()
    assert bricks(page)["x"]["shape"] == [1, 10, 16]


def test_the_view_keeps_the_order_and_the_transpose_changes_it(open_lab1):
    drawn = bricks(open_lab1("shapes"))
    assert np.array_equal(cells(drawn["query"]).ravel(), cells(drawn["query-cut"]).ravel())
    by_head = cells(drawn["query-by-head"])[0]  # (n_heads, seq_len, head_dim)
    assert all((head == np.arange(8)[:, None]).all() for head in by_head)  # every head holds every token, in order


def test_the_wrong_reshape_says_how_many_numbers_are_misplaced_and_how_far_the_output_moves(open_lab1):
    page = open_lab1("shapes", s_wrong="1")
    drawn = bricks(page)
    assert cells(drawn["query-by-head-misplaced"], "wrong").sum() == 120
    assert "120 of 128 numbers sit in the wrong place" in page.html()
    assert sorted(set(cells(drawn["query-by-head"])[0, 0].ravel())) == [0, 1]
    assert "2 tokens only: “[CLS]”, “the”" in page.html()
    assert "the mistake you switched on (wrong reshape)" in page.html()
    assert "output: ours and torch.nn.MultiheadAttention differ by" in page.html()
    marks = [len(panel["marks"]) for panel in page.figure("heatmap")["panels"]]
    assert sum(marks) == 120


def test_one_head_hides_the_mistake(open_lab1):
    page = open_lab1("shapes", s_wrong="1")
    page.press("One head hides it")
    assert "0 of 128 numbers sit in the wrong place" in page.html()
    assert "✗" not in page.html()
    assert page.link() == {"section": "shapes", "s_wrong": "1", "s_heads": "1"}


@pytest.mark.parametrize("name", ["x", "query", "query-cut", "query-by-head", "scores", "context-tokens-first"])
def test_the_open_tensor_shows_its_own_numbers(open_lab1, name):
    page = open_lab1("shapes", s_tensor=name)
    brick = bricks(page)[name]
    panels = page.figure("heatmap")["panels"]
    assert np.stack([floats(panel) for panel in panels]).size == np.prod(brick["shape"])
    assert page.figure("bricks")["selected"] == name


def test_weights_are_shares_on_the_scale_of_shares(open_lab1):
    panels = open_lab1("shapes", s_tensor="weights").figure("heatmap")["panels"]
    for panel in panels:
        assert (panel["low"], panel["high"], panel["signed"]) == (0.0, 1.0, False)
        np.testing.assert_allclose(floats(panel).sum(1), 1, atol=1e-6)  # float32


def test_the_seed_changes_the_numbers_and_not_the_shapes(open_lab1):
    one, other = (open_lab1("shapes", s_seed=seed, s_tensor="x") for seed in ("1", "2"))
    assert not np.allclose(floats(one.figure("heatmap")["panels"][0]), floats(other.figure("heatmap")["panels"][0]))
    assert bricks(one)["scores"]["shape"] == bricks(other)["scores"]["shape"]


def test_heads_that_do_not_divide_get_the_engines_sentence_and_the_nearest_that_do(open_lab1):
    page = open_lab1("shapes", s_d_model="18", s_heads="4")
    assert "n_heads must divide d_model = 18 without a remainder, got 4; 1, 2, 3, 6, 9, 18 would do" in page.html()
    assert "2 of every token’s numbers belong to no head" in page.html()
    assert (page.widget("s_d_model").value, page.widget("s_heads").value) == (18, 4)
    assert cells(bricks(page)["query"], "wrong").sum() == 2 * len(TOKENS)
    page.press("d_model 20")
    assert bricks(page)["query-by-head"]["shape"] == [1, 4, 8, 5]


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_gets_a_sentence_and_keeps_the_controls(open_lab1, text):
    page = open_lab1("shapes")
    page.set("s_text", text)
    assert "text must hold at least one letter" in page.html()
    assert page.widget("s_d_model").value == 16
    page.set("s_text", "one")
    assert bricks(page)["x"]["shape"] == [1, 3, 16]


@pytest.mark.parametrize(
    "text", ["word " * 20_000, "القطة جلست هناك على السجادة", "😀 😀", "<b>x</b> **y** $z$ :smile:"]
)
def test_long_text_other_scripts_and_markup_are_data(open_lab1, text):
    page = open_lab1("shapes")
    page.set("s_text", text)
    assert bricks(page)["x"]["shape"][1] <= 10
    assert page.widget("s_text").value == text
    assert "<b>x</b>" not in page.html()


@pytest.mark.parametrize("link", [{"s_d_model": "999"}, {"s_heads": "0"}, {"s_tensor": "?"}, {"s_seed": "x"}])
def test_a_link_with_impossible_values_gets_a_sentence_and_the_figure_stays(open_lab1, link):
    page = open_lab1("shapes", **link)
    assert 'class="labs-problem"' in page.html()
    assert next(iter(link)) in page.html()
    assert bricks(page)["x"]["shape"] == [1, 8, 16]


def test_a_tensor_that_the_wrong_way_does_not_have_opens_the_next_one(open_lab1):
    page = open_lab1("shapes", s_wrong="1", s_tensor="key-cut")
    assert page.figure("bricks")["selected"] == "key-by-head"


@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 4))
def test_owners_follow_every_reshape(seq_len, n_heads, head_dim):
    made = a_run(seq_len, n_heads * head_dim, n_heads)
    token = shapes_run.owners(made, _named(made, "query, by head"), "token", mistake=False)
    head = shapes_run.owners(made, _named(made, "query, by head"), "head", mistake=False)
    assert torch.equal(token, torch.arange(seq_len)[None, None, :, None].expand(token.shape))
    assert torch.equal(head, torch.arange(n_heads)[None, :, None, None].expand(head.shape))
    for step in made.right:
        assert shapes_run.owners(made, step, "token", mistake=False).shape == step.shape
    query = _named(made, "query").tensor
    assert torch.equal(split_heads(query, n_heads), _named(made, "query, by head").tensor)


def _named(made, name):
    return next(step for step in made.right if step.name == name)


def test_examples_in_the_documentation_hold():
    result = doctest.testmod(shapes_run)
    assert result.attempted
    assert not result.failed
