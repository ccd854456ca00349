"""A text that somebody else has chosen, seen with the model's eyes; and what greedy and beam search make of its length.

Nothing is decided here: the tokens are given, and the model says at each of them how likely it was (forced decoding).
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.decoding.beams import beam_search_steps
from engine.decoding.ending import check_prompt
from engine.decoding.reading import open_reader
from engine.decoding.records import BeamStep, TokenStep
from engine.decoding.walking import describe, greedy_steps


@dataclass(frozen=True)
class Followed:
    """Given tokens, one record each, and the logits (vocab_size,) of what would come next."""

    steps: tuple[TokenStep, ...]
    next_logits: Tensor

    @property
    def log_prob(self) -> float:
        return self.steps[-1].total_log_prob if self.steps else 0.0


def follow(model: object, prompt_ids: Sequence[int], ids: Sequence[int], *, reading: str = "auto") -> Followed:
    """What the model says of `ids` after the prompt: the log probability, rank and entropy at each token.

    The whole text is read once, whatever its length: every place gives the distribution of the token after it.
    Raises ValueError for ids that are no tokens of the model.

    >>> import torch
    >>> class Fair:  # believes that four tokens are equally likely, always
    ...     def next_logits(self, ids):
    ...         return torch.zeros(len(ids), 4)
    >>> round(follow(Fair(), [0], [1, 2]).log_prob, 4)  # two times the logarithm of a quarter
    -2.7726
    """
    prompt, given = check_prompt(model, prompt_ids, max(1, len(ids))), list(ids)
    if given:
        check_prompt(model, given, 1)
    reader = open_reader(model, len(prompt) + len(given), reading=reading)
    logits = [reader.start(prompt)[0]]  # each (vocab_size,)
    if given:
        logits.extend(reader.extend(given))
    steps: list[TokenStep] = []
    for place, token in enumerate(given):
        own, total = logits[place], steps[-1].total_log_prob if steps else 0.0
        total += own.log_softmax(dim=-1)[token].item()
        steps.append(describe(own, own, token, step=place, total_log_prob=total))
    return Followed(tuple(steps), logits[-1])


@dataclass(frozen=True)
class Rival:
    """The best text of a given length that one way of searching has found."""

    name: str  # "greedy", "beam 4", ...
    ids: tuple[int, ...]
    log_prob: float


class Rivals:
    """What greedy decoding and beam searches write after one prompt, at any number of tokens up to `longest`.

    An end token does not end them here, so that all texts have the same number of tokens and their log probabilities
    can be compared. Each goes on from where it was: a longer text costs only the steps that were not taken yet. May be
    shared between threads.
    """

    def __init__(self, model: object, prompt_ids: Sequence[int], *, longest: int, beams: Sequence[int] = (4, 16)):
        self.longest = longest
        self._lock = threading.Lock()
        walk = greedy_steps(model, prompt_ids, max_new_tokens=longest)
        searches = {
            f"beam {n}": beam_search_steps(model, prompt_ids, num_beams=n, max_new_tokens=longest) for n in beams
        }
        self._runs = {"greedy": (_greedy_bests(walk), []), **{n: (_beam_bests(s), []) for n, s in searches.items()}}

    def at(self, n_tokens: int) -> list[Rival]:
        """Each one's best text of n_tokens. Raises ValueError for less than 1 or more than `longest`."""
        return [self.one(name, n_tokens) for name in self._runs]

    def one(self, name: str, n_tokens: int) -> Rival:
        """The same for one of them alone, which asks nothing of the others."""
        if not 1 <= n_tokens <= self.longest:
            raise ValueError(f"n_tokens must be from 1 to {self.longest}, got {n_tokens!r}")
        if name not in self._runs:
            raise ValueError(f"name must be one of {', '.join(self._runs)}, got {name!r}")
        bests, held = self._runs[name]
        with self._lock:
            while len(held) < n_tokens:
                held.append(next(bests))
        return Rival(name, *held[n_tokens - 1])


def _greedy_bests(steps: Iterator[TokenStep]) -> Iterator[tuple[tuple[int, ...], float]]:
    """The text and its log probability after each step."""
    ids: tuple[int, ...] = ()
    for step in steps:
        ids += (step.token_id,)
        yield ids, step.total_log_prob


def _beam_bests(steps: Iterator[BeamStep]) -> Iterator[tuple[tuple[int, ...], float]]:
    """The likeliest text after each step; all have the same length, so no length penalty could change which it is."""
    texts: dict[int, tuple[int, ...]] = {0: ()}
    for step in steps:
        kept = [one for one in step.candidates if one.status in ("kept", "finished")]
        texts = {one.node: (*texts[one.parent], one.token_id) for one in kept}
        best = max(kept, key=lambda one: one.total_log_prob)
        yield texts[best.node], best.total_log_prob
