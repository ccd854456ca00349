"""What a model makes of a text that is there already: how likely each of its tokens was, and what a temperature changes
in that. One pass over the whole text, nothing is chosen."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


@torch.no_grad()
def token_log_probs(model: object, ids: Sequence[int]) -> Tensor:
    """The log probability of each token but the first, given all before it: (len(ids) - 1,).

    model: called with ids (1, seq_len) it gives logits (1, seq_len, vocab_size), as CausalLM does. Natural logarithms.
    """
    if len(ids) < 2:
        raise ValueError(f"ids must hold two tokens or more, one of them to be predicted, got {len(ids)}")
    own = torch.tensor([list(ids)], device=_device(model))  # (1, seq_len)
    log_probs = model(own[:, :-1]).float().log_softmax(dim=-1)  # (1, seq_len - 1, vocab_size)
    return log_probs[0].gather(-1, own[0, 1:, None])[:, 0].cpu()


@torch.no_grad()
def cross_entropies(model: object, texts: Iterable[Sequence[int]], temperatures: Sequence[float]) -> list[float]:
    """For each temperature, the mean surprise in nats of the texts' tokens when every score is divided by it.

    Each text starts with an empty context and its first token is given. At 1 it is the loss that the model was trained
    to make small; another temperature bends its distributions and leaves the texts as they are.
    """
    for one in temperatures:
        if not 0 < one < math.inf:
            raise ValueError(f"temperatures must be numbers above 0, got {one!r}")
    sums, n_tokens = torch.zeros(len(temperatures), dtype=torch.float64), 0
    for ids in texts:
        own = torch.tensor([list(ids)], device=_device(model))
        logits = model(own[:, :-1])[0].float()  # (seq_len - 1, vocab_size)
        n_tokens += len(logits)
        for place, one in enumerate(temperatures):
            surprise = torch.nn.functional.cross_entropy(logits / one, own[0, 1:], reduction="none")
            sums[place] += surprise.cpu().double().sum()
    if not n_tokens:
        raise ValueError("texts must hold a token that is predicted, got none")
    return (sums / n_tokens).tolist()


def perplexity(log_probs: Iterable[float]) -> float:
    """Among how many equally likely tokens the model would have been as unsure: exp of the mean surprise.

    >>> round(perplexity([math.log(0.25)] * 3), 6)
    4.0
    """
    log_probs = list(log_probs)
    return math.exp(-sum(log_probs) / len(log_probs)) if log_probs else math.nan


def _device(model: object) -> torch.device | None:
    """Where the model's weights are; None, which is the processor, for a model without any."""
    weight = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    return None if weight is None else weight.device
