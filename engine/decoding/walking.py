"""Greedy decoding and sampling: one text (or several side by side), one token after the other.

Both walk the same loop; they differ in how the next token is chosen from what the filters leave.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from operator import index

import numpy as np
import torch
from torch import Tensor

from engine.decoding.ending import Decode, Ending, check_prompt
from engine.decoding.reading import open_reader
from engine.decoding.records import Candidate, Generation, TokenStep, make_generation
from engine.decoding.settings import Filters
from engine.threads import one_thread

N_CANDIDATES = 10
NEAR = 64  # tokens that are looked at before all of them are sorted


def greedy(
    model: object,
    prompt_ids: Sequence[int],
    *,
    max_new_tokens: int,
    eos_id: int | Collection[int] | None = None,
    repetition_penalty: float = 1.0,
    no_repeat_ngram_size: int = 0,
    banned: Sequence[Sequence[int]] = (),
    stop: str | Sequence[str] = (),
    decode: Decode | None = None,
    keep_steps: bool = False,
    reading: str = "auto",
) -> Generation:
    """Always take the likeliest token; of equally likely ones the first.

    model: anything with next_logits(ids (batch, seq_len)) -> (batch, vocab_size). banned: phrases, each a list of ids,
    none of which may stand in a row in what is written. stop: strings that end the text (decode turns ids into it).
    reading: see engine.decoding.reading.open_reader.
    Raises ValueError for an argument that is impossible, and where the filters leave no token.

    >>> class Next:  # always believes in the token after the last one
    ...     def next_logits(self, ids):
    ...         return torch.nn.functional.one_hot((ids[:, -1] + 1) % 5, 5).float()
    >>> greedy(Next(), [0], max_new_tokens=3).ids
    [1, 2, 3]
    """
    filters = Filters(repetition_penalty=repetition_penalty, no_repeat_ngram_size=no_repeat_ngram_size, banned=banned)
    walk = _Walk(model, prompt_ids, max_new_tokens, filters, None, Ending(eos_id, stop, decode), reading)
    return walk.run(keep_steps)[0]


def greedy_steps(
    model: object,
    prompt_ids: Sequence[int],
    *,
    max_new_tokens: int,
    eos_id: int | Collection[int] | None = None,
    repetition_penalty: float = 1.0,
    no_repeat_ngram_size: int = 0,
    banned: Sequence[Sequence[int]] = (),
    stop: str | Sequence[str] = (),
    decode: Decode | None = None,
    reading: str = "auto",
) -> Iterator[TokenStep]:
    """The same, a record a token."""
    filters = Filters(repetition_penalty=repetition_penalty, no_repeat_ngram_size=no_repeat_ngram_size, banned=banned)
    walk = _Walk(model, prompt_ids, max_new_tokens, filters, None, Ending(eos_id, stop, decode), reading)
    return (steps[0] for steps in walk.steps())


def sample(
    model: object,
    prompt_ids: Sequence[int],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical: float = 1.0,
    repetition_penalty: float = 1.0,
    no_repeat_ngram_size: int = 0,
    banned: Sequence[Sequence[int]] = (),
    seed: int | torch.Generator | None = None,
    eos_id: int | Collection[int] | None = None,
    num_return: int = 1,
    stop: str | Sequence[str] = (),
    decode: Decode | None = None,
    keep_steps: bool = False,
    reading: str = "auto",
) -> Generation | list[Generation]:
    """Draw each token from what the filters leave of the model's distribution, with its probability there.

    The filters act in the order of engine.decoding.settings.Filters. seed: the same one draws the same random numbers,
    one a token; None takes new ones each time. num_return: so many texts from one prompt, which is read once; a list
    when it is above 1. The first of them is the one that num_return=1 writes. The others as in greedy.
    """
    filters = Filters(repetition_penalty, no_repeat_ngram_size, banned, temperature, top_k, top_p, min_p, typical)
    if not isinstance(num_return, int) or isinstance(num_return, bool) or num_return < 1:
        raise ValueError(f"num_return must be a whole number of 1 or more, got {num_return!r}")
    dice = [Dice(seed, text) for text in range(num_return)]
    walk = _Walk(model, prompt_ids, max_new_tokens, filters, dice, Ending(eos_id, stop, decode), reading)
    found = walk.run(keep_steps)
    return found if num_return > 1 else found[0]


def sample_steps(
    model: object,
    prompt_ids: Sequence[int],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical: float = 1.0,
    repetition_penalty: float = 1.0,
    no_repeat_ngram_size: int = 0,
    banned: Sequence[Sequence[int]] = (),
    seed: int | torch.Generator | None = None,
    eos_id: int | Collection[int] | None = None,
    stop: str | Sequence[str] = (),
    decode: Decode | None = None,
    reading: str = "auto",
) -> Iterator[TokenStep]:
    """One text by sampling, a record a token."""
    filters = Filters(repetition_penalty, no_repeat_ngram_size, banned, temperature, top_k, top_p, min_p, typical)
    ending = Ending(eos_id, stop, decode)
    walk = _Walk(model, prompt_ids, max_new_tokens, filters, [Dice(seed)], ending, reading)
    return (steps[0] for steps in walk.steps())


class Dice:
    """The random numbers of one text: one in [0, 1) a token, in double precision, from a seed or a torch.Generator."""

    def __init__(self, seed: int | torch.Generator | None, text: int = 0) -> None:
        if isinstance(seed, torch.Generator):
            # Each text draws its own seed from the generator that was given, which moves on by that.
            seed = int(torch.randint(2**62, (), generator=seed, device=seed.device))
            text = 0
        self.generator = torch.Generator()
        if seed is None:
            self.generator.seed()
            return
        if not hasattr(seed, "__index__"):
            raise ValueError(f"seed must be a whole number, a torch.Generator or None, got {seed!r}")
        self.generator.manual_seed((index(seed) + 0x9E3779B97F4A7C15 * text) % 2**64)

    def roll(self) -> float:
        return torch.rand((), generator=self.generator, dtype=torch.float64).item()


def draw(log_probs: Tensor, share: float) -> int:
    """The token at `share` of the way through the distribution, the likeliest tokens standing first.

    log_probs (vocab_size,), normalised. share in [0, 1): a random one draws each token with its probability. Because
    the likely ones come first, two distributions that are nearly the same give nearly always the same token.

    >>> [draw(torch.tensor([0.2, 0.5, 0.3]).log(), share) for share in (0.0, 0.49, 0.51, 0.95)]
    [1, 1, 2, 0]
    """
    for n in (min(NEAR, log_probs.shape[-1]), log_probs.shape[-1]):
        ordered, order = log_probs.topk(n)
        cumulative = ordered.double().exp().cumsum(dim=-1)  # (n,)
        whole = 1.0 if n < log_probs.shape[-1] else cumulative[-1].item()
        place = int(torch.searchsorted(cumulative, share * whole, right=True))
        if place < n and ordered[place] > -torch.inf:
            return int(order[place])
    return int(order[int((ordered > -torch.inf).sum()) - 1])  # rounding at the very end


@dataclass
class _Text:
    """One of the texts that are being written."""

    dice: Dice | None
    ids: list[int]  # the prompt and what was written
    new_ids: list[int] = field(default_factory=list)
    log_prob: float = 0.0
    finished: bool = False
    steps: list[TokenStep] = field(default_factory=list)


class _Walk:
    """The loop. Texts that are finished are no longer read."""

    def __init__(self, model, prompt_ids, max_new_tokens, filters, dice, ending, reading) -> None:
        self.prompt = check_prompt(model, prompt_ids, max_new_tokens)
        self.max_new_tokens, self.filters, self.ending = max_new_tokens, filters, ending
        self.reader = open_reader(model, len(self.prompt) + max_new_tokens, reading=reading)
        self.texts = [_Text(one, list(self.prompt)) for one in dice or [None]]

    def run(self, keep_steps: bool) -> list[Generation]:
        """All texts to their ends."""
        for steps in self.steps(recorded=keep_steps):
            if keep_steps:
                for text, step in zip(self.texts, steps):
                    if step is not None:
                        text.steps.append(step)
        return [
            make_generation(text.new_ids, text.log_prob, finished=text.finished, steps=tuple(text.steps))
            for text in self.texts
        ]

    def steps(self, *, recorded: bool = True) -> Iterator[list[TokenStep | None]]:
        """One token for each text that goes on; a record for each, None for texts that had ended before."""
        going = list(range(len(self.texts)))
        logits = self.reader.start(self.prompt).expand(len(going), -1)  # (texts, vocab_size)
        for step in range(self.max_new_tokens):
            records: list[TokenStep | None] = [None] * len(self.texts)
            filtered = self._filter(logits, going)
            for row, number in enumerate(going):
                own = logits[row]
                left = own if filtered is logits else filtered[row]
                records[number] = self._choose(self.texts[number], step, own, left, recorded)
            yield records
            left = [row for row, number in enumerate(going) if not self.texts[number].finished]
            if not left or step + 1 == self.max_new_tokens:
                return
            going, before = [going[row] for row in left], len(going)
            rows = [0] * before if step == 0 else list(range(before))
            logits = self.reader.advance([self.texts[number].ids[-1] for number in going], [rows[row] for row in left])

    @one_thread()
    def _filter(self, logits: Tensor, going: list[int]) -> Tensor:
        if self.filters.changes_nothing:
            return logits
        texts = [self.texts[number] for number in going]
        return self.filters.apply(logits, [text.ids for text in texts], [text.new_ids for text in texts])

    @one_thread()
    def _choose(self, text: _Text, step: int, logits: Tensor, filtered: Tensor, recorded: bool) -> TokenStep | None:
        """Choose the next token of one text from its filtered logits (vocab_size,)."""
        share, plain = None, logits.cpu().numpy()  # for single numbers NumPy answers quicker than torch
        token = int(plain.argmax() if filtered is logits else filtered.argmax())
        if filtered[token] == -torch.inf:
            raise ValueError(_NOTHING_LEFT.format(step + 1))
        if text.dice is not None:
            share = text.dice.roll()
            token = draw(filtered.log_softmax(dim=-1), share)
        highest = plain.max()
        log_prob = float(plain[token] - highest - np.log(np.exp(plain - highest).sum()))
        text.log_prob += log_prob
        text.ids.append(token)
        text.new_ids.append(token)
        text.finished = self.ending.reached(text.new_ids)
        if not recorded:
            return None
        return describe(
            logits, filtered, token, step=step, total_log_prob=text.log_prob, draw=share, finished=text.finished
        )


_NOTHING_LEFT = "banned and no_repeat_ngram_size must leave a token to choose, and left none at step {}"


def describe(
    logits: Tensor,
    filtered: Tensor,
    token: int,
    *,
    step: int,
    total_log_prob: float,
    draw: float | None = None,
    finished: bool = False,
) -> TokenStep:
    """The record of a step that chose `token`: logits and filtered (vocab_size,), before and after the filters."""
    log_probs, kept = logits.log_softmax(dim=-1), filtered.log_softmax(dim=-1)
    probabilities, after = log_probs.exp(), kept.exp()
    best = log_probs.topk(min(N_CANDIDATES, len(log_probs))).indices.tolist()
    shown = best if token in best else [*best, token]
    return TokenStep(
        step=step,
        token_id=token,
        log_prob=log_probs[token].item(),
        filtered_log_prob=kept[token].item(),
        total_log_prob=total_log_prob,
        entropy=entropy(log_probs),
        filtered_entropy=entropy(kept),
        n_kept=int((filtered > -math.inf).sum()),
        kept_mass=probabilities[filtered > -math.inf].sum().item(),
        rank=int((log_probs > log_probs[token]).sum()),
        candidates=tuple(Candidate(one, probabilities[one].item(), after[one].item()) for one in shown),
        draw=draw,
        finished=finished,
    )


def entropy(log_probs: Tensor) -> float:
    """The expected surprise, in nats, of a distribution given by its log probabilities (vocab_size,)."""
    return -(log_probs.exp() * log_probs).nansum().item() + 0.0  # 0 times minus infinity counts as 0
