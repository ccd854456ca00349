"""A language with a known entropy: what the best possible model would score on it can be worked out by hand.

Every word may be followed by four others, with the same four probabilities for each word but other followers. A model
that has learned nothing scores ln(vocab_size); one that knows the table of followers scores the entropy of the four
probabilities, and no model can do better.
"""

import math

import torch
from torch import Tensor

PROBABILITIES = (0.7, 0.15, 0.1, 0.05)  # of a word's four followers


def entropy(probabilities: tuple[float, ...] = PROBABILITIES) -> float:
    """The loss in nats that no model can beat, because the next word really is random (Shannon 1948).

    >>> round(entropy(), 4)
    0.9143
    """
    return -sum(p * math.log(p) for p in probabilities)


def make_followers(vocab_size: int, generator: torch.Generator) -> Tensor:
    """The table of followers, (4, vocab_size): row k holds each word's k-th follower.

    The words stand in a ring in random order, and each is followed by those at four fixed distances from it. So a
    word's followers differ, and every word is also the follower of four: all words are equally frequent, and a model
    that looks at no word cannot do better than ln(vocab_size).
    """
    ring = torch.randperm(vocab_size, generator=generator)  # (vocab_size,)
    distances = 1 + torch.randperm(vocab_size - 1, generator=generator)[: len(PROBABILITIES)]  # (n_followers,)
    places = (torch.arange(vocab_size) + distances[:, None]) % vocab_size  # (n_followers, vocab_size)
    followers = torch.empty_like(places)  # (n_followers, vocab_size)
    followers[:, ring] = ring[places]
    return followers


def sample_texts(followers: Tensor, batch: int, seq_len: int, generator: torch.Generator) -> Tensor:
    """Texts of the language, each from a random first word on: ids (batch, seq_len)."""
    size = (batch, seq_len)
    which = torch.multinomial(torch.tensor(PROBABILITIES), batch * seq_len, replacement=True, generator=generator)
    which = which.view(size)  # (batch, seq_len)
    ids = torch.randint(followers.shape[1], size, generator=generator)  # (batch, seq_len); the first column stays
    for place in range(1, seq_len):
        ids[:, place] = followers[which[:, place], ids[:, place - 1]]
    return ids
