"""The training loop: batches in, weights out, and everything on disk that is needed to go on after any interruption."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.devices import device as best_device
from engine.initial import as_generator
from engine.jobs.checkpoints import load_checkpoint, save_checkpoint
from engine.pretraining.config import PretrainConfig
from engine.pretraining.data import IGNORED, Batch, batches, encode_stories
from engine.pretraining.evaluate import bits_per_byte
from engine.pretraining.optimising import make_optimisers
from engine.tokenizer import BPETokenizer
from engine.transformer import CausalLM

Report = Callable[[dict], None]


@dataclass
class Progress:
    """Where a training stands; with the weights and the optimisers it is all that is needed to go on."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of the epoch
    seconds: float = 0.0
    tokens: int = 0  # trained on, padding left out
    best: float = math.inf  # held-out bits per byte
    best_step: int = 0
    since_best: int = 0  # evaluations
    losses: list[float] = field(default_factory=list)  # since the last report


class DivergedError(ArithmeticError):
    """The loss is no number any more."""


def pretrain(
    config: PretrainConfig,
    tokenizer: BPETokenizer,
    stories: list[str],
    held_out: list[str],
    folder: str | Path,
    *,
    on_event: Report = lambda event: None,
    device: str | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    start: dict[str, Tensor] | None = None,
) -> tuple[CausalLM, Progress]:
    """Train until config.steps, no better held-out number for `patience` evaluations, or should_stop().

    folder: holds the full state, saved every config.save_minutes and at the end; a training that finds one there goes
    on from it, to the same numbers as without the interruption. start: weights to begin with instead of random ones.
    on_event: called with a dict at each evaluation. Returns the model with its best weights, and where it stands.
    Raises DivergedError at the step where the loss is no number; the last saved state is kept.
    """
    trainer = _Trainer(config, tokenizer, stories, held_out, Path(folder), device or best_device(), start)
    trainer.run(on_event, should_stop)
    return trainer.best_model(), trainer.progress


class _Trainer:
    def __init__(
        self,
        config: PretrainConfig,
        tokenizer: BPETokenizer,
        stories: list[str],
        held_out: list[str],
        folder: Path,
        device: str,
        start: dict[str, Tensor] | None,
    ) -> None:
        self.config, self.tokenizer, self.held_out, self.folder = config, tokenizer, held_out, folder
        self.device = torch.device(device)
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = encode_stories(stories, tokenizer, config.max_len)
        self.model = CausalLM(config.model, seed=config.seed)
        if start is not None:
            self.model.load_state_dict(start)
        self.model.to(self.device).train()
        self.forward = torch.compile(self.model) if self.device.type == "cuda" else self.model
        self.optimisers = make_optimisers(self.model, config)
        self.progress = Progress()
        self._saved_at = time.monotonic()
        self._go_on()

    def run(self, on_event: Report, should_stop: Callable[[], bool]) -> None:
        """Step by step, evaluating and saving in between."""
        now, last = self.progress, time.monotonic()
        for batch in self._batches():
            if now.step >= self.config.steps or self._gave_up() or should_stop():
                break
            now.losses.append(self._step(batch))
            now.step += 1
            now.tokens += batch.n_targets
            now.seconds, last = now.seconds + time.monotonic() - last, time.monotonic()
            if now.step % self.config.evaluate_every == 0 or now.step == self.config.steps:
                on_event(self._evaluate())
                last = time.monotonic()
            if time.monotonic() - self._saved_at > 60 * self.config.save_minutes:
                self.save()
        self.save()

    def _batches(self) -> Iterator[Batch]:
        """From where the training stands, epoch after epoch; each epoch's order comes from the seed and its number."""
        while True:
            generator = as_generator(self.config.seed * 100_003 + self.progress.epoch)
            for number, batch in enumerate(batches(self.rows, self.config.batch_tokens, generator)):
                if number >= self.progress.batch:
                    self.progress.batch = number
                    yield batch
                    self.progress.batch = number + 1
            self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    def _step(self, batch: Batch) -> float:
        """One step of the optimisers on the batch's mean loss over its real tokens."""
        rate, n_targets, total = self.config.rate(self.progress.step), batch.n_targets, 0.0
        parts = zip(
            batch.inputs.tensor_split(self.config.accumulate), batch.targets.tensor_split(self.config.accumulate)
        )
        for inputs, targets in parts:
            if not len(inputs):
                continue
            with self._precision():
                logits = self.forward(inputs.to(self.device))  # (batch, seq_len, vocab_size)
            loss = F.cross_entropy(
                logits.float().flatten(0, 1), targets.to(self.device).flatten(), ignore_index=IGNORED, reduction="sum"
            )
            (loss / n_targets).backward()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise DivergedError(
                f"the loss became {total} at step {self.progress.step + 1}: try a smaller learning_rate"
            )
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return total / n_targets

    def _precision(self):
        wanted = self.config.precision
        if wanted == "auto":
            wanted = "bfloat16" if self.device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
        return torch.autocast(self.device.type, torch.bfloat16) if wanted == "bfloat16" else nullcontext()

    def _evaluate(self) -> dict:
        """Held-out bits per byte now; the best weights so far are kept."""
        now = self.progress
        with self._precision():
            bits = bits_per_byte(self.model, self.tokenizer, self.held_out)
        if bits < now.best:
            now.best, now.best_step, now.since_best = bits, now.step, 0
            save_checkpoint(self.folder / "best", {"weights": self.model.state_dict(), "bits_per_byte": bits})
        else:
            now.since_best += 1
        event = {"step": now.step, "epoch": now.epoch, "tokens": now.tokens, "seconds": round(now.seconds, 1)}
        event |= {"loss": sum(now.losses) / len(now.losses), "bits_per_byte": bits}
        event["rate"] = self.config.rate(now.step - 1)
        now.losses = []
        with (self.folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        return event

    def _gave_up(self) -> bool:
        return bool(self.config.patience) and self.progress.since_best >= self.config.patience

    def save(self) -> None:
        """Everything that is needed to go on."""
        state = {"config": asdict(self.config), "progress": asdict(self.progress), "weights": self.model.state_dict()}
        state["optimisers"] = [optimiser.state_dict() for optimiser in self.optimisers]
        state["random"] = torch.get_rng_state()
        save_checkpoint(self.folder / "state", state)
        self._saved_at = time.monotonic()

    def _go_on(self) -> None:
        state = load_checkpoint(self.folder / "state")
        if state is None:
            torch.manual_seed(self.config.seed)  # dropout has no generator of its own
            return
        self.model.load_state_dict(state["weights"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"])

    def best_model(self) -> CausalLM:
        """The model with the weights that did best on what was held out."""
        best = load_checkpoint(self.folder / "best")
        if best is not None:
            self.model.load_state_dict(best["weights"])
        return self.model.eval()
