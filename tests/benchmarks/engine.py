"""Our modules beside the libraries', same weights and input, in one run: the ratio of their times."""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from engine import models
from engine.attention import MultiHeadAttention, fused_attention
from engine.texts import encode_text

ROUNDS = 20
SENTENCE = "The animal didn't cross the street because it was too tired."


def main() -> None:
    """Prints one row a comparison: our median, theirs, and the median of the ratios round by round."""
    print("| computation | ours | theirs | ratio |\n|---|---|---|---|")
    with torch.inference_mode():
        for name, ours, theirs in (*_attention(), *_encoder()):
            _row(name, ours, theirs)


def _row(name: str, ours: Callable, theirs: Callable) -> None:
    pairs = []
    for _ in range(ROUNDS + 2):  # the first two pay for set-up
        pairs.append((_milliseconds(ours), _milliseconds(theirs)))
    mine, other = zip(*pairs[2:])
    ratio = statistics.median(one / two for one, two in pairs[2:])
    print(f"| {name} | {statistics.median(mine):.2f} ms | {statistics.median(other):.2f} ms | {ratio:.2f} |")


def _milliseconds(run: Callable) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def _attention():
    query, key, value = torch.randn(3, 1, 8, 512, 64)
    yield (
        "attention, 8 heads of 64, 512 tokens: `fused_attention` against `F.scaled_dot_product_attention`",
        lambda: fused_attention(query, key, value),
        lambda: F.scaled_dot_product_attention(query, key, value),
    )
    theirs = nn.MultiheadAttention(384, 12, batch_first=True).eval()
    ours = MultiHeadAttention.from_torch(theirs)
    x = torch.randn(1, 512, 384)
    yield (
        "`MultiHeadAttention.forward`, 12 heads, 512 tokens, against `nn.MultiheadAttention`",
        lambda: ours(x),
        lambda: theirs(x, x, x, need_weights=False),
    )


def _encoder():
    ours, theirs = models.load("minilm", device="cpu"), models.load_reference("minilm")
    for text in (SENTENCE, "The quick brown fox jumps over the lazy dog. " * 60):
        ids = torch.tensor([encode_text(ours, text).ids])
        yield (
            f"MiniLM with every weight kept, {ids.shape[1]} tokens: `Encoder.trace` against `BertModel` (eager)",
            lambda ids=ids: ours.model.trace(ids),
            lambda ids=ids: theirs(ids, output_attentions=True, output_hidden_states=True),
        )
