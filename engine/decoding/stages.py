"""One step of decoding, taken apart: the model's distribution, and what is left of it after each filter in turn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.decoding.settings import Filters
from engine.decoding.walking import entropy

ORDER = ("repetition_penalty", "temperature", "top_k", "top_p", "min_p", "typical")


@dataclass(frozen=True)
class Stage:
    """The distribution at one place on the way from the model to the draw."""

    name: str  # "model", or the filter that was applied last
    on: bool  # False: the filter changes nothing, and the numbers are those of the stage before
    logits: Tensor  # (vocab_size,), minus infinity for what was dropped
    log_probs: Tensor  # (vocab_size,), normalised over what is left
    n_kept: int
    kept_mass: float  # what the tokens that are left have of the model's own probability
    entropy: float  # in nats


def filter_stages(logits: Tensor, ids: Sequence[int], filters: Filters) -> list[Stage]:
    """The model's distribution and the one after each filter of ORDER, those that are switched off too.

    logits (vocab_size,) are the scores of the next token after `ids`, which the repetition penalty looks at. Filters
    that need more than one step, n-grams and banned phrases, are no stages of one and must be off.

    >>> import torch
    >>> stages = filter_stages(torch.tensor([0.5, 0.3, 0.2]).log(), [0], Filters(top_k=2))
    >>> [(stage.name, stage.n_kept) for stage in stages if stage.on]
    [('model', 3), ('top_k', 2)]
    >>> round(stages[-1].kept_mass, 3), stages[-1].log_probs.exp().round(decimals=3).tolist()
    (0.8, [0.625, 0.375, 0.0])
    """
    if logits.ndim != 1:
        raise ValueError(f"logits must be those of one step, (vocab_size,), got the shape {tuple(logits.shape)}")
    if filters.no_repeat_ngram_size or filters.banned:
        raise ValueError(f"filters must have no n-grams and no banned phrases for one step, got {filters!r}")
    own = logits.log_softmax(dim=-1).exp()  # (vocab_size,)
    after = {name: left[0] for name, left in filters.stages(logits[None], [list(ids)], [[]])}
    stages = [_stage("model", True, logits, own)]
    for name in ORDER:
        stages.append(_stage(name, name in after, after.get(name, stages[-1].logits), own))
    return stages


def _stage(name: str, on: bool, logits: Tensor, own: Tensor) -> Stage:
    log_probs, kept = logits.log_softmax(dim=-1), logits > -math.inf
    mass = min(own[kept].double().sum().item(), 1.0)
    return Stage(name, on, logits, log_probs, int(kept.sum()), mass, entropy(log_probs))
