"""Are the shortcuts optional? Language models of growing depth learn the same texts, with shortcuts and without.

Source: the idea of He et al. 2016, "Deep Residual Learning", figure 1, on the transformer; the reason why a stack
without shortcuts cannot learn is in Dong et al. 2021. Within a pair both models start from the same weights and see
the same texts. The norm stands before each part. The language is engine.experiments.markov's, whose lowest possible
loss is known. The job is called "shortcuts"; it emits the mean loss of every ten steps.
"""

import math
from dataclasses import dataclass
from statistics import fmean

import torch
import torch.nn.functional as F

from engine.causal_lm import CausalLM
from engine.experiments.markov import make_followers, sample_texts
from engine.jobs.handle import Run
from engine.model_config import ModelConfig

MEAN_OVER = 10  # steps in a reported loss
SAVE_EVERY = 50  # steps; under five seconds of work at depth 16


@dataclass(frozen=True)
class ShortcutsConfig:
    """The pairs and how each learns. A wrong setting raises ValueError and says what would be right."""

    depths: tuple[int, ...] = (1, 2, 4, 8, 16)
    steps: int = 400
    learning_rate: float = 1e-3
    batch: int = 16
    seq_len: int = 16
    d_model: int = 64
    vocab_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "depths", tuple(self.depths))
        for depth in self.depths:
            if not isinstance(depth, int) or isinstance(depth, bool) or not 1 <= depth <= 48:
                raise ValueError(f"depths must be whole numbers from 1 to 48, got {depth!r}")
        limits = {"steps": (MEAN_OVER, 10_000), "batch": (1, 256), "seq_len": (2, 256)}
        limits |= {"d_model": (4, 1024), "vocab_size": (2, 50_000)}
        for name, (low, high) in limits.items():
            if not isinstance(getattr(self, name), int) or not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be a whole number from {low} to {high}, got {getattr(self, name)!r}")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate must be above 0 and at most 1, got {self.learning_rate!r}")
        self.model(1, residual=True)

    def model(self, n_layers: int, *, residual: bool) -> ModelConfig:
        """The settings of one model."""
        return ModelConfig(
            self.vocab_size,
            d_model=self.d_model,
            n_heads=4,
            n_layers=n_layers,
            d_ff=2 * self.d_model,
            max_len=self.seq_len,
            norm_first=True,
            activation="relu",
            tie_embeddings=False,
            residual=residual,
        )


def train_pairs(run: Run) -> dict | None:
    """The job: one model after the other. Result: each model's mean loss over its last 50 steps."""
    config: ShortcutsConfig = run.config
    followers = make_followers(config.vocab_size, torch.Generator().manual_seed(config.seed))
    saved = run.load() or {"done": {}, "open": None}
    for depth in config.depths:
        for residual in (True, False):
            name = f"{depth} {'with' if residual else 'without'}"
            if name in saved["done"]:
                continue
            losses = _train(run, depth, residual, followers, saved)
            if losses is None:
                return None
            saved = {"done": saved["done"] | {name: fmean(losses[-50:])}, "open": None}
            run.save(saved)
    return {"final": saved["done"]}


def _train(run: Run, depth: int, residual: bool, followers: torch.Tensor, saved: dict) -> list[float] | None:
    """The losses of one model, step by step; None when it was stopped, with everything saved."""
    config: ShortcutsConfig = run.config
    model = CausalLM(config.model(depth, residual=residual), seed=config.seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    losses: list[float] = []
    if saved["open"]:
        model.load_state_dict(saved["open"]["model"])
        optimiser.load_state_dict(saved["open"]["optimiser"])
        losses = list(saved["open"]["losses"])
    while len(losses) < config.steps:
        run.wait_while_paused()
        stopping = run.should_stop()
        if stopping or (losses and len(losses) % SAVE_EVERY == 0):
            now = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "losses": list(losses)}
            run.save(saved | {"open": now})
        if stopping:
            return None
        loss = _step(config, model, optimiser, followers, step=len(losses) + 1)
        run.check_finite(len(losses) + 1, advice=f"try a learning_rate below {config.learning_rate:g}", loss=loss)
        losses.append(loss)
        if len(losses) % MEAN_OVER == 0:
            told = {"depth": depth, "shortcuts": residual, "step": len(losses)}
            run.emit(told | {"loss": round(fmean(losses[-MEAN_OVER:]), 4)})
    return losses


def _step(
    config: ShortcutsConfig,
    model: CausalLM,
    optimiser: torch.optim.Optimizer,
    followers: torch.Tensor,
    step: int,
) -> float:
    """One batch, the same for every model: the loss before the weights move."""
    generator = torch.Generator().manual_seed((config.seed + 1) * 100_003 + step)
    ids = sample_texts(followers, config.batch, config.seq_len + 1, generator)  # (batch, seq_len + 1)
    logits = model(ids[:, :-1])  # (batch, seq_len, vocab_size)
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def guessing(config: ShortcutsConfig) -> float:
    """The loss of a model that gives every word the same probability, in nats.

    >>> round(guessing(ShortcutsConfig()), 4)
    3.4657
    """
    return math.log(config.vocab_size)


def seconds(config: ShortcutsConfig) -> float:
    """How long the job takes on one core, measured."""
    return 2 * config.steps * sum(0.002 + 0.0032 * depth for depth in config.depths)
