"""Lab 1, section 6: the table is as wide as the memory, and reading oneself is self-attention."""

import re

import numpy as np
import pytest
import torch

from components import models
from pages.lab1_attention import cross_attention
from tests.pages.conftest import floats

ALIGNED = [  # paraphrases, and which word answers which
    (
        cross_attention.READER.default,
        cross_attention.MEMORY.default,
        {"doctor": "physician", "bought": "purchased", "car": "automobile", "a": "an"},
    ),
    (cross_attention.CAT_QUESTION, cross_attention.CAT_STORY, {"cat": "cat", "sleep": "slept", "the": "the"}),
    (
        "A boy is playing the guitar on stage.",
        "On stage, a young man plays his guitar.",
        {"boy": "man", "playing": "plays", "guitar": "guitar", "stage": "stage"},
    ),
]


def weights(page) -> np.ndarray:
    return floats(page.figure("heatmap")["panels"][0])


def test_the_page_opens_on_a_table_that_is_not_square(open_lab1):
    page = open_lab1("cross-attention")
    assert weights(page).shape == (7, 8)
    np.testing.assert_allclose(weights(page).sum(axis=1), 1.0, atol=1e-5)  # float32 rounding over 8 weights
    lines = page.figure("lines")
    assert (len(lines["queries"]), len(lines["keys"])) == (7, 8)
    assert "weights (1, 12, 7, 8)" in page.html()
    assert "torch.nn.MultiheadAttention agree" in page.html()


def test_the_words_quote_the_numbers_on_screen(open_lab1):
    page = open_lab1("cross-attention")
    panel = page.figure("heatmap")["panels"][0]
    rows, columns = panel["rows"], panel["columns"]
    for reader, read in (("2 doctor", "2 physician"), ("3 bought", "3 purchased"), ("6 car", "5 automobile")):
        share = weights(page)[rows.index(reader), columns.index(read)]
        assert share > 0.75  # the pairs the section opens with
        assert f"“{reader.split()[1]}” takes {share:.2f} from “{read.split()[1]}”" in page.html()


def test_of_all_heads_the_first_shown_aligns_paraphrases_best():
    totals = torch.zeros(cross_attention.LAYERS, cross_attention.HEADS)
    for text, memory, pairs in ALIGNED:
        one, other = (models.short_reading(t, cross_attention.MOST_TOKENS + 2) for t in (text, memory))
        for layer in range(cross_attention.LAYERS):
            x, read = (reading.trace.hidden_states[layer][:, 1:-1] for reading in (one, other))
            with torch.no_grad():
                found = models.minilm().model.layers[layer].attention.trace(x, memory=read).weights[0]
            asked = [one.text.tokens[1:-1].index(word) for word in pairs]
            answers = [other.text.tokens[1:-1].index(word) for word in pairs.values()]
            totals[layer] += found[:, asked, answers].mean(dim=-1).cpu() / len(ALIGNED)
    best = divmod(int(totals.argmax()), cross_attention.HEADS)
    assert (best[0] + 1, best[1] + 1) == (cross_attention.LAYER.default, cross_attention.HEAD.default)


def test_swapping_turns_the_table_round(open_lab1):
    page = open_lab1("cross-attention")
    before = weights(page)
    page.press("Swap the two texts")
    assert weights(page).shape == (8, 7)
    assert not np.allclose(weights(page), before.T, atol=0.01)  # reading back is another number
    assert page.link()["memory"] == cross_attention.READER.default
    page.press("Swap the two texts")
    np.testing.assert_array_equal(weights(page), before)


def test_a_text_that_reads_itself_is_self_attention(open_lab1):
    page = open_lab1("cross-attention")
    page.press("The text reads itself")
    assert "is self-attention" in page.html()
    assert "the layer gives" in page.html()
    read = models.short_reading(cross_attention.READER.default, cross_attention.MOST_TOKENS + 2)
    layer = cross_attention.LAYER.default - 1
    with torch.no_grad():
        alone = models.minilm().model.layers[layer].attention.trace(read.trace.hidden_states[layer][:, 1:-1])
    expected = alone.weights[0, cross_attention.HEAD.default - 1].cpu().numpy()
    np.testing.assert_allclose(weights(page), expected, atol=1e-6)  # the same operations, in float32


def test_masked_memory_gets_nothing_and_the_audit_still_holds(open_lab1):
    page = open_lab1("cross-attention", memory_padding="3")
    assert (weights(page)[:, -3:] == 0).all()
    np.testing.assert_allclose(weights(page).sum(axis=1), 1.0, atol=1e-5)
    assert "The last 3 tokens of the memory are masked" in page.html()
    assert "torch.nn.MultiheadAttention agree" in page.html()


def test_more_padding_than_memory_is_fitted_and_comes_back(open_lab1):
    page = open_lab1("cross-attention", memory="hello there", memory_padding="5")
    assert "goes up to 1 here; 5 comes back with a longer text" in page.html()
    assert "The last token of the memory is masked and gets exactly 0" in page.html()
    assert weights(page).shape == (7, 2)
    assert page.link()["memory_padding"] == "5"
    page.set("memory", cross_attention.MEMORY.default)
    assert page.widget("memory_padding").value == 5
    assert (weights(page)[:, -5:] == 0).all()
    assert "comes back" not in page.html()


def test_the_way_back_is_told_only_where_it_can_be_compared(open_lab1):
    page = open_lab1("cross-attention")
    assert "because each reader shares out its own 1, and queries and keys have matrices of their own" in page.html()
    page.set("memory_padding", 2)
    assert "the other way round" not in page.html()
    page.set("memory_padding", 0)
    for name in ("cross_text", "memory"):
        page.set(name, "hi")
        assert "the other way round" not in page.html()
        page.press("Reset")


def test_self_attention_with_a_masked_end_says_so(open_lab1):
    text = cross_attention.READER.default
    page = open_lab1("cross-attention", memory=text, memory_padding="4")
    assert "run without any memory and with the same 4 tokens masked, the layer gives" in page.html()
    assert "The last 4 tokens are masked and get exactly 0" in page.html()


def test_words_that_repeat_are_quoted_with_their_position(open_lab1):
    page = open_lab1("cross-attention", cross_text="word word", memory="word other word")
    assert re.search(r"“1 word” takes [\d.]+ from “(1 word|3 word|other)”", page.html())
    assert "“word”" not in page.html()


def test_cells_are_large_enough_for_numbers_in_both_sizes(open_lab1):
    for link, letters in (({}, 13), ({"present": "1"}, 18)):  # CSS pixels; numbers need 2.5 times that
        assert open_lab1("cross-attention", **link).figure("heatmap")["maxCell"] >= 2.5 * letters


def test_impossible_values_get_sentences(open_lab1):
    page = open_lab1("cross-attention", cross_layer="7", cross_head="abc", memory_padding="-1")
    for sentence in ("cross_layer must be a whole", "cross_head must be a whole", "memory_padding must be a whole"):
        assert sentence in page.html()
    assert weights(page).shape == (7, 8)


@pytest.mark.parametrize("name", ["cross_text", "memory"])
def test_an_empty_text_gets_a_sentence_and_the_other_stays(open_lab1, name):
    page = open_lab1("cross-attention")
    page.set(name, "  ")
    assert page.html().count("text must hold at least one letter") == 1
    assert page.figures("heatmap") == []
    assert page.widget("cross_text") is not None
    assert page.widget("memory") is not None
    page.set(name, "one more")
    assert page.figures("heatmap")


@pytest.mark.parametrize(
    "typed", ["hi", "x " * 50_000, "שלום עולם", "🙂🙂 ok", "<b>x</b> **y** $z$ :smile: <script>alert(1)</script>"]
)
def test_any_text_is_drawn_as_data(open_lab1, typed):
    page = open_lab1("cross-attention")
    page.set("memory", typed)
    page.set("cross_text", typed)
    assert weights(page).shape[0] == weights(page).shape[1] <= cross_attention.MOST_TOKENS
    assert ("Only the first 16 tokens" in page.html()) == (len(typed) > 20)
    assert "<script>" not in page.html()
    assert "is self-attention" in page.html()
