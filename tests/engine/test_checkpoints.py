"""Our modules with real checkpoints' weights give transformers' numbers, and refuse what they do not understand."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    DistilBertModel,
)

from engine.checkpoints import load_encoder
from tests.engine.conftest import randomised

CLOSE = {"atol": 1e-5, "rtol": 1e-5}  # small models in float32: the same sums in another order
SIZES = {"vocab_size": 40, "max_position_embeddings": 16}
BERT = SIZES | {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20}
DISTIL = SIZES | {"dim": 12, "n_layers": 2, "n_heads": 3, "hidden_dim": 20}
IDS = torch.tensor([[2, 7, 30, 4, 3], [2, 9, 3, 0, 0]])
REAL = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def saved_bert(path, **settings):
    model = randomised(BertModel(BertConfig(**(BERT | settings))))
    model.save_pretrained(path)
    return model


def edit_weights(path, edit):
    file = path / "model.safetensors"
    save_file({name: tensor.clone() for name, tensor in edit(load_file(file)).items()}, file)


def assert_same_hidden_states(ours, theirs, **inputs):
    with torch.no_grad():
        expected = theirs(IDS, attention_mask=REAL, output_hidden_states=True, **inputs).hidden_states
        trace = ours.trace(IDS, REAL, **inputs)
        torch.testing.assert_close(ours(IDS, REAL, **inputs), trace.output, **CLOSE)
    assert len(trace.hidden_states) == len(expected) == 3
    for mine, other in zip(trace.hidden_states, expected, strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)


@pytest.mark.parametrize("activation", ["gelu", "relu", "gelu_new", "gelu_pytorch_tanh"])
def test_bert_equals_transformers(tmp_path, activation):
    theirs = saved_bert(tmp_path, hidden_act=activation, layer_norm_eps=1e-3)
    types = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]])
    assert_same_hidden_states(load_encoder(tmp_path), theirs, token_type_ids=types)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_distilbert_equals_transformers(tmp_path, activation):
    theirs = randomised(DistilBertModel(DistilBertConfig(**DISTIL, activation=activation)))
    theirs.save_pretrained(tmp_path)
    assert_same_hidden_states(load_encoder(str(tmp_path)), theirs)


@pytest.mark.parametrize(
    "theirs",
    [
        BertForMaskedLM(BertConfig(**BERT)),
        BertForSequenceClassification(BertConfig(**BERT)),
        DistilBertForMaskedLM(DistilBertConfig(**DISTIL)),
        DistilBertForSequenceClassification(DistilBertConfig(**DISTIL)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_prefix_and_heads_for_other_tasks_do_not_matter(tmp_path, theirs):
    randomised(theirs).save_pretrained(tmp_path)
    assert any(name.startswith(theirs.base_model_prefix) for name in load_file(tmp_path / "model.safetensors"))
    assert_same_hidden_states(load_encoder(tmp_path), theirs.base_model)


def test_a_sharded_save_opens(tmp_path):
    theirs = randomised(BertModel(BertConfig(**BERT)))
    theirs.save_pretrained(tmp_path, max_shard_size="2KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert_same_hidden_states(load_encoder(tmp_path), theirs)


def test_gamma_and_beta_buffers_and_half_precision_open(tmp_path):
    theirs = saved_bert(tmp_path)

    def old_names(weights):
        renamed = {
            k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
            for k, v in weights.items()
        }
        return renamed | {"embeddings.position_ids": torch.arange(16)[None]}

    edit_weights(tmp_path, old_names)
    assert_same_hidden_states(load_encoder(tmp_path), theirs)
    edit_weights(tmp_path, lambda w: {k: v.half() if v.is_floating_point() else v for k, v in w.items()})
    assert {p.dtype for p in load_encoder(tmp_path).parameters()} == {torch.float32}


def test_loading_leaves_torchs_random_numbers_alone_and_is_ready_to_use(tmp_path):
    saved_bert(tmp_path)
    before = torch.get_rng_state()
    encoder = load_encoder(tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    assert not encoder.training


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda w: w | {"encoder.layer.0.extra.weight": torch.ones(2)}, "'encoder.layer.0.extra.weight' is unknown"),
        (lambda w: w | {"bert.embeddings.LayerNorm.weight": torch.ones(12)}, "is there twice"),
        (lambda w: {k: v for k, v in w.items() if "layer.1.attention.self.key" not in k}, "2 are missing.*key_proj"),
        (lambda w: w | {"encoder.layer.2.output.dense.weight": torch.ones(12, 20)}, "no room for.*layers.2"),
        (lambda w: w | {"embeddings.LayerNorm.weight": torch.ones(13)}, r"must have shape \(12,\).*got \(13,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_a_sentence(tmp_path, edit, says):
    saved_bert(tmp_path)
    edit_weights(tmp_path, edit)
    with pytest.raises(ValueError, match=says):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model_type": "gpt2"}, "model_type must be one of bert, distilbert.*got 'gpt2'"),
        ({"model_type": None}, "model_type must be"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type must be 'absolute'"),
        ({"hidden_act": "silu"}, "activation must be one of .*got 'silu'"),
        ({"is_decoder": True}, "is_decoder must be False"),
        ({"add_cross_attention": True}, "add_cross_attention must be False"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads must be"),
        ({"quantization_config": {"bits": 4}}, "quantization_config must be None"),
        ({"num_attention_heads": 5}, "n_heads must divide d_model = 12"),
    ],
)
def test_settings_that_are_not_built_are_refused_in_a_sentence(tmp_path, settings, says):
    saved_bert(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | settings
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=says):
        load_encoder(tmp_path)


def test_files_that_are_missing_broken_or_elsewhere_are_refused_in_a_sentence(tmp_path, monkeypatch):
    saved_bert(tmp_path)
    weights, index = tmp_path / "model.safetensors", tmp_path / "model.safetensors.index.json"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="whole safetensors file"):
        load_encoder(tmp_path)
    weights.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pickled weights are never opened"):
        load_encoder(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(ValueError, match="same folder"):
        load_encoder(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    with pytest.raises(ValueError, match=r"'model-00001-of-00002\.safetensors' is missing"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json must be readable JSON"):
        load_encoder(tmp_path)


def test_a_name_that_cannot_be_had_is_refused_in_a_sentence(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def unreachable(name, **options):
        asked.append((name, options["local_files_only"], options["revision"]))
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ValueError, match="'someone/model' at revision 'abc' must be a folder"):
        load_encoder("someone/model", revision="abc")
    assert asked == [("someone/model", True, "abc"), ("someone/model", False, "abc")]
    for path in (tmp_path / "nowhere", "/no/such/folder", "../up"):
        with pytest.raises(ValueError, match="must be a folder or a name like"):
            load_encoder(path)


def test_a_name_in_the_cache_is_opened_without_the_network(tmp_path, monkeypatch):
    import huggingface_hub

    theirs = saved_bert(tmp_path)

    def cached(name, *, local_files_only, **options):
        assert local_files_only
        assert not any("bin" in pattern or pattern.endswith(".py") for pattern in options["allow_patterns"])
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    assert_same_hidden_states(load_encoder("someone/model"), theirs)


# --- the real model ---


@pytest.fixture(scope="module")
def bert(minilm):
    from engine import models

    folder = models._package_folder(minilm.info)
    return BertModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True).eval()


LETTERS = random.Random(0)
TEXTS = {
    "plain": "The animal didn't cross the street because it was too tired.",
    "one token": "cat",
    "emoji": "I 😀 love 👩‍👩‍👧 this 🏳️‍🌈!",
    "right to left": "שלום עולם مرحبا بالعالم",
    "accents and CJK": "Crème brûlée à Zürich, 東京タワー 한국어",
    "html and special tokens": "<b>[SEP]</b> **[CLS]** [MASK] &amp;",
    "512 tokens": " ".join(
        LETTERS.choice(["river", "stone", "unbelievably", "42", ",", "tokenization"]) for _ in range(600)
    ),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_minilm_equals_transformers_on_any_text(minilm, bert, text):
    from engine.texts import encode_text

    ids = torch.tensor([encode_text(minilm, text).ids])
    with torch.no_grad():
        theirs = bert(ids, output_hidden_states=True, output_attentions=True)
        ours, fused = minilm.model.trace(ids), minilm.model(ids)
    for mine, other in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=0)  # what the issue promises
    for mine, other in zip(ours.layers, theirs.attentions, strict=True):
        torch.testing.assert_close(mine.weights, other, atol=1e-5, rtol=0)  # weights are at most 1
    torch.testing.assert_close(fused, theirs.last_hidden_state, atol=1e-4, rtol=0)


def test_minilm_padding_changes_nothing(minilm):
    ids = minilm.tokenizer.encode("A short text.").ids
    padded = [ids + [0] * 5, [*minilm.tokenizer.encode("Another text of more words here.").ids, 0, 0][: len(ids) + 5]]
    real = [[1] * len(ids) + [0] * 5, [int(i != 0) for i in padded[1]]]
    ours = minilm.model(padded, real)[0, : len(ids)]
    torch.testing.assert_close(ours, minilm.model([ids])[0], atol=1e-4, rtol=0)  # other batch, other order of sums
