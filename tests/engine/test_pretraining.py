"""Pretraining: the same numbers after an interruption, files that transformers opens, bits per byte counted by hand."""

import dataclasses
import json
import math

import pytest
import torch

from engine.checkpoint_export import save_causal_lm
from engine.checkpoints import load_causal_lm
from engine.initial import as_generator
from engine.pretraining import PretrainConfig, pretrain
from engine.pretraining import __main__ as command
from engine.pretraining.config import END
from engine.pretraining.data import batches, encode_stories, pad, read_stories, split_stories
from engine.pretraining.evaluate import bits_per_byte
from engine.tokenizer import BPETokenizer
from engine.transformer import CausalLM

NAMES = ("Anna", "Ben", "Cleo", "Dario", "Emil", "Fay")
THINGS = ("boat", "kite", "drum", "lamp", "cake")
STORIES = [
    f"{name} had a {thing}. The {thing} was {word}." for name in NAMES for thing in THINGS for word in ("red", "old")
]
SMALL = PretrainConfig(
    vocab_size=300, d_model=16, n_layers=2, n_heads=2, d_ff=32, max_len=32, steps=12, batch_tokens=128, warm_up=2,
    evaluate_every=4, held_out=6, learning_rate=0.01,
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer.train(STORIES, 300, special_tokens=[END])


def run(tokenizer, folder, config=SMALL, **options):
    told = []
    train, held_out = split_stories(STORIES, config.held_out, config.seed)
    config = dataclasses.replace(config, vocab_size=len(tokenizer))
    model, progress = pretrain(
        config, tokenizer, train, held_out, folder, on_event=told.append, device="cpu", **options
    )
    return model, progress, told


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_an_interrupted_training_goes_on_to_the_same_numbers(tokenizer, tmp_path, optimiser, dropout):
    config = dataclasses.replace(SMALL, optimiser=optimiser, dropout=dropout)
    _, whole, told = run(tokenizer, tmp_path / "whole", config)
    calls = iter(range(100))
    _, part, before = run(tokenizer, tmp_path / "parts", config, should_stop=lambda: next(calls) == 6)
    assert part.step == 6
    _, after_all, after = run(tokenizer, tmp_path / "parts", config)
    assert after_all.step == whole.step == 12
    assert [event["loss"] for event in before + after] == [event["loss"] for event in told]
    assert after_all.best == whole.best
    assert [event["step"] for event in told] == [4, 8, 12]


def test_training_learns(tokenizer, tmp_path):
    _, progress, told = run(tokenizer, tmp_path, dataclasses.replace(SMALL, steps=60, evaluate_every=20))
    assert told[-1]["bits_per_byte"] < 0.6 * told[0]["bits_per_byte"]
    assert progress.best == min(event["bits_per_byte"] for event in told)


def test_it_ends_when_nothing_gets_better(tokenizer, tmp_path):
    config = dataclasses.replace(SMALL, steps=400, evaluate_every=1, patience=2, learning_rate=1.0, warm_up=0)
    _, progress, _ = run(tokenizer, tmp_path, config)
    assert progress.step < 400
    assert progress.since_best >= 2


def test_gradients_in_parts_are_the_gradients_of_the_whole(tokenizer, tmp_path):
    _, _, whole = run(tokenizer, tmp_path / "whole")
    _, _, parts = run(tokenizer, tmp_path / "parts", dataclasses.replace(SMALL, accumulate=3))
    for ours, theirs in zip(parts, whole, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)  # other orders of the same sums


def test_the_folder_opens_in_transformers_with_the_same_logits(tokenizer, tmp_path):
    from transformers import AutoModelForCausalLM

    config = dataclasses.replace(SMALL.model, vocab_size=len(tokenizer), n_kv_heads=1)
    save_causal_lm(CausalLM(config, seed=3), tmp_path, eos_id=tokenizer.special_tokens[END])
    ids = torch.tensor([tokenizer.encode("Anna had a kite.")])
    ours, theirs = load_causal_lm(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path).float()
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=2e-5, rtol=0)  # rounding of float32
    assert theirs.config.eos_token_id == tokenizer.special_tokens[END]
    assert (tmp_path / "model.safetensors").stat().st_size < 2.5 * sum(p.numel() for p in ours.parameters()) + 4000


def test_a_model_that_is_no_llama_is_not_written_as_one(tmp_path):
    config = dataclasses.replace(SMALL.model, norm="layernorm")
    with pytest.raises(ValueError, match="norm must be 'rmsnorm'"):
        save_causal_lm(CausalLM(config), tmp_path)


def test_bits_per_byte_is_minus_log2_of_every_token_and_the_end_over_the_bytes(tokenizer):
    model = CausalLM(dataclasses.replace(SMALL.model, vocab_size=len(tokenizer)), seed=1).eval()
    end, bits = tokenizer.special_tokens[END], 0.0
    stories = ["Anna had a drum.", "Fay is bâti 🙂."]
    for story in stories:
        ids = [end, *tokenizer.encode(story), end]
        for place in range(1, len(ids)):
            log_probs = torch.log_softmax(model.next_logits(torch.tensor([ids[:place]]))[0], dim=-1)
            bits -= float(log_probs[ids[place]]) / math.log(2)
    by_hand = bits / sum(len(story.encode()) for story in stories)
    assert bits_per_byte(model, tokenizer, stories) == pytest.approx(by_hand, rel=1e-5)


def test_a_story_longer_than_the_window_counts_each_token_once(tokenizer):
    """With all weights 0 every token costs log2(vocab_size) bits, in whichever window it is counted."""
    model = CausalLM(dataclasses.replace(SMALL.model, vocab_size=len(tokenizer)), seed=1).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    story = " ".join(STORIES)
    n_tokens = len(tokenizer.encode(story)) + 1
    assert n_tokens > 10 * SMALL.max_len
    expected = n_tokens * math.log2(len(tokenizer)) / len(story.encode())
    for max_len in (8, 9, 32):
        assert bits_per_byte(model, tokenizer, [story], max_len=max_len) == pytest.approx(expected, rel=1e-6)


def test_rows_hold_every_token_once_and_batches_hold_every_row_once(tokenizer):
    rows = encode_stories([*STORIES, " ".join(STORIES)], tokenizer, 32)
    targets = sum(len(row) - 1 for row in rows)
    assert targets == sum(len(tokenizer.encode(story)) + 1 for story in [*STORIES, " ".join(STORIES)])
    seen, size = 0, 0
    for batch in batches(rows, 128, as_generator(0)):
        seen += batch.n_targets
        size = max(size, batch.inputs.numel())
    assert seen == targets
    assert size <= 128
    batch = pad([[1, 2, 3], [4, 5]])
    assert batch.inputs.tolist() == [[1, 2], [4, 0]]
    assert batch.targets.tolist() == [[2, 3], [5, -100]]


def test_held_out_stories_are_never_trained_on():
    train, held_out = split_stories(STORIES + STORIES, 7, 0)
    assert len(held_out) == 7
    assert not set(train) & set(held_out)
    assert sorted(train + held_out) == sorted(set(STORIES))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 0}, "steps must be a whole number of 1 or more"),
        ({"schedule": "step"}, "schedule must be one of cosine, trapezoid"),
        ({"learning_rate": 0}, "learning_rate must be more than 0"),
        ({"batch_tokens": 16}, "batch_tokens must be max_len = 32 or more"),
        ({"n_heads": 3}, "n_heads"),
    ],
)
def test_wrong_settings_are_sentences(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SMALL, **change)


def test_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc\xff")
    with pytest.raises(ValueError, match="at byte 3"):
        read_stories([tmp_path / "a.txt"])
    (tmp_path / "b.txt").write_text("\n\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is empty"):
        read_stories([tmp_path / "b.txt"])


def test_the_command_makes_a_folder_with_a_card_that_says_how(tmp_path, capsys):
    text = f"\n{END}\n".join(STORIES)
    (tmp_path / "train.txt").write_text(text, encoding="utf-8")
    (tmp_path / "new.txt").write_text(f"Gus had a kite.\n{END}\nAnna had a new lamp.\n", encoding="utf-8")
    out = tmp_path / "model"
    arguments = ["--corpus", str(tmp_path / "train.txt"), "--out", str(out), "--reported", str(tmp_path / "new.txt")]
    for field in dataclasses.fields(PretrainConfig):
        value = getattr(SMALL, field.name)
        if value != field.default:
            arguments += [f"--{field.name.replace('_', '-')}", str(value)]
    assert command.main([*arguments, "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"{told['bits_per_byte']} on new.txt" in card
    assert "python -m engine.pretraining --corpus" in card
    model, tokenizer = load_causal_lm(out), BPETokenizer.load(out / "tokenizer.json")
    ours = bits_per_byte(model, tokenizer, read_stories([tmp_path / "new.txt"]))
    assert told["bits_per_byte"] == pytest.approx(ours, abs=1e-4)
