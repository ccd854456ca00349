"""Both heads against torch and transformers, the files they are stored in, and the numbers on their card."""

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertOnlyMLMHead

from engine import models
from engine.experiments import output_heads as training
from engine.experiments.heads_data import Features, Masked, story_pieces
from engine.output_heads import ClassificationHead, MaskedLanguageHead, load_heads, mask_token, new_heads, save_heads

DATA = os.environ.get("LABS_DATA")


@pytest.fixture(scope="module")
def loaded():
    return models.load("minilm", device="cpu")


@pytest.fixture(scope="module")
def stored(loaded):
    return models.load_heads(loaded)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_shapes_are_one_answer_a_text_and_one_a_token():
    hidden = random(2, 5, 16)
    assert ClassificationHead(16, 3)(hidden).shape == (2, 3)
    assert MaskedLanguageHead(nn.Embedding(40, 16))(hidden).shape == (2, 5, 40)


def test_the_classification_head_is_a_mean_and_a_linear_layer():
    hidden, head = random(2, 5, 16), ClassificationHead(16, 3, seed=4)
    real = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    theirs = torch.stack([hidden[0, :3].mean(0), hidden[1].mean(0)])
    theirs = F.linear(theirs, head.output_proj.weight, head.output_proj.bias)
    torch.testing.assert_close(head(hidden, real), theirs)
    cls = ClassificationHead(16, 3, pooling="cls", seed=4)
    torch.testing.assert_close(cls(hidden), F.linear(hidden[:, 0], cls.output_proj.weight, cls.output_proj.bias))


def test_a_texts_logits_are_the_mean_of_its_tokens_logits():
    trace = ClassificationHead(16, 2).trace(random(1, 7, 16))
    torch.testing.assert_close(trace.token_logits.mean(dim=1), trace.logits)  # exact but for float32 rounding
    torch.testing.assert_close(trace.probabilities.sum(dim=-1), torch.ones(1))


def test_the_language_head_equals_transformers_with_the_same_weights():
    config = BertConfig(vocab_size=40, hidden_size=16, num_attention_heads=2, hidden_act="gelu", layer_norm_eps=1e-12)
    theirs, embedding = BertOnlyMLMHead(config).eval(), nn.Embedding(40, 16)
    ours = MaskedLanguageHead(embedding, seed=None)
    nn.init.normal_(ours.bias)
    part = theirs.predictions
    with torch.no_grad():
        part.transform.dense.load_state_dict(ours.dense.state_dict())
        part.transform.LayerNorm.load_state_dict(ours.norm.state_dict())
        part.decoder.weight.copy_(embedding.weight)
        part.decoder.bias.copy_(ours.bias)
    hidden = random(2, 5, 16)
    torch.testing.assert_close(ours(hidden), theirs(hidden), atol=1e-5, rtol=0)  # float32, sums of 16
    torch.testing.assert_close(ours.trace(hidden).logits, ours(hidden))


def test_the_decoder_is_borrowed_and_neither_trained_nor_stored_with_the_head(tmp_path):
    embedding = nn.Embedding(40, 16)
    heads = new_heads(embedding)
    assert sum(weight.numel() for weight in heads.language.parameters()) == 16 * 16 + 16 + 2 * 16 + 40
    assert heads.language.decoder_weight is embedding.weight
    save_heads(heads, tmp_path, {"results": {}})
    again = load_heads(tmp_path, embedding)
    hidden = random(1, 3, 16)
    # stored as float16: three digits
    torch.testing.assert_close(again.language(hidden), heads.language(hidden), atol=2e-2, rtol=0)
    assert again.card == {"results": {}}
    with pytest.raises(ValueError, match="must fit the encoder"):
        load_heads(tmp_path, nn.Embedding(40, 8))


def test_only_a_token_between_the_separators_can_be_masked():
    ids = [101, 5, 6, 102]
    assert mask_token(ids, 1, 103) == [101, 103, 6, 102]
    assert ids == [101, 5, 6, 102], "inputs are never edited in place"
    for place in (0, 3, -1, 9):
        with pytest.raises(ValueError, match=r"between .CLS. and .SEP."):
            mask_token(ids, place, 103)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="pooling must be one of mean, cls"):
        ClassificationHead(16, 2, pooling="max")
    with pytest.raises(ValueError, match="activation must be one of"):
        MaskedLanguageHead(nn.Embedding(4, 4), activation="step")


def test_training_learns_and_the_same_seed_gives_the_same_weights():
    recipe = training.Recipe(class_epochs=30, class_learning_rate=0.05, language_epochs=30, language_learning_rate=0.05)
    vectors = random(200, 8)
    features = Features(vectors, vectors, (vectors[:, 0] > 0).long())
    examples = Masked(vectors, (vectors[:, 1] > 0).long() + 3, 200)

    def trained():
        head, language = ClassificationHead(8, 2), MaskedLanguageHead(nn.Embedding(10, 8).requires_grad_(False))
        language._tied[0].weight.copy_(random(10, 8, seed=7))
        training.train_classification(head, features, recipe)
        training.train_language(language, examples, recipe)
        return head, language

    (head, language), (again, language_again) = trained(), trained()
    assert training.classification_accuracy(head, features) > 0.95
    assert training.language_accuracy(language, examples)[0] > 0.9
    for one, other in ((head, again), (language, language_again)):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_stories_are_cut_into_pieces_once_each(tmp_path):
    file = tmp_path / "stories.txt"
    file.write_text("One. Two! Three? Four.\n<|endoftext|>\n\n<|endoftext|>\nFive went home.")
    pieces = list(story_pieces(file, 0))
    assert sorted(" ".join(pieces).split()) == sorted(["One.", "Two!", "Three?", "Four.", "Five", "went", "home."])
    assert pieces == list(story_pieces(file, 0))


def test_heads_of_another_encoder_are_refused(tmp_path, loaded):
    save_heads(new_heads(loaded.model.token_embedding), tmp_path, {"encoder_sha256": "0" * 64})
    with pytest.raises(ValueError, match="must have been trained on all-MiniLM-L6-v2"):
        models.load_heads(loaded, tmp_path)


def test_the_stored_heads_beat_guessing_and_their_card_says_how_they_were_made(stored):
    results, folder = stored.card["results"], models.ASSETS / "minilm-heads"
    assert results["accuracy_mean"] > results["majority_accuracy"] + 0.2
    assert results["top1"] > results["frequency_top1"]
    assert results["top5"] > results["frequency_top5"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    for said in (
        "CC BY 4.0",
        "CDLA-Sharing-1.0",
        "python -m engine.experiments.output_heads",
        f"{results['top1']:.1%}",
    ):
        assert said in card
    assert (folder / "model.safetensors").stat().st_size < 500_000


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.skipif(not DATA, reason="LABS_DATA does not name the folder with the texts the card was measured on")
def test_the_cards_numbers_are_found_again(loaded, stored):
    recipe = training.Recipe(**stored.card["recipe"])
    again = training.measure(stored, loaded, Path(DATA), recipe)
    for name, value in stored.card["results"].items():
        # another processor may round one borderline text or token to the other side
        assert again[name] == pytest.approx(value, abs=0.003), name
