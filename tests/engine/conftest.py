"""What the engine's tests share: the real model, loaded once, and small random numbers."""

import pytest
import torch

from engine import models
from engine.threads import one_thread


@pytest.fixture(scope="session")
def minilm():
    return models.load("minilm", device="cpu")


@pytest.fixture
def one_torch_thread():
    """As in a worker: models this small wait longer for a second thread than it helps them."""
    with one_thread():
        yield


@pytest.fixture
def numbers():
    """Random tensors from a seed of their own, so that no test depends on another."""
    generator = torch.Generator().manual_seed(7)
    return lambda *shape: torch.randn(*shape, generator=generator)


def randomised(model):
    """Fresh norms are 1 and fresh biases 0: random ones let no swapped weight pass."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()
