"""Masks: which query may read which key.

A mask is a table of booleans, **True = may read**. Rows are queries (who reads), columns are keys (what is read).
torch itself is split on this: `F.scaled_dot_product_attention` agrees with us, `nn.MultiheadAttention` means the
opposite (True = blocked).
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def causal_mask(query_len: int, key_len: int | None = None) -> Tensor:
    """Each token may read itself and what came before it, never what comes after.

    With fewer queries than keys the queries are the *last* ones of the text, so the table is aligned at the bottom
    right. That is what reading on from a key/value cache needs: one new query may read every key so far.

    Source: "masked" attention in Vaswani et al. 2017, section 3.2.3.
    Returns bool (query_len, key_len). Raises ValueError for lengths under 0.

    >>> causal_mask(3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    >>> causal_mask(1, 3).int().tolist()
    [[1, 1, 1]]
    """
    key_len = query_len if key_len is None else key_len
    _check_length("query_len", query_len)
    _check_length("key_len", key_len)
    offset = key_len - query_len  # query i stands at place i + offset among the keys
    return torch.ones(query_len, key_len, dtype=torch.bool).tril(diagonal=offset)  # (query_len, key_len)


def padding_mask(lengths: Iterable[int] | Tensor, key_len: int) -> Tensor:
    """Texts of a batch differ in length and are filled up with padding; nobody may read the padding.

    It hides *keys*. The padded queries still compute something, which whoever uses the output has to ignore.

    lengths: the number of real tokens of each text. Returns bool (batch, 1, 1, key_len).
    Raises ValueError when a length does not lie between 0 and key_len.

    >>> padding_mask([2, 3], 3)[:, 0, 0].int().tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    _check_length("key_len", key_len)
    lengths = torch.as_tensor(lengths if isinstance(lengths, Tensor) else list(lengths))  # (batch,)
    if lengths.dim() != 1 or (lengths.numel() and (lengths.is_floating_point() or lengths.dtype == torch.bool)):
        raise ValueError(f"lengths must be one whole number for each text, got {lengths.tolist()}")
    if lengths.numel() and not bool(((lengths >= 0) & (lengths <= key_len)).all()):
        raise ValueError(f"lengths must lie between 0 and key_len = {key_len}, got {lengths.tolist()}")
    places = torch.arange(key_len, device=lengths.device)  # (key_len,)
    mask = places < lengths[:, None]  # (batch, key_len)
    return mask[:, None, None, :]  # (batch, 1, 1, key_len)


def sliding_window_mask(seq_len: int, window: int) -> Tensor:
    """Causal, and with a short memory: each token reads at most the last `window` tokens, itself included.

    Source: Beltagy et al. 2020 (Longformer), section 3.1, in the one-sided form that language models use.
    Returns bool (seq_len, seq_len). Raises ValueError for a window under 1.

    >>> sliding_window_mask(4, 2).int().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    """
    _check_length("seq_len", seq_len)
    if not isinstance(window, int) or window < 1:
        raise ValueError(f"window must be a whole number of 1 or more (a token always reads itself), got {window!r}")
    allowed = causal_mask(seq_len)  # (seq_len, seq_len)
    return allowed.triu(diagonal=1 - window)  # (seq_len, seq_len)


def prefix_mask(seq_len: int, prefix_len: int) -> Tensor:
    """The first `prefix_len` tokens are open to everyone, the rest is causal.

    This is how one model can read a question in both directions and still write the answer word by word.

    Source: the "prefix LM" of Raffel et al. 2020 (T5), section 3.2.1.
    Returns bool (seq_len, seq_len). Raises ValueError unless 0 <= prefix_len <= seq_len.

    >>> prefix_mask(4, 2).int().tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    """
    _check_length("seq_len", seq_len)
    if not isinstance(prefix_len, int) or not 0 <= prefix_len <= seq_len:
        raise ValueError(f"prefix_len must lie between 0 and seq_len = {seq_len}, got {prefix_len!r}")
    in_prefix = torch.arange(seq_len) < prefix_len  # (seq_len,)
    return causal_mask(seq_len) | in_prefix  # (seq_len, seq_len)


def _check_length(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} must be a whole number of 0 or more, got {value!r}")
