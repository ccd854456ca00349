"""Bits per byte: how well a language model predicts text, in a number that does not depend on its tokenizer.

    python -m engine.pretraining.evaluate MODEL_FOLDER TEXT_FILE

The sum of -log2 p over all tokens of each story, its end token included, divided by the UTF-8 bytes of the stories
without what separates them. Each story starts with an empty context. One that is longer than the model's window is
read in windows that overlap by half, and each token is counted once, in the window that shows more before it.
"""

import json
import math
import sys
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F

from engine.pretraining.config import END
from engine.pretraining.data import pad, read_stories
from engine.tokenizer import BPETokenizer
from engine.transformer import CausalLM

BATCH_TOKENS = 8192


@torch.no_grad()
def bits_per_byte(
    model: CausalLM, tokenizer: BPETokenizer, stories: Sequence[str], *, max_len: int | None = None
) -> float:
    """The number described above. max_len: the window in tokens, the model's own unless given."""
    windows = sorted(_windows(tokenizer, stories, max_len or model.config.max_len), key=lambda window: len(window[0]))
    device = next(model.parameters()).device
    training, bits = model.training, 0.0
    model.eval()
    for group in _groups(windows):
        batch = pad([ids for ids, _ in group])
        logits = model(batch.inputs.to(device)).float()  # (batch, seq_len, vocab_size)
        targets = batch.targets.to(device)  # (batch, seq_len)
        nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        nats = nats.view_as(targets)  # (batch, seq_len), 0 at padding
        for row, (_, first_counted) in enumerate(group):
            bits += float(nats[row, first_counted:].double().sum()) / math.log(2)
    model.train(training)
    return bits / sum(len(story.encode()) for story in stories)


def _windows(tokenizer: BPETokenizer, stories: Sequence[str], max_len: int) -> Iterator[tuple[list[int], int]]:
    """(ids, the first target that is counted) for each window of each story."""
    end = tokenizer.special_tokens[END]
    for story in stories:
        ids = [end, *tokenizer.encode(story), end]
        yield ids[: max_len + 1], 0
        done, half = max_len + 1, max_len // 2
        while done < len(ids):
            start = done - 1 - half
            window = ids[start : start + max_len + 1]
            yield window, half
            done = start + len(window)


def _groups(windows: Sequence[tuple[list[int], int]]) -> Iterator[list[tuple[list[int], int]]]:
    group: list[tuple[list[int], int]] = []
    for window in windows:
        if group and (len(group) + 1) * len(window[0]) > BATCH_TOKENS:
            yield group
            group = []
        group.append(window)
    if group:
        yield group


def main(folder: str, *files: str) -> int:
    """Print one JSON object: bits_per_byte, stories, bytes, parameters."""
    from engine.checkpoints import load_causal_lm

    model, stories = load_causal_lm(folder), read_stories(files)
    tokenizer = BPETokenizer.load(f"{folder}/tokenizer.json")
    told = {
        "bits_per_byte": round(bits_per_byte(model, tokenizer, stories), 4),
        "stories": len(stories),
        "bytes": sum(len(story.encode()) for story in stories),
        "parameters": sum(weights.numel() for weights in model.parameters()),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
