"""Writing against transformers' `generate`: the same weights, the same prompt, one text at a time, in one run.

Two models: story-lm, the one that the pages use, and random weights in the shape of the smallest GPT-2 (124 million
parameters). Rounds alternate, ours then theirs; what is compared is each round's pair. No text ends early.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from engine.causal_lm import CausalLM
from engine.checkpoints import load_causal_lm
from engine.decoding import beam_search, greedy, sample
from engine.pretraining.config import END
from engine.tokenizer import BPETokenizer

STORY_LM = Path(__file__).parents[2] / "assets" / "models" / "story-lm"
BEGINNING = "Once upon a time, there was a little dog"
ROUNDS = 7
NEW_TOKENS = 128
FEWER_TOKENS = 24  # for the large model
WARM = {"temperature": 0.8, "top_k": 50, "top_p": 0.9}
LARGE = 64_000_000  # numbers in the array that is added up: 256 MB, more than any cache holds


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print(f"PyTorch threads: {torch.get_num_threads()}. Medians of {ROUNDS} alternating rounds.\n")
    ours, theirs, prompt, tokenizer = story_lm()
    large, large_theirs = gpt2_shape()
    against_generate(ours, theirs, prompt, large, large_theirs)
    readings(ours, prompt, large)
    constrained(ours, prompt, tokenizer)
    memory(ours, prompt, large)
    on_a_graphics_card((("story-lm", ours, theirs, prompt), ("GPT-2 shape, 124M", large, large_theirs, [100] * 8)))


def story_lm() -> tuple[CausalLM, torch.nn.Module, list[int], BPETokenizer]:
    tokenizer = BPETokenizer.load(STORY_LM / "tokenizer.json")
    theirs = AutoModelForCausalLM.from_pretrained(STORY_LM, dtype=torch.float32).eval()
    prompt = [tokenizer.special_tokens[END], *tokenizer.encode(BEGINNING)]
    return load_causal_lm(STORY_LM), endless(theirs), prompt, tokenizer


def gpt2_shape() -> tuple[CausalLM, torch.nn.Module]:
    """12 layers, d_model 768, vocabulary 50,257: saved by transformers and opened by both."""
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config()).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        return load_causal_lm(folder), endless(theirs)


def endless(theirs: torch.nn.Module) -> torch.nn.Module:
    """Without an end token, so that every text has the same length."""
    theirs.generation_config.eos_token_id = None
    theirs.generation_config.pad_token_id = 0
    return theirs


def against_generate(ours, theirs, prompt, large, large_theirs) -> None:
    print("| tokens per second, one text | ours | transformers | ours is so many times as fast | same text |")
    print("|---|---|---|---|---|")
    n = NEW_TOKENS
    plain = {"do_sample": True, "top_k": 0, "temperature": 1.0}
    for name, write, settings in (
        ("greedy", lambda: greedy(ours, prompt, max_new_tokens=n), {"do_sample": False}),
        (
            "temperature 0.8, top-k 50, top-p 0.9",
            lambda: sample(ours, prompt, max_new_tokens=n, seed=0, **WARM),
            WARM | {"do_sample": True},
        ),
        ("sampling without filters", lambda: sample(ours, prompt, max_new_tokens=n, seed=0), plain),
        (
            "4 beams",
            lambda: beam_search(ours, prompt, num_beams=4, max_new_tokens=n)[0],
            {"num_beams": 4, "do_sample": False},
        ),
    ):
        compare(f"story-lm, {name}", write, lambda settings=settings: generate(theirs, prompt, n, settings), n)
    start = list(range(100, 108))
    compare(
        "GPT-2 shape, 124M, greedy",
        lambda: greedy(large, start, max_new_tokens=FEWER_TOKENS),
        lambda: generate(large_theirs, start, FEWER_TOKENS, {"do_sample": False}),
        FEWER_TOKENS,
    )


def generate(theirs: torch.nn.Module, prompt: list[int], n: int, settings: dict) -> list[int] | None:
    """New tokens; None where they were drawn, since the two libraries draw other random numbers."""
    ids = torch.tensor([prompt], device=theirs.device)
    found = theirs.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, **settings)
    return None if settings["do_sample"] else found[0, len(prompt) :].tolist()


def compare(name: str, ours: Callable, theirs: Callable, n: int) -> None:
    pairs, told = [], "drawn"
    for _ in range(ROUNDS + 1):  # the first pays for set-up
        began = time.perf_counter()
        mine = ours().ids
        between = time.perf_counter()
        other = theirs()
        pairs.append((between - began, time.perf_counter() - between))
        if other is not None:
            told = "yes" if mine == other else "no"
    mine, other = (n / statistics.median(seconds) for seconds in zip(*pairs[1:]))
    ratio = statistics.median(two / one for one, two in pairs[1:])
    print(f"| {name} | {mine:.0f} | {other:.0f} | {ratio:.1f} | {told} |", flush=True)


def readings(ours, prompt, large) -> None:
    """The three ways of reading, in alternating rounds; "whole" reads the text again for each token."""
    print("\n| greedy, tokens per second by reading | lean | cached | whole |\n|---|---|---|---|")
    for name, model, start, n in (("story-lm", ours, prompt, NEW_TOKENS), ("GPT-2 shape", large, [100] * 8, 12)):
        speeds = alternating(
            [
                lambda reading=reading, model=model, start=start, n=n: greedy(
                    model, start, max_new_tokens=n, reading=reading
                )
                for reading in ("lean", "cached", "whole")
            ],
            n,
        )
        print(f"| {name}, {n} tokens | " + " | ".join(f"{speed:.0f}" for speed in speeds) + " |", flush=True)


def constrained(ours, prompt, tokenizer) -> None:
    """What required and banned phrases cost: transformers 5 has no search with constraints to stand beside."""
    print("\n| 4 beams on story-lm, tokens per second | |\n|---|---|")
    must = [tokenizer.encode(" dragon"), tokenizer.encode(" apple pie")]
    banned = [tokenizer.encode(" big"), tokenizer.encode(" very happy")]
    cases = {
        "plain": {},
        "banned: big, very happy": {"banned": banned},
        "must include: dragon, apple pie": {"must_include": must},
        "both": {"must_include": must, "banned": banned},
        "both, with records": {"must_include": must, "banned": banned, "keep_steps": True},
    }
    runs = [
        lambda more=more: beam_search(ours, prompt, num_beams=4, max_new_tokens=NEW_TOKENS, **more)
        for more in cases.values()
    ]
    for name, speed in zip(cases, alternating(runs, NEW_TOKENS)):
        print(f"| {name} | {speed:.0f} |", flush=True)


def memory(ours, prompt, large) -> None:
    """Each token reads every weight once: no loop over tokens can be faster than memory hands them over."""
    numbers = torch.ones(LARGE)
    (bandwidth,) = alternating([numbers.sum], numbers.nbytes)
    print(f"\nAdding up {numbers.nbytes / 1e6:.0f} MB: {bandwidth / 1e9:.1f} GB/s.\n")
    print("| greedy | weights read a token | read a second | share of that speed |\n|---|---|---|---|")
    for name, model, start, n in (("story-lm", ours, prompt, NEW_TOKENS), ("GPT-2 shape", large, [100] * 8, 24)):
        (speed,) = alternating([lambda model=model, start=start, n=n: greedy(model, start, max_new_tokens=n)], n)
        size = bytes_a_token(model)
        print(f"| {name} | {size / 1e6:.1f} MB | {size * speed / 1e9:.1f} GB/s | {size * speed / bandwidth:.0%} |")
    print("\nA share above 100% is possible where the weights fit the processor's cache.")


def on_a_graphics_card(cases: tuple) -> None:
    """Greedy decoding step by step, as a CUDA graph (recorded anew for each text), and by transformers."""
    if not torch.cuda.is_available():
        print("\nNo graphics card: tokens per second with and without CUDA graphs are left out.")
        return
    print(f"\n| greedy on {torch.cuda.get_device_name()}, tokens per second | without graphs | with | transformers |")
    print("|---|---|---|---|")
    for name, ours, theirs, start in cases:
        ours.cuda(), theirs.cuda()
        runs = [
            lambda reading=reading, ours=ours, start=start: greedy(
                ours, start, max_new_tokens=NEW_TOKENS, reading=reading
            )
            for reading in ("cached", "fixed")
        ]
        runs.append(lambda theirs=theirs, start=start: generate(theirs, start, NEW_TOKENS, {"do_sample": False}))
        print(f"| {name} | " + " | ".join(f"{speed:.0f}" for speed in alternating(runs, NEW_TOKENS)) + " |", flush=True)


def bytes_a_token(model: CausalLM) -> int:
    """Every weight but the tables of which a token reads one row."""
    decoder = model.decoder
    rows = [decoder.position_embedding] + ([] if model.lm_head is None else [decoder.token_embedding])
    tables = {id(table.weight) for table in rows if table is not None}
    return sum(weight.nbytes for weight in model.parameters() if id(weight) not in tables)


def alternating(runs: list[Callable], amount: int) -> list[float]:
    """For each run its amount (of tokens, of bytes) a second: the median of rounds in which they take turns."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS + 1):
        for run, kept in zip(runs, seconds):
            began = time.perf_counter()
            run()
            kept.append(time.perf_counter() - began)
    return [amount / statistics.median(kept[1:]) for kept in seconds]
