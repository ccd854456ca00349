"""Lab 4, section 5: every size comes from one training, and each number on screen is that size's own."""

import json
import re

import numpy as np
import pytest

from engine.corpora import corpus_text
from engine.tokenizer import BPETokenizer, measures
from pages.lab4_tokenizer import size
from pages.lab4_tokenizer.params import SENTENCE


def plot(page, title: str) -> dict:
    held = [one for figure in page.figures("plots") for one in figure["plots"]]
    return next(one for one in held if one["title"].startswith(title))


def at(drawn: dict, x: int) -> float:
    line = drawn["series"][0]
    return line["y"][line["x"].index(x)]


def test_a_point_is_what_a_tokenizer_trained_to_that_size_alone_gives(open_lab4):
    page = open_lab4("size", v_corpus="stories", v_width="128")
    training, judged = measures.in_halves(corpus_text("stories"))
    for entries in (256, 512, 1024):
        alone = BPETokenizer.train(training, entries, min_count=2)
        ids = alone.encode(judged)
        assert at(plot(page, "Bytes per token"), entries) == pytest.approx(len(judged.encode()) / len(ids))
        assert at(plot(page, "Tokens per word"), entries) == pytest.approx(len(ids) / len(judged.split()))
        assert at(plot(page, "Your text"), entries) == len(alone.encode(SENTENCE))
        assert at(plot(page, "Embedding, million"), entries) == pytest.approx(entries * 128 / 1e6)
        assert at(plot(page, "Never used"), entries) == pytest.approx(100 * (1 - len(set(ids)) / entries))
    assert "trained anew to this size alone, agree, largest difference 0 over 3 numbers" in page.html()
    assert "✗" not in page.html()


def test_the_page_opens_on_all_texts_and_its_link_is_bare(open_lab4):
    page = open_lab4("size")
    assert plot(page, "Bytes per token")["series"][0]["x"][-1] > 4096
    assert page.link() == {"section": "size"}
    assert "A larger vocabulary is not free" in page.html()
    assert "✗" not in page.html()


def test_the_knee_stands_highest_above_the_straight_line(open_lab4):
    page = open_lab4("size")
    curve, chord = plot(page, "Bytes per token")["series"]
    lead = np.array(curve["y"]) - np.array(chord["y"])
    knee = curve["x"][int(lead.argmax())]
    assert plot(page, "Bytes per token")["marks"] == [[knee, f"knee: {int(knee):,}"]]
    assert f"The knee</b> is at {int(knee):,}" in page.html()
    page.press(f"Go to the knee, {int(knee):,}")
    assert page.figures("plots")[0]["selected"] == knee


def test_the_share_of_the_model_follows_its_sizes(open_lab4):
    html = open_lab4("size", v_size="3072", v_width="768", v_layers="12", v_tied="0").html()
    assert "2 × 3,072 × 768 = 4,718,592 of" in html
    share = re.search(r"4,718,592 of ([\d,]+) parameters: (\d+)%", html)
    whole = int(share[1].replace(",", ""))
    d, blocks = 768, 12 * (12 * 768 * 768 + 13 * 768)  # attention 4d² + 4d, feed-forward 8d² + 5d, two norms of 2d
    assert whole - 4_718_592 - 512 * d - blocks in (0, 2 * d)  # and a last norm where the model has one
    assert int(share[2]) == round(100 * 4_718_592 / whole)


def test_a_size_beyond_the_corpus_is_kept_as_a_wish(open_lab4):
    page = open_lab4("size", v_corpus="emoji-numbers", v_size="8192")
    assert "comes back with a corpus that repeats more" in page.html()
    assert page.link()["v_size"] == "8192"
    page.set("v_corpus", "all")
    page.set("v_size", 3072)
    assert page.figures("plots")[0]["selected"] == 3072


def test_doubling_steps_make_the_axis_logarithmic(open_lab4):
    page = open_lab4("size", v_axis="doubling")
    assert all(one["logX"] for figure in page.figures("plots") for one in figure["plots"])


@pytest.mark.parametrize("own", ["", "x", "abcdef", "one line only and nothing else", "a\nb\nc\nd"])
def test_a_corpus_that_cannot_be_trained_on_gets_a_sentence(open_lab4, own):
    page = open_lab4("size", v_corpus="own", **({"v_own": own} if own else {}))
    assert 'class="labs-problem"' in page.html()
    assert "The text to train on must" in page.html() or "the text to train on must" in page.html()
    assert page.widget("v_own").value == own
    page.set("v_own", "the cat sat\nthe cat ran\nthe dog sat\nthe dog ran")
    assert plot(page, "Bytes per token")["series"][0]["y"][-1] > 1


@pytest.mark.parametrize("text", ["", "   ", "<b>x</b> **y** $z$ :smile:", "قطة 😀", "word " * 20_000])
def test_any_text_of_the_learner_is_measured(open_lab4, text):
    page = open_lab4("size", v_corpus="stories")
    page.set("text", text)
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    values = plot(page, "Your text")["series"][0]["y"]
    assert (values[0] or 0) == len(text.encode())
    json.dumps(values, allow_nan=False)


@pytest.mark.parametrize(
    "link", [{"v_size": "100"}, {"v_size": "1e9"}, {"v_width": "0"}, {"v_corpus": "x"}, {"v_layers": "-1"}]
)
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab4, link):
    page = open_lab4("size", **link)
    assert 'class="labs-problem"' in page.html()
    assert page.figures("plots")


def test_a_text_without_spaces_is_counted_by_characters(open_lab4):
    own = "今天阳光明媚。\n我姐姐住在一个小城市。\n今天不冷。\n我姐姐有一只猫。\n今天下雨了。\n我姐姐不在。"
    assert plot(open_lab4("size", v_corpus="own", v_own=own), "Tokens per character")


def test_every_control_is_in_the_link():
    assert len({param.name for param in size.PARAMS}) == len(size.PARAMS)
