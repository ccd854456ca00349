"""What a text must and must not hold, as a machine that reads tokens and knows how far it has come.

All phrases, required and banned, go into one automaton (Aho & Corasick 1975). Its node is the longest end of the text
that begins a phrase, so phrases may overlap, share tokens or stand inside each other and are still all seen. Beside
the node a state counts how often each required item has been met. From the start it is known for every state how few
tokens could still meet everything, so a search never walks where the rest no longer fits.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index

MOST_STATES = 200_000  # of the machine; more phrases than that could not be searched in a sensible time

Phrase = tuple[int, ...]


class UnsatisfiableConstraint(ValueError):  # noqa: N818 - the name is part of the public interface
    """What must be included cannot be: it does not fit, contradicts what is banned, or the model leaves no way."""


@dataclass(frozen=True)
class Item:
    """One thing that must be met: one of its phrases, starting at `times` different places."""

    phrases: tuple[Phrase, ...]
    times: int = 1


@dataclass(frozen=True)
class State:
    """Where a text stands: the automaton's node, and the places at which each item starts, as many as are needed."""

    node: int
    met: tuple[int, ...]


class Constraints:
    """The machine for one search.

    must_include: phrases, each a list of ids, or lists of phrases of which one must appear. A phrase (not a list of
    them) that is listed n times must start at n places. banned: phrases, none of which may stand in a row. Only new
    tokens count.
    Raises UnsatisfiableConstraint, before any search, for an item that holds an end token, that contradicts banned or
    no_repeat_ngram_size, or that does not fit in max_new_tokens.
    """

    def __init__(
        self,
        must_include: Sequence = (),
        banned: Sequence[Sequence[int]] = (),
        *,
        vocab_size: int,
        max_new_tokens: int,
        eos_ids: Iterable[int] = (),
        no_repeat_ngram_size: int = 0,
        prompt_ids: Sequence[int] = (),
    ) -> None:
        self.vocab_size, self.eos_ids = vocab_size, frozenset(eos_ids)
        self.banned = tuple(_read_phrase("banned", phrase, vocab_size) for phrase in banned)
        self.items = tuple(
            self._possible(item, no_repeat_ngram_size, list(prompt_ids))
            for item in _read_items(must_include, vocab_size)
        )
        self._children: list[dict[int, int]] = [{}]
        self._fail: list[int] = [0]
        self._ends: list[set[int]] = [set()]  # items of which a phrase ends at the node
        self._forbidden: list[bool] = [False]
        self._build()
        self._moves: dict[int, dict[int, int]] = {}
        self.start = State(0, (0,) * len(self.items))
        self.needed = self.remaining(self.start)
        if self.needed > max_new_tokens:
            raise UnsatisfiableConstraint(self._why_not(max_new_tokens))

    def after(self, state: State, token: int) -> State | None:
        """The state after one token more; None where that completes a banned phrase."""
        node = self.branches(state.node).get(token, 0)
        return self._at(node, state.met)

    def branches(self, node: int) -> dict[int, int]:
        """The tokens that lead anywhere but to the start, and where; every other token leads to node 0."""
        if node not in self._moves:
            moves: dict[int, int] = {} if node == 0 else dict(self.branches(self._fail[node]))
            self._moves[node] = moves | self._children[node]
        return self._moves[node]

    def satisfied(self, state: State) -> bool:
        return all(count >= item.times for count, item in zip(state.met, self.items))

    def remaining(self, state: State) -> float:
        """The fewest tokens after which everything can be met; infinite where nothing can help any more."""
        return 0 if self.satisfied(state) else self._distances.get(state, math.inf)

    def in_place(self, state: State) -> int:
        """Tokens of the required phrases that are there already: a text's bank in the search."""
        return int(self.needed - self.remaining(state))

    def _at(self, node: int, met: tuple[int, ...]) -> State | None:
        if self._forbidden[node]:
            return None
        if ends := self._ends[node]:
            met = tuple(min(count + (i in ends), item.times) for i, (count, item) in enumerate(zip(met, self.items)))
        return State(node, met)

    def _build(self) -> None:
        """The tree of all phrases, and for each node the longest proper end that also begins a phrase."""
        for number, item in enumerate(self.items):
            for phrase in item.phrases:
                self._ends[self._add(phrase)].add(number)
        for phrase in self.banned:
            self._forbidden[self._add(phrase)] = True
        waiting = deque(self._children[0].values())
        while waiting:
            node = waiting.popleft()
            for token, child in self._children[node].items():
                fail = self._fail[node]
                while fail and token not in self._children[fail]:
                    fail = self._fail[fail]
                self._fail[child] = self._children[fail].get(token, 0)
                waiting.append(child)
            # What ends at the shorter node ends here too; it is complete, because shorter nodes come first.
            self._ends[node] = self._ends[node] | self._ends[self._fail[node]]
            self._forbidden[node] = self._forbidden[node] or self._forbidden[self._fail[node]]

    def _add(self, phrase: Phrase) -> int:
        node = 0
        for token in phrase:
            if token not in self._children[node]:
                self._children[node][token] = len(self._children)
                self._children.append({})
                self._fail.append(0)
                self._ends.append(set())
                self._forbidden.append(False)
            node = self._children[node][token]
        return node

    @cached_property
    def _distances(self) -> dict[State, int]:
        """For every state that can be reached: the fewest tokens to a state where everything is met."""
        before: dict[State, list[State]] = {self.start: []}
        waiting = deque([self.start])
        while waiting:
            state = waiting.popleft()
            for after in self._followers(state):
                if after not in before:
                    before[after] = []
                    waiting.append(after)
                before[after].append(state)
            if len(before) > MOST_STATES:
                raise ValueError(
                    f"must_include must hold fewer or shorter phrases: {len(self.items)} items together have more "
                    f"than {MOST_STATES:,} states"
                )
        distances = {state: 0 for state in before if self.satisfied(state)}
        waiting = deque(distances)
        while waiting:
            state = waiting.popleft()
            for earlier in before[state]:
                if earlier not in distances:
                    distances[earlier] = distances[state] + 1
                    waiting.append(earlier)
        return distances

    def _followers(self, state: State) -> Iterator[State]:
        """Every state that one token more can lead to; an end token leads nowhere."""
        branches = self.branches(state.node)
        for token, node in branches.items():
            if token not in self.eos_ids and (after := self._at(node, state.met)) is not None:
                yield after
        if self.vocab_size > len(branches.keys() | {token for token in self.eos_ids if token < self.vocab_size}):
            yield State(0, state.met)  # where all other tokens lead

    def _possible(self, item: Item, n: int, prompt: list[int]) -> Item:
        """The item with the phrases that can be met at all; UnsatisfiableConstraint where none can."""
        reasons = {phrase: self._impossible(phrase, item.times, n, prompt) for phrase in item.phrases}
        possible = tuple(phrase for phrase, reason in reasons.items() if reason is None)
        if not possible:
            phrase, reason = next(iter(reasons.items()))
            raise UnsatisfiableConstraint(f"must_include must be possible, but {list(phrase)} {reason}")
        return Item(possible, item.times)

    def _impossible(self, phrase: Phrase, times: int, n: int, prompt: list[int]) -> str | None:
        """Why a phrase can never be written, or None."""
        if self.eos_ids & set(phrase):
            return "holds an end token, after which nothing is written"
        for run in self.banned:
            if any(phrase[i : i + len(run)] == run for i in range(len(phrase) - len(run) + 1)):
                return f"holds {list(run)}, which is banned"
        if n:
            runs = [phrase[i : i + n] for i in range(len(phrase) - n + 1)]
            held = {tuple(prompt[i : i + n]) for i in range(len(prompt) - n + 1)}
            if len(set(runs)) < len(runs) or (runs and times > 1) or held & set(runs):
                return f"would repeat {n} tokens in a row, which no_repeat_ngram_size={n} forbids"
        return None

    def _why_not(self, max_new_tokens: int) -> str:
        if self.needed == math.inf:
            return "must_include must be possible, but what is banned leaves no way to write all of it"
        needed = int(self.needed)
        return f"must_include must fit in max_new_tokens = {max_new_tokens}, but it needs at least {needed} tokens"


def _read_items(must_include: Sequence, vocab_size: int) -> list[Item]:
    """The required items. A phrase that is listed several times stands there once, with how often; a choice of phrases
    asks for one of them, however often it is listed."""
    counted: dict[tuple[bool, frozenset[Phrase]], int] = {}
    for entry in must_include:
        if isinstance(entry, (str, bytes)) or not hasattr(entry, "__iter__"):
            raise ValueError(f"must_include must hold phrases, each a list of token ids, got {entry!r}")
        entry = list(entry)
        one_of = bool(entry) and hasattr(entry[0], "__iter__")
        phrases = (_read_phrase("must_include", phrase, vocab_size) for phrase in (entry if one_of else [entry]))
        key = one_of, frozenset(phrases)
        counted[key] = 1 if one_of else counted.get(key, 0) + 1
    return [Item(tuple(sorted(_without_longer(phrases))), times) for (_, phrases), times in counted.items()]


def _without_longer(phrases: Iterable[Phrase]) -> list[Phrase]:
    """Without phrases that begin with another one: wherever they start, the shorter one has started too."""
    phrases = list(phrases)
    return [
        phrase for phrase in phrases if not any(other != phrase and phrase[: len(other)] == other for other in phrases)
    ]


def _read_phrase(name: str, phrase: Sequence[int], vocab_size: int) -> Phrase:
    try:
        ids = tuple(index(one) for one in phrase)
    except TypeError:
        raise ValueError(f"{name} must hold phrases, each a list of token ids, got {phrase!r}") from None
    if not ids or not all(0 <= one < vocab_size for one in ids):
        raise ValueError(
            f"{name} must hold phrases of one token or more, each from 0 to {vocab_size - 1}, got {list(ids)}"
        )
    return ids
