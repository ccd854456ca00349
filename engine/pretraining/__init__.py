"""Training a small language model from text: `python -m engine.pretraining --corpus FILE --out DIR`."""

from engine.pretraining.config import PretrainConfig
from engine.pretraining.training import pretrain

__all__ = ["PretrainConfig", "pretrain"]
