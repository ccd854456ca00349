"""Beam search: several texts grow side by side, and after each token only the likeliest stay.

The plain search follows transformers' `_beam_search` number by number. With required phrases the texts stand in banks
by how many of the required tokens they hold already, and each bank keeps its best ones (Post & Vilar 2018, dynamic beam
allocation): a text that has begun a rare phrase does not have to outdo those that have not.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.decoding import filters
from engine.decoding.constraints import Constraints, State, UnsatisfiableConstraint
from engine.decoding.ending import Decode, Ending, check_prompt
from engine.decoding.reading import open_reader
from engine.decoding.records import BeamCandidate, BeamStep, Generation, make_generation
from engine.threads import one_thread

MOST_TRIED = 512  # beams up to which a search whose beams all ran into zero probabilities is tried again
MOST_PENALTY = 50  # a power of the length that a number can still hold
SHOWN = 4  # pruned candidates that a record holds for each beam


def beam_search(
    model: object,
    prompt_ids: Sequence[int],
    *,
    num_beams: int,
    max_new_tokens: int,
    length_penalty: float = 1.0,
    early_stopping: bool | str = False,
    eos_id: int | Collection[int] | None = None,
    must_include: Sequence = (),
    banned: Sequence[Sequence[int]] = (),
    no_repeat_ngram_size: int = 0,
    num_return: int | None = None,
    stop: str | Sequence[str] = (),
    decode: Decode | None = None,
    keep_steps: bool = False,
    reading: str = "auto",
) -> list[Generation]:
    """The best texts that a beam search finds, best first.

    Source: Graves 2012 (for the search); transformers 5 for its ends. A finished text is compared by its score, the
    sum of its log probabilities divided by length ** length_penalty; the length counts new tokens and the end token.
    Above 0 the penalty favours long texts, 0 compares the plain sums. early_stopping: True ends the search when
    num_beams texts are finished; False when the best one going on could not beat the worst finished one at its present
    length; "never" reckons with the longest length it might still have.

    must_include: phrases, each a list of ids, or lists of phrases of which one must appear; no text ends before all are
    met. banned: phrases, none of which may appear. num_return: at most so many; all num_beams unless given.
    Raises UnsatisfiableConstraint (a ValueError) for what cannot be met, before the search where that can be known.

    >>> class Coin:  # heads is a little likelier, always
    ...     def next_logits(self, ids):
    ...         return torch.tensor([[0.6, 0.4]]).log().expand(len(ids), -1)
    >>> [found.ids for found in beam_search(Coin(), [0], num_beams=2, max_new_tokens=2)]
    [[0, 0], [0, 1]]
    >>> beam_search(Coin(), [0], num_beams=1, max_new_tokens=3, must_include=[[1, 1]])[0].ids
    [1, 1, 0]
    """
    search = BeamSearch(
        model,
        prompt_ids,
        num_beams=num_beams,
        max_new_tokens=max_new_tokens,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        eos_id=eos_id,
        must_include=must_include,
        banned=banned,
        no_repeat_ngram_size=no_repeat_ngram_size,
        stop=stop,
        decode=decode,
        reading=reading,
    )
    whole = isinstance(num_return, int) and not isinstance(num_return, bool)
    if num_return is not None and not (whole and 1 <= num_return <= num_beams):
        raise ValueError(f"num_return must be from 1 to num_beams = {num_beams}, got {num_return!r}")
    steps = tuple(search.steps(recorded=keep_steps))
    return [replace(found, steps=steps if keep_steps else ()) for found in search.found()[:num_return]]


def beam_search_steps(model: object, prompt_ids: Sequence[int], **settings) -> Iterator[BeamStep]:
    """The same search, a record a token. settings: those of beam_search but num_return and keep_steps."""
    return BeamSearch(model, prompt_ids, **settings).steps()


@dataclass(frozen=True)
class _Hypothesis:
    """A text that goes on."""

    node: int
    ids: tuple[int, ...]
    log_prob: float
    total: float  # the same sum as the search compares it: added up in float32, as transformers does
    state: State
    row: int = 0  # of the step before


@dataclass(frozen=True)
class _Choice:
    """One hypothesis with one token more, before it is decided what becomes of it."""

    parent: _Hypothesis
    row: int
    token: int
    log_prob: float
    total: float
    bank: int
    state: State
    ends: bool


class BeamSearch:
    """One search: `steps()` runs it, a record a token; `found()` gives the texts, best first, once it has ended.

    Arguments as in beam_search.
    """

    def __init__(
        self,
        model: object,
        prompt_ids: Sequence[int],
        *,
        num_beams: int,
        max_new_tokens: int,
        length_penalty: float = 1.0,
        early_stopping: bool | str = False,
        eos_id: int | Collection[int] | None = None,
        must_include: Sequence = (),
        banned: Sequence[Sequence[int]] = (),
        no_repeat_ngram_size: int = 0,
        stop: str | Sequence[str] = (),
        decode: Decode | None = None,
        reading: str = "auto",
    ) -> None:
        for name, value, least in (("num_beams", num_beams, 1), ("no_repeat_ngram_size", no_repeat_ngram_size, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}")
        number = isinstance(length_penalty, (int, float)) and not isinstance(length_penalty, bool)
        if not number or not -MOST_PENALTY <= length_penalty <= MOST_PENALTY:
            raise ValueError(f"length_penalty must be a number within {MOST_PENALTY} of 0, got {length_penalty!r}")
        if not isinstance(early_stopping, bool) and early_stopping != "never":
            raise ValueError(f'early_stopping must be True, False or "never", got {early_stopping!r}')
        self.prompt = check_prompt(model, prompt_ids, max_new_tokens)
        self.model, self.reading, self.ending = model, reading, Ending(eos_id, stop, decode)
        self.num_beams, self.max_new_tokens = num_beams, max_new_tokens
        self.length_penalty, self.early_stopping = length_penalty, early_stopping
        self.must_include, self.banned, self.ngram = must_include, banned, no_repeat_ngram_size
        self.constraints: Constraints | None = None  # known once the vocabulary is
        self.beams = num_beams  # of the try that is under way
        self._held: list[tuple[float, int, Generation]] = []  # (score, node, text), best first
        self._live: list[_Hypothesis] = []
        self._next_node, self._dropped = 1, False

    def found(self) -> list[Generation]:
        """The finished texts, best first; at most num_beams."""
        return [text for _, _, text in self._held[: self.num_beams]]

    def steps(self, *, recorded: bool = True) -> Iterator[BeamStep]:
        """Run the search. Where all beams end in zero probabilities it starts again with more of them."""
        while True:
            yield from self._try(recorded)
            if self._held:
                return
            if not self._dropped or self.beams >= MOST_TRIED:
                raise UnsatisfiableConstraint(
                    "must_include, banned and no_repeat_ngram_size must leave a text of some probability, and "
                    "the model has none for what they allow"
                )
            self.beams = min(4 * self.beams, MOST_TRIED)

    def _try(self, recorded: bool) -> Iterator[BeamStep]:
        reader = open_reader(self.model, len(self.prompt) + self.max_new_tokens, reading=self.reading)
        logits = reader.start(self.prompt)  # (1, vocab_size)
        if self.constraints is None:
            self.constraints = self._make_constraints(logits.shape[-1])
        self._held, self._dropped, self._next_node = [], False, 1
        self._live = [_Hypothesis(0, (), 0.0, 0.0, self.constraints.start)]
        for step in range(self.max_new_tokens):
            choices, n_considered = self._choices(logits, step)
            kept, finished = self._allot(choices, step)
            record = self._advance(step, choices, kept, finished, n_considered, recorded)
            record = replace(record, ended=self._ended(step))
            yield record
            if record.ended:
                return
            logits = reader.advance([one.ids[-1] for one in self._live], [one.row for one in self._live])

    def _make_constraints(self, vocab_size: int) -> Constraints:
        return Constraints(
            self.must_include,
            self.banned,
            vocab_size=vocab_size,
            max_new_tokens=self.max_new_tokens,
            eos_ids=self.ending.eos_ids,
            no_repeat_ngram_size=self.ngram,
            prompt_ids=self.prompt,
        )

    @one_thread()
    def _choices(self, logits: Tensor, step: int) -> tuple[dict[int, list[_Choice]], int]:
        """For each bank its best continuations, best first; and how many there are at all."""
        log_probs = logits.log_softmax(dim=-1)  # (live, vocab_size)
        if self.ngram:
            log_probs = filters.no_repeat_ngram(log_probs, [[*self.prompt, *one.ids] for one in self._live], self.ngram)
        banks = torch.zeros(log_probs.shape, dtype=torch.int32)  # (live, vocab_size)
        constrained = bool(self.constraints.items or self.constraints.banned)
        if constrained:
            log_probs = log_probs.clone()
            for row, one in enumerate(self._live):
                self._constrain(log_probs[row], banks[row], one.state, self.max_new_tokens - step - 1)
        scores = torch.tensor([one.total for one in self._live], device=log_probs.device)  # (live,)
        totals = log_probs + scores[:, None]  # (live, vocab_size)
        if (
            len(self._live) < self.beams
        ):  # always num_beams rows, so that equal scores are told apart as transformers does
            totals = torch.nn.functional.pad(totals, (0, 0, 0, self.beams - len(self._live)), value=-torch.inf)
            banks = torch.nn.functional.pad(banks, (0, 0, 0, self.beams - len(self._live)))
        wanted = max(2, 1 + len(self.ending.eos_ids)) * self.beams
        possible = totals > -torch.inf
        found = {}
        for bank in banks[possible].unique().tolist() if self.constraints.items else [0]:
            own = totals.masked_fill(banks != bank, -torch.inf) if self.constraints.items else totals
            best = own.flatten().topk(min(wanted, own.numel()))
            pairs = zip(best.values.tolist(), best.indices.tolist())
            found[bank] = [
                self._choice(place, total, log_probs, bank, step) for total, place in pairs if total > -torch.inf
            ]
        return {bank: choices for bank, choices in found.items() if choices}, int(possible.sum())

    def _choice(self, place: int, total: float, log_probs: Tensor, bank: int, step: int) -> _Choice:
        row, token = divmod(place, log_probs.shape[-1])
        parent = self._live[row]
        state = self.constraints.after(parent.state, token)
        ends = step + 1 == self.max_new_tokens or self.ending.reached((*parent.ids, token))
        return _Choice(parent, row, token, log_probs[row, token].item(), total, bank, state, ends)

    def _constrain(self, log_probs: Tensor, banks: Tensor, state: State, left: int) -> None:
        """Write one hypothesis's banks (vocab_size,), and minus infinity where a token must not or cannot follow.

        left: tokens that may still come after this one.
        """
        machine = self.constraints
        elsewhere = State(0, state.met)  # where every token leads that continues no phrase
        if machine.items:
            if machine.remaining(elsewhere) > left:
                log_probs_of_branches = {token: log_probs[token].item() for token in machine.branches(state.node)}
                log_probs.fill_(-torch.inf)
                for token, value in log_probs_of_branches.items():
                    log_probs[token] = value
            else:
                banks.fill_(machine.in_place(elsewhere))
        for token in machine.branches(state.node):
            after = machine.after(state, token)
            if after is None or (machine.items and machine.remaining(after) > left):
                log_probs[token] = -torch.inf
            elif machine.items:
                banks[token] = machine.in_place(after)
        if not machine.satisfied(state):
            for token in self.ending.eos_ids:
                if token < len(log_probs):
                    log_probs[token] = -torch.inf

    def _allot(self, choices: dict[int, list[_Choice]], step: int) -> tuple[list[_Choice], list[_Choice]]:
        """(going on, finished): each bank in turn, the fullest first, gives its next best until all beams are taken.

        Of each bank only the best num_beams may finish; the others stand behind them so that enough can go on.
        A stop string ends a text only where everything required is met.
        """
        finished, waiting = [], {}
        for bank in sorted(choices, reverse=True):
            ending = [one for one in choices[bank][: self.beams] if one.ends and self.constraints.satisfied(one.state)]
            finished += ending
            going_on = [one for one in choices[bank] if not one.ends or not self.constraints.satisfied(one.state)]
            waiting[bank] = going_on if step + 1 < self.max_new_tokens else []
        kept: list[_Choice] = []
        for turn in range(self.beams):
            for bank in waiting:
                if turn < len(waiting[bank]) and len(kept) < self.beams:
                    kept.append(waiting[bank][turn])
        self._dropped |= sum(map(len, waiting.values())) > len(kept)
        return sorted(kept, key=lambda one: -one.total), sorted(finished, key=lambda one: -one.total)

    def _advance(
        self,
        step: int,
        choices: dict[int, list[_Choice]],
        kept: list[_Choice],
        finished: list[_Choice],
        n_considered: int,
        recorded: bool,
    ) -> BeamStep:
        """Make the kept choices the hypotheses of the next step, hold the finished ones, and say what was done."""
        nodes: dict[tuple[int, int], int] = {}
        for one in [*kept, *finished]:
            nodes[one.row, one.token] = self._next_node
            self._next_node += 1
        scores = {}
        for one in finished:
            ids, log_prob = [*one.parent.ids, one.token], one.parent.log_prob + one.log_prob
            text = make_generation(ids, log_prob, finished=self.ending.reached(ids), length_penalty=self.length_penalty)
            node = nodes[one.row, one.token]
            scores[node] = one.total / len(ids) ** self.length_penalty
            self._held.append((scores[node], node, text))
        self._held.sort(key=lambda held: -held[0])
        del self._held[self.beams :]
        self._live = [
            _Hypothesis(
                nodes[one.row, one.token],
                (*one.parent.ids, one.token),
                one.parent.log_prob + one.log_prob,
                one.total,
                one.state,
                one.row,
            )
            for one in kept
        ]
        looked_at = self._looked_at(choices, kept, finished, nodes, scores) if recorded else ()
        held = tuple(node for _, node, _ in self._held)
        return BeamStep(step, self.beams, looked_at, held, n_considered)

    def _looked_at(
        self,
        choices: dict[int, list[_Choice]],
        kept: list[_Choice],
        finished: list[_Choice],
        nodes: dict[tuple[int, int], int],
        scores: dict[int, float],
    ) -> tuple[BeamCandidate, ...]:
        """The step's candidates, best first: all that were kept or finished, and the best of those that were not."""
        status = {(one.row, one.token): "kept" for one in kept}
        status |= {(one.row, one.token): "finished" for one in finished}
        ranked = sorted((one for some in choices.values() for one in some), key=lambda one: -one.total)
        pruned, made, node = 0, [], self._next_node
        for rank, one in enumerate(ranked):
            place = one.row, one.token
            if place not in status:
                pruned += 1
                if pruned > SHOWN * self.beams:
                    continue
            if place not in nodes:
                nodes[place], node = node, node + 1
            made.append(
                BeamCandidate(
                    node=nodes[place],
                    parent=one.parent.node,
                    token_id=one.token,
                    log_prob=one.log_prob,
                    total_log_prob=one.parent.log_prob + one.log_prob,
                    rank=rank,
                    status=status.get(place, "pruned"),
                    bank=one.bank,
                    met=one.state.met,
                    score=scores.get(nodes[place]),
                    row=one.row,
                )
            )
        self._next_node = node
        return tuple(made)

    def _ended(self, step: int) -> str | None:
        """Why the search ends after this step, or None."""
        if step + 1 == self.max_new_tokens:
            return "length"
        if not self._live:
            return "nothing left"
        if len(self._held) < self.beams:
            return None
        if self.early_stopping is True:
            return "full"
        longest = self.early_stopping == "never" and self.length_penalty > 0
        length = self.max_new_tokens if longest else step + 1
        best = self._live[0].total / length**self.length_penalty
        return None if best > self._held[-1][0] else "no better"
