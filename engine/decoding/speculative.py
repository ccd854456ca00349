"""Speculative decoding: a small model drafts a few tokens, the large one checks them all in one reading.

Source: Leviathan, Kalman & Matias 2023, "Fast Inference from Transformers via Speculative Decoding", algorithm 1.
Reading five tokens at once costs the large model hardly more than reading one, because most of the time goes into
fetching its weights. A drafted token is kept with the probability min(1, p / q), where p is the large model's
probability and q the small one's; the first that is not is drawn anew from what p has more than q. What comes out is
distributed exactly as if the large model had written alone.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.decoding.ending import Decode, Ending, check_prompt
from engine.decoding.reading import open_reader
from engine.decoding.records import Generation, make_generation
from engine.decoding.settings import Filters
from engine.decoding.walking import Dice, draw


@dataclass(frozen=True)
class Round:
    """One draft and what became of it."""

    proposed: tuple[int, ...]  # the drafted tokens
    chances: tuple[float, ...]  # with which each of them was kept, as far as they were checked
    n_accepted: int
    token_id: int | None  # the large model's own token after them; None where the text ended before it
    new_ids: tuple[int, ...]  # what this round added to the text


@dataclass(frozen=True)
class SpeculativeGeneration(Generation):
    """A text written with a draft model, and how often the draft was right."""

    rounds: tuple[Round, ...] = field(default=(), kw_only=True)

    @property
    def acceptance(self) -> float:
        """The share of checked draft tokens that were kept, 0 where none was checked."""
        checked = sum(len(one.chances) for one in self.rounds)
        return sum(one.n_accepted for one in self.rounds) / checked if checked else 0.0

    @property
    def tokens_per_reading(self) -> float:
        """Tokens written for each reading of the large model."""
        return len(self.ids) / len(self.rounds) if self.rounds else 0.0


def speculative(
    model: object,
    draft: object,
    prompt_ids: Sequence[int],
    *,
    max_new_tokens: int,
    n_draft: int = 4,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical: float = 1.0,
    seed: int | torch.Generator | None = None,
    eos_id: int | Collection[int] | None = None,
    stop: str | Sequence[str] = (),
    decode: Decode | None = None,
    reading: str = "auto",
) -> SpeculativeGeneration:
    """Sample from `model` with the help of `draft`; with temperature=0, what `model` alone writes greedily.

    Both models must have the same vocabulary. n_draft: tokens that are drafted at a time. The filters act on both
    models alike; the others as in engine.decoding.sample. Other random numbers are drawn than by sample: the same seed
    gives another text, from the same distribution.
    Raises ValueError for vocabularies that differ and for impossible arguments.
    """
    filters = Filters(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, typical=typical)
    search = Speculation(model, draft, prompt_ids, max_new_tokens, n_draft, filters, seed, reading)
    rounds = tuple(search.rounds(Ending(eos_id, stop, decode)))
    text = make_generation(search.new_ids, search.log_prob, finished=search.finished)
    return SpeculativeGeneration(text.ids, text.log_prob, text.score, text.finished, rounds=rounds)


def speculative_rounds(
    model: object,
    draft: object,
    prompt_ids: Sequence[int],
    *,
    max_new_tokens: int,
    n_draft: int = 4,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical: float = 1.0,
    seed: int | torch.Generator | None = None,
    eos_id: int | Collection[int] | None = None,
    stop: str | Sequence[str] = (),
    decode: Decode | None = None,
    reading: str = "auto",
) -> Iterator[Round]:
    """The same, a record a round."""
    filters = Filters(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, typical=typical)
    search = Speculation(model, draft, prompt_ids, max_new_tokens, n_draft, filters, seed, reading)
    return search.rounds(Ending(eos_id, stop, decode))


class Speculation:
    """One text on its way; see speculative."""

    def __init__(self, model, draft, prompt_ids, max_new_tokens, n_draft, filters, seed, reading) -> None:
        if not isinstance(n_draft, int) or isinstance(n_draft, bool) or n_draft < 1:
            raise ValueError(f"n_draft must be a whole number of 1 or more, got {n_draft!r}")
        self.prompt = check_prompt(model, prompt_ids, max_new_tokens)
        _check_vocabularies(*(getattr(getattr(one, "config", None), "vocab_size", None) for one in (model, draft)))
        check_prompt(draft, prompt_ids, max_new_tokens)
        self.max_new_tokens, self.n_draft, self.filters = max_new_tokens, n_draft, filters
        self.dice = Dice(seed)
        room = len(self.prompt) + max_new_tokens
        self.large, self.small = (_Follower(one, self.prompt, room, reading) for one in (model, draft))
        _check_vocabularies(self.large.logits.shape[-1], self.small.logits.shape[-1])
        self.new_ids: list[int] = []
        self.log_prob, self.finished = 0.0, False

    def rounds(self, ending: Ending) -> Iterator[Round]:
        """Draft, check, go on from what stays; a record for each time."""
        while not self.finished and len(self.new_ids) < self.max_new_tokens:
            left = self.max_new_tokens - len(self.new_ids)
            ids = [*self.prompt, *self.new_ids]
            proposed, guesses = self._draft(ids, min(self.n_draft, left - 1), ending)
            beliefs = self.large.after(ids, proposed)  # (proposed + 1, vocab_size)
            accepted, chances, token = self._check(proposed, guesses, beliefs)
            added = []
            for place, one in enumerate([*proposed[:accepted], token]):
                added.append(one)
                self.new_ids.append(one)
                self.log_prob += beliefs[place].log_softmax(dim=-1)[one].item()
                self.finished = ending.reached(self.new_ids)
                if self.finished:
                    break
            own = token if len(added) == accepted + 1 else None
            yield Round(tuple(proposed), tuple(chances), accepted, own, tuple(added))

    def _draft(self, ids: list[int], n: int, ending: Ending) -> tuple[list[int], list[Tensor]]:
        """n tokens drawn from the small model, fewer where the text would end with one of them, and the distribution
        (vocab_size,) that each was drawn from."""
        proposed, guesses = [], []
        while len(proposed) < n and not (proposed and ending.reached([*self.new_ids, *proposed])):
            logits = self.small.after([*ids, *proposed], [])[-1]
            guesses.append(self._filtered(logits))
            proposed.append(draw(guesses[-1].log(), self.dice.roll()))
        return proposed, guesses

    def _check(self, proposed: list[int], guesses: list[Tensor], beliefs: Tensor) -> tuple[int, list[float], int]:
        """(how many drafted tokens stay, their chances, the token that the large model puts after them)."""
        chances = []
        for place, (token, guess) in enumerate(zip(proposed, guesses)):
            belief = self._filtered(beliefs[place])
            chances.append(min(1.0, (belief[token] / guess[token]).item()))
            if self.dice.roll() >= chances[-1]:
                more = (belief - guess).clamp(min=0)  # what the large model gives more than the small one
                return place, chances, draw((more / more.sum()).log(), self.dice.roll())
        return len(proposed), chances, draw(self._filtered(beliefs[-1]).log(), self.dice.roll())

    def _filtered(self, logits: Tensor) -> Tensor:
        """Probabilities (vocab_size,) after the filters. In double precision: shares are divided and subtracted."""
        return self.filters.apply(logits[None], [[]], [[]])[0].double().softmax(dim=-1)


def _check_vocabularies(large: int | None, small: int | None) -> None:
    """None: a model that does not say how many tokens it knows."""
    if None not in (large, small) and large != small:
        raise ValueError(f"draft must have the model's vocabulary of {large} tokens, got {small}")


class _Follower:
    """A reader that is told the whole text each time and reads only what is new, forgetting what was taken back."""

    def __init__(self, model: object, prompt: list[int], room: int, reading: str) -> None:
        self.reader = open_reader(model, room, reading=reading)
        self.read = list(prompt)
        self.logits = self.reader.start(prompt)[-1:]  # (1, vocab_size), after all that was read

    def after(self, ids: list[int], more: list[int]) -> Tensor:
        """The logits after `ids`, and after each of `more` behind them: (1 + len(more), vocab_size)."""
        wanted = [*ids, *more]
        same = next((i for i, (a, b) in enumerate(zip(self.read, wanted)) if a != b), min(len(self.read), len(wanted)))
        if same < len(self.read):
            same = min(same, len(ids) - 1)  # the logits after a token that stays are had by reading it again
            self.reader.truncate(same)
        new, known = wanted[same:], self.logits if same == len(self.read) else None
        self.read = wanted
        logits = self._next(new) if new else known
        if known is not None and new:
            logits = torch.cat([known, logits])
        self.logits = logits[-1:]
        return logits[-(1 + len(more)) :]

    def _next(self, new: list[int]) -> Tensor:
        """The logits after each new token; a reader has a quicker way for a single one."""
        return self.reader.advance(new, [0]) if len(new) == 1 else self.reader.extend(new)
