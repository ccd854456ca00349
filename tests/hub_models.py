"""Tiny language models as the hub would hold them, and the ways to make a test's process believe in its own hub."""

import dataclasses
import functools
import hashlib
import json
import tempfile
from pathlib import Path

import pytest
import torch

from engine import models
from engine.tokenizer import BPETokenizer
from engine.tokenizer.files import to_json
from tests.hub import Hub

REVISION = "0123456789abcdef0123456789abcdef01234567"
END = "<|endoftext|>"
VOCAB = 300
TEXT = "Once upon a time there was a little girl. She had 12 cats and a dog. " * 3


def tokenizer_json(*, digits: bool) -> dict:
    """A byte-level tokenizer.json; `digits`: one that cuts numbers into digits first, as SmolLM2's does."""
    content = to_json(BPETokenizer.train(TEXT, VOCAB, special_tokens=[END]))
    if digits:
        parts = [{"type": "Digits", "individual_digits": True}, content["pre_tokenizer"]]
        content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": parts}
    return content


@functools.cache
def tiny_files(name: str) -> dict[str, bytes]:
    """The files of a random model of the shape that the hub's model `name` has, saved by transformers."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    ids = {"vocab_size": VOCAB, "bos_token_id": VOCAB - 1, "eos_token_id": VOCAB - 1}
    if llama := name.startswith("smollm"):
        shape = {"hidden_size": 36, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3}
        shape |= {"num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": True}
        model = LlamaForCausalLM(LlamaConfig(**ids, **shape, rope_theta=100_000.0))
    else:
        model = GPT2LMHeadModel(GPT2Config(**ids, n_positions=64, n_embd=32, n_layer=2, n_head=2))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        (Path(folder) / "tokenizer.json").write_text(json.dumps(tokenizer_json(digits=llama)), encoding="utf-8")
        # What the hub holds besides, and nobody may fetch: weights that run code when they are opened.
        (Path(folder) / "pytorch_model.bin").write_bytes(b"pickled")
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def pin_tiny(monkeypatch: pytest.MonkeyPatch, name: str) -> models.ModelInfo:
    """Lets engine.models expect the tiny model under `name`."""
    sha256 = hashlib.sha256(tiny_files(name)["model.safetensors"]).hexdigest()
    pinned = dataclasses.replace(models.model_info(name), revision=REVISION, sha256=sha256)
    listed = tuple(pinned if info.name == name else info for info in models._MODELS)
    monkeypatch.setattr(models, "_MODELS", listed)
    return pinned


def believe_in(monkeypatch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    """Lets huggingface_hub, imported or not, in this process and in those it starts, ask `url` and keep files in home.

    Nothing in a test that calls this can reach the real hub.
    """
    from huggingface_hub import constants

    for name, value in {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}.items():
        monkeypatch.setenv(name, value)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    changes = {"ENDPOINT": url, "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}"}
    changes |= {"HF_HUB_CACHE": str(home / "hub"), "HF_HUB_OFFLINE": False, "HF_TOKEN_PATH": str(home / "token")}
    changes |= {"AGENT_HARNESSES_PATH": str(home / "agents.json"), "DOWNLOAD_CHUNK_SIZE": 4096}
    for name, value in changes.items():
        monkeypatch.setattr(constants, name, value)


def put_in_cache(home: Path, info: models.ModelInfo, files: dict[str, bytes]) -> Path:
    """The model's files where huggingface_hub keeps those of its revision."""
    folder = home / "hub" / f"models--{info.source.replace('/', '--')}" / "snapshots" / info.revision
    folder.mkdir(parents=True)
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / file).write_bytes(files[file])
    return folder


def repository(name: str) -> str:
    return models.model_info(name).source


__all__ = ["END", "REVISION", "TEXT", "VOCAB", "Hub", "believe_in", "pin_tiny", "put_in_cache", "tiny_files"]
