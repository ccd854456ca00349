"""Lab 2, section 3: the hidden units on screen are the model's, and what is said about them is measured."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from components import models
from pages.lab2_block import feed_forward, feed_forward_curves, feed_forward_words, params
from pages.lab2_block.feed_forward_sentences import SENTENCES
from tests.pages.conftest import floats

WORDS = ["the", "old", "captain", "sailed", "home", ",", "and", "the", "storm", "followed", "his", "ship", "."]


def reference_hidden(text: str, layer: int) -> torch.Tensor:
    """transformers' own hidden units of one layer, (n_words, d_ff), without [CLS] and [SEP]."""
    theirs = models.minilm_reference()
    ids = torch.tensor([models.short_reading(text, 18).text.ids])
    found = {}
    hook = theirs.encoder.layer[layer].intermediate.register_forward_hook(
        lambda module, given, out: found.update(hidden=out)
    )
    with torch.inference_mode():
        theirs(ids)
    hook.remove()
    return found["hidden"][0, 1:-1]


def units_of(page) -> list[int]:
    return [int(name) - 1 for name in page.figure("heatmap")["panels"][0]["columns"]]


def test_the_page_opens_on_the_models_own_hidden_units(open_lab2):
    page = open_lab2("feed-forward")
    panel = page.figure("heatmap")["panels"][0]
    assert [row.split(" ", 1)[1] for row in panel["rows"]] == WORDS
    theirs = reference_hidden(params.SENTENCE, 0)
    # 1e-4: float32 sums in another order; activations reach about 5 here
    np.testing.assert_allclose(floats(panel), theirs[:, units_of(page)].numpy(), atol=1e-4)
    differ = theirs.std(dim=0, correction=0)
    assert set(differ.topk(20).indices.tolist()) == set(units_of(page))
    assert "transformers’ BertIntermediate agree" in page.html()
    assert "✗" not in page.html()
    assert page.link() == {"section": "feed-forward"}


def test_units_stand_in_the_order_of_the_tokens_they_answer(open_lab2):
    values = floats(open_lab2("feed-forward").figure("heatmap")["panels"][0])
    peaks = values.argmax(axis=0).tolist()
    assert peaks == sorted(peaks)


def test_the_share_of_active_units_is_counted_over_all_of_them(open_lab2):
    page = open_lab2("feed-forward", f_layer="4")
    share = (reference_hidden(params.SENTENCE, 3) > 0).float().mean(dim=-1)
    assert page.figure("heatmap")["panels"][1]["texts"] == [f"{value:.0%}" for value in share.tolist()]


def test_the_notice_quotes_the_chosen_unit(open_lab2):
    page = open_lab2("feed-forward")
    column = reference_hidden(params.SENTENCE, 0)[:, 139]
    assert WORDS[int(column.argmax())] == "captain"
    assert f"Unit 140 of layer 1 fires most on “captain”: {column.max():.2f}" in page.html()


def test_a_units_strongest_tokens_are_found_in_the_bundled_sentences(open_lab2):
    page = open_lab2("feed-forward")
    shown = re.findall(r"<li><span>([\d.]+)</span> (.*?)</li>", page.html())
    assert len(shown) == feed_forward_words.N_STRONGEST
    words = [re.search("<b>(.*?)</b>", line)[1] for _, line in shown]
    assert {"professor", "captain", "doctor", "minister", "king"} <= set(words)
    for value, line in shown[:2]:
        sentence = re.sub("</?b>", "", line)
        assert sentence in SENTENCES
        theirs = reference_hidden(sentence, 0)[:, 139].max().item()
        assert float(value) == pytest.approx(theirs, abs=0.06)  # one decimal, kept as float16


def test_another_layer_shows_other_units_and_keeps_the_chosen_one(open_lab2):
    page = open_lab2("feed-forward", f_layer="6", f_unit="140")
    assert 139 in units_of(page)
    assert len(units_of(page)) == feed_forward.N_UNITS + 1
    assert page.figure("heatmap")["panels"][0]["framed"] == units_of(page).index(139)


def test_units_that_answer_one_token_are_the_strongest_on_it(open_lab2):
    page = open_lab2("feed-forward", f_pick="token", f_token="9")
    column = reference_hidden(params.SENTENCE, 0)[8]
    assert set(column.topk(20).indices.tolist()) <= set(units_of(page))


def test_no_token_sees_another_and_attention_sees_them_all(open_lab2):
    html = open_lab2("feed-forward").html()
    assert "feed-forward output changes at 1 of 15 tokens, attention’s output at 15" in html
    assert re.search(r"The same inputs in shuffled order give (exactly the same|the same rows)", html)


def test_the_share_of_the_weights_is_counted(open_lab2):
    layer = models.minilm_reference().encoder.layer[0]
    count = {name: weight.numel() for name, weight in layer.named_parameters()}
    total = sum(count.values())
    ours = sum(n for name, n in count.items() if name.startswith(("intermediate.dense", "output.dense")))
    assert f"{ours:,} of its {total:,} weights, {ours / total:.1%}" in open_lab2("feed-forward").html()


def test_the_curves_are_torchs_and_the_table_reads_them_at_x(open_lab2):
    page = open_lab2("feed-forward", f_view="curves", f_x="-1", f_u="3", f_slope="1")
    values, slopes = page.figure("plots")["plots"]
    drawn = {series["name"]: series for series in values["series"]}
    x = torch.tensor(drawn["GELU"]["x"]).double()
    theirs = {
        "ReLU": F.relu(x),
        "GELU": F.gelu(x),
        "GELU (tanh)": F.gelu(x, approximate="tanh"),
        "SiLU": F.silu(x),
        "SwiGLU, u = 3": F.silu(x) * 3,
    }
    for name, curve in theirs.items():
        np.testing.assert_allclose(drawn[name]["y"], curve.numpy(), atol=1e-6)
    assert [series["name"] for series in slopes["series"]] == list(theirs)[:4]
    assert "<th>value</th><td>0</td><td>−0.159</td><td>−0.159</td><td>−0.269</td><td>−0.807</td>" in page.html()
    assert "ReLU’s slope is 0" in page.html()
    assert "torch.nn.functional agree" in page.html()


def test_what_arrives_below_0_is_the_models_own_share(open_lab2):
    page = open_lab2("feed-forward", f_view="curves", f_layer="2")
    below = (reference_hidden(params.SENTENCE, 1) < 0).float().mean().item()  # GELU keeps the sign
    assert f"{below:.0%} of what arrives in layer 2" in page.html()


def test_x_at_nought_and_at_the_ends_is_drawn(open_lab2):
    for x in ("0", "-4", "4"):
        page = open_lab2("feed-forward", f_view="curves", f_x=x)
        assert "could not be drawn" not in page.html()
        assert page.figure("plots")["selected"] == float(x)


@pytest.mark.parametrize("label", ["Layer 6: a unit for ships", "Layer 2: old, new, warm, grey"])
def test_a_suggested_unit_is_in_the_picture_and_fires_on_what_its_name_says(open_lab2, label):
    page = open_lab2("feed-forward", text="Cats sleep.", f_view="curves")
    page.press(label)
    panel = page.figure("heatmap")["panels"][0]
    best = panel["rows"][int(floats(panel)[:, panel["framed"]].argmax())]
    assert best.split(" ", 1)[1] == ("ship" if "ships" in label else "old")
    listed = " ".join(re.findall(r"<li>.*?<b>(.*?)</b>", page.html()))
    for word in ("ship", "harbour", "captain") if "ships" in label else ("old", "new", "warm", "grey"):
        assert word in listed


@pytest.mark.parametrize("sentence", ["", "   ", "\u200b"])
def test_a_text_that_cannot_be_read_gets_a_sentence_and_is_kept(open_lab2, sentence):
    page = open_lab2("feed-forward")
    page.set("text", sentence)
    assert 'class="labs-problem"' in page.html()
    assert page.widget("text").value == sentence
    page.set("text", "Cats sleep.")
    assert len(page.figure("heatmap")["panels"][0]["rows"]) == 3


@pytest.mark.parametrize(
    "sentence",
    ["cat", "word " * 20_000, "قطة صغيرة שלום", "😀 <b>x</b> **y** $z$ :smile:"],
    ids=["one token", "100,000 characters", "other scripts", "markup"],
)
def test_any_other_text_is_drawn_as_data(open_lab2, sentence):
    page = open_lab2("feed-forward", f_token="12")
    page.set("text", sentence)
    panel = page.figure("heatmap")["panels"][0]
    assert 1 <= len(panel["rows"]) <= feed_forward.MOST_TOKENS
    assert np.isfinite(floats(panel)).all()
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    assert page.link()["f_token"] == "12"  # a wish that this text cannot show is kept


@pytest.mark.parametrize(
    "link",
    [{"f_layer": "7"}, {"f_unit": "0"}, {"f_unit": "1537"}, {"f_token": "x"}, {"f_pick": "best"}, {"f_view": "3d"}],
)
def test_a_link_with_impossible_values_gets_a_sentence_and_the_figure_stays(open_lab2, link):
    page = open_lab2("feed-forward", **link)
    assert 'class="labs-problem"' in page.html()
    assert next(iter(link)) in page.html()
    assert page.figure("heatmap")["panels"][0]["rows"][2] == "3 captain"


def test_a_wrong_x_in_the_link_gets_a_sentence(open_lab2):
    page = open_lab2("feed-forward", f_view="curves", f_x="99")
    assert "f_x must be a number from -4.0 to 4.0" in page.html()
    assert feed_forward_curves.AT.default == 1.0
