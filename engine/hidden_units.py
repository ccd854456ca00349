"""The hidden units of the feed-forward part: which of them fire on which tokens, and that no token sees another there.

Geva et al. 2021, "Transformer Feed-Forward Layers Are Key-Value Memories", look at units the same way: by the
inputs that a unit answers most strongly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.encoder import Encoder
from engine.feed_forward import FeedForward


def share_active(hidden: Tensor) -> Tensor:
    """The share of units above 0 on each token: hidden (seq_len, d_ff) to (seq_len,).

    >>> import torch
    >>> share_active(torch.tensor([[0.5, -0.1, 2.0, 0.0]])).tolist()
    [0.5]
    """
    return (hidden > 0).float().mean(dim=-1)


def pick_units(hidden: Tensor, by: str, n: int, *, token: int = 0) -> list[int]:
    """The `n` units that say most about a text, ordered by the token on which each fires most.

    hidden (seq_len, d_ff). by: "differ" (largest standard deviation over the tokens), "mean" (largest mean) or
    "token" (strongest on the token numbered `token`). Raises ValueError for another `by` and for n beyond d_ff.
    """
    if not 1 <= n <= hidden.shape[1]:
        raise ValueError(f"n must lie between 1 and d_ff = {hidden.shape[1]}, got {n!r}")
    measures = {"differ": lambda: hidden.std(dim=0, correction=0), "mean": lambda: hidden.mean(dim=0)}
    measures["token"] = lambda: hidden[token]
    if by not in measures:
        raise ValueError(f"by must be one of {', '.join(measures)}, got {by!r}")
    return order_units(hidden, measures[by]().topk(n).indices.tolist())


def order_units(hidden: Tensor, units: Sequence[int]) -> list[int]:
    """Units in the order of the tokens they fire on most, the strongest first within a token."""
    peaks, places = hidden.max(dim=0)
    return sorted(units, key=lambda unit: (int(places[unit]), -float(peaks[unit])))


@dataclass(frozen=True)
class HiddenUnits:
    """How strongly every hidden unit of every layer fires on every token of some texts."""

    values: Tensor  # (n_layers, n_tokens, d_ff), float16: a few megabytes for a hundred sentences
    texts: Tensor  # (n_tokens,): which text each token stands in
    tokens: Tensor  # (n_tokens,): and at which place

    def strongest(self, layer: int, unit: int, n: int) -> list[tuple[float, int, int]]:
        """(value, text, token) of the `n` tokens on which one unit fires most; layer and unit counted from 0."""
        found = self.values[layer, :, unit].float().topk(min(n, self.values.shape[1]))
        places = found.indices
        return list(zip(found.values.tolist(), self.texts[places].tolist(), self.tokens[places].tolist(), strict=True))


@torch.inference_mode()
def read_hidden_units(model: Encoder, texts: Sequence[Sequence[int]], *, batch_size: int = 32) -> HiddenUnits:
    """Reads `texts`, each a list of ids that begins and ends with a token of the model's own, which does not count.

    Raises ValueError when no text has a token that counts.
    """
    if not any(len(ids) > 2 for ids in texts):
        raise ValueError(f"texts must hold at least one token beside the model's own, got {len(texts)} texts")
    batches = [
        (start, _read_batch(model, texts[start : start + batch_size])) for start in range(0, len(texts), batch_size)
    ]
    return HiddenUnits(
        torch.cat([batch.values for _, batch in batches], dim=1),
        torch.cat([batch.texts + start for start, batch in batches]),
        torch.cat([batch.tokens for _, batch in batches]),
    )


def _read_batch(model: Encoder, texts: Sequence[Sequence[int]]) -> HiddenUnits:
    longest = max(map(len, texts))
    ids = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in texts])  # (batch, seq_len)
    real = torch.tensor([[place < len(ids) for place in range(longest)] for ids in texts])
    counts = torch.tensor([[0 < place < len(ids) - 1 for place in range(longest)] for ids in texts])
    trace = model.trace(ids, attention_mask=real)
    text, token = counts.nonzero(as_tuple=True)  # (n_tokens,)
    hidden = torch.stack([block.hidden.cpu()[text, token].half() for block in trace.blocks])
    return HiddenUnits(hidden, text, token)  # (n_layers, n_tokens, d_ff)


@torch.inference_mode()
def shuffled_difference(feed_forward: FeedForward, x: Tensor, *, seed: int = 0) -> float:
    """How much a token's output changes when the tokens stand in another order: rounding at most, for it sees no other.

    x (batch, seq_len, d_model). Returns the largest difference after the rows are put back.
    """
    order = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(seed)).to(x.device)
    shuffled = feed_forward(x[:, order])[:, order.argsort()]  # (batch, seq_len, d_model)
    return (shuffled - feed_forward(x)).abs().max().item()


@torch.inference_mode()
def rows_changed(part: Callable[[Tensor], Tensor], x: Tensor, row: int, instead: int, *, above: float = 1e-4) -> Tensor:
    """Which tokens' outputs change when token `row` alone is given the input of token `instead`: bool (seq_len,).

    part: x (1, seq_len, d_model) to the same shape. above: smaller differences are rounding.
    """
    other = x.clone()
    other[:, row] = x[:, instead]
    return (part(other) - part(x)).abs().amax(dim=-1)[0] > above
