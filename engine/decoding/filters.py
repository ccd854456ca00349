"""Filters: what is done to the scores before a token is drawn. Each takes logits (batch, vocab_size), gives new ones.

A dropped token has the score minus infinity. The kept sets, ties included, are those of transformers' logits
processors; see the functions for what each does where tokens are equally likely. No argument is edited in place.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["banned", "min_p", "no_repeat_ngram", "repetition_penalty", "temperature", "top_k", "top_p", "typical"]

COLDEST = 1e-30  # temperatures below it count as 0: float32 scores divided by them are infinite


def temperature(logits: Tensor, t: float) -> Tensor:
    """Divide the scores by t: below 1 the likely become likelier, above 1 all become more alike.

    Source: Ackley, Hinton & Sejnowski 1985 (the temperature of a Boltzmann machine). t = 0 is the limit: only the
    first of the highest scores is kept, which is greedy decoding.

    >>> temperature(torch.tensor([[1.0, 2.0]]), 0.5).tolist()
    [[2.0, 4.0]]
    >>> temperature(torch.tensor([[2.0, 1.0, 2.0]]), 0).tolist()
    [[2.0, -inf, -inf]]
    """
    _check_share("t", t, high=math.inf)
    if t < COLDEST:
        first = logits.argmax(dim=-1, keepdim=True)  # (batch, 1)
        return torch.full_like(logits, -torch.inf).scatter(-1, first, logits.gather(-1, first))
    return logits / t


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k likeliest tokens, and every token that is as likely as the last of them (Fan et al. 2018).

    k = 0 keeps everything.

    >>> top_k(torch.tensor([[3.0, 1.0, 1.0, 0.0]]), 2).tolist()
    [[3.0, 1.0, 1.0, -inf]]
    """
    if not isinstance(k, int) or isinstance(k, bool) or k < 0:
        raise ValueError(f"k must be a whole number of 0 or more (0 keeps everything), got {k!r}")
    if k == 0:
        return logits.clone()
    last = torch.topk(logits, min(k, logits.shape[-1])).values[..., -1:]  # (batch, 1)
    return logits.masked_fill(logits < last, -torch.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of likeliest tokens that together have the probability p (Holtzman et al. 2020, section 3).

    The token that crosses p is kept, so one is always left; p = 1 keeps everything, p = 0 the likeliest alone. Of
    equally likely tokens at the edge as many are kept as are needed; which ones is left to the sorting.

    >>> (top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.6) > -torch.inf).tolist()
    [[True, True, False]]
    """
    _check_share("p", p)
    if p == 1:
        return logits.clone()
    ordered, order = torch.sort(logits, descending=False)
    cumulative = ordered.softmax(dim=-1).cumsum(dim=-1)  # (batch, vocab_size), from the least likely up
    dropped = cumulative <= 1 - p
    dropped[..., -1:] = False
    return logits.masked_fill(dropped.scatter(-1, order, dropped), -torch.inf)


def min_p(logits: Tensor, p: float) -> Tensor:
    """Drop what is less likely than p times the likeliest token (Nguyen et al. 2024). p = 0 keeps everything.

    >>> (min_p(torch.tensor([[0.6, 0.3, 0.1]]).log(), 0.4) > -torch.inf).tolist()
    [[True, True, False]]
    """
    _check_share("p", p)
    probabilities = logits.softmax(dim=-1)  # (batch, vocab_size)
    dropped = probabilities < p * probabilities.amax(dim=-1, keepdim=True)
    return logits.masked_fill(dropped.scatter(-1, probabilities.topk(1).indices, False), -torch.inf)


def typical(logits: Tensor, mass: float) -> Tensor:
    """Keep tokens whose surprise is nearest to the expected one, until they have the probability `mass`.

    Source: Meister et al. 2023, section 4. It may drop the likeliest token, where that is less surprising than usual.
    Tokens that are as far from the expected surprise as the last one kept are all kept; mass = 1 keeps everything.
    """
    if not _is_number(mass) or not 0 < mass <= 1:
        raise ValueError(f"mass must be above 0 and at most 1 (1 keeps everything), got {mass!r}")
    if mass == 1:
        return logits.clone()
    log_probs = logits.log_softmax(dim=-1)
    entropy = -(log_probs * log_probs.exp()).nansum(dim=-1, keepdim=True)  # (batch, 1)
    away = (-log_probs - entropy).abs()  # (batch, vocab_size): how far each surprise is from the expected one
    ordered, order = torch.sort(away, descending=False)
    cumulative = logits.gather(-1, order).softmax(dim=-1).cumsum(dim=-1)
    last = (cumulative < mass).sum(dim=-1, keepdim=True).clamp(max=logits.shape[-1] - 1)  # (batch, 1)
    dropped = ordered > ordered.gather(-1, last)
    dropped[..., :1] = False
    return logits.masked_fill(dropped.scatter(-1, order, dropped), -torch.inf)


def repetition_penalty(logits: Tensor, ids: Tensor | Sequence[Sequence[int]], penalty: float) -> Tensor:
    """Make tokens that stand in ids already less likely: positive scores are divided by penalty, others multiplied.

    Source: Keskar et al. 2019 (CTRL), section 4.1. Once for each distinct token; ids (batch, seq_len) hold the prompt
    too. 1 changes nothing.

    >>> repetition_penalty(torch.tensor([[2.0, -2.0, 1.0]]), [[0, 1, 1]], 2.0).tolist()
    [[1.0, -4.0, 1.0]]
    """
    if not _is_number(penalty) or not 0 < penalty < math.inf:
        raise ValueError(f"penalty must be a number above 0 (1 changes nothing), got {penalty!r}")
    ids = torch.as_tensor(ids, dtype=torch.int64, device=logits.device)  # (batch, seq_len)
    if penalty == 1 or not ids.shape[-1]:
        return logits.clone()
    seen = logits.gather(-1, ids)  # (batch, seq_len)
    return logits.scatter(-1, ids, torch.where(seen < 0, seen * penalty, seen / penalty))


def no_repeat_ngram(logits: Tensor, ids: Tensor | Sequence[Sequence[int]], n: int) -> Tensor:
    """Drop every token that would make n tokens in a row that stand in ids already (Paulus et al. 2018, section 2.5).

    n = 0 drops nothing, n = 1 every token seen.

    >>> no_repeat_ngram(torch.zeros(1, 4), [[1, 2, 3, 1]], 2).tolist()
    [[0.0, 0.0, -inf, 0.0]]
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ValueError(f"n must be a whole number of 0 or more (0 drops nothing), got {n!r}")
    kept = logits.clone()
    if n == 0:
        return kept
    rows = ids.tolist() if isinstance(ids, Tensor) else ids
    for row, tokens in enumerate(rows):
        if followers := ngram_followers(tokens, n):
            kept[row, sorted(followers)] = -torch.inf
    return kept


def ngram_followers(tokens: Sequence[int], n: int) -> set[int]:
    """The tokens that have followed the last n - 1 of `tokens` before."""
    tokens = list(tokens)
    if len(tokens) < n:
        return set()
    last = tokens[len(tokens) - n + 1 :]
    return {tokens[i + n - 1] for i in range(len(tokens) - n + 1) if tokens[i : i + n - 1] == last}


def banned(logits: Tensor, new_ids: Sequence[Sequence[int]], phrases: Sequence[Sequence[int]]) -> Tensor:
    """Drop every token that would complete one of the phrases, each a list of ids, in new_ids (batch, any length).

    >>> banned(torch.zeros(1, 3), [[1]], [[1, 2], [0]]).tolist()
    [[-inf, 0.0, -inf]]
    """
    for phrase in phrases:
        if max(phrase) >= logits.shape[-1]:
            raise ValueError(f"banned must hold token ids below {logits.shape[-1]}, got {list(phrase)}")
    kept = logits.clone()
    for row, tokens in enumerate(new_ids):
        tokens = list(tokens)
        for phrase in phrases:
            start = list(phrase[:-1])
            if len(tokens) >= len(start) and tokens[len(tokens) - len(start) :] == start:
                kept[row, phrase[-1]] = -torch.inf
    return kept


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _check_share(name: str, value: float, high: float = 1.0) -> None:
    if not _is_number(value) or not 0 <= value <= high or value == math.inf:
        upper = "" if high == math.inf else f" and at most {high:g}"
        raise ValueError(f"{name} must be a number of 0 or more{upper}, got {value!r}")
