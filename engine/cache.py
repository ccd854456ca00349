"""The key/value cache: what has been read is not computed again.

When a model writes word by word, the keys and values of earlier tokens never change. So each layer keeps them, and
only the new token's query, key and value are computed. Keys are kept after rotary positions have been applied.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class LayerCache:
    """The keys and values one attention layer has computed so far."""

    def __init__(self) -> None:
        self.key: Tensor | None = None  # (batch, n_kv_heads, length, head_dim)
        self.value: Tensor | None = None  # (batch, n_kv_heads, length, head_dim)

    @property
    def length(self) -> int:
        """The number of tokens held."""
        return 0 if self.key is None else self.key.shape[-2]

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the new tokens' keys and values, each (batch, n_kv_heads, new_len, head_dim); give back all of them.

        Nothing already handed out is edited: a longer tensor takes the place of the shorter one.
        Raises ValueError when batch, heads or head_dim differ from what is held.
        """
        if self.key is not None:
            _check_same("key", self.key, key)
            _check_same("value", self.value, value)
            key = torch.cat([self.key, key], dim=-2)  # (batch, n_kv_heads, length + new_len, head_dim)
            value = torch.cat([self.value, value], dim=-2)  # (batch, n_kv_heads, length + new_len, head_dim)
        self.key, self.value = key, value
        return key, value

    def reorder(self, rows: Sequence[int] | Tensor) -> None:
        """Make row i of the batch what row rows[i] was: beam search drops some hypotheses and copies others."""
        if self.key is None:
            return
        rows = torch.as_tensor(rows, device=self.key.device)
        batch = self.key.shape[0]
        if rows.dim() != 1 or rows.is_floating_point() or not bool(((rows >= 0) & (rows < batch)).all()):
            raise ValueError(f"rows must be whole numbers from 0 to {batch - 1}, got {rows.tolist()}")
        self.key = self.key.index_select(0, rows.long())  # (len(rows), n_kv_heads, length, head_dim)
        self.value = self.value.index_select(0, rows.long())  # (len(rows), n_kv_heads, length, head_dim)

    def truncate(self, length: int) -> None:
        """Forget everything after the first `length` tokens, for taking a step back."""
        if not isinstance(length, int) or not 0 <= length <= self.length:
            raise ValueError(f"length must lie between 0 and the {self.length} tokens held, got {length!r}")
        if self.key is not None:
            self.key = self.key[:, :, :length]  # (batch, n_kv_heads, length, head_dim)
            self.value = self.value[:, :, :length]  # (batch, n_kv_heads, length, head_dim)


class KeyValueCache:
    """One LayerCache for each layer of a model; `cache[layer]` is what that layer's attention is given.

    With the usual single layer it can be given to a `MultiHeadAttention` as it is.

    >>> cache = KeyValueCache(n_layers=2)
    >>> _ = cache[0].append(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4))
    >>> cache[0].length, cache[1].length, cache.length
    (3, 0, 0)
    """

    def __init__(self, n_layers: int = 1) -> None:
        if not isinstance(n_layers, int) or n_layers < 1:
            raise ValueError(f"n_layers must be a whole number of 1 or more, got {n_layers!r}")
        self.layers = [LayerCache() for _ in range(n_layers)]

    def __getitem__(self, layer: int) -> LayerCache:
        return self.layers[layer]

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def length(self) -> int:
        """The number of tokens that every layer holds. The last layer is the last to be given a token."""
        return self.layers[-1].length

    def append(self, key: Tensor, value: Tensor, layer: int = 0) -> tuple[Tensor, Tensor]:
        """Add to one layer and give back everything it holds; see LayerCache.append."""
        return self.layers[layer].append(key, value)

    def reorder(self, rows: Sequence[int] | Tensor) -> None:
        """Reorder the batch in every layer; see LayerCache.reorder."""
        for layer in self.layers:
            layer.reorder(rows)

    def truncate(self, length: int) -> None:
        """Shorten every layer; see LayerCache.truncate."""
        for layer in self.layers:
            layer.truncate(length)


def _check_same(name: str, held: Tensor, new: Tensor) -> None:
    if held.shape[:2] != new.shape[:2] or held.shape[-1] != new.shape[-1]:
        raise ValueError(
            f"{name} must fit the cache's (batch, n_kv_heads, any length, head_dim) {tuple(held.shape)}, "
            f"got {tuple(new.shape)}"
        )
