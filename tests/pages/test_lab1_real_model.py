"""Lab 1, section 7: the numbers that the issue names stand on the page, and wrong input costs nothing."""

import base64

import numpy as np
import pytest

from components.figures import lines as lines_figure
from components.figures import model as model_figure
from pages.lab1_attention import muting, real_model
from pages.lab1_attention.params import ANIMAL as ANIMAL_TIRED
from pages.lab1_attention.params import ANIMAL_WIDE
from pages.lab1_attention.real_model_trace import read

IT, ANIMAL, STREET, CLS = 10, 2, 8, 0  # places in the sentence, from 0


def weights(figure: dict) -> np.ndarray:
    """(n_layers, n_heads, query_len, key_len) as they travel to the browser, for a short text."""
    n_tokens = len(figure["tokens"])
    steps = np.frombuffer(base64.b64decode(figure["maps"]), dtype="<u2")
    return steps.reshape(figure["layers"], figure["heads"], n_tokens, n_tokens) / model_figure.WEIGHT_STEPS


def token_list(page):
    """The list of reading tokens; its key ends in a digest of the names it shows."""
    return next(one for one in page.app.selectbox if one.label == "Reading token")


def test_it_opens_on_it_reading_animal_with_0_68(open_lab1):
    page = open_lab1("real-model")
    figure = page.figure("model")
    assert figure["choice"] == {"layer": 3, "head": 1, "token": IT, "read": -1, "mute": []}
    assert (figure["tokens"][IT], figure["tokens"][ANIMAL]) == ("it", "animal")
    row = weights(figure)[3, 1, IT]
    assert row[ANIMAL] == pytest.approx(0.68, abs=0.005)
    assert row.argmax() == ANIMAL
    assert "“it” reads “animal” most, with 0.68" in page.html()
    assert "runs on cpu" in page.html()
    assert page.link() == {"section": "real-model"}


def test_wide_leaves_animal_0_28_and_the_street_0_12_and_says_clue_not_explanation(open_lab1):
    page = open_lab1("real-model", layer="6", head="1", view="matrix")
    page.press("Change “tired” to “wide”")
    figure = page.figure("model")
    assert page.widget("text").value == ANIMAL_WIDE
    row = weights(figure)[3, 1, IT]
    assert (figure["choice"]["layer"], figure["choice"]["head"], figure["show"]["view"]) == (3, 1, "lines")
    assert row[ANIMAL] == pytest.approx(0.28, abs=0.005)
    assert row[STREET] == pytest.approx(0.12, abs=0.005)
    assert row[CLS] == pytest.approx(0.33, abs=0.005)
    assert "“street” gets 0.12, “animal” 0.28 (with “tired” it was 0.68), [CLS] 0.33" in page.html()
    assert "a clue to what a model does, not an explanation" in page.html()


def test_layer_1_head_3_reads_the_previous_token_with_1_00(open_lab1):
    page = open_lab1("real-model")
    page.press("Layer 1, head 3: the previous token")
    figure = page.figure("model")
    head = weights(figure)[0, 2]
    assert head[IT, IT - 1] == pytest.approx(1.0, abs=0.005)
    assert (figure["labels"][0][2], round(figure["scores"][0][2], 2)) == ("previous", 1.0)
    assert "mostly reads the token before (score 1.00)" in page.html()


def test_both_audit_lines_agree_on_the_learners_text_also_with_heads_off(open_lab1):
    for link in ({}, {"mute": "1.3,4.2,4.5", "text": "Storks fly south in autumn"}):
        page = open_lab1("real-model", **link).html()
        assert "attention weights: ours and transformers agree" in page
        assert "hidden states: ours and transformers agree" in page
        assert 'class="labs-audit labs-audit-fails"' not in page


def test_query_times_key_gives_the_score_behind_the_weight(open_lab1):
    figure = open_lab1("real-model", view="neuron").figure("model")
    n_tokens, dim = len(figure["tokens"]), figure["headDim"]
    shape = (figure["layers"], figure["heads"], n_tokens, dim)
    query, key = (
        np.frombuffer(base64.b64decode(figure[name]), dtype="<i2").reshape(shape) for name in ("queries", "keys")
    )
    scores = (query[3, 1, IT] * figure["queryUnit"]) @ (key[3, 1] * figure["keyUnit"]).T / np.sqrt(dim)
    softmax = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    # 16-bit elements are exact to 1e-4, 32 of them to about 1e-3
    assert softmax == pytest.approx(weights(figure)[3, 1, IT], abs=2e-3)


def test_what_is_chosen_in_the_figure_becomes_the_page_s_state(monkeypatch):
    kept = {}
    choice = {"type": "choice", "layer": 0, "head": 2, "token": 4, "read": -1, "mute": ["3.1", "0.2"]}
    monkeypatch.setattr(real_model.drawing, "result", lambda key: choice)
    monkeypatch.setattr(
        real_model.state, "set_value", lambda param, value: kept.update({param.name: param.format(value)})
    )
    monkeypatch.setattr(real_model.state, "get", {real_model.TOKEN: 11, real_model.READ: 3}.get)
    real_model._follow(n_tokens=16)
    assert kept == {"layer": "1", "head": "3", "token": "5", "read": "0", "mute": "1.3,4.2"}


@pytest.mark.parametrize(
    ("token", "read", "kept"),
    [(-1, -1, {}), (1, -1, {"token": 2}), (-1, 1, {"read": 2}), (1, 2, {"token": 2, "read": 3})],
)
def test_the_figure_of_a_short_text_overwrites_a_wish_only_by_a_choice(monkeypatch, token, read, kept):
    values = {}
    choice = {"type": "choice", "layer": 3, "head": 1, "token": token, "read": read, "mute": []}
    monkeypatch.setattr(real_model.drawing, "result", lambda key: choice)
    monkeypatch.setattr(real_model.state, "get", {real_model.TOKEN: 11, real_model.READ: 9}.get)
    monkeypatch.setattr(real_model.state, "set_value", lambda param, value: values.update({param.name: value}))
    real_model._follow(n_tokens=3)
    assert {name: value for name, value in values.items() if name in ("token", "read")} == kept


@pytest.mark.parametrize("token", [11, 9])
def test_a_short_text_in_between_costs_neither_token_nor_link(open_lab1, token):
    page = open_lab1("real-model", token=str(token), read="7")
    link = page.link()
    opening = page.widget("text").value
    page.set("text", "hi")
    choice = page.figure("model")["choice"]
    assert (choice["token"], choice["read"]) == (-1, -1)
    assert page.link() == {**link, "text": "hi"}
    assert token_list(page).options == ["none", "1 [CLS]", "2 hi", "3 [SEP]"]
    for said in (f"Reading token {token}: this text has 3 tokens", "Token that is read 7: this text has 3 tokens"):
        assert said in page.html()
    page.set("text", opening)
    choice = page.figure("model")["choice"]
    assert (choice["token"], choice["read"]) == (token - 1, 6)
    assert page.link() == link
    assert "this text has" not in page.html()


def test_another_token_can_be_chosen_while_the_wished_one_is_beyond_the_text(open_lab1):
    page = open_lab1("real-model", text="hi")
    token_list(page).set_value(2)
    page.run()
    assert page.figure("model")["choice"]["token"] == 1
    assert page.link()["token"] == "2"
    assert "this text has" not in page.html()


def test_an_open_head_that_is_off_says_what_that_means(open_lab1):
    said = "This head is off: it still reads, but what it read is replaced by zeros."
    page = open_lab1("real-model", mute="4.2")
    assert said in page.html()
    assert "1 of 72 heads is off." in page.html()
    page = open_lab1("real-model", mute="4.2,1.3", layer="5")
    assert said not in page.html()
    assert "2 of 72 heads are off." in page.html()


def test_every_head_s_pattern_and_score_stand_in_a_table():
    reading = read(ANIMAL_TIRED, ())
    table = real_model._pattern_table(reading)
    assert len(table) == 72
    assert table.iloc[2].tolist() == [1, 3, "previous token", pytest.approx(1.0, abs=0.005)]
    mixed = [head for row in reading.patterns for head in row if head.label == "mixed"]
    assert table["pattern"].str.startswith("mixed (nearest: ").sum() == len(mixed)


def test_muting_heads_moves_the_vector_and_the_similarities(open_lab1):
    page = open_lab1("real-model", mute="1.3,2.9")
    before, after, change = (
        np.frombuffer(base64.b64decode(p["values"]), "<f4") for p in page.figure("heatmap")["panels"]
    )
    assert np.allclose(after - before, change, atol=1e-6)
    assert 0.001 < np.abs(change).max() < 1
    assert "With 2 of 72 heads off the vector of your sentence" in page.html()
    page.press("Mute all heads of layer 4")
    assert len(page.figure("model")["choice"]["mute"]) == 14
    page.press("Unmute all")
    assert page.figure("model")["choice"]["mute"] == []
    assert "mute" not in page.link()


def test_a_long_text_is_cut_at_512_and_all_heads_travel_averaged(open_lab1):
    page = open_lab1("real-model")
    page.set("text", "The quick brown fox jumps over the lazy dog. " * 2_222)
    figure = page.figure("model")
    assert (len(figure["tokens"]), figure["pooled"], figure["block"]) == (512, True, 12)
    maps = np.frombuffer(base64.b64decode(figure["maps"]), dtype="u1").reshape(6, 12, 43, 43)
    assert np.abs(maps.sum(-1) / 255 - 1).max() < 0.05  # rows are still shares of one
    full = np.frombuffer(base64.b64decode(figure["open"]["weights"]), dtype="<u2").reshape(512, 512)
    assert full.sum(-1) / 65_535 == pytest.approx(1, abs=0.01)
    assert "cut after 512 tokens" in page.html()
    assert "12 neighbours share a row" in page.html()
    assert page.link()["text"].startswith("~")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("   ", "must hold at least one letter"),
        ("hi", "One token has nobody to read but itself"),
        ("good 🙂 morning", "[UNK] stands for a word or sign that this model has no pieces for."),
        ("a" * 300, "[UNK] stands for a word or sign that this model has no pieces for."),
        ("unaffable", "## marks a piece that continues the word before it."),
        ("שלום עולם مرحبا", "In layer 4, head 2"),
        ("<b>x</b> **y** $z$ :smile:", "“b”"),
    ],
)
def test_every_text_gets_a_sentence_and_stays_in_its_field(open_lab1, text, said):
    page = open_lab1("real-model", token="3")
    page.set("text", text)
    assert said in page.html()
    assert "<b>x</b>" not in page.html()
    assert page.widget("text").value == text
    page.set("text", "back to a plain sentence")
    assert page.figure("model")["tokens"][1] == "back"


def test_a_link_with_impossible_values_shows_the_start_and_says_so(open_lab1):
    page = open_lab1("real-model", layer="99", head="x", token="400", read="999", view="foo", hide="7", mute="4.2,9.9")
    for sentence in (
        "layer must be a whole number from 1 to 6",
        "head must be a whole number from 1 to 12",
        "Reading token 400: this text has 16 tokens",
        "read must be a whole number from 0 to 512",
        "view must be one of lines, neuron, matrix",
        "hide must be 0 or 1",
        "mute must list heads as layer.head",
    ):
        assert sentence in page.html()
    assert page.figure("model")["choice"] == {"layer": 3, "head": 1, "token": -1, "read": -1, "mute": []}


def test_hidden_separators_keep_their_share_and_the_page_says_so(open_lab1):
    page = open_lab1("real-model", hide="1")
    figure = page.figure("model")
    assert figure["show"]["hide"] is True
    assert weights(figure)[3, 1, IT].sum() == pytest.approx(1, abs=1e-3)
    assert "0.11 of its reading goes to the hidden separators; the rest is not scaled up" in page.html()


@pytest.mark.parametrize(
    ("sentences", "said"),
    [
        ("only one line", "two or more lines are needed, 1 given"),
        ("\n".join(["a b"] * 8), "The first 6 of 8 lines are compared"),
        ("short one\n" + "word " * 600, "Line 2: The text is cut after 512 tokens"),
    ],
)
def test_sentences_that_cannot_all_be_compared_get_a_sentence(open_lab1, sentences, said):
    page = open_lab1("real-model", mute="4.2", sentences=sentences[:1400])
    page.set("sentences", sentences)
    assert said in page.html()
    assert page.widget("sentences").value == sentences


@pytest.mark.parametrize("raw", ["4.2", "1.3,4.2", "6.12", ""])
def test_muted_heads_survive_the_link(raw):
    assert muting.MUTE.format(muting.MUTE.parse(raw)) == raw


@pytest.mark.parametrize("raw", ["0.1", "7.1", "1.13", "1", "1.2.3", "a.b", "1.2,,3.4", "²." + "1", "1." + "9" * 5000])
def test_impossible_heads_are_refused_in_a_sentence(raw):
    with pytest.raises(ValueError, match=r"must list heads as layer\.head"):
        muting.MUTE.parse(raw)


def test_lines_refuse_weights_that_do_not_fit_their_tokens():
    import torch

    with pytest.raises(ValueError, match=r"weights must be \(n_heads, 2, 3\)"):
        lines_figure.draw(["a", "b"], ["c", "d", "e"], torch.zeros(3, 2), key="k")


def test_the_alt_text_of_lines_names_the_strongest_reading():
    import torch

    said = lines_figure.describe(["a", "b"], ["c", "d"], torch.tensor([[0.1, 0.9], [0.7, 0.3]]))
    assert said.startswith("Strongest: 1 a reads 2 d with 0.90; 2 b reads 1 c with 0.70")
