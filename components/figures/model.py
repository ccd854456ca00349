"""A real model at a glance: every head as a small map, one head as token lines, as numbers, or as a matrix.

`pack` turns a trace's tensors into what the browser needs, once a text; `draw` adds what is chosen. In a short text
everything travels, so that the browser needs nobody to switch heads. In a long one all heads travel averaged in
blocks, and only the open head in full.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components import drawing

if TYPE_CHECKING:
    import numpy as np
    import torch

MOST_ROWS = 44  # rows of token lines that can be read; above it neighbours share a row
WHOLE_UP_TO = 64  # tokens; up to here all heads travel in full: 72 x 64 x 64 weights in 16 bits are 0.6 MB
WEIGHT_STEPS = 65_535  # a weight travels as a whole number of this many steps, exact to five decimals

WORDS = {
    "previous": "previous token",
    "next": "next token",
    "same token": "same token",
    "separator sink": "separator sink",
    "broad": "broad",
}


@dataclass(frozen=True)
class Choice:
    """What is open, all counted from 0; token and read are -1 when none is chosen."""

    layer: int
    head: int
    token: int  # the query
    read: int  # the key of the pair; -1: the most read one
    mute: tuple[tuple[int, int], ...] = ()

    def plain(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "head": self.head,
            "token": self.token,
            "read": self.read,
            "mute": [f"{layer}.{head}" for layer, head in sorted(self.mute)],
        }


@dataclass(frozen=True)
class Packed:
    """A trace as the browser takes it, and in `steps`, `queries`, `keys` what the open head of a long text needs."""

    data: dict[str, Any]
    steps: "np.ndarray"  # (n_layers, n_heads, seq_len, seq_len), weights as whole numbers of WEIGHT_STEPS
    queries: "np.ndarray"  # (n_layers, n_heads, seq_len, head_dim), 16-bit, times data["queryUnit"]
    keys: "np.ndarray"
    block: int  # tokens that share a row
    pooled: bool

    def weights(self, layer: int, head: int) -> "np.ndarray":
        """(query_len, key_len) of one head, as drawn: within 1e-5 of the model's own."""
        return self.steps[layer, head] / WEIGHT_STEPS


def pack(
    trace: str,
    tokens: Sequence[str],
    special: Sequence[bool],
    weights: "torch.Tensor",
    queries: "torch.Tensor",
    keys: "torch.Tensor",
    labels: Sequence[Sequence[str]],
    scores: Sequence[Sequence[float]],
    best: Sequence[Sequence[str]],
) -> Packed:
    """trace: a name that changes with the numbers. weights (n_layers, n_heads, seq_len, seq_len), queries and keys
    (n_layers, n_heads, seq_len, head_dim). labels, scores, best: per layer and head, the measured pattern ("mixed" when
    none holds), its score, and the nearest pattern."""
    n_layers, n_heads, n_tokens, head_dim = queries.shape
    block = -(-n_tokens // MOST_ROWS)
    pooled = n_tokens > WHOLE_UP_TO
    query_unit, key_unit = _unit(queries), _unit(keys)
    steps = (weights * WEIGHT_STEPS).round_().cpu().numpy().astype("uint16")
    whole_queries = (queries / query_unit).round_().cpu().numpy().astype("int16")
    whole_keys = (keys / key_unit).round_().cpu().numpy().astype("int16")
    data = {
        "trace": trace,
        "tokens": list(tokens),
        "special": [int(one) for one in special],
        "layers": n_layers,
        "heads": n_heads,
        "headDim": head_dim,
        "block": block,
        "pooled": pooled,
        "queryUnit": query_unit,
        "keyUnit": key_unit,
        "labels": [list(row) for row in labels],
        "scores": [[round(score, 4) for score in row] for row in scores],
        "best": [list(row) for row in best],
        "words": WORDS,
    }
    if pooled:
        data["maps"] = _base64((block_shares(weights, block) * 255).round().cpu().numpy().astype("uint8"))
    else:
        data |= {"maps": _base64(steps), "queries": _base64(whole_queries), "keys": _base64(whole_keys)}
    return Packed(data, steps, whole_queries, whole_keys, block, pooled)


def draw(
    packed: Packed,
    choice: Choice,
    *,
    view: str,
    hide_special: bool,
    key: str,
    alt: str,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws all heads and the chosen one. view: "lines", "neuron" or "matrix".

    on_change: called 400 ms after the learner chose; `drawing.result(key)` then holds {"type": "choice", "layer",
    "head", "token", "read", "mute": ["layer.head", ...]}, counted from 0.
    """
    data = {**packed.data, "choice": choice.plain(), "show": {"view": view, "hide": hide_special}}
    if packed.pooled:
        layer, head = choice.layer, choice.head
        data["open"] = {
            "layer": layer,
            "head": head,
            "weights": _base64(packed.steps[layer, head]),
            "queries": _base64(packed.queries[layer, head]),
            "keys": _base64(packed.keys[layer, head]),
        }
    return drawing.draw("model", data, key=key, alt=alt, on_change=on_change)


def block_shares(weights: "torch.Tensor", block: int) -> "torch.Tensor":
    """How much each block of queries reads from each block of keys: summed over keys, averaged over queries.

    weights (n_layers, n_heads, seq_len, seq_len) to (n_layers, n_heads, n_blocks, n_blocks); rows still add up to 1.
    """
    import torch
    import torch.nn.functional as F

    n_tokens = weights.shape[-1]
    left_over = -n_tokens % block
    padded = F.pad(weights, (0, left_over, 0, left_over))
    n_blocks = padded.shape[-1] // block
    sums = padded.unflatten(-1, (n_blocks, block)).sum(-1).unflatten(-2, (n_blocks, block)).sum(-2)
    counts = torch.full((n_blocks,), block)
    counts[-1] = block - left_over
    return sums / counts[:, None].to(sums)


def _unit(values: "torch.Tensor") -> float:
    """The step of 16-bit whole numbers that just reach the largest of `values`."""
    return max(values.abs().max().item(), 1e-9) / 32_767


def _base64(values: "np.ndarray") -> str:
    return base64.b64encode(values.tobytes()).decode()
