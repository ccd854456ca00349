"""Is the estimate right? Build the model, run one forward as a training step would, and see what it really takes."""

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.budget import (
    KINDS,
    NUMBER_TYPES,
    Kind,
    activation_terms,
    check_free,
    count_parameters,
    flops_terms,
    memory_terms,
)
from engine.devices import device as best_device
from engine.formula import Term, total
from engine.initial import as_generator, initialise, no_random_start
from engine.jobs.handle import Run
from engine.model_config import ModelConfig
from engine.published import MODULES

# Operations a second of one thread, and weights drawn a second, measured on two plain cores; a run's own history
# (engine.jobs.estimate) corrects them for the machine at hand.
SPEED = {"float32": 4e10, "float16": 1.2e10, "bfloat16": 8e10}
DRAWN = 1.2e8


@dataclass(frozen=True)
class BuildOnceConfig:
    """A model, and the texts that it reads once."""

    model: ModelConfig
    kind: Kind = "causal"
    batch: int = 1
    number_type: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.number_type not in NUMBER_TYPES:
            raise ValueError(f"number_type must be one of {', '.join(NUMBER_TYPES)}, got {self.number_type!r}")
        if not isinstance(self.batch, int) or isinstance(self.batch, bool) or self.batch < 1:
            raise ValueError(f"batch must be a whole number of 1 or more, got {self.batch!r}")
        as_generator(self.seed)


@dataclass(frozen=True)
class Measured:
    """What one forward pass really took."""

    parameters: int
    weight_bytes: int
    activation_bytes: int  # what autograd keeps for the way back
    build_seconds: float
    forward_seconds: float


def seconds(config: BuildOnceConfig) -> float:
    """How long it takes to build the model and to run it once, on one thread."""
    operations = total(flops_terms(config.model, config.kind)) * config.batch * config.model.max_len
    passes = 2 * operations / SPEED[config.number_type]  # one is counted, one is timed
    return 2.0 + count_parameters(config.model, config.kind) / DRAWN + passes


def run_terms(config: BuildOnceConfig) -> list[Term]:
    """The bytes that one such run needs: the weights, and what a training step keeps for the way back."""
    n_bytes = NUMBER_TYPES[config.number_type]
    held = memory_terms(config.model, config.kind, n_bytes=n_bytes)
    return [*held, *activation_terms(config.model, config.kind, batch=config.batch, n_bytes=n_bytes)]


def check_run(config: BuildOnceConfig, device: str | None = None) -> int:
    """The bytes that one run needs; ValueError with the estimate when they are not free on the device."""
    return check_free(run_terms(config), device or best_device(), doing="running it once", texts=True)


def run_once(config: BuildOnceConfig, device: str = "cpu") -> Measured:
    """Build the model with random weights, read random texts of max_len tokens, and measure.

    What is kept is counted as autograd is handed it, each piece of memory once; the weights are not counted again.
    A language model's loss is part of the run: its gradient needs the logits.
    """
    start = time.perf_counter()
    model = build(config, device)
    built = time.perf_counter()
    texts = _texts(config, device)
    kept_bytes = bytes_kept(model, config.kind, texts)
    forward = time.perf_counter()
    with torch.no_grad():  # again, for its time: now the memory is set up and nobody counts
        one_loss(model, config.kind, texts)
    if device != "cpu":
        getattr(torch, device).synchronize()
    end = time.perf_counter()
    weights = list(model.parameters())
    return Measured(
        parameters=sum(weight.numel() for weight in weights),
        weight_bytes=sum(weight.nbytes for weight in weights),
        activation_bytes=kept_bytes,
        build_seconds=built - start,
        forward_seconds=end - forward,
    )


def build(config: BuildOnceConfig, device: str = "cpu") -> nn.Module:
    """The model in its number type. Its shapes come first: so it is never held in a larger type."""
    with torch.device("meta"), no_random_start():
        model = MODULES[config.kind](config.model, seed=None)
    model = model.to(getattr(torch, config.number_type)).to_empty(device=device)
    initialise(model, config.seed)
    return model


def bytes_kept(model: nn.Module, kind: Kind, texts: list[Tensor]) -> int:
    """The bytes that autograd keeps of one forward pass, without the weights."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, tuple[Tensor, int]] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = tensor, storage.nbytes()  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        one_loss(model, kind, texts)
    return sum(n_bytes for _, n_bytes in kept.values())


def one_loss(model: nn.Module, kind: Kind, texts: list[Tensor]) -> Tensor:
    """One forward pass, and the loss where there is a head to have one."""
    output = model(*texts)  # (batch, seq_len, vocab_size), or (batch, seq_len, d_model) without a head
    if kind in ("encoder", "decoder"):
        return output
    return F.cross_entropy(output.flatten(0, 1), texts[-1].flatten())


def build_once(run: Run) -> dict | None:
    """The job: {"parameters", "weight_bytes", "activation_bytes", "build_seconds", "forward_seconds"}."""
    device = best_device()
    check_run(run.config, device)
    run.emit({"step": 1, "doing": "building and running"})
    measured = run_once(run.config, device)
    run.emit({"step": 2, "device": device, **vars(measured)})
    return {"device": device, **vars(measured)}


def _texts(config: BuildOnceConfig, device: str) -> list[Tensor]:
    generator, model = as_generator(config.seed), config.model
    shape = (config.batch, model.max_len)
    ids = torch.randint(model.vocab_size, shape, generator=generator).to(device)  # (batch, seq_len)
    if config.kind == "encoder-decoder":
        return [ids, ids]
    if config.kind == "decoder":  # a decoder of its own reads an encoder's output, here of numbers 0
        return [ids, torch.zeros(*shape, model.d_model, dtype=getattr(torch, config.number_type), device=device)]
    return [ids]
