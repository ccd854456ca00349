"""Lab 2, section 1: the picture shows the numbers of the modules that ran, in the order of their norms."""

import re

import pytest
import torch

from engine.block_report import PARTS, StackConfig, build_stack, walk_stack
from pages.lab2_block import block, block_words
from pages.lab2_block.block_study import study
from tests.pages.conftest import floats

TOKENS = ["the", "old", "captain", "sailed", "home", ",", "and", "the", "storm", "followed", "his", "ship", "."]
WRONG = [
    ({"b_heads": "5"}, "n_heads must divide d_model = 64 without a remainder, got 5; 1, 2, 4, 8"),
    ({"b_heads": "10000"}, "b_heads must be a whole number from 1 to 16; the link says 10000"),
    ({"b_depth": "0"}, "b_depth must be a whole number from 1 to 24; the link says 0"),
    ({"b_model": "4000000"}, "config must fit the memory of cpu, which has"),
    ({"b_model": "2048", "b_ff": "8192"}, "at most 20,000,000 parameters to be redrawn while you watch"),
    ({"b_place": "middle"}, "b_place must be one of pre, post"),
    ({"b_stop": "nowhere"}, "b_stop must be one of input, attention_norm"),
    ({"text": "  "}, "text must hold at least one letter, digit or sign"),
]


def walk(**settings):
    ids = [list(dict.fromkeys(TOKENS)).index(token) for token in TOKENS]
    return walk_stack(build_stack(StackConfig(seed=7, **settings)), ids)


@pytest.mark.parametrize("place", ["pre", "post"])
def test_every_box_holds_shape_and_numbers_of_the_modules_own_trace(open_lab2, place):
    figure = open_lab2("block", b_place=place, b_layer="2", b_token="3").figure("block")
    theirs = walk(norm_first=place == "pre").layers[1]
    assert [stop["name"] for stop in figure["stops"]] == ["input", *PARTS[place == "pre"]]
    for ours, stop in zip(figure["stops"], theirs, strict=True):
        assert ours["shape"] == f"1 × 13 × {stop.values.shape[1]}"
        for name in ("mean", "std", "norm"):
            assert ours[name] == pytest.approx(float(getattr(stop, name)[2]), abs=1e-5)
    named = {stop["name"]: stop["extra"] for stop in figure["stops"]}
    assert named["attention"] == "16,640 parameters"  # 4 × (64 × 64 + 64)
    assert named["hidden"] == "16,640 parameters"  # 64 × 256 + 256
    assert named["attention_norm"] == "128 parameters"
    assert named["attention_sum"] == ""


def test_the_stream_grows_in_pre_ln_and_is_reset_in_post_ln_and_the_words_say_it(open_lab2):
    page = open_lab2("block")
    shown, other = page.figure("block")["shown"], page.figure("block")["other"]
    ends = [norm for layer, norm in shown["path"] if layer in range(7)]
    assert (shown["name"], other["name"]) == ("Pre-LN", "Post-LN")
    assert shown["path"][-1][1] > 2 * shown["path"][0][1]
    assert other["path"][-1][1] == pytest.approx(8, rel=1e-3)
    assert f"with <b>{ends[-1]:.1f}</b>. It grows in 6 of 6 layers" in page.html()
    page.set("b_place", "post")
    again = page.figure("block")
    assert again["shown"]["path"] == other["path"], "moving the norms changes no weight"
    assert again["other"]["path"] == shown["path"]
    assert "LayerNorm sets it to <b>8.0</b>, which is √64" in page.html()


def test_the_averaged_token_is_the_mean_over_all(open_lab2):
    figure = open_lab2("block", b_token="0", b_layer="1").figure("block")
    stop = walk().layers[0][2]
    assert figure["token"] == -1
    assert figure["stops"][2]["norm"] == pytest.approx(float(stop.norm.mean()), abs=1e-5)


def test_the_open_stop_shows_its_values_and_the_code_that_made_them(open_lab2):
    page = open_lab2("block", b_layer="2", b_stop="feed_forward")
    values = torch.from_numpy(floats(page.figure("heatmap")["panels"][0]).copy())
    stop = next(one for one in walk().layers[1] if one.name == "feed_forward")
    torch.testing.assert_close(values, stop.values, rtol=0, atol=0)
    assert "def contract(self, hidden" in page.app.code[0].value


@pytest.mark.parametrize(
    ("event", "name", "value"),
    [
        ({"type": "layer", "layer": 5}, "b_layer", 5),
        ({"type": "token", "token": -1}, "b_token", 0),
        ({"type": "token", "token": 0}, "b_token", 1),
        ({"type": "stop", "name": "hidden"}, "b_stop", "hidden"),
    ],
)
def test_what_is_clicked_in_the_figure_becomes_a_value_of_the_link(monkeypatch, event, name, value):
    taken = {}
    monkeypatch.setattr(block.drawing, "result", lambda key: event)
    monkeypatch.setattr(block.state, "set_value", lambda param, value: taken.update({param.name: value}))
    block._take()
    assert taken == {name: value}


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "swiglu"])
@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_torch_agrees_for_every_norm_and_activation(open_lab2, norm, activation):
    html = open_lab2("block", b_norm=norm, b_act=activation, b_depth="2").html()
    assert "ours and torch.nn.TransformerEncoderLayer" in html
    assert "agree, largest difference" in html
    assert ("SwiGLU by its formula" in html) == (activation == "swiglu")


def test_only_attention_looks_at_the_neighbours(open_lab2):
    page = open_lab2("block")
    found = re.search(
        r"largest difference ([\d.e-]+)[^)]*\); attention’s numbers move by up to ([\d.]+)\. Only", page.html()
    )
    assert float(found[1]) < 1e-5 < 0.1 < float(found[2])
    assert "is the only token here" in open_lab2("block", text="alone").html()


@pytest.mark.parametrize(("link", "sentence"), WRONG)
def test_wrong_settings_give_a_sentence_and_every_control_stays(open_lab2, link, sentence):
    page = open_lab2("block", **link)
    assert sentence in page.html()
    assert page.widget("b_place") is not None
    assert page.widget("b_heads") is not None
    page.press("Reset")
    assert page.figure("block")["nLayers"] == 6


def test_a_layer_and_a_token_beyond_the_end_are_kept_as_a_wish(open_lab2):
    page = open_lab2("block", b_depth="2", b_layer="5", b_token="12", text="Two words")
    assert (page.figure("block")["layer"], page.figure("block")["token"]) == (2, 1)
    page.set("b_depth", 8)
    assert page.figure("block")["layer"] == 5


def test_a_learners_text_is_data(open_lab2):
    page = open_lab2("block", text="<b>x</b> **y** $z$ :smile:", b_token="2")
    assert "<b>x</b>" not in page.html()
    assert page.figure("block")["follows"] == "“b”"


def test_the_paper_and_llama_are_one_press_away(open_lab2):
    page = open_lab2("block")
    page.press("The 2017 paper’s order")
    titles = [stop["title"] for stop in page.figure("block")["stops"]]
    assert titles[1:4] == ["Attention, 8 heads", "+ attention", "LayerNorm"]
    page.press("Llama’s choices")
    assert [stop["title"] for stop in page.figure("block")["stops"]][5] == "Expand, SwiGLU"


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_what_is_often_said_is_answered_with_the_runs_own_numbers(norm):
    ran = study(StackConfig(seed=7, norm=norm), tuple(TOKENS))
    said = block_words.often_said(ran, layer=4, token=2)
    mean = float(ran.walk.layers[3][1].mean[2])
    assert f"“captain” has mean {mean:.2f}".replace("-0.00", "0.00").replace("-", "−") in said
    assert "the norm stands after the sum, which is Post-LN" in said
    assert "You are looking at Pre-LN" in said


def test_the_table_holds_every_stop_of_every_layer():
    table = block._table(study(StackConfig(seed=7), tuple(TOKENS)), token=2)
    assert len(table) == 6 * 8
    assert list(table.columns) == ["layer", "stop", "shape", "parameters", "on the stream", "mean", "std", "norm"]
