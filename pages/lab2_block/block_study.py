"""The run behind section 1: a stack at its random start, a text sent through it, and the same with the norms moved."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import streamlit as st
import torch
from torch import Tensor

from components import models
from components.figures import block as picture
from engine.attention import MultiHeadAttention, scaled_dot_product_attention
from engine.block_report import (
    StackConfig,
    StackWalk,
    Stop,
    build_stack,
    differences_alone,
    walk_stack,
    with_weights_of,
)
from engine.blocks import Block, EncoderBlock, make_norm
from engine.encoder import Encoder
from engine.feed_forward import FeedForward
from engine.stack import Stack

PLACES = {True: "Pre-LN", False: "Post-LN"}
NORMS = {"layernorm": "LayerNorm", "rmsnorm": "RMSNorm"}
ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "gelu_tanh": "GELU (tanh)", "swiglu": "SwiGLU"}
ROLES = {"attention": "query", "hidden": "value", "feed_forward": "value"}  # of the parts; norms purple, stream grey

CODE: dict[str, tuple[Callable, ...]] = {
    "attention_norm": (Block._around, make_norm),
    "attention": (MultiHeadAttention.trace, scaled_dot_product_attention),
    "attention_sum": (Block._add, Block._around),
    "feed_forward_norm": (Block._around, make_norm),
    "hidden": (FeedForward.hidden,),
    "feed_forward": (FeedForward.contract, FeedForward.forward),
    "feed_forward_sum": (Block._add, Block._around),
}  # what ran at each stop


@dataclass(frozen=True)
class Study:
    """Everything that the figure, the words and the table show, whichever layer, stop and token are chosen."""

    config: StackConfig
    tokens: tuple[str, ...]
    stack: Encoder
    walk: StackWalk
    moved: StackWalk  # the same weights, with the norms where the other order has them

    @cached_property
    def norms(self) -> tuple[Tensor, Tensor]:
        """The stream's norm at each of its stops, (n_stops, seq_len): of this walk, and of the moved one."""
        return tuple(torch.stack([stop.norm for _, stop in walk.stream()]) for walk in (self.walk, self.moved))

    @cached_property
    def ends(self) -> tuple[Tensor | None, Tensor | None]:
        """The norm after the last norm, (seq_len,), where there is one."""
        return tuple(walk.end.norm if walk.end else None for walk in (self.walk, self.moved))

    def streams(self, token: int) -> tuple[picture.Stream, picture.Stream]:
        """The way of one token (or of all averaged, -1) up this stack and up the moved one."""
        found = []
        for walk, norms, end, order in zip(
            (self.walk, self.moved), self.norms, self.ends, (self.config.norm_first, not self.config.norm_first)
        ):
            sizes = (norms.mean(dim=1) if token < 0 else norms[:, token]).tolist()
            path = [(layer, size) for (layer, _), size in zip(walk.stream(), sizes, strict=True)]
            last = None if end is None else pick(end, token)
            found.append(picture.Stream(PLACES[order], path, last))
        return tuple(found)

    def stops(self, layer: int, token: int) -> list[picture.Stop]:
        """The stops of one layer (counted from 1) as the picture takes them."""
        return [self._drawn(stop, layer, token) for stop in self.walk.layers[layer - 1]]

    def _drawn(self, stop: Stop, layer: int, token: int) -> picture.Stop:
        counted = f"{stop.n_parameters:,} parameters" if stop.n_parameters else ""
        return picture.Stop(
            name=stop.name,
            title=self.title(stop.name, layer),
            extra=counted,
            shape=f"1 × {' × '.join(f'{size:,}' for size in stop.values.shape)}",
            size=stop.values.shape[-1],
            mean=pick(stop.mean, token),
            std=pick(stop.std, token),
            norm=pick(stop.norm, token),
            role="output" if stop.name.endswith("_norm") else ROLES.get(stop.name, "plain"),
        )

    def title(self, name: str, layer: int) -> str:
        """A stop's name in words."""
        config = self.config
        heads = "1 head" if config.n_heads == 1 else f"{config.n_heads} heads"
        return {
            "input": "Input" if layer > 1 else "Embedding",
            "attention": f"Attention, {heads}",
            "attention_sum": "+ attention",
            "hidden": f"Expand, {ACTIVATIONS[config.activation]}",
            "feed_forward": "Contract",
            "feed_forward_sum": "+ feed-forward",
        }.get(name, NORMS[config.norm])

    def code(self, name: str, layer: int) -> tuple[Callable, ...]:
        """The functions that made a stop."""
        return CODE.get(name) or ((Stack.embed,) if layer == 1 else (EncoderBlock.trace,))

    def alone(self, layer: int, position: int) -> dict[str, float]:
        """How far each part's answer changes for the token at `position` when the others are taken away."""
        with models.DEVICE_IN_USE:
            return differences_alone(self.stack.layers[layer - 1], self.walk.layers[layer - 1], position)


def pick(values: Tensor, token: int) -> float:
    """One token's number out of (seq_len,), or the mean over all for -1."""
    return float(values.mean() if token < 0 else values[token])


@st.cache_resource(max_entries=4, show_spinner=False)  # each may hold weights of its own
def study(config: StackConfig, tokens: tuple[str, ...]) -> Study:
    """Sends `tokens` through the stack of `config`, and through the one with its norms moved."""
    # Most settings leave the weights as they are; those are drawn once, which takes longest.
    gated = "swiglu" if config.activation == "swiglu" else "gelu"
    weights = _weights(replace(config, norm_first=True, norm="layernorm", n_heads=1, activation=gated))
    words = list(dict.fromkeys(tokens))  # the same word is the same vector
    ids = [words.index(token) for token in tokens]
    stack = with_weights_of(weights, config)
    with models.DEVICE_IN_USE:
        walk = walk_stack(stack, ids)
        moved = walk_stack(with_weights_of(weights, replace(config, norm_first=not config.norm_first)), ids)
    return Study(config, tokens, stack, walk, moved)


@st.cache_resource(max_entries=3, show_spinner=False)  # up to 80 MB each
def _weights(config: StackConfig) -> Encoder:
    torch.set_num_threads(1)  # small matrices: helpers would cost more than they bring
    return build_stack(config)
