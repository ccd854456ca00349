"""The settings of one training, checked when they are made."""

import math
from dataclasses import dataclass

from engine.model_config import ModelConfig

END = "<|endoftext|>"
SCHEDULES = ("cosine", "trapezoid")
OPTIMISERS = ("adamw", "muon")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class PretrainConfig:
    """How a language model is trained. The defaults are those of a model for a processor and an hour or two."""

    vocab_size: int = 4096
    d_model: int = 256
    n_layers: int = 6
    n_heads: int = 4
    n_kv_heads: int | None = None
    d_ff: int = 704
    max_len: int = 512  # tokens of one example; longer stories are cut into pieces
    steps: int = 3000
    batch_tokens: int = 8192  # of one step, padding included
    accumulate: int = 1  # parts in which a step's batch is worked, where memory is short
    optimiser: str = "adamw"  # or "muon": torch's, for the matrices inside the blocks (Jordan et al. 2024)
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    warm_up: int = 100  # steps
    schedule: str = "cosine"  # to a tenth; or "trapezoid": level, then down to zero over the last `decay` of the steps
    decay: float = 0.2
    clip: float = 1.0  # the gradient's norm at most
    dropout: float = 0.0
    precision: str = "auto"  # bfloat16 where the device has it and gains by it
    evaluate_every: int = 100  # steps
    patience: int = 0  # evaluations without a better one after which training ends; 0: never
    held_out: int = 200  # stories of the corpus kept apart to choose the best weights by
    save_minutes: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        whole = {"steps": 1, "batch_tokens": 8, "accumulate": 1, "evaluate_every": 1, "held_out": 1, "max_len": 8}
        whole |= {"warm_up": 0, "patience": 0, "seed": 0}
        for name, least in whole.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}")
        for name, allowed in (("schedule", SCHEDULES), ("optimiser", OPTIMISERS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name in ("learning_rate", "clip", "save_minutes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)!r}")
        for name in ("decay", "dropout", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)!r}")
        if self.batch_tokens < self.max_len:
            raise ValueError(f"batch_tokens must be max_len = {self.max_len} or more, got {self.batch_tokens}")
        _ = self.model

    @property
    def model(self) -> ModelConfig:
        """The model that is trained: a Llama."""
        return ModelConfig(
            vocab_size=self.vocab_size,
            d_model=self.d_model,
            n_heads=self.n_heads,
            n_kv_heads=self.n_kv_heads,
            n_layers=self.n_layers,
            d_ff=self.d_ff,
            max_len=self.max_len,
            positions="rotary",
            norm="rmsnorm",
            norm_first=True,
            norm_eps=1e-5,
            activation="swiglu",
            dropout=self.dropout,
            bias=False,
        )

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        done = min(1.0, step / self.steps)
        if self.schedule == "cosine":
            return self.learning_rate * warm * (0.55 + 0.45 * math.cos(math.pi * done))
        left = (1 - done) / self.decay if self.decay else 1.0
        return self.learning_rate * warm * min(1.0, left)
