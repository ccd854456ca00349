"""What the engine's tests share: the real model, loaded once, and small random numbers."""

import pytest
import torch

from engine import models


@pytest.fixture(scope="session")
def minilm():
    return models.load("minilm", device="cpu")


@pytest.fixture
def numbers():
    """Random tensors from a seed of their own, so that no test depends on another."""
    generator = torch.Generator().manual_seed(7)
    return lambda *shape: torch.randn(*shape, generator=generator)
