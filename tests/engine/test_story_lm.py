"""The language model that comes with the project: small, quick to open, and as good as its card says."""

import os
import re
import time
from pathlib import Path

import pytest
import torch

from engine.checkpoints import load_causal_lm
from engine.pretraining.config import END
from engine.pretraining.data import read_stories
from engine.pretraining.evaluate import bits_per_byte
from engine.tokenizer import BPETokenizer

FOLDER = Path(__file__).parents[2] / "assets" / "models" / "story-lm"


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer.load(FOLDER / "tokenizer.json")


def test_it_is_small_and_opens_within_a_second():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 25_000_000
    load_causal_lm(FOLDER)  # the first call also imports what it needs
    began = time.perf_counter()
    model = load_causal_lm(FOLDER)
    assert time.perf_counter() - began < 1
    assert next(model.parameters()).dtype == torch.float32


def test_transformers_opens_the_same_folder_to_the_same_logits(tokenizer):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    text = "Once upon a time, there was a little girl named Lily."
    ids = torch.tensor([tokenizer.encode(text)])
    assert AutoTokenizer.from_pretrained(FOLDER)(text).input_ids == ids[0].tolist()
    theirs = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    with torch.no_grad():
        # 1e-4: both add up 512 to 704 products of float32 a number, in other orders
        torch.testing.assert_close(load_causal_lm(FOLDER)(ids), theirs(ids).logits, atol=1e-4, rtol=0)


def test_it_goes_on_with_a_story_in_words_it_has_learned(tokenizer):
    """Greedy, through the cache: words and spaces, and no end in the middle of the first sentence."""
    model = load_causal_lm(FOLDER)
    ids = [tokenizer.special_tokens[END], *tokenizer.encode("Once upon a time")]
    cache = model.new_cache(1, 64)
    step, written = torch.tensor([ids]), []
    for _ in range(24):
        chosen = int(model.next_logits(step, cache=cache)[0].argmax())
        written.append(chosen)
        step = torch.tensor([[chosen]])
    told = tokenizer.decode(written)
    assert re.fullmatch(r"[A-Za-z ,.'\"!?\n-]+", told), told
    assert len(set(told.split())) >= 8, told


def test_the_card_tells_the_number_that_is_measured(tokenizer):
    data = os.environ.get("LABS_DATA")
    if not data or not (Path(data) / "stories").is_dir():
        pytest.skip("LABS_DATA names no folder with stories/tinystories_heldout.txt")
    told = re.search(r"Held-out bits per byte\*\*: ([0-9.]+)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    stories = read_stories([Path(data) / "stories" / "tinystories_heldout.txt"])
    found = bits_per_byte(load_causal_lm(FOLDER), tokenizer, stories)
    assert found == pytest.approx(float(told[1]), abs=2e-3)  # sums in other orders on other machines
