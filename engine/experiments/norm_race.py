"""The race: a Pre-LN and a Post-LN language model, equal in all but the place of the norm, learn side by side.

Source: Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture". Both start from the same seed, see
the same texts in the same order and take steps of the same size (Adam, gradients not clipped). The language is
engine.experiments.markov's, so the lowest possible loss is known. The job "norm-race" emits one event a step; every
few steps it also holds the size of the gradient and of the stream in each layer.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.budget import check_fits
from engine.causal_lm import CausalLM
from engine.experiments.markov import PROBABILITIES, entropy, make_followers, sample_texts
from engine.jobs.handle import Run
from engine.model_config import ModelConfig

RACERS = {"pre": True, "post": False}  # name in the events: norm_first
NAMES = {"pre": "Pre-LN", "post": "Post-LN"}
SAVE_EVERY = 25  # steps; about two seconds of work at the default sizes
LOOKS = 40  # so often in a run each layer is looked at
MEAN_OVER = 20  # steps that a reported loss is averaged over: single batches of a random language differ


@dataclass(frozen=True)
class NormRaceConfig:
    """The settings of a race. Checked when made: a wrong one raises ValueError and says what would be right."""

    n_layers: int = 12
    warmup_steps: int = 0  # the learning rate rises in a straight line over so many steps; 0: it starts at its height
    learning_rate: float = 1e-3
    steps: int = 400
    d_model: int = 64
    n_heads: int = 4
    d_ff: int = 128
    batch: int = 16
    seq_len: int = 16
    vocab_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {"n_layers": (1, 48), "warmup_steps": (0, 10_000), "steps": (1, 10_000), "d_model": (1, 512)}
        limits |= {"n_heads": (1, 64), "d_ff": (1, 2048), "batch": (1, 256), "seq_len": (1, 256)}
        limits |= {"vocab_size": (len(PROBABILITIES) + 1, 1024), "seed": (0, 2**31 - 1)}
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most}, got {value!r}")
        rate = self.learning_rate
        if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 < rate <= 1e6:
            raise ValueError(f"learning_rate must be above 0 and at most a million (0.001 is usual), got {rate!r}")
        self.model(norm_first=True)  # its own checks: heads that do not divide d_model

    def model(self, *, norm_first: bool) -> ModelConfig:
        """The settings of one of the two models."""
        return ModelConfig(
            self.vocab_size,
            d_model=self.d_model,
            n_heads=self.n_heads,
            n_layers=self.n_layers,
            d_ff=self.d_ff,
            max_len=self.seq_len,
            norm_first=norm_first,
            activation="relu",
            tie_embeddings=False,
        )

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 1."""
        return self.learning_rate * min(1.0, step / self.warmup_steps) if self.warmup_steps else self.learning_rate

    def looks_at(self, step: int) -> bool:
        """Whether this step's event holds the numbers of each layer: the first, and about LOOKS others."""
        return step == 1 or step % max(1, self.steps // LOOKS) == 0


class Racer:
    """One of the two models with its optimiser."""

    def __init__(self, config: NormRaceConfig, *, norm_first: bool) -> None:
        self.model = CausalLM(config.model(norm_first=norm_first), seed=config.seed)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate, fused=True)
        self.losses: list[float | None] = []  # None from the step on at which it was no number any more

    @property
    def running(self) -> bool:
        """False once its loss was NaN or infinite."""
        return not self.losses or self.losses[-1] is not None

    def step(self, ids: Tensor, rate: float, *, look: bool = False) -> dict:
        """Learn from one batch, ids (batch, seq_len + 1): the loss before the step, and each layer when asked.

        A racer whose loss is no number stays as it is and answers None.
        """
        if not self.running:
            self.losses.append(None)
            return {"loss": None}
        inputs, targets = ids[:, :-1], ids[:, 1:]  # each (batch, seq_len)
        streams: list[Tensor] = []
        if look:
            trace = self.model.trace(inputs)
            logits, streams = trace.logits, trace.hidden_states[1:]
        else:
            logits = self.model(inputs)  # (batch, seq_len, vocab_size)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.losses.append(_rounded(loss.item()))
        if not self.running:
            return {"loss": None}
        self.optimiser.zero_grad()
        loss.backward()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        measured = {"loss": self.losses[-1]}
        if look:
            measured["gradient"] = [_rounded(gradient_size(block.parameters())) for block in self.model.decoder.layers]
            measured["residual"] = [_rounded(token_size(stream)) for stream in streams]
        self.optimiser.step()
        return measured

    def state(self) -> dict:
        """Everything that changes."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "losses": list(self.losses),
        }

    def load(self, state: dict) -> None:
        """Go on from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.losses = list(state["losses"])


def race(run: Run) -> dict | None:
    """The job "norm-race": both racers, step by step, until the last step or until neither has a loss any more."""
    config: NormRaceConfig = run.config
    check_memory(config)
    racers = {name: Racer(config, norm_first=first) for name, first in RACERS.items()}
    followers = make_followers(config.vocab_size, torch.Generator().manual_seed(config.seed))
    saved = run.load()
    step = 0 if saved is None else saved["step"]
    for name, racer in racers.items():
        if saved is not None:
            racer.load(saved[name])
    while step < config.steps:
        run.wait_while_paused()
        if run.should_stop():
            run.save(_state(step, racers))
            return None
        step += 1
        ids = batch_of(config, step, followers)
        told = {
            name: racer.step(ids, config.rate_at(step), look=config.looks_at(step)) for name, racer in racers.items()
        }
        run.emit({"step": step} | told)
        if not any(racer.running for racer in racers.values()):
            run.check_finite(step, advice=f"try a learning_rate below {config.learning_rate:g}", **_both_are_nan())
        if step % SAVE_EVERY == 0:
            run.save(_state(step, racers))
    run.save(_state(step, racers))
    return {name: summarise(racer.losses, config) for name, racer in racers.items()}


def batch_of(config: NormRaceConfig, step: int, followers: Tensor) -> Tensor:
    """The texts of one step, (batch, seq_len + 1): never the same ones twice, and for one seed always these."""
    generator = torch.Generator().manual_seed((config.seed + 1) * 100_003 + step)
    return sample_texts(followers, config.batch, config.seq_len + 1, generator)


def check_memory(config: NormRaceConfig) -> int:
    """The bytes that both racers need; ValueError with the estimate when they are not free."""
    both = replace(config.model(norm_first=True), n_layers=2 * config.n_layers)  # held at the same time
    return check_fits(both, training=True, batch=config.batch, seq_len=config.seq_len)


def seconds(config: NormRaceConfig) -> float:
    """How long a race takes on one core: fitted to processor time from 2 to 24 layers and d_model 32 to 128."""
    tokens = config.batch * config.seq_len
    weights = 4 * config.d_model**2 + 2 * config.d_model * config.d_ff
    layer = 0.001 + 8.8e-11 * tokens * weights
    return 1.5 + config.steps * (0.001 + 2 * (0.0005 + config.n_layers * layer))


def summarise(losses: Sequence[float | None], config: NormRaceConfig) -> dict:
    """One racer's losses in three numbers: halfway, final and diverged.

    final: the mean of its last 20 losses. halfway: the first step at which the mean of the last 20 losses is halfway
    from guessing to the lowest possible loss; None when it never was. diverged: the step at which the loss was no
    number any more, or None.

    >>> summarise([3.4657] * 30 + [0.9142] * 30, NormRaceConfig())
    {'steps': 60, 'final': 0.9142, 'halfway': 40, 'diverged': None}
    """
    diverged = next((step for step, loss in enumerate(losses, start=1) if loss is None), None)
    held = [loss for loss in losses if loss is not None]
    goal, halfway = (guessing(config) + entropy()) / 2, None
    for step in range(MEAN_OVER, len(held) + 1):
        if fmean(held[step - MEAN_OVER : step]) <= goal + 1e-9:
            halfway = step
            break
    final = _rounded(fmean(held[-MEAN_OVER:])) if held else None
    return {"steps": len(held), "final": final, "halfway": halfway, "diverged": diverged}


def guessing(config: NormRaceConfig) -> float:
    """The loss of a model that gives every word the same probability."""
    return math.log(config.vocab_size)


def winner(pre: dict, post: dict) -> str:
    """Who learned faster, from two summaries: "pre", "post", or "same".

    It counts who was halfway first. Less than a quarter sooner is no difference; nor are two who never were.

    >>> steps = {"halfway": 50}, {"halfway": 60}, {"halfway": 100}, {"halfway": None}
    >>> winner(steps[0], steps[1]), winner(steps[0], steps[2]), winner(steps[3], steps[2]), winner(steps[3], steps[3])
    ('same', 'pre', 'post', 'same')
    """
    first, second = (summary["halfway"] or math.inf for summary in (pre, post))
    if first == second or max(first, second) < min(first, second) / 0.75:
        return "same"
    return "pre" if first < second else "post"


def gradient_size(parameters: Iterable[torch.nn.Parameter]) -> float:
    """The length of all these parameters' gradients taken as one long vector."""
    return torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters]).item()


def token_size(stream: Tensor) -> float:
    """The mean length of a token's vector; stream (batch, seq_len, d_model)."""
    return stream.detach().norm(dim=-1).mean().item()


def _state(step: int, racers: dict[str, Racer]) -> dict:
    return {"step": step} | {name: racer.state() for name, racer in racers.items()}


def _both_are_nan() -> dict[str, float]:
    return {"the loss of both models": math.nan}


def _rounded(number: float) -> float | None:
    """Four digits for the events; None for what is no number."""
    return float(f"{number:.4g}") if math.isfinite(number) else None
