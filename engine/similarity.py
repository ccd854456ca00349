"""One vector for a whole sentence, and how alike two of them are."""

import torch
from torch import Tensor


def sentence_embedding(hidden: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """The mean of a text's token vectors, padding left out, brought to length 1.

    Source: Reimers & Gurevych 2019 (Sentence-BERT), section 3, the MEAN strategy, as MiniLM was trained.
    hidden (batch, seq_len, d_model), attention_mask (batch, seq_len) with 1 or True for a real token.
    Returns (batch, d_model). Raises ValueError when shapes do not fit or a text has no real token.

    >>> sentence_embedding(torch.tensor([[[3.0, 0.0], [3.0, 8.0]]])).tolist()  # the mean is (3, 4), its length 5
    [[0.6000000238418579, 0.800000011920929]]
    """
    if hidden.dim() != 3:
        raise ValueError(f"hidden must be (batch, seq_len, d_model), got shape {tuple(hidden.shape)}")
    if attention_mask is None:
        attention_mask = torch.ones(hidden.shape[:2], device=hidden.device)
    attention_mask = torch.as_tensor(attention_mask, device=hidden.device)
    if attention_mask.shape != hidden.shape[:2]:
        raise ValueError(f"attention_mask must be {tuple(hidden.shape[:2])}, got {tuple(attention_mask.shape)}")
    real = attention_mask.bool()[..., None]  # (batch, seq_len, 1)
    n_real = real.sum(dim=1)  # (batch, 1)
    if not bool((n_real > 0).all()):
        raise ValueError("attention_mask must have at least one real token in each text, got a text without any")
    mean = hidden.masked_fill(~real, 0.0).sum(dim=1) / n_real  # (batch, d_model)
    return torch.nn.functional.normalize(mean, dim=-1)


def cosine_similarity(left: Tensor, right: Tensor | None = None) -> Tensor:
    """The cosine of the angle between each vector of `left` and each of `right`: 1 same way, 0 square, -1 opposite.

    left (n_left, d_model), right (n_right, d_model), which is left itself unless given. Returns (n_left, n_right).

    >>> cosine_similarity(torch.tensor([[1.0, 0.0], [0.0, 2.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    right = left if right is None else right
    if left.dim() != 2 or right.dim() != 2 or left.shape[1] != right.shape[1]:
        raise ValueError(f"right must be rows as long as left's {tuple(left.shape)}, got {tuple(right.shape)}")
    normalize = torch.nn.functional.normalize
    return (normalize(left, dim=-1) @ normalize(right, dim=-1).T).clamp(-1.0, 1.0)  # (n_left, n_right)
