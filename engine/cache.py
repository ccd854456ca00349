"""The key/value cache: what has been read is not computed again.

When a model writes word by word, the keys and values of earlier tokens never change. So each layer keeps them, and
only the new token's query, key and value are computed. Keys are kept after rotary positions have been applied.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.devices import free_memory


class LayerCache:
    """The keys and values one attention layer has computed so far."""

    def __init__(self) -> None:
        self.key: Tensor | None = None  # (batch, n_kv_heads, length, head_dim)
        self.value: Tensor | None = None  # (batch, n_kv_heads, length, head_dim)

    @property
    def length(self) -> int:
        """The number of tokens held."""
        return 0 if self.key is None else self.key.shape[-2]

    @property
    def batch(self) -> int | None:
        """The number of texts; None while nothing is held."""
        return None if self.key is None else self.key.shape[0]

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
        rows = _checked_rows(rows, self.key)
        self.key = self.key.index_select(0, rows)  # (len(rows), n_kv_heads, length, head_dim)
        self.value = self.value.index_select(0, rows)  # (len(rows), n_kv_heads, length, head_dim)

    def truncate(self, length: int) -> None:
        """Forget everything after the first `length` tokens, for taking a step back."""
        _check_truncation(length, self.length)
        if self.key is not None:
            self.key = self.key[:, :, :length]  # (batch, n_kv_heads, length, head_dim)
            self.value = self.value[:, :, :length]  # (batch, n_kv_heads, length, head_dim)


class ReservedLayerCache(LayerCache):
    """The same in memory that is set aside once: a new token is written beside the others, and nothing is copied.

    What `append` hands out is a window onto that memory. It stays right while the cache grows; after `truncate` or
    `reorder` and new tokens it shows those. Gradients do not flow into what is kept: a cache is for reading.
    """

    def __init__(self, batch: int, n_kv_heads: int, max_len: int, head_dim: int, **placed) -> None:
        super().__init__()
        self.max_len, self._length = max_len, 0
        self._keys = torch.empty(batch, n_kv_heads, max_len, head_dim, **placed)
        self._values = torch.empty(batch, n_kv_heads, max_len, head_dim, **placed)

    @property
    def length(self) -> int:
        """The number of tokens held."""
        return self._length

    @property
    def batch(self) -> int:
        """The number of texts."""
        return self._keys.shape[0]

    @property
    def n_bytes(self) -> int:
        """What is set aside, used or not."""
        return self._keys.nbytes + self._values.nbytes

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new tokens' keys and values behind the others; give back all of them; see LayerCache.append."""
        _check_same("key", self._keys, key)
        _check_same("value", self._values, value)
        end = self._length + key.shape[-2]
        if end > self.max_len:
            raise ValueError(f"the cache must have room for {end} tokens, but it was made for max_len = {self.max_len}")
        self._keys[:, :, self._length : end] = key.detach()
        self._values[:, :, self._length : end] = value.detach()
        self._length = end
        return self._keys[:, :, :end], self._values[:, :, :end]  # each (batch, n_kv_heads, length, head_dim)

    def reorder(self, rows: Sequence[int] | Tensor) -> None:
        """Make row i of the batch what row rows[i] was; the batch becomes as large as there are rows."""
        rows = _checked_rows(rows, self._keys)
        if rows.shape[0] != self._keys.shape[0]:
            self._keys, self._values = self._keys[rows], self._values[rows]
        else:
            for held in (self._keys, self._values):
                held[:, :, : self._length] = held[rows, :, : self._length]

    def truncate(self, length: int) -> None:
        """Forget everything after the first `length` tokens, for taking a step back."""
        _check_truncation(length, self._length)
        self._length = length


class KeyValueCache:
    """One LayerCache for each layer of a model; `cache[layer]` is what that layer's attention is given.

    With the usual single layer it can be given to a `MultiHeadAttention` as it is. Whole models also remember which
    tokens it holds, and, where texts of a batch differ in length, which of them are `real` and not padding.

    >>> cache = KeyValueCache(n_layers=2)
    >>> _ = cache[0].append(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4))
    >>> cache[0].length, cache[1].length, cache.length
    (3, 0, 0)
    """

    def __init__(self, n_layers: int = 1) -> None:
        if not isinstance(n_layers, int) or n_layers < 1:
            raise ValueError(f"n_layers must be a whole number of 1 or more, got {n_layers!r}")
        self.layers = [LayerCache() for _ in range(n_layers)]
        self.ids: Tensor | None = None  # (batch, length), for whole models
        self.real: Tensor | None = None  # bool (batch, length); None when all are

    @classmethod
    def reserve(
        cls, n_layers: int, batch: int, n_kv_heads: int, max_len: int, head_dim: int, **placed
    ) -> "KeyValueCache":
        """A cache with room for max_len tokens, set aside at once. placed: device and dtype."""
        for name, value in (("batch", batch), ("max_len", max_len)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}")
        device, dtype = placed.get("device", "cpu"), placed.get("dtype", torch.float32)
        needed = 2 * n_layers * batch * n_kv_heads * max_len * head_dim * dtype.itemsize
        free = free_memory(str(device))
        if free is not None and needed > free:
            raise ValueError(
                f"batch and max_len must fit the memory of {device}, which has {free / 1e9:.3g} GB free, but {batch} "
                f"texts of {max_len} tokens need {needed / 1e9:.3g} GB"
            )
        cache = cls(n_layers)
        cache.layers = [ReservedLayerCache(batch, n_kv_heads, max_len, head_dim, **placed) for _ in range(n_layers)]
        return cache

    @property
    def max_len(self) -> int | None:
        """The most tokens it can hold; None when it grows as needed."""
        return getattr(self.layers[0], "max_len", None)

    @property
    def batch(self) -> int | None:
        """The number of texts it is for; None while a growing cache is empty."""
        return self.layers[0].batch

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
        self.ids, self.real = (
            None if held is None else held[torch.as_tensor(rows, device=held.device)]  # (len(rows), length)
            for held in (self.ids, self.real)
        )

    def truncate(self, length: int) -> None:
        """Shorten every layer; see LayerCache.truncate."""
        for layer in self.layers:
            layer.truncate(length)
        self.ids, self.real = (
            None if held is None else held[:, :length]  # (batch, length)
            for held in (self.ids, self.real)
        )

    def remember(self, ids: Tensor, real: Tensor | None) -> Tensor:
        """Note the tokens that are about to be read, (batch, new_len), and which of all tokens are real; all ids."""
        self.ids = ids if self.ids is None else torch.cat([self.ids, ids], dim=1)  # (batch, length + new_len)
        self.real = real
        return self.ids

    def forget_numbers(self) -> None:
        """Drop keys and values, but not which tokens they were for: the model is about to read those again."""
        for layer in self.layers:
            layer.truncate(0)


def _check_same(name: str, held: Tensor, new: Tensor) -> None:
    if held.shape[:2] != new.shape[:2] or held.shape[-1] != new.shape[-1]:
        raise ValueError(
            f"{name} must fit the cache's (batch, n_kv_heads, any length, head_dim) {tuple(held.shape)}, "
            f"got {tuple(new.shape)}"
        )


def _checked_rows(rows: Sequence[int] | Tensor, held: Tensor) -> Tensor:
    rows, batch = torch.as_tensor(rows, device=held.device), held.shape[0]
    if rows.dim() != 1 or rows.is_floating_point() or not bool(((rows >= 0) & (rows < batch)).all()):
        raise ValueError(f"rows must be whole numbers from 0 to {batch - 1}, got {rows.tolist()}")
    return rows.long()


def _check_truncation(length: int, held: int) -> None:
    if not isinstance(length, int) or not 0 <= length <= held:
        raise ValueError(f"length must lie between 0 and the {held} tokens held, got {length!r}")
