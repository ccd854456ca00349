"""The run behind "Shapes": a small attention of random weights on the learner's tokens, right and with the mistake."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.attention import MultiHeadAttention, merge_heads, split_heads
from engine.shapes import TensorStep, scrambled_heads, shape_walk, split_heads_without_transpose

NOBODY = 255


@dataclass(frozen=True)
class Run:
    """Both walks over the same tokens with the same weights."""

    tokens: tuple[str, ...]
    attention: MultiHeadAttention
    reference: nn.MultiheadAttention
    x: Tensor  # (1, seq_len, d_model)
    right: list[TensorStep]
    wrong: list[TensorStep]

    @property
    def seq_len(self) -> int:
        return self.x.shape[1]

    def steps(self, mistake: bool) -> list[TensorStep]:
        return self.wrong if mistake else self.right


def run(ids: tuple[int, ...], tokens: tuple[str, ...], d_model: int, n_heads: int, seed: int) -> Run:
    """Raises ValueError when d_model is not divisible by n_heads."""
    MultiHeadAttention(d_model, n_heads)  # its sentence comes before torch's own error
    reference = nn.MultiheadAttention(d_model, n_heads, batch_first=True).requires_grad_(False).eval()
    numbers = torch.Generator().manual_seed(seed)
    for parameter in reference.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=numbers) / d_model**0.5)
    attention = MultiHeadAttention.from_torch(reference).requires_grad_(False)
    x = torch.stack([_vector(token_id, d_model, seed) for token_id in ids])[None]  # (1, seq_len, d_model)
    right, wrong = (shape_walk(attention, x, transpose=transpose) for transpose in (True, False))
    return Run(tokens, attention, reference, x, right, wrong)


def _vector(token_id: int, d_model: int, seed: int) -> Tensor:
    """A token's vector: random, and the same wherever the token stands."""
    return torch.randn(d_model, generator=torch.Generator().manual_seed(seed * 100_003 + token_id))  # (d_model,)


def owners(made: Run, step: TensorStep, by: str, mistake: bool) -> Tensor:
    """For each number of a tensor: the token ("token") or the head ("head") it belongs to, or NOBODY.

    Found by sending numbered places through the same reshapes as the numbers.
    """
    seq_len, d_model = made.x.shape[1:]
    token = torch.arange(seq_len).repeat_interleave(d_model).reshape(1, seq_len, d_model)  # (1, seq_len, d_model)
    head = (torch.arange(d_model) // made.attention.head_dim).expand(1, seq_len, d_model)  # (1, seq_len, d_model)
    n_heads = made.attention.n_heads
    flat = token if by == "token" else head
    if step.name in ("x", "output"):
        return flat if by == "token" else torch.full_like(flat, NOBODY)
    if step.name.endswith("by head"):
        return (split_heads_without_transpose if mistake else split_heads)(flat, n_heads)
    if step.name in ("scores", "weights", "context"):
        rows = (
            torch.arange(seq_len)[None, None, :, None] if by == "token" else torch.arange(n_heads)[None, :, None, None]
        )
        return rows.expand(step.shape)
    if step.name == "merged":
        return merge_heads(split_heads(flat, n_heads))
    return flat.reshape(step.shape)  # query, key, value, their cut, and context with tokens first


def misplaced(made: Run, step: TensorStep) -> Tensor:
    """Of a tensor of the wrong walk: which numbers are not the ones that should stand there."""
    if step.name.endswith("by head"):
        return scrambled_heads(*made.x.shape[1:], made.attention.n_heads).is_scrambled[None]
    right = next(other for other in made.right if other.name == step.name)
    return ~torch.isclose(step.tensor, right.tensor, rtol=1e-5, atol=1e-6)


def nearest(d_model: int, n_heads: int, most_d_model: int, most_heads: int) -> tuple[list[int], list[int]]:
    """What would divide: up to two counts of heads for this d_model, up to two d_model for this count, nearest first.

    >>> nearest(18, 4, most_d_model=32, most_heads=8)
    ([2, 3], [16, 20])
    """
    heads = sorted((n for n in range(1, most_heads + 1) if d_model % n == 0), key=lambda n: (abs(n - n_heads), n))
    widths = sorted((d for d in range(4, most_d_model + 1) if d % n_heads == 0), key=lambda d: (abs(d - d_model), d))
    return sorted(heads[:2]), sorted(widths[:2])
