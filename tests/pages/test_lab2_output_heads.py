"""Lab 2, section 9: two heads on the same hidden states."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from components import models
from pages.lab2_block import output_heads


def head(page, place: int) -> dict:
    return page.figure("heads")["heads"][place]


def values(bars: dict) -> np.ndarray:
    return np.array([row["value"] for row in bars["rows"]])


def masked_ids(sentence: str, place: int) -> list[int]:
    ids = list(models.short_reading(sentence, output_heads.MOST_TOKENS).text.ids)
    ids[place] = models.minilm().tokenizer.token_to_id("[MASK]")
    return ids


def test_both_answers_equal_plain_torch_on_transformers_hidden_states(open_lab2):
    page, heads = open_lab2("heads"), models.minilm_heads()
    with torch.inference_mode():
        ids = torch.tensor([masked_ids(output_heads.TEXT.default, 11)])
        hidden = models.minilm_reference()(ids).last_hidden_state
        matrix = heads.classification["mean"].output_proj
        classes = F.linear(hidden.mean(dim=1), matrix.weight, matrix.bias).softmax(-1)[0]
        own = heads.language
        words = F.layer_norm(F.gelu(own.dense(hidden)), (384,), own.norm.weight, own.norm.bias, own.norm.eps)
        words = (F.linear(words, models.minilm_reference().embeddings.word_embeddings.weight) + own.bias).softmax(-1)
    np.testing.assert_allclose(values(head(page, 0)["bars"][0]), classes.numpy(), atol=1e-5)
    best = words[0, 11].topk(10)
    np.testing.assert_allclose(values(head(page, 1)["bars"][0]), best.values.numpy(), atol=1e-5)
    tokenizer = models.minilm().tokenizer
    labels = [row["label"] for row in head(page, 1)["bars"][0]["rows"]]
    assert labels == [tokenizer.id_to_token(one) for one in best.indices.tolist()]
    assert page.html().count("agree, largest difference") == 2
    assert " differ by " not in page.html()


def test_the_texts_logits_are_the_mean_of_its_tokens(open_lab2):
    page = open_lab2("heads")
    probabilities, pulls = (values(bars) for bars in head(page, 0)["bars"])
    margin = np.log(probabilities[1] / probabilities[0])
    assert pulls.mean() == pytest.approx(margin, abs=1e-4)  # probabilities are float32
    assert f"their mean is {margin:+.2f}".replace("-", "−") in head(page, 0)["bars"][1]["title"]


def test_shapes_are_those_of_one_run(open_lab2):
    page = open_lab2("heads")
    assert page.figure("heads")["shape"] == "(1, 15, 384)"
    assert [shape for _, shape in head(page, 0)["stages"]] == ["(1, 384)", "(1, 2)"]
    assert [shape for _, shape in head(page, 1)["stages"]] == ["(1, 15, 384)", "(1, 15, 30,522)"]
    assert head(page, 0)["foot"] == ["770 weights of its own."]
    assert head(page, 1)["foot"][1] == "179,130 weights of its own, and 11,720,448 borrowed from the word embeddings."


def test_without_the_mask_the_encoder_reads_the_text_itself(open_lab2):
    page = open_lab2("heads", h_token="4", h_mask="0")
    assert "[MASK]" not in page.figure("heads")["tokens"]
    assert "Without [MASK] the encoder sees the word" in page.html()
    page.set("h_mask", True)
    assert page.figure("heads")["tokens"][3] == "[MASK]"


def test_cls_alone_takes_one_vector(open_lab2):
    page = open_lab2("heads", h_pool="cls")
    assert head(page, 0)["stages"][0][0] == "the vector of [CLS]"
    pulls = head(page, 0)["bars"][1]["rows"]
    assert [row["faint"] for row in pulls] == [False] + [True] * (len(pulls) - 1)


def test_a_bad_review_is_negative_and_hiding_its_word_helps_it(open_lab2):
    page = open_lab2("heads", text="A wonderful film with a warm heart and a clever script.", h_mask="0")
    assert values(head(page, 0)["bars"][0])[1] > 0.8
    page.press("A bad review")
    seen = values(head(page, 0)["bars"][0])
    page.press("Hide its “terrible”")
    hidden = values(head(page, 0)["bars"][0])
    assert seen[0] > 0.8
    assert hidden[1] > seen[1]
    assert f"positive is {seen[1]:.2f} and not {hidden[1]:.2f}" in page.html()


def test_words_that_the_encoder_does_not_hold_are_said_to_be_far_down(open_lab2):
    known = open_lab2("heads", text=output_heads.STORY, h_token="10")
    assert "is only number" not in known.html()
    unknown = open_lab2("heads", text=output_heads.STORY, h_token="11")
    assert "is only number" in unknown.html()


def test_what_the_heads_can_do_is_said_with_what_guessing_can(open_lab2):
    results = models.minilm_heads().card["results"]
    html = open_lab2("heads").html()
    for name in ("accuracy_mean", "majority_accuracy", "top1", "top5", "frequency_top1"):
        assert f"{results[name]:.1%}" in html


def test_impossible_values_get_sentences(open_lab2):
    page = open_lab2("heads", h_token="1", h_mask="yes", h_pool="max")
    for sentence in ("h_token must be a whole", "h_mask must be 0 or 1", "h_pool must be one of mean, cls"):
        assert sentence in page.html()
    assert page.figures("heads")


def test_an_empty_text_gets_a_sentence_and_keeps_its_controls(open_lab2):
    page = open_lab2("heads")
    page.set("text", "")
    assert "text must hold at least one letter" in page.html()
    assert page.figures("heads") == []
    assert page.widget("h_pool") is not None
    page.set("text", "one")
    assert page.figure("heads")["tokens"] == ["[CLS]", "[MASK]", "[SEP]"]
    assert "Token to guess 12: this text goes up to 2" in page.html()
    assert page.link().get("text") == "one"


@pytest.mark.parametrize(
    "typed", ["x " * 50_000, "שלום עולם 🙂", "<b>x</b> **y** $z$ :smile: <script>alert(1)</script>"]
)
def test_any_text_is_answered_as_data(open_lab2, typed):
    page = open_lab2("heads", h_token="3", h_mask="0")
    page.set("text", typed)
    assert len(page.figure("heads")["tokens"]) <= output_heads.MOST_TOKENS
    assert ("The text is cut after 18 tokens" in page.html()) == (len(typed) > 50)
    assert "<script>" not in page.html()
