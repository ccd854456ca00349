"""One vector's way through a stack of blocks: what every stop made of it, how long it is there, how spread out.

The values are the trace of the modules themselves (Encoder, EncoderBlock), at their random start or trained. The order
of the stops is the order in which a block works: norm, part, sum in Pre-LN; part, sum, norm in Post-LN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.attention_checks import check_heads
from engine.blocks import BlockTrace, EncoderBlock
from engine.budget import as_bytes, check_fits, count_parameters
from engine.encoder import Encoder
from engine.initial import as_generator, no_random_start
from engine.model_config import ModelConfig

MOST_LAYERS = 48
MOST_PARAMETERS = 20_000_000  # drawn at random in well under a second

# The stops of a block after its input, in the order of the work.
PRE_LN = ("attention_norm", "attention", "attention_sum", "feed_forward_norm", "hidden", "feed_forward")
POST_LN = ("attention", "attention_sum", "attention_norm", "hidden", "feed_forward", "feed_forward_sum")
PARTS = {True: (*PRE_LN, "feed_forward_sum"), False: (*POST_LN, "feed_forward_norm")}  # by norm_first


@dataclass(frozen=True)
class StackConfig:
    """A stack of encoder blocks with random weights: what a learner can set. Checked when made.

    Raises ValueError for sizes that cannot be, that are too many to draw, or that need more memory than is free.
    """

    n_layers: int = 6
    norm_first: bool = True
    norm: str = "layernorm"
    activation: str = "gelu"
    d_model: int = 64
    n_heads: int = 4
    d_ff: int = 256
    seed: int = 0
    max_len: int = 16  # tokens; also the size of the vocabulary, which is the text's own words

    @property
    def model(self) -> ModelConfig:
        """The same as the model's own config: embeddings and positions as in Vaswani et al. 2017, nothing learned."""
        return ModelConfig(
            vocab_size=self.max_len,
            d_model=self.d_model,
            n_heads=self.n_heads,
            n_layers=self.n_layers,
            d_ff=self.d_ff,
            max_len=self.max_len,
            positions="sinusoidal",
            scale_embeddings=True,
            embedding_norm=False,
            norm=self.norm,
            norm_first=self.norm_first,
            activation=self.activation,
        )

    def __post_init__(self) -> None:
        check_heads(self.d_model, self.n_heads, self.n_heads)
        model = self.model
        if self.n_layers > MOST_LAYERS:
            raise ValueError(f"n_layers must be a whole number from 1 to {MOST_LAYERS}, got {self.n_layers!r}")
        as_generator(self.seed)
        needed, parameters = check_fits(model, "encoder"), count_parameters(model, "encoder")
        if parameters > MOST_PARAMETERS:
            raise ValueError(
                f"the stack must have at most {MOST_PARAMETERS:,} parameters to be redrawn while you watch; "
                f"d_model = {self.d_model}, d_ff = {self.d_ff} and n_layers = {self.n_layers} make {parameters:,} "
                f"({as_bytes(needed)}): make one of them smaller"
            )


@dataclass(frozen=True)
class Stop:
    """One place in a block and what stands there: a vector for each token.

    mean and std are over the numbers of each token's own vector, as LayerNorm takes them (std divides by their
    number); norm is the square root of the sum of squares. All three (seq_len,).
    """

    name: str  # "input" or one of PARTS
    values: Tensor  # (seq_len, d_model), for "hidden" (seq_len, d_ff)
    n_parameters: int  # of what made it
    on_stream: bool  # whether it is the residual stream itself, or something on its way to be added

    @property
    def mean(self) -> Tensor:
        return self.values.mean(dim=-1)

    @property
    def std(self) -> Tensor:
        return self.values.std(dim=-1, correction=0)

    @property
    def norm(self) -> Tensor:
        return self.values.norm(dim=-1)


@dataclass(frozen=True)
class StackWalk:
    """A text's way through a whole stack."""

    layers: list[list[Stop]]  # for each layer its input, then its parts in the order of the work
    end: Stop | None  # the final norm, which only Pre-LN has

    def stream(self) -> list[tuple[int, Stop]]:
        """Every stop of the residual stream with its layer, counted from 1; 0 for what goes into the first."""
        steps = [(0, self.layers[0][0])]
        for number, stops in enumerate(self.layers, start=1):
            steps += [(number, stop) for stop in stops[1:] if stop.on_stream]
        return steps


def build_stack(config: StackConfig) -> Encoder:
    """The stack with its random start: the same config and seed give the same weights.

    Where the norms stand does not change them, and more layers go on where fewer end.
    """
    return Encoder(config.model, seed=config.seed).eval().requires_grad_(False)


def with_weights_of(stack: Encoder, config: StackConfig) -> Encoder:
    """The stack of `config` with the weights of `stack`: shared, not copied, and so at no cost.

    What may differ is what no weight depends on: where the norms stand and which they are, the number of heads, and
    the activation as long as both or neither are SwiGLU. The result is the stack that build_stack would have made, as
    long as `stack` has that config's seed and its norms are untrained. Raises ValueError where sizes differ.
    """
    with no_random_start():
        other = Encoder(config.model, seed=None)
    weights = stack.state_dict()
    for name, own in other.state_dict().items():
        if "norm" in name:
            weights[name] = torch.full_like(own, 1.0 if name.endswith("weight") else 0.0)
        elif name not in weights or weights[name].shape != own.shape:
            got = tuple(weights[name].shape) if name in weights else "nothing"
            raise ValueError(f"stack must hold {name} of shape {tuple(own.shape)}, got {got}")
    other.load_state_dict({name: weights[name] for name in other.state_dict()}, assign=True)
    return other.eval().requires_grad_(False)


@torch.no_grad()
def walk_stack(stack: Encoder, ids: Sequence[int]) -> StackWalk:
    """Sends one text through `stack` by its plain path and keeps every stop."""
    trace = stack.trace([list(ids)])
    layers = [block_stops(block, steps) for block, steps in zip(stack.layers, trace.blocks, strict=True)]
    norm = stack.final_norm
    return StackWalk(layers, Stop("final_norm", trace.output[0], _count(norm), True) if norm is not None else None)


def block_stops(block: EncoderBlock, trace: BlockTrace) -> list[Stop]:
    """The stops of one block in the order of the work, for the first text of the batch."""
    made_by = {**dict(block.named_children()), "hidden": None, "feed_forward": block.feed_forward.down_proj}
    before_norm = {"attention": "attention_input", "feed_forward": "feed_forward_input"}
    values = {name: getattr(trace, name) for name in ("attention_sum", "hidden", "feed_forward", "feed_forward_sum")}
    values["attention"] = trace.attention.output
    if block.norm_first:
        values |= {f"{part}_norm": getattr(trace, given) for part, given in before_norm.items()}
    else:
        values |= {"attention_norm": trace.after_attention, "feed_forward_norm": trace.output}
    counts = {name: _count(made_by.get(name)) for name in values}
    counts["hidden"] = _count(block.feed_forward) - counts["feed_forward"]
    stops = [Stop("input", trace.input[0], 0, True)]
    for name in PARTS[block.norm_first]:
        on_stream = name.endswith("_sum") or (name.endswith("_norm") and not block.norm_first)
        stops.append(Stop(name, values[name][0], counts[name], on_stream))
    return stops


@torch.no_grad()
def differences_alone(block: EncoderBlock, stops: Sequence[Stop], position: int) -> dict[str, float]:
    """How far each part's answer for one token changes when the part is given that token alone, without the others.

    The largest absolute difference over the token's numbers. Norms and the feed-forward part work on each token by
    itself, so for them it is 0 but for rounding; for attention it is not, where there are others to read.
    """
    held = {stop.name: stop.values for stop in stops}
    order = [stop.name for stop in stops]
    parts = {
        "attention_norm": block.attention_norm,
        "attention": lambda x: block.attention.trace(x).output,
        "feed_forward_norm": block.feed_forward_norm,
        "feed_forward": block.feed_forward,
    }
    found = {}
    for name, part in parts.items():
        # A part's input is the stop before it; the feed-forward's stands before its hidden units.
        before = order[order.index("hidden" if name == "feed_forward" else name) - 1]
        alone = part(held[before][None, position : position + 1])[0, 0]  # (d_model,)
        found[name] = float((alone - held[name][position]).abs().max())
    return found


def _count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())
