"""What a head does, measured: five simple patterns, one score each, and the name of the strongest.

After Clark et al. 2019, "What Does BERT Look At?", section 3, who found heads that read the next token, the token
before, themselves, or the separators. A label says where the weight goes on this text, not what the head is for.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

MIXED_BELOW = 0.4  # chosen on MiniLM: below it, no single pattern describes a head well


@dataclass(frozen=True)
class HeadPattern:
    """One head's label, and the scores it was chosen by."""

    label: str  # a key of `scores`, or "mixed" when none reaches MIXED_BELOW
    score: float  # the highest score, also when the label is "mixed"
    scores: dict[str, float]  # each in [0, 1]


def head_patterns(weights: Tensor, special: Tensor, ids: Tensor | None = None) -> list[HeadPattern]:
    """Label every head of one layer on one text.

    weights (n_heads, seq_len, seq_len), rows are queries. special (seq_len,): True for [CLS] and [SEP].
    ids (seq_len,): when given, "same token" counts every place where the same token stands, else only the own place.

    Only real tokens are asked (what [CLS] and [SEP] read is left out). Each score is a mean over them:
    - "previous", "next": the weight on the neighbour, over tokens whose neighbour is a real token too
    - "same token": the weight on the token itself
    - "separator sink": the weight on all special tokens together
    - "broad": how evenly the reading is spread; 2 ** entropy is the number of keys effectively read, and this is its
      share of all keys: 1 when all weights are equal

    Raises ValueError when shapes do not fit. A pattern for which the text has no such pair of tokens scores 0.
    """
    special = torch.as_tensor(special, dtype=torch.bool, device=weights.device)
    seq_len = special.shape[0] if special.dim() == 1 else -1
    if weights.dim() != 3 or weights.shape[1:] != (seq_len, seq_len):
        raise ValueError(
            f"weights must be (n_heads, seq_len, seq_len) for special of shape {tuple(special.shape)}, "
            f"got shape {tuple(weights.shape)}"
        )
    targets = _targets(special, ids)
    scores = {name: _mean_reading(weights, pairs) for name, pairs in targets.items()}  # each (n_heads,)
    scores["broad"] = _spread(weights, ~special)
    patterns = []
    for head in range(weights.shape[0]):
        own = {name: min(max(float(score[head]), 0.0), 1.0) for name, score in scores.items()}
        label = max(own, key=own.get)
        patterns.append(HeadPattern(label if own[label] >= MIXED_BELOW else "mixed", own[label], own))
    return patterns


def _targets(special: Tensor, ids: Tensor | None) -> dict[str, Tensor]:
    """For each pattern, which (query, key) pairs belong to it: bool (seq_len, seq_len)."""
    seq_len = special.shape[0]
    real = ~special
    both_real = real[:, None] & real[None, :]  # (seq_len, seq_len)
    itself = torch.eye(seq_len, dtype=torch.bool, device=special.device)
    if ids is not None:
        ids = torch.as_tensor(ids, device=special.device)
        if ids.shape != special.shape:
            raise ValueError(f"ids must have the shape of special {tuple(special.shape)}, got {tuple(ids.shape)}")
        itself = ids[:, None] == ids[None, :]
    places = torch.arange(seq_len, device=special.device)
    step = places[None, :] - places[:, None]  # (seq_len, seq_len): key's place minus query's place
    return {
        "previous": both_real & (step == -1),
        "next": both_real & (step == 1),
        "same token": both_real & itself,
        "separator sink": real[:, None] & special[None, :],
    }


def _mean_reading(weights: Tensor, pairs: Tensor) -> Tensor:
    """The weight on a pattern's pairs, over the query rows that have such a pair: (n_heads,)."""
    rows = pairs.any(dim=-1)  # (seq_len,)
    if not bool(rows.any()):
        return weights.new_zeros(weights.shape[0])
    reading = (weights * pairs).sum(dim=-1)  # (n_heads, query_len)
    return reading[:, rows].mean(dim=-1)


def _spread(weights: Tensor, real: Tensor) -> Tensor:
    """The effective share of keys read, over real queries: (n_heads,)."""
    n_keys = weights.shape[-1]
    if n_keys < 2 or not bool(real.any()):
        return weights.new_zeros(weights.shape[0])
    entropy = -torch.xlogy(weights, weights).sum(dim=-1)  # (n_heads, query_len), in nats
    share = (entropy.exp() - 1) / (n_keys - 1)  # 0 when one key is read, 1 when all are read alike
    return share[:, real].mean(dim=-1)
