"""The lean loop: a CausalLM's arithmetic for a few new tokens, in NumPy, without modules, checks or copies.

A step of a small model is so short that asking costs as much as answering: each module, each check and each small
tensor is paid for again at every token. Here a step is a handful of array operations a layer, on the model's own
weights (nothing is copied), with keys and values written into memory that was set aside once. NumPy because its matrix
times vector is faster than torch's on many processors. There are two ways through: `_read` for any number of texts and
tokens, `_read_one` for one token of one text; tests hold both equal to CausalLM.
"""

import weakref
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.causal_lm import CausalLM
from engine.decoding.fixed import fixed_can_read
from engine.rotary import rotary_turns

ACTIVATIONS = {"relu", "gelu_tanh", "swiglu"}  # NumPy has no error function, which the exact GELU needs
MOST_COPIED = 256_000_000  # bytes of a model's weights up to which they are laid out anew
FEW_ROWS = 3  # up to which one vector after the other is quicker than a table, which BLAS first packs its weights for
GELU_SCALE = np.float32((2 / np.pi) ** 0.5)


def lean_can_read(model: CausalLM) -> bool:
    """Whether the lean loop knows this shape: Pre-LN, rotary or learned positions, float32 on the processor."""
    weight = model.decoder.token_embedding.weight
    shape = fixed_can_read(model) and model.config.activation in ACTIVATIONS
    counted = not weight.is_inference()  # weights made in inference mode do not count their changes; see _weights
    return shape and counted and weight.device.type == "cpu" and weight.dtype == torch.float32


class LeanReader:
    """Reads for a strategy; see engine.decoding.reading.Reader. All its texts have the same length."""

    def __init__(self, model: CausalLM, max_len: int) -> None:
        self.config, self.weights = model.config, _weights(model)
        self.max_len, self.length = max_len, 0
        self.cosines = self.sines = None
        if self.config.positions == "rotary":
            self._place_by_turning()
        self.clock = 0
        self._reserve(1)

    def start(self, prompt_ids: list[int]) -> Tensor:
        self.length = 0
        self._reserve(1)
        return self._logits(self._read(np.array([prompt_ids]))[:, -1])

    def advance(self, tokens: list[int], rows: list[int]) -> Tensor:
        self._reorder(rows)
        if len(tokens) == 1:
            return self._logits(self._read_one(tokens[0])[None])
        return self._logits(self._read(np.array(tokens)[:, None])[:, -1])

    def extend(self, tokens: list[int]) -> Tensor:
        return self._logits(self._read(np.array([tokens]))[0])

    def truncate(self, length: int) -> None:
        self.length = length

    def _place_by_turning(self) -> None:
        head_dim, rotary = self.config.head_dim, {"base": self.config.rotary_base, "scaling": self.config.scaling}
        turns = rotary_turns(torch.empty(1, self.max_len, head_dim), torch.arange(self.max_len), **rotary)
        cos, sin = (part.numpy() for part in turns)  # each (max_len, head_dim // 2)
        # Turning (left, right) gives (left cos - right sin, right cos + left sin): both halves times cos, plus the
        # halves changed over times (-sin, sin).
        self.cosines = np.concatenate([cos, cos], axis=-1)  # (max_len, head_dim)
        self.sines = np.concatenate([-sin, sin], axis=-1)

    def _reserve(self, texts: int) -> None:
        c = self.config
        shape = (c.n_layers, texts, self.max_len, c.key_value_heads, c.head_dim)
        self.keys, self.values = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self.written = np.zeros((texts, self.max_len), np.int64)  # which step's which text wrote each place

    def _reorder(self, rows: list[int]) -> None:
        """Make text i what text rows[i] was. Beams share most of what they have read: only places where the two differ
        are copied, which after the first steps is the last few tokens."""
        held = self.keys.shape[1]
        if len(rows) != held:
            keys, values, written, length = self.keys, self.values, self.written, self.length
            self._reserve(len(rows))
            self.keys[:, :, :length] = keys[:, rows, :length]
            self.values[:, :, :length] = values[:, rows, :length]
            self.written[:, :length] = written[rows, :length]
        elif rows != list(range(held)):
            written = self.written[rows, : self.length]
            differs = (written != self.written[:, : self.length]).any(axis=0)  # (length,)
            if differs.any():
                start = int(differs.argmax())
                places = slice(start, self.length)
                self.keys[:, :, places] = self.keys[:, rows, places]
                self.values[:, :, places] = self.values[:, rows, places]
                self.written[:, : self.length] = written

    def _read(self, ids: np.ndarray) -> np.ndarray:
        """New tokens (texts, new_len) to their last hidden states (texts, new_len, d_model), after the final norm."""
        texts, new_len = ids.shape
        places = slice(self.length, self.length + new_len)
        self.clock += 1
        self.written[:, places] = self.clock * 1_000_000 + np.arange(texts)[:, None]
        x = self.weights.embedding[ids]  # (texts, new_len, d_model), a copy
        if self.config.scale_embeddings:
            x *= np.float32(self.config.d_model**0.5)
        if self.weights.places is not None:
            x += self.weights.places[places]
        mask = None
        if new_len > 1:  # a new token does not read those after it
            mask = np.triu(np.full((new_len, places.stop), -np.inf, np.float32), k=self.length + 1)
        for number, layer in enumerate(self.weights.layers):
            x += self._attend(number, layer, layer.attention_norm(x), places, mask)
            x += layer.feed_forward(layer.feed_forward_norm(x))
        self.length = places.stop
        return self.weights.final_norm(x)

    def _attend(self, number: int, layer: "_Layer", x: np.ndarray, places: slice, mask) -> np.ndarray:
        c, (texts, new_len, _) = self.config, x.shape
        kv_heads, group = c.key_value_heads, c.n_heads // c.key_value_heads
        query = layer.query(x).reshape(texts, new_len, c.n_heads, c.head_dim)
        key = layer.key(x).reshape(texts, new_len, kv_heads, c.head_dim)
        if self.cosines is not None:
            cos, sin = self.cosines[places, None], self.sines[places, None]  # (new_len, 1, head_dim)
            query, key = _turn(query, cos, sin), _turn(key, cos, sin)
        self.keys[number, :, places] = key
        self.values[number, :, places] = layer.value(x).reshape(key.shape)
        keys = self.keys[number, :, : places.stop].transpose(0, 2, 3, 1)  # (texts, kv_heads, head_dim, length)
        values = self.values[number, :, : places.stop].swapaxes(1, 2)  # (texts, kv_heads, length, head_dim)
        # The query heads of a group read the same keys: they stand beside each other as further queries.
        query = query.swapaxes(1, 2).reshape(texts, kv_heads, group * new_len, c.head_dim)
        scores = query @ keys  # (texts, kv_heads, group * new_len, length)
        scores *= np.float32(c.head_dim**-0.5)
        if mask is not None:
            scores += mask if group == 1 else np.tile(mask, (group, 1))
        context = _softmax(scores) @ values  # (texts, kv_heads, group * new_len, head_dim)
        context = context.reshape(texts, c.n_heads, new_len, c.head_dim).swapaxes(1, 2)
        return layer.out(context.reshape(texts, new_len, c.d_model))

    def _read_one(self, token: int) -> np.ndarray:
        """The same for one token of the only text: vectors instead of tables, and nothing is laid out anew."""
        c, place = self.config, self.length
        kv_heads, group = c.key_value_heads, c.n_heads // c.key_value_heads
        self.clock += 1
        self.written[0, place] = self.clock * 1_000_000
        x = self.weights.embedding[token].copy()  # (d_model,)
        if c.scale_embeddings:
            x *= np.float32(c.d_model**0.5)
        if self.weights.places is not None:
            x += self.weights.places[place]
        scale = np.float32(c.head_dim**-0.5)
        for number, layer in enumerate(self.weights.layers):
            normed = layer.attention_norm.of_one(x)
            query, key = layer.query(normed).reshape(-1, c.head_dim), layer.key(normed).reshape(-1, c.head_dim)
            if self.cosines is not None:
                cos, sin = self.cosines[place], self.sines[place]  # (head_dim,)
                query, key = _turn(query, cos, sin), _turn(key, cos, sin)
            self.keys[number, 0, place] = key
            self.values[number, 0, place] = layer.value(normed).reshape(-1, c.head_dim)
            keys = self.keys[number, 0, : place + 1].transpose(1, 2, 0)  # (kv_heads, head_dim, length)
            values = self.values[number, 0, : place + 1].swapaxes(0, 1)  # (kv_heads, length, head_dim)
            query *= scale
            weights = _softmax(query.reshape(kv_heads, group, c.head_dim) @ keys)  # (kv_heads, group, length)
            x += layer.out((weights @ values).reshape(-1))
            x += layer.feed_forward(layer.feed_forward_norm.of_one(x))
        self.length = place + 1
        return self.weights.final_norm.of_one(x)

    def _logits(self, hidden: np.ndarray) -> Tensor:
        """(n, d_model) to (n, vocab_size)."""
        if len(hidden) == 1:
            return torch.from_numpy(self.weights.head(hidden[0]))[None]
        return torch.from_numpy(self.weights.head(hidden))


@dataclass(frozen=True)
class _Weights:
    """A model's weights as arrays."""

    stamp: tuple  # changes when a weight is changed in place
    embedding: np.ndarray  # (vocab_size, d_model)
    places: np.ndarray | None  # (max_len, d_model), where positions are learned
    layers: list["_Layer"]
    final_norm: "_Norm"
    head: "_Linear"


_held: "weakref.WeakKeyDictionary[CausalLM, _Weights]" = weakref.WeakKeyDictionary()


def _weights(model: CausalLM) -> _Weights:
    """The model's weights, laid out once and kept as long as the model."""
    stamp = tuple((weight.data_ptr(), weight._version) for weight in model.parameters())
    held = _held.get(model)
    if held is None or held.stamp != stamp:
        copied = sum(weight.nbytes for weight in model.parameters()) <= MOST_COPIED
        decoder = model.decoder
        head = decoder.token_embedding if model.lm_head is None else model.lm_head
        learned = decoder.position_embedding
        held = _held[model] = _Weights(
            stamp,
            _array(decoder.token_embedding.weight),
            None if learned is None else _array(learned.weight),
            [_Layer(block, copied) for block in decoder.layers],
            _Norm(decoder.final_norm),
            _Linear(head, copied),
        )
    return held


class _Layer:
    """One block's weights as arrays, and its feed-forward part."""

    def __init__(self, block: torch.nn.Module, copied: bool) -> None:
        self.attention_norm, self.feed_forward_norm = _Norm(block.attention_norm), _Norm(block.feed_forward_norm)
        attention, network = block.attention, block.feed_forward
        self.query, self.key, self.value, self.out = (
            _Linear(part, copied)
            for part in (attention.query_proj, attention.key_proj, attention.value_proj, attention.out_proj)
        )
        self.gate = None if network.gate_proj is None else _Linear(network.gate_proj, copied)
        self.up, self.down = _Linear(network.up_proj, copied), _Linear(network.down_proj, copied)
        self.relu = network.activation is torch.nn.functional.relu

    def feed_forward(self, x: np.ndarray) -> np.ndarray:
        hidden = self.up(x)  # (texts, new_len, d_ff)
        if self.gate is not None:
            gate = self.gate(x)
            with np.errstate(over="ignore"):  # exp of a very negative gate is infinite, and the gate then 0
                hidden *= gate / (1 + np.exp(-gate))
        elif self.relu:
            np.maximum(hidden, 0, out=hidden)
        else:
            hidden *= 0.5 * (1 + np.tanh(GELU_SCALE * (hidden + np.float32(0.044715) * hidden**3)))
        return self.down(hidden)


class _Linear:
    def __init__(self, layer: torch.nn.Linear | torch.nn.Embedding, copied: bool) -> None:
        self.weight = _laid_out(_array(layer.weight).T, copied)  # (inputs, outputs)
        bias = getattr(layer, "bias", None)
        self.bias = None if bias is None else _array(bias)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (inputs,) or (..., inputs)."""
        y = x @ self.weight if x.ndim == 1 else self._of_rows(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)
        if self.bias is not None:
            y += self.bias
        return y

    def _of_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, inputs) to (n, outputs)."""
        return np.stack([row @ self.weight for row in rows]) if len(rows) <= FEW_ROWS else rows @ self.weight


class _Norm:
    """LayerNorm, or RMSNorm: the same without a mean and a shift."""

    def __init__(self, norm: torch.nn.Module) -> None:
        self.weight, self.eps = _array(norm.weight), np.float32(norm.eps)
        self.centred = isinstance(norm, torch.nn.LayerNorm)
        self.bias = _array(norm.bias) if self.centred and norm.bias is not None else None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.centred:
            x = x - x.mean(axis=-1, keepdims=True)
        size = np.einsum("...d,...d->...", x, x)[..., None] / np.float32(x.shape[-1])
        x = x * (self.weight / np.sqrt(size + self.eps))
        return x if self.bias is None else x + self.bias

    def of_one(self, x: np.ndarray) -> np.ndarray:
        """The same for one vector (d_model,)."""
        if self.centred:
            x = x - x.mean()
        x = x * self.weight * np.float32((x.dot(x) / x.shape[0] + self.eps) ** -0.5)
        return x if self.bias is None else x + self.bias


def _turn(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Turn each pair (left, right) of x (..., head_dim); see LeanReader._positions and engine.rotary."""
    half = x.shape[-1] // 2
    changed_over = np.concatenate([x[..., half:], x[..., :half]], axis=-1)
    return x * cos + changed_over * sin


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis, in the memory of `scores`."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _laid_out(weight: np.ndarray, copied: bool) -> np.ndarray:
    """(inputs, outputs) with the outputs of one input side by side: memory is then read from front to back."""
    return np.ascontiguousarray(weight) if copied else weight


def _array(tensor: Tensor) -> np.ndarray:
    """The same memory as a NumPy array."""
    return tensor.detach().numpy()
