"""The job "sequence": train a small encoder-decoder on a task with a right answer, and watch it learn to look.

Source: Vaswani et al. 2017: teacher forcing, Adam with (0.9, 0.98), a warm-up. After it the learning rate
falls in a straight line to 0, so that the last steps settle.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.budget import check_fits, count_parameters, flops_terms, total
from engine.encoder_decoder import EncoderDecoder
from engine.experiments.sequence_decoding import alignment_of, exact_match, write_all
from engine.experiments.sequence_tasks import PAD, Batch, Task, batch_of, find_task
from engine.jobs.handle import Run
from engine.model_config import ModelConfig

REPORT_EVERY = 10  # steps whose mean loss makes one event
LOOKS = 25  # times that exact match and alignment are measured, besides the one before the first step
HELD_OUT = 200  # inputs, never trained on
HELD_OUT_SEED = 1  # the same ones for every run of a task, so that runs can be compared
SAVE_SECONDS = 5.0
ADAM_BETAS = (0.9, 0.98)
LARGEST_GRADIENT = 1.0  # a batch that surprises the model moves it no further than an ordinary one
FLOPS_A_SECOND = 6e10  # of one core, in matrices of this size; measured
ADVICE = "try a smaller learning_rate, or a longer warmup"


@dataclass(frozen=True)
class SequenceConfig:
    """One training run. Checked when made: a wrong setting raises ValueError and says what would be right."""

    task: str = "reverse"
    d_model: int = 64
    n_heads: int = 4
    n_layers: int = 2  # of each stack
    d_ff: int = 128
    steps: int = 1600
    batch: int = 64
    learning_rate: float = 1.5e-3  # its peak, at the end of the warm-up
    warmup: int = 200  # steps in which the learning rate rises
    seed: int = 0
    norm_first: bool = True

    def __post_init__(self) -> None:
        find_task(self.task)
        for name, low, high in (("steps", 1, 50_000), ("batch", 1, 1024), ("warmup", 0, 50_000), ("seed", 0, 2**31)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number from {low} to {high:,}, got {value!r}")
        rate = self.learning_rate
        if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 < rate < math.inf:
            raise ValueError(f"learning_rate must be a number above 0 (0.0015 is the start here), got {rate!r}")
        self.check_memory()

    @property
    def model(self) -> ModelConfig:
        """The model's own settings."""
        return ModelConfig(
            vocab_size=find_task(self.task).vocab_size,
            d_model=self.d_model,
            n_heads=self.n_heads,
            n_layers=self.n_layers,
            d_ff=self.d_ff,
            max_len=find_task(self.task).max_len + 1,
            positions="sinusoidal",
            activation="relu",
            norm_first=self.norm_first,
        )

    @property
    def look_every(self) -> int:
        """Steps between two measurements of exact match and alignment."""
        return REPORT_EVERY * max(1, round(self.steps / LOOKS / REPORT_EVERY))

    def check_memory(self) -> int:
        """The bytes that training needs; ValueError with the estimate when they are not free."""
        return check_fits(
            self.model, "encoder-decoder", training=True, batch=self.batch, seq_len=find_task(self.task).max_len + 1
        )


def seconds(config: SequenceConfig) -> float:
    """How long a run takes on one core: a fixed part for each step, and the arithmetic."""
    task = find_task(config.task)
    tokens = config.batch * (task.max_len + 1)
    flops = 3 * tokens * total(flops_terms(config.model, "encoder-decoder", seq_len=task.max_len + 1))
    looks = config.steps / config.look_every * 0.035 * config.n_layers
    return 3.0 + looks + config.steps * (0.004 + 0.0055 * config.n_layers + flops / FLOPS_A_SECOND)


def train(run: Run) -> dict | None:
    """Train until run.config.steps: {"exact_match", "loss", "parameters"}. Events: loss, exact match and alignment."""
    training = Training(run.config)
    state = run.load()
    if state is None:
        run.emit({"step": 0} | training.look())
    else:
        training.restore(state)
    saved_at = run.seconds
    while training.step < run.config.steps:
        if training.step % REPORT_EVERY == 0:
            run.wait_while_paused()
        if run.should_stop():
            run.save(training.state())
            return None
        loss = training.advance()
        run.check_finite(training.step, advice=ADVICE, loss=loss)
        if event := training.event():
            run.emit(event)
        if run.seconds > saved_at + SAVE_SECONDS and training.step % REPORT_EVERY == 0:
            run.save(training.state())
            saved_at = run.seconds
    run.save({"weights": training.rounded_weights(), "step": training.step})
    return training.summary()


class Training:
    """Everything that changes while one model learns, and how it changes in one step."""

    def __init__(self, config: SequenceConfig) -> None:
        self.config, self.task = config, find_task(config.task)
        self.generator = torch.Generator().manual_seed(config.seed)  # first the weights, then the data
        self.model = EncoderDecoder(config.model, seed=self.generator)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate, betas=ADAM_BETAS)
        self.step, self.losses = 0, []
        self.held_out = held_out_inputs(self.task)
        self.held_out_batch = batch_of(self.task, self.held_out)

    def advance(self) -> float:
        """One step of training: draw inputs, compare with the right answers, change the weights. Returns the loss."""
        self.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate_at(self.step, self.config)
        batch = batch_of(self.task, self.task.inputs(self.config.batch, self.generator))
        loss = teacher_forcing_loss(self.model, batch)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.losses.append(loss.item())
        return self.losses[-1]

    def event(self) -> dict | None:
        """What there is to report after this step, if anything: the mean loss since the last report; what it can do."""
        last = self.step == self.config.steps
        if self.step % REPORT_EVERY and not last:
            return None
        event = {"step": self.step, "loss": round(sum(self.losses) / len(self.losses), 5)}
        self.losses = []
        return event | self.look() if last or self.step % self.config.look_every == 0 else event

    def look(self) -> dict:
        """What the model can do now: exact match on held-out inputs, and how it does the task's example."""
        example = batch_of(self.task, [self.task.example])
        alignment = alignment_of(self.model, self.task, self.task.example).mean(dim=1)  # over the heads
        return {
            "exact_match": exact_match(self.model, self.task, self.held_out, self.held_out_batch),
            "written": write_all(self.model, self.task, example)[0],
            "alignment": [[[round(weight, 2) for weight in row] for row in layer] for layer in alignment.tolist()],
        }

    def summary(self) -> dict:
        """The run's result, measured with the weights that are kept."""
        with torch.no_grad():
            loss = teacher_forcing_loss(self.model, self.held_out_batch).item()
        parameters = count_parameters(self.config.model, "encoder-decoder")
        right = exact_match(self.model, self.task, self.held_out, self.held_out_batch)
        return {"exact_match": right, "loss": loss, "held_out": len(self.held_out), "parameters": parameters}

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights by name; the embedding that both sides share stands there once."""
        named = self.model.named_parameters()  # leaves out what it has named before
        return {name: weight.detach().clone() for name, weight in named}

    def rounded_weights(self) -> dict[str, Tensor]:
        """The weights in float16, half the size to keep; the model has them too then, so it is what is measured."""
        rounded = {name: weight.half() for name, weight in self.weights().items()}
        load_weights(self.model, rounded)
        return rounded

    def state(self) -> dict:
        """All that is needed to go on to the same numbers."""
        return {
            "weights": self.weights(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "losses": list(self.losses),
        }

    def restore(self, state: dict) -> None:
        """Go on from what state() gave."""
        load_weights(self.model, state["weights"])
        if "optimiser" in state:  # the weights kept at the end need nothing else
            self.optimiser.load_state_dict(state["optimiser"])
            self.generator.set_state(state["generator"])
        self.step, self.losses = state["step"], list(state.get("losses", []))


def teacher_forcing_loss(model: EncoderDecoder, batch: Batch) -> Tensor:
    """The mean of -log p over all tokens of the right answers, the end tokens included; padding does not count.

    The decoder is given the right answer so far, not its own: all places of all answers are learned at once, and the
    causal mask keeps each from seeing what it should say.
    """
    logits = model(batch.source_ids, batch.target_ids, source_mask=batch.source_mask)  # (batch, target_len, vocab_size)
    return F.cross_entropy(logits.flatten(0, 1), batch.wanted_ids.flatten(), ignore_index=PAD)


def learning_rate_at(step: int, config: SequenceConfig) -> float:
    """Rising from 0 in the warm-up, then falling to 0 at the end. Steps count from 1.

    >>> config = SequenceConfig(steps=10, warmup=2, learning_rate=1.0)
    >>> [learning_rate_at(step, config) for step in (1, 2, 6, 10)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if step <= config.warmup:
        return config.learning_rate * step / config.warmup
    return config.learning_rate * (config.steps - step) / max(1, config.steps - config.warmup)


def held_out_inputs(task: Task) -> list[str]:
    """The inputs that exact match is measured on: the same for every run, and never trained on."""
    return task.inputs(HELD_OUT, torch.Generator().manual_seed(HELD_OUT_SEED), held_out=True)


def load_model(config: SequenceConfig, weights: dict[str, Tensor]) -> EncoderDecoder:
    """The model of a run with the weights it has kept, ready to write."""
    model = EncoderDecoder(config.model)
    load_weights(model, weights)
    return model.eval().requires_grad_(False)


@torch.no_grad()
def load_weights(model: EncoderDecoder, weights: dict[str, Tensor]) -> None:
    """Copy weights by name. ValueError when one is missing, unknown or of another shape."""
    named = dict(model.named_parameters())
    if set(named) != set(weights):
        wrong = sorted(set(named) ^ set(weights))[0]
        raise ValueError(f"weights must be those of this model, name by name; {wrong!r} is on one side only")
    for name, weight in named.items():
        if weight.shape != weights[name].shape:
            raise ValueError(f"{name} must have shape {tuple(weight.shape)}, got {tuple(weights[name].shape)}")
        weight.copy_(weights[name])
