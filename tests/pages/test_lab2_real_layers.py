"""Lab 2, section 8: the hidden states of the real model on the learner's text."""

import numpy as np
import pytest
import torch

from components import models
from pages.lab2_block import real_layers
from tests.pages.conftest import floats


def similarity(page) -> np.ndarray:
    return floats(page.figure("heatmap")["panels"][0])


def reference(sentence: str) -> list[torch.Tensor]:
    """transformers' hidden states, (seq_len, d_model) a layer."""
    ids = models.short_reading(sentence, real_layers.MOST_TOKENS).text.ids
    with torch.inference_mode():
        found = models.minilm_reference()(torch.tensor([ids]), output_hidden_states=True).hidden_states
    return [state[0] for state in found]


def test_matrix_and_curve_show_transformers_hidden_states(open_lab2):
    page = open_lab2("layers", m_layer="5")
    states = reference(real_layers.TEXT.default)
    cosines = [torch.cosine_similarity(state[:, None], state[None], dim=-1).numpy() for state in states]
    np.testing.assert_allclose(similarity(page), cosines[5], atol=1e-5)  # float32, sums of 384
    curve = page.figure("plots")["plots"][0]["series"][0]
    assert curve["name"] == "4 captain and 13 ship"
    np.testing.assert_allclose(curve["y"], [cosine[3, 12] for cosine in cosines], atol=1e-5)
    assert f"{cosines[5][3, 12]:.2f}</b> after layer 5" in page.html()
    assert page.html().count("agree, largest difference") == 2
    assert " differ by " not in page.html()


def test_length_view_shows_the_norm_resetting_the_length(open_lab2):
    page = open_lab2("layers", m_view="length")
    before, after, change = (floats(panel) for panel in page.figure("heatmap")["panels"])
    states = torch.stack(reference(real_layers.TEXT.default))
    np.testing.assert_allclose(after, states.norm(dim=-1).T.numpy(), rtol=1e-4)
    turned = 1 - torch.cosine_similarity(states[:-1], states[1:], dim=-1)
    np.testing.assert_allclose(change, turned.T.numpy(), atol=1e-5)
    assert before.shape == change.shape == (15, 6)
    assert before.max() > 10 * after[:, 1:].max(), "what the page says of the norm must be so"
    assert f"length {before.min():.0f} to {before.max():.0f}" in page.html()
    assert f"lengths of {after[:, 1:].min():.0f} to {after[:, 1:].max():.0f}" in page.html()


def test_two_senses_of_a_word_drift_further_apart_than_one(open_lab2):
    page, lowest = open_lab2("layers"), {}
    for label in ("“bank” in two senses", "“bank” in one sense"):
        page.press(label)
        curve = page.figure("plots")["plots"][0]["series"][0]
        assert curve["name"] == "7 bank and 14 bank"
        assert "It is the same word twice" in page.html()
        lowest[label] = min(curve["y"])
    assert lowest["“bank” in two senses"] < lowest["“bank” in one sense"]


def test_a_token_with_itself_is_named_as_such(open_lab2):
    assert "with itself" in open_lab2("layers", m_first="5", m_second="5").html()


def test_impossible_values_get_sentences_and_the_figure_stays(open_lab2):
    page = open_lab2("layers", m_layer="7", m_first="abc", m_second="99", m_view="tree")
    for sentence in (
        "m_layer must be a whole",
        "m_first must be a whole",
        "m_second must be a whole",
        "m_view must be",
    ):
        assert sentence in page.html()
    assert similarity(page).shape == (15, 15)


def test_an_empty_text_gets_a_sentence_and_keeps_its_controls(open_lab2):
    page = open_lab2("layers")
    page.set("text", "  ")
    assert "text must hold at least one letter" in page.html()
    assert page.figures("heatmap") == []
    assert page.widget("m_layer") is not None
    page.set("text", "one more")
    assert similarity(page).shape == (4, 4)


def test_a_wish_beyond_the_text_is_kept_and_said(open_lab2):
    page = open_lab2("layers", m_second="16", text="A short text")
    assert "Second token 16: this text has 5 tokens" in page.html()
    assert page.link()["m_second"] == "16"


@pytest.mark.parametrize("view", ["alike", "length"])
@pytest.mark.parametrize("typed", ["hi", "x " * 50_000, "שלום 🙂", "<b>x</b> **y** $z$ <script>alert(1)</script>"])
def test_any_text_is_drawn_as_data(open_lab2, view, typed):
    page = open_lab2("layers", m_view=view)
    page.set("text", typed)
    assert 3 <= len(page.figure("heatmap")["panels"][0]["rows"]) <= real_layers.MOST_TOKENS
    assert ("The text is cut after 18 tokens" in page.html()) == (len(typed) > 20)
    assert "<script>" not in page.html()
    assert "nan" not in page.html().lower().replace("nancy", "")
