"""Where training starts: random weights of the right size, and the same ones for the same seed.

Each weight's spread is chosen so that a signal neither grows nor shrinks on its way through a matrix.
"""

import contextlib

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@torch.no_grad()
def initialise(model: nn.Module, seed: int | torch.Generator = 0) -> None:
    """Give every weight of `model` its first value, from `seed` alone: torch's global random state is not touched.

    Matrices: uniform with bound sqrt(6 / (inputs + outputs)) (Glorot & Bengio 2010, equation 16, as in the code of
    Vaswani et al. 2017). Embeddings: normal with spread d_model ** -0.5, so that a head tied to them starts with
    logits of spread near 1. Biases 0, norms 1 and 0. The numbers are drawn on the processor, so they are the same on
    every device.

    Raises ValueError for a seed that is neither a whole number of 0 or more nor a torch.Generator.
    """
    generator = as_generator(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            bound = (6 / (module.in_features + module.out_features)) ** 0.5
            numbers = torch.empty(module.weight.shape, device="cpu")
            module.weight.copy_(numbers.uniform_(-bound, bound, generator=generator))
            _fill_constant(module.bias, 0.0)
        elif isinstance(module, nn.Embedding):
            numbers = torch.empty(module.weight.shape, device="cpu")
            module.weight.copy_(numbers.normal_(0.0, module.embedding_dim**-0.5, generator=generator))
        elif isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
            _fill_constant(module.weight, 1.0)
            _fill_constant(getattr(module, "bias", None), 0.0)


def as_generator(seed: int | torch.Generator) -> torch.Generator:
    """A generator of its own for a whole number; a generator as it is."""
    if isinstance(seed, torch.Generator):
        return seed
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be a whole number of 0 or more, or a torch.Generator, got {seed!r}")
    return torch.Generator().manual_seed(seed)


@contextlib.contextmanager
def seeded(model: nn.Module, seed: int | torch.Generator | None):
    """What `model` builds inside gets its first weights from `seed`; None leaves them to torch's own random start."""
    if seed is None:
        yield
        return
    generator = as_generator(seed)
    with no_random_start():
        yield
    initialise(model, generator)


@contextlib.contextmanager
def no_random_start():
    """Modules made inside have no first values yet: they are about to be given some."""
    with _NoRandomStart():
        yield


class _NoRandomStart(TorchFunctionMode):
    """Skip the random start of new layers: it would be thrown away, and would move torch's global random state."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _fill_constant(parameter: nn.Parameter | None, value: float) -> None:
    if parameter is not None:
        parameter.fill_(value)
