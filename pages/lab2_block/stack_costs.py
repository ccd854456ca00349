"""The numbers of "Stack it": four costs with their terms, and the boxes of the picture."""

from dataclasses import dataclass
from functools import cached_property

from components.figures.costs import Box, Cost, Row, Stack
from engine.budget import activation_terms, as_bytes, cache_terms, flops_terms, parameter_terms
from engine.formula import Term, one_formula, total
from pages.lab2_block.stack_settings import Setup

# The part of the picture that a term belongs to: the first of these that its name contains.
PARTS = {
    "embedding norm": "norms",
    "embedding": "embedding",
    "token types": "embedding",
    "positions": "positions",
    "position biases": "masks",
    "masks": "masks",
    "head": "head",
    "logits": "head",
    "pooler": "head",
    "scores": "scores",
    "mixing": "mixing",
    "cross-attention": "cross",
    "attention": "attention",
    "feed-forward": "feed",
    "norm": "norms",
    "keys": "keys",
    "values": "values",
}
BELOW = ("positions", "token types", "embedding norm")
LAYER = ("attention", "cross-attention", "feed-forward", "norms in the blocks")


@dataclass(frozen=True)
class Terms:
    """Everything that is counted for one setup."""

    setup: Setup

    @cached_property
    def parameters(self) -> list[Term]:
        return parameter_terms(self.setup.config, self.setup.kind, pooler=self.setup.pooler)

    @cached_property
    def flops(self) -> list[Term]:
        return flops_terms(self.setup.config, self.setup.kind)

    @cached_property
    def activations(self) -> list[Term]:
        setup = self.setup
        return activation_terms(setup.config, setup.kind, batch=setup.batch, n_bytes=setup.n_bytes)

    @cached_property
    def cache(self) -> list[Term]:
        """Nothing for an encoder: it reads its text once and writes none."""
        if self.setup.kind == "encoder":
            return []
        return cache_terms(self.setup.config, batch=self.setup.batch, n_bytes=self.setup.n_bytes)

    @property
    def weight_bytes(self) -> int:
        return total(self.parameters) * self.setup.n_bytes


def count(number: float) -> str:
    """A number of things as one reads it.

    >>> count(124_439_808), count(950)
    ('124 M', '950')
    """
    for unit, size in ((" T", 1e12), (" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if number >= size:
            return f"{number / size:,.0f}{unit}" if number >= 100 * size else f"{number / size:,.3g}{unit}"
    return f"{number:,.0f}"


def costs(terms: Terms) -> list[Cost]:
    """The four costs as they are listed beside the picture."""
    setup = terms.setup
    texts = "1 text" if setup.batch == 1 else f"{setup.batch:,} texts"
    of = f"{texts} of {setup.config.max_len:,} tokens"
    operations = "operations of one forward pass"
    if setup.kind == "encoder-decoder":
        operations = "operations for one token that is read and one that is written"
    cache = f"keys and values kept while writing {of}"
    cache = "an encoder writes nothing, so it keeps none" if setup.kind == "encoder" else cache
    return [
        _cost("Parameters", terms.parameters, f"{as_bytes(terms.weight_bytes)} in {setup.number_type}", "{:,}".format),
        _cost("FLOPs per token", terms.flops, operations, count),
        _cost("Activations", terms.activations, f"kept by a training step over {of}", as_bytes),
        _cost("KV cache", terms.cache, cache, as_bytes),
    ]


def _cost(name: str, terms: list[Term], note: str, show) -> Cost:
    whole = one_formula(terms)
    rows = [
        Row(term.name, part(term.name), one.formula, one.worked, show(term.value), term.value / whole.value)
        for term, one in ((term, one_formula([term])) for term in terms)
    ]
    return Cost(name, show(whole.value) if rows else "0", note, whole.formula, whole.worked, rows)


def part(name: str) -> str:
    """Which colour a term has.

    >>> part("decoder: scores of cross-attention")
    'scores'
    """
    return next((part for word, part in PARTS.items() if word in name), "norms")


def tower(terms: Terms) -> tuple[list[Box], list[Stack], list[Box]]:
    """What all stacks stand on, the stacks, and what stands on all of them."""
    setup, held = terms.setup, {term.name: term.value for term in terms.parameters}
    both = setup.kind == "encoder-decoder"
    ground = [_box(name, held.pop(name)) for name in tuple(held) if name.startswith("token embedding")]
    stacks = [_stack(stack, f"{stack}: " if both else "", held, setup) for stack in _stacks(setup.kind)]
    top = [_box(name, held[name]) for name in ("language-model head", "pooler") if name in held]
    if setup.kind != "encoder" and setup.config.tie_embeddings:
        top.append(Box("head = embedding", "head", 0, "the head reads out with the token embedding: 0 parameters more"))
    return ground, stacks, top


def _stacks(kind: str) -> tuple[str, ...]:
    return ("encoder", "decoder") if kind == "encoder-decoder" else ("decoder" if kind == "causal" else kind,)


def _stack(name: str, label: str, held: dict[str, int], setup: Setup) -> Stack:
    n_layers = setup.config.n_layers

    def boxes(parts: tuple[str, ...], share: int = 1) -> list[Box]:
        return [_box(part, held[label + part] // share) for part in parts if label + part in held]

    return Stack(name.capitalize(), boxes(BELOW), boxes(LAYER, n_layers), n_layers, boxes(("final norm",)))


def _box(name: str, value: int) -> Box:
    return Box(name, part(name), value, f"{value:,} parameters")


def alt(terms: Terms) -> str:
    """The picture in a sentence."""
    largest = max(terms.parameters, key=lambda term: term.value)
    said = ", ".join(f"{cost.name} {cost.text}" for cost in costs(terms))
    return f"{said}. Largest part: {largest.name}, {largest.value / total(terms.parameters):.0%} of the parameters."
