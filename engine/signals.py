"""Before the first step: how large is the signal in each layer, and how large is the gradient that comes back?

Source: Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture", section 3: at initialisation the
gradient of the last layer's feed-forward weights falls like 1 / sqrt(n_layers) where the norm stands before each part
(Pre-LN), and hardly depends on depth where it stands after (Post-LN). There it is large, which is why Post-LN needs a
warm-up. The same run also shows what happens without the shortcuts: layer by layer the tokens become one.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.blocks import ACTIVATIONS, NORMS, EncoderBlock, make_norm
from engine.initial import as_generator, initialise, no_random_start
from engine.masks import causal_mask

MAX_DEPTH = 96
SIGNAL_NORMS = (*NORMS, "none")


@dataclass(frozen=True)
class SignalConfig:
    """A stack to look at before it is trained. The defaults take well under a second."""

    n_layers: int = 12
    norm_first: bool = True
    residual: bool = True
    norm: str = "layernorm"  # or "rmsnorm", or "none": what becomes of the signal when nothing sets its size
    activation: str = "relu"
    d_model: int = 64
    n_heads: int = 4
    d_ff: int = 256
    batch: int = 4
    seq_len: int = 16
    vocab_size: int = 100  # of the head that the loss is taken from
    seed: int = 0
    double: bool = False  # 64-bit numbers, for gradients so small that 32-bit rounding (about 1e-7) would hide them

    def __post_init__(self) -> None:
        limits = {"n_layers": MAX_DEPTH, "d_model": 1024, "n_heads": 64, "d_ff": 4096}
        limits |= {"batch": 64, "seq_len": 512, "vocab_size": 50_000}
        for name, most in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise ValueError(f"{name} must be a whole number from 1 to {most}, got {value!r}")
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads must divide d_model = {self.d_model} without a remainder, got {self.n_heads}")
        for name, allowed in (("norm", SIGNAL_NORMS), ("activation", tuple(ACTIVATIONS))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        as_generator(self.seed)


@dataclass(frozen=True)
class LayerSignal:
    """One layer of the untrained stack. Norms are square roots of sums of squares."""

    layer: int  # from 1
    signal: float  # of a token's vector after this layer, the mean over tokens; it goes in with sqrt(d_model)
    similarity: float  # mean cosine between two tokens of a text: 1 when all have become the same (Dong et al. 2021)
    signal_gradient: float  # of the loss with respect to those vectors, all tokens together
    attention_gradient: float  # of the loss with respect to the attention's weights
    feed_forward_gradient: float  # and the feed-forward's
    query_key_gradient: float  # of the matrices that decide who reads whom: 0 where all tokens are the same


@dataclass(frozen=True)
class SignalReport:
    """What a stack does to a signal and to a gradient before it has learned anything."""

    config: SignalConfig
    layers: list[LayerSignal]  # first layer first
    input_signal: float  # the size of a token's vector before the first layer
    input_gradient: float
    output_signal: float  # after the final norm of Pre-LN, where there is one
    loss: float  # near ln(vocab_size): an untrained model guesses

    @property
    def last_feed_forward_gradient(self) -> float:
        """The number of Xiong et al. 2020, figure 3."""
        return self.layers[-1].feed_forward_gradient


def measure_signals(config: SignalConfig | None = None) -> SignalReport:
    """Build the stack, send random vectors through it, ask it for random words, and send the gradient back.

    The head and the matrices start as in `initialise`; the input has spread 1, so nothing favours either order.
    """
    config = SignalConfig() if config is None else config
    stack, x, words = build_untrained(config)
    with torch.enable_grad():
        states, output, logits = stack(x)  # n_layers of (batch, seq_len, d_model), ..., (batch, seq_len, vocab_size)
        for state in states:
            state.retain_grad()
        loss = F.cross_entropy(logits.flatten(0, 1), words.flatten())
        loss.backward()
    layers = [
        LayerSignal(
            layer=number,
            signal=_token_size(state),
            similarity=_similarity(state),
            signal_gradient=_size([state.grad]),
            attention_gradient=_size(parameter.grad for parameter in block.attention.parameters()),
            feed_forward_gradient=_size(parameter.grad for parameter in block.feed_forward.parameters()),
            query_key_gradient=_size(
                parameter.grad
                for matrix in (block.attention.query_proj, block.attention.key_proj)
                for parameter in matrix.parameters()
            ),
        )
        for number, (state, block) in enumerate(zip(states, stack.layers, strict=True), start=1)
    ]
    return SignalReport(config, layers, _token_size(x), _size([x.grad]), _token_size(output), float(loss.detach()))


def build_untrained(config: SignalConfig) -> "tuple[_Stack, Tensor, Tensor]":
    """The stack with its first weights, vectors to send in and words to ask for, all from the seed.

    (stack, (batch, seq_len, d_model), (batch, seq_len)); the vectors want their gradient.
    """
    generator = as_generator(config.seed)
    with no_random_start():
        stack = _Stack(config)
    initialise(stack, generator)
    dtype = torch.float64 if config.double else torch.float32
    stack.to(dtype)
    shape = (config.batch, config.seq_len, config.d_model)
    x = torch.randn(shape, generator=generator).to(dtype).requires_grad_()  # (batch, seq_len, d_model)
    words = torch.randint(config.vocab_size, shape[:2], generator=generator)  # (batch, seq_len)
    return stack, x, words


class _Stack(nn.Module):
    """Blocks, the last norm of Pre-LN and a head: a language model without its embedding."""

    def __init__(self, config: SignalConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderBlock(
                config.d_model,
                config.n_heads,
                config.d_ff,
                norm_first=config.norm_first,
                activation=config.activation,
                norm="layernorm" if config.norm == "none" else config.norm,
                residual=config.residual,
            )
            for _ in range(config.n_layers)
        )
        has_final = config.norm_first and config.norm != "none"
        self.final_norm = make_norm(config.norm, config.d_model) if has_final else nn.Identity()
        if config.norm == "none":
            for block in self.layers:
                block.attention_norm = block.feed_forward_norm = nn.Identity()
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        states, mask = [], causal_mask(x.shape[1])  # (seq_len, seq_len)
        for block in self.layers:
            x = block(x, mask)  # (batch, seq_len, d_model)
            states.append(x)
        output = self.final_norm(x)  # (batch, seq_len, d_model)
        return states, output, self.head(output)


def _token_size(x: Tensor) -> float:
    return float(x.detach().norm(dim=-1).mean())


def _similarity(x: Tensor) -> float:
    """Mean cosine between different tokens of the same text; x (batch, seq_len, d_model). 1 for a text of one token."""
    directions = F.normalize(x.detach(), dim=-1, eps=torch.finfo(x.dtype).tiny)  # (batch, seq_len, d_model)
    cosines = directions @ directions.mT  # (batch, seq_len, seq_len)
    seq_len = x.shape[1]
    others = ~torch.eye(seq_len, dtype=torch.bool)  # (seq_len, seq_len)
    return float(cosines[:, others].mean()) if seq_len > 1 else 1.0


def _size(tensors) -> float:
    """The length of several tensors taken as one long vector, added up exactly enough for tiny gradients."""
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))
