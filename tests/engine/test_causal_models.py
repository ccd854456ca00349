"""The causal language models by name: bundled ones, and those of the hub, played by a server on this machine."""

import importlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import engine
from engine import model_files, models
from engine.transformer import CausalLM
from tests import hub
from tests.hub_models import REVISION, VOCAB, believe_in, pin_tiny, put_in_cache, tiny_files

HUB_MODELS = ("gpt2", "distilgpt2", "smollm2-135m")
NOBODY = "http://127.0.0.1:9"  # the port that discards: nobody listens


@pytest.fixture
def home(tmp_path):
    return tmp_path / "hf"


@pytest.fixture
def served(monkeypatch, home):
    """served("gpt2"): a hub that has the tiny model under this name, and is the only one there is."""
    running = []

    def serve(name):
        info = pin_tiny(monkeypatch, name)
        block = hub.serve(info.source, REVISION, tiny_files(name))
        running.append(block)
        server = block.__enter__()
        believe_in(monkeypatch, server.url, home)
        return server

    yield serve
    for block in running:
        block.__exit__(None, None, None)


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


# --- bundled ---


@pytest.mark.parametrize("name", ["story-lm", "story-lm-draft"])
def test_what_is_said_of_a_bundled_model_is_true_of_it(name):
    if not models.is_available(name):
        pytest.skip(f"{name} is not in assets/models yet")
    loaded = models.load(name, device="cpu")
    info, config = loaded.info, loaded.model.config
    assert (info.kind, info.where, info.from_hub) == ("causal", "bundled", False)
    assert isinstance(loaded.model, CausalLM)
    assert sum(p.numel() for p in loaded.model.parameters()) == info.size
    assert (config.n_layers, config.n_heads, config.d_model) == (info.n_layers, info.n_heads, info.d_model)
    assert config.max_len == info.max_len == loaded.tokenizer.context == 512
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert (loaded.tokenizer.eos_id, loaded.tokenizer.start_ids, loaded.tokenizer.vocab_size) == (4095, [4095], 4096)
    weights = models.ASSETS / name / "model.safetensors"
    assert info.file_bytes in (0, weights.stat().st_size)


def test_story_lm_opens_within_a_second_once_everything_is_imported():
    models.load("story-lm", device="cpu")
    began = time.perf_counter()
    models.load("story-lm", device="cpu")
    assert time.perf_counter() - began < 1


def test_the_draft_reads_the_same_tokens_as_the_model_it_drafts_for():
    draft = models.model_info("story-lm-draft")
    assert draft.drafts_for == "story-lm"
    if not models.is_available("story-lm-draft"):
        with pytest.raises(ValueError, match=r"story-lm-draft' is not on this machine.*take assets/models/story-lm-dr"):
            models.load("story-lm-draft")
        pytest.skip("story-lm-draft is not in assets/models yet")
    ours, theirs = (models.ASSETS / name / "tokenizer.json" for name in ("story-lm-draft", "story-lm"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_changed_weights_of_a_bundled_model_are_refused(tmp_path, monkeypatch):
    shutil.copytree(models.ASSETS / "story-lm", tmp_path / "story-lm")
    monkeypatch.setattr(models, "ASSETS", tmp_path)
    models.load("story-lm", device="cpu")  # an untouched copy opens
    flip_last_byte(tmp_path / "story-lm" / "model.safetensors")
    with pytest.raises(ValueError, match=r"must have SHA-256 a65676fd.*refused; .*take assets/models/story-lm from"):
        models.load("story-lm", device="cpu")


@pytest.mark.parametrize("file", model_files.FILES)
def test_a_missing_file_is_a_sentence_that_names_it(tmp_path, monkeypatch, file):
    shutil.copytree(models.ASSETS / "story-lm", tmp_path / "story-lm")
    monkeypatch.setattr(models, "ASSETS", tmp_path)
    (tmp_path / "story-lm" / file).unlink()
    assert not models.is_available("story-lm")
    with pytest.raises(ValueError, match=rf"'story-lm' is not on this machine: .* lacks {file}; it comes with"):
        models.load("story-lm", device="cpu")


def test_a_broken_tokenizer_or_config_is_a_sentence(tmp_path, monkeypatch):
    shutil.copytree(models.ASSETS / "story-lm", tmp_path / "story-lm")
    monkeypatch.setattr(models, "ASSETS", tmp_path)
    for file, says in (("tokenizer.json", "must be the tokenizer.json"), ("config.json", "must be readable JSON")):
        (tmp_path / "story-lm" / file).write_text("{")
        with pytest.raises(ValueError, match=says):
            models.load("story-lm", device="cpu")


def test_transformers_holds_the_same_weights_as_a_second_opinion():
    ours, theirs = models.load("story-lm", device="cpu"), models.load_reference("story-lm")
    ids = torch.tensor([[*ours.tokenizer.start_ids, *ours.tokenizer.encode("Once upon a time")]])
    assert type(theirs).__module__.startswith("transformers.")
    with torch.inference_mode():
        # Two orders of summation over 704 numbers in float32.
        torch.testing.assert_close(ours.model(ids), theirs(ids).logits, atol=1e-4, rtol=0)


# --- the hub ---


# What one process loads at once: run apart, because the first import is part of what must not go wrong.
TOGETHER = """
import threading, torch
from engine import models

asked = [("minilm", True), ("story-lm", True), ("story-lm", False), ("minilm", False), ("story-lm", True)]
held = {}


def load(number, name, reference):
    held[number] = models.load_reference(name) if reference else models.load(name).model


threads = [threading.Thread(target=load, args=(number, *one)) for number, one in enumerate(asked)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ids = torch.tensor([[4095, 300, 301]])
with torch.no_grad():
    ours, first, second = held[2](ids), held[1](ids).logits, held[4](ids).logits
print(torch.equal(first, second), (ours - first).abs().max().item() < 1e-4)
"""


def test_models_that_are_loaded_at_the_same_time_hold_their_own_weights():
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_weights_are_ordinary_tensors_also_when_they_are_loaded_in_inference_mode():
    from engine.decoding.lean import lean_can_read

    with torch.inference_mode():
        model = models.load("story-lm").model
    assert not any(weights.is_inference() for weights in model.parameters())
    assert lean_can_read(model), "else every page would write at a third of the speed"


def test_the_pinned_models_are_whole_sentences_of_the_list():
    for name in HUB_MODELS:
        info = next(info for info in models._MODELS if info.name == name)
        assert (info.where, info.kind, info.from_hub) == ("hub", "causal", True)
        assert len(info.revision) == 40
        assert len(info.sha256) == 64
        assert set(info.revision + info.sha256) <= set("0123456789abcdef")
        bytes_each = info.file_bytes / info.size
        assert 2 <= bytes_each <= 4.5, "float16 to float32, and GPT-2's masks"


def test_without_the_hub_nothing_of_it_is_there_and_loading_says_so_quickly(monkeypatch, home):
    believe_in(monkeypatch, NOBODY, home)
    for name in HUB_MODELS:
        assert not models.is_available(name)
        assert models.model_info(name).where == "hub"
        began = time.perf_counter()
        with pytest.raises(ValueError, match=rf"^the hub at {NOBODY} cannot be reached from this machine.*copy mod"):
            models.load(name, device="cpu")
        assert time.perf_counter() - began < 5, "it must not try again and again"
    with pytest.raises(ValueError, match="'gpt2' is not on this machine; download it"):
        models.load_reference("gpt2")


def test_an_offline_setting_is_respected_and_named(served, monkeypatch):
    server = served("gpt2")
    monkeypatch.setattr(importlib.import_module("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE forbids to ask the hub at http://127"):
        models.load("gpt2", device="cpu")
    assert server.asked == []


@pytest.mark.parametrize("name", HUB_MODELS)
def test_a_model_of_the_hub_is_fetched_once_and_agrees_with_transformers(served, name):
    server = served(name)
    assert not models.is_available(name)
    loaded = models.load(name, device="cpu")
    assert models.is_available(name)
    assert loaded.info.where == models.model_info(name).where == "cache"
    assert {line for line in server.asked if line.startswith("GET")} == {
        f"GET {file}" for file in ("config.json", "tokenizer.json", "model.safetensors")
    }, "safetensors, config.json and tokenizer.json, and nothing else"
    ids = torch.tensor([[*loaded.tokenizer.start_ids, *loaded.tokenizer.encode("There was a dog of 12.")]])
    with torch.inference_mode():
        # Two orders of summation over some 50 numbers in float32.
        torch.testing.assert_close(loaded.model(ids), models.load_reference(name)(ids).logits, atol=1e-5, rtol=0)
    assert (loaded.tokenizer.eos_id, loaded.tokenizer.start_ids) == (VOCAB - 1, [VOCAB - 1])
    asked = len(server.asked)
    models.load(name, device="cpu")
    assert len(server.asked) == asked, "what is in the cache needs no hub"


def test_other_weights_under_the_same_name_are_refused_and_not_kept(served):
    server = served("gpt2")
    whole = server.files["model.safetensors"]
    server.files = server.files | {"model.safetensors": whole[:-1] + bytes([whole[-1] ^ 1])}
    with pytest.raises(ValueError, match=r"must have SHA-256 .*refused; they were removed"):
        models.load("gpt2", device="cpu")
    assert not models.is_available("gpt2")
    server.files = server.files | {"model.safetensors": whole}
    assert models.load("gpt2", device="cpu").info.name == "gpt2"


def test_damaged_weights_in_the_cache_are_refused_and_the_next_download_replaces_them(served, home):
    served("gpt2")
    folder = put_in_cache(home, models.model_info("gpt2"), tiny_files("gpt2"))
    models.load("gpt2", device="cpu")
    flip_last_byte(folder / "model.safetensors")
    with pytest.raises(ValueError, match="refused; download it again"):
        models.load("gpt2", device="cpu")
    model_files.download(models.model_info("gpt2"))
    assert models.load("gpt2", device="cpu").info.where == "cache"


def test_an_incomplete_folder_in_the_cache_counts_as_not_here(served, home):
    served("gpt2")
    folder = put_in_cache(home, models.model_info("gpt2"), tiny_files("gpt2"))
    assert models.is_available("gpt2")
    (folder / "tokenizer.json").unlink()
    assert not models.is_available("gpt2")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda server: setattr(server, "is_a_hub", False), "answers, but not as a Hugging Face hub does"),
        (lambda server: setattr(server, "status", 503), "answers with status 503: try again later"),
        (lambda server: server.files.pop("tokenizer.json"), "must hold openai-community/gpt2 at revision 0123"),
        (lambda server: setattr(server, "revision", "f" * 40), "must hold openai-community/gpt2 at revision 0123"),
    ],
)
def test_a_server_that_does_not_have_the_model_is_a_sentence(served, change, says):
    server = served("gpt2")
    server.files = dict(server.files)
    change(server)
    with pytest.raises(ValueError, match=says) as raised:
        models.load("gpt2", device="cpu")
    assert "\n" not in str(raised.value)


def test_a_connection_that_breaks_goes_on_where_it_was(served, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    server = served("gpt2")
    server.break_after = {"model.safetensors": 40_960}
    told = []
    model_files.download(models.model_info("gpt2"), lambda file, n: told.append((file, n)))
    assert server.ranges == ["bytes=40960-"]
    weights = [n for file, n in told if file == "model.safetensors"]
    assert weights == sorted(weights), "bytes are told once"
    assert weights[-1] == len(server.files["model.safetensors"])


def test_a_connection_that_breaks_for_good_says_so_and_leaves_no_half_file(served, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    server = served("gpt2")
    server.break_after, server.always_break = {"model.safetensors": 0}, True
    with pytest.raises(ValueError, match=r"broke off while model.safetensors came \(.*try again with a network"):
        model_files.download(models.model_info("gpt2"))
    assert model_files.unfinished_files(models.model_info("gpt2")) == set()
    server.break_after, server.asked[:] = {}, []
    model_files.download(models.model_info("gpt2"))
    fetched = [line for line in server.asked if line.startswith("GET")]
    assert fetched == ["GET model.safetensors"], "whole files are kept"


# --- the house ---


def test_asking_for_all_models_loads_neither_torch_nor_the_hub():
    code = (
        "import sys; from engine import models\n"
        "[models.is_available(info.name) for info in models.models()]\n"
        "loaded = {'torch', 'transformers', 'tokenizers', 'huggingface_hub.file_download'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(engine.__file__).parents[1], timeout=60)
