"""What each layer does to each token's vector: how long it is, how far it turns, and how alike tokens become."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.encoder import EncoderTrace
from engine.similarity import cosine_similarity


@dataclass(frozen=True)
class LayerMeasures:
    """One text, measured between all layers. Row 0 is what goes into the first layer, row l what layer l gives."""

    length: Tensor  # (n_layers + 1, seq_len), the Euclidean norm of each token's vector
    spread: Tensor  # (n_layers + 1, seq_len), the standard deviation over its d_model numbers
    length_before_norm: Tensor  # (n_layers, seq_len), of the sum that the layer's last norm (Post-LN) is given
    change: Tensor  # (n_layers, seq_len), 1 - cosine between a token's vector into a layer and out of it
    similarity: Tensor  # (n_layers + 1, seq_len, seq_len), the cosine of every two tokens


def measure_layers(trace: EncoderTrace) -> LayerMeasures:
    """Measures the first text of a run, whose blocks have their shortcuts.

    Length and direction are kept apart on purpose: a norm at the end of each layer resets the length, so what a layer
    has learned to say stands in the direction, and the cosine compares directions only.
    Source for comparing layers in this way: Ethayarajh 2019, sections 3.3 and 4.
    """
    hidden = torch.stack([state[0] for state in trace.hidden_states])  # (n_layers + 1, seq_len, d_model)
    into_norm = torch.stack([block.after_attention[0] + block.feed_forward[0] for block in trace.blocks])
    turned = torch.nn.functional.cosine_similarity(hidden[:-1], hidden[1:], dim=-1)  # (n_layers, seq_len)
    return LayerMeasures(
        length=hidden.norm(dim=-1),
        spread=hidden.std(dim=-1, correction=0),
        length_before_norm=into_norm.norm(dim=-1),
        change=1 - turned,
        similarity=torch.stack([cosine_similarity(state) for state in hidden]),
    )


def mean_similarity(similarity: Tensor, real: Sequence[bool]) -> Tensor:
    """The average cosine over all pairs of two different tokens, for each layer.

    similarity (n_layers + 1, seq_len, seq_len); real: which tokens count. NaN where there are no two.

    >>> mean_similarity(torch.tensor([[[1.0, 0.5], [0.5, 1.0]]]), [True, True]).tolist()
    [0.5]
    """
    chosen = torch.tensor(real).nonzero().flatten()
    pairs = torch.combinations(chosen)  # (n_pairs, 2)
    return similarity[:, pairs[:, 0], pairs[:, 1]].mean(dim=-1)


def unrelated_similarity(traces: Sequence[EncoderTrace]) -> Tensor:
    """The average cosine of two tokens that stand in different texts, for each layer: (n_layers + 1,).

    The scale's real zero: in most models two tokens that have nothing to do with each other do not point square to one
    another but share a direction (Ethayarajh 2019, section 4.1: anisotropy). [CLS] and [SEP] are left out.

    Raises ValueError for fewer than two texts.
    """
    if len(traces) < 2:
        raise ValueError(f"traces must be of two texts or more, got {len(traces)}")
    found = []
    for states in zip(*(trace.hidden_states for trace in traces), strict=True):
        words = [state[0, 1:-1] for state in states]  # (seq_len - 2, d_model) of each text
        apart = [
            cosine_similarity(left, right).flatten() for place, left in enumerate(words) for right in words[place + 1 :]
        ]
        found.append(torch.cat(apart).mean())
    return torch.stack(found)
