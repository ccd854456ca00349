"""Several strategies write on from the same prompt in lockstep: each in turn gets one token further.

Nothing is decided here: a lane is `greedy_steps`, `sample_steps` or a `BeamSearch`, and a turn asks it for its next
record. What is here is the bookkeeping that lets somebody look at all of them at any moment, and the places where their
texts part.
"""

import bisect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from engine.decoding.beams import BeamSearch
from engine.decoding.reading import open_reader
from engine.decoding.records import BeamStep, TokenStep
from engine.decoding.settings import Filters
from engine.decoding.walking import entropy, greedy_steps, sample_steps

KINDS = ("greedy", "sample", "beam")


@dataclass(frozen=True)
class Lane:
    """How one of the texts is to be written."""

    name: str
    kind: str  # "greedy", "sample" or "beam"
    filters: Filters = field(default_factory=Filters)  # of a sample
    num_beams: int = 1
    must_include: tuple[tuple[int, ...], ...] = ()  # of a beam search: one of these must appear

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")


@dataclass(frozen=True)
class RaceConfig:
    """One race. The same config writes the same texts."""

    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    seed: int
    lanes: tuple[Lane, ...]
    eos_id: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """What one lane has written so far. Never changed, only replaced: it can be read while the race goes on."""

    ids: tuple[int, ...] = ()
    log_prob: float = 0.0  # the sum over ids, natural, under the model's own distribution
    entropies: tuple[float, ...] = ()  # of the model's distribution at each token, in nats; of a beam only at its end
    draws: tuple[float, ...] = ()  # the random numbers of a sample
    steps: int = 0
    step_seconds: float = 0.0  # of one step of this lane alone, the median
    ended: str | None = None  # "end token", "stop string", "length", or "problem"; None while it goes on
    problem: str = ""

    @property
    def tokens_per_second(self) -> float:
        return 1 / self.step_seconds if self.step_seconds else 0.0


class Race:
    """One race under way. `turns()` runs it; `texts`, one a lane, says where it stands."""

    def __init__(self, model: object, config: RaceConfig, decode: Callable[[list[int]], str] | None = None) -> None:
        """model: anything with next_logits. decode: ids to text; needed where the config has a stop string."""
        if not config.lanes:
            raise ValueError("lanes must hold at least one strategy, got none")
        self.model, self.config, self.decode = model, config, decode
        self.texts: list[Text] = [Text() for _ in config.lanes]
        self._took: list[list[float]] = [[] for _ in config.lanes]  # the seconds of each lane's steps, in order of size

    def turns(self) -> Iterator[int]:
        """One token for each lane in turn until all have ended; each time the number of the lane that has moved.

        A lane whose settings cannot be met ends with its sentence; the others go on.
        """
        runners = [self._runner(lane) for lane in self.config.lanes]
        while any(text.ended is None for text in self.texts):
            for number, runner in enumerate(runners):
                if self.texts[number].ended is None:
                    self._advance(number, runner)
                    yield number

    def run(self) -> "Race":
        """The whole race at once."""
        for _ in self.turns():
            pass
        return self

    def _runner(self, lane: Lane) -> Iterator[Text]:
        return self._search(lane) if lane.kind == "beam" else self._walk(lane)

    def _advance(self, number: int, runner: Iterator[Text]) -> None:
        before, took, began = self.texts[number], self._took[number], time.perf_counter()
        try:
            after = next(runner)
        except ValueError as error:
            after = replace(before, ended="problem", problem=str(error))
        bisect.insort(took, time.perf_counter() - began)
        # The median, because a server does other things too, and some steps wait for them.
        self.texts[number] = replace(after, step_seconds=took[len(took) // 2])

    def _common(self) -> dict[str, object]:
        config = self.config
        ending = {"eos_id": config.eos_id, "stop": config.stop, "decode": self.decode}
        return {"max_new_tokens": config.max_new_tokens, **ending}

    def _walk(self, lane: Lane) -> Iterator[Text]:
        """Greedy decoding or sampling: the text after each token."""
        config, text = self.config, Text()
        if lane.kind == "greedy":
            steps = greedy_steps(self.model, config.prompt_ids, **self._common())
        else:
            steps = sample_steps(
                self.model, config.prompt_ids, seed=config.seed, **vars(lane.filters), **self._common()
            )
        for step in steps:
            text = _with_token(text, step)
            yield replace(text, ended=self._why(text.ids, step.finished))

    def _search(self, lane: Lane) -> Iterator[Text]:
        """Beam search: after each step the hypothesis that is best now, which another may overtake."""
        search = BeamSearch(
            self.model,
            self.config.prompt_ids,
            num_beams=lane.num_beams,
            must_include=(lane.must_include,) if lane.must_include else (),
            **self._common(),
        )
        tree = _Tree()
        for step in search.steps():
            tree.grow(step)
            if step.ended is None:
                ids, log_prob = tree.best()
                yield Text(ids, log_prob, steps=step.step + 1)
        best = search.found()[0]
        ids = tuple(best.ids)
        entropies = self._entropies(ids)
        yield Text(ids, best.log_prob, entropies, steps=step.step + 1, ended=self._why(ids, best.finished))

    def _entropies(self, ids: tuple[int, ...]) -> tuple[float, ...]:
        """The entropy of the model's distribution at each place of a finished text, read once more."""
        reader = open_reader(self.model, len(self.config.prompt_ids) + len(ids))
        first = reader.start(self.config.prompt_ids)  # (1, vocab_size)
        rows = [first[0], *(reader.extend(ids[:-1]) if len(ids) > 1 else ())]
        return tuple(entropy(row.log_softmax(dim=-1)) for row in rows)

    def _why(self, ids: tuple[int, ...], finished: bool) -> str | None:
        if finished:
            return "end token" if ids[-1] == self.config.eos_id else "stop string"
        return "length" if len(ids) == self.config.max_new_tokens else None


def _with_token(text: Text, step: TokenStep) -> Text:
    return replace(
        text,
        ids=(*text.ids, step.token_id),
        log_prob=step.total_log_prob,
        entropies=(*text.entropies, step.entropy),
        draws=text.draws if step.draw is None else (*text.draws, step.draw),
        steps=text.steps + 1,
    )


class _Tree:
    """The hypotheses of a beam search, from its records."""

    def __init__(self) -> None:
        self.nodes: dict[int, tuple[int, int, float]] = {}  # node: (parent, token, log probability so far)
        self.leaves: list[tuple[float, int]] = []  # (log probability a token, node): the best one of each sort
        self.scores: dict[int, float] = {}

    def grow(self, step: BeamStep) -> None:
        """Takes in the record of one step."""
        if step.step == 0:  # the first one, or the search has begun anew with more beams
            self.nodes, self.scores = {}, {}
        going_on = []  # best first, and all of one length
        for one in step.candidates:
            if one.status != "pruned":
                self.nodes[one.node] = one.parent, one.token_id, one.total_log_prob
            if one.status == "finished":
                self.scores[one.node] = one.score
            elif one.status == "kept":
                going_on.append((one.total_log_prob / (step.step + 1), one.node))
        self.leaves = going_on[:1] + [(self.scores[node], node) for node in step.best_finished[:1]]

    def best(self) -> tuple[tuple[int, ...], float]:
        """(ids, log probability) of the hypothesis that is best per token now, finished or going on."""
        node = max(self.leaves)[1]
        log_prob, ids = self.nodes[node][2], []
        while node:
            parent, token, _ = self.nodes[node]
            ids.append(token)
            node = parent
        return tuple(reversed(ids)), log_prob


def parting(one: Text, other: Text) -> int | None:
    """The first place, counted from 0, where two texts differ; None while one could still become the other's beginning.

    >>> parting(Text((5, 6, 7)), Text((5, 8)))
    1
    >>> parting(Text((5, 6, 7)), Text((5, 6))), parting(Text((5, 6, 7)), Text((5, 6), ended="stop string"))
    (None, 2)
    """
    for place, (ours, theirs) in enumerate(zip(one.ids, other.ids)):
        if ours != theirs:
            return place
    shorter = min(one, other, key=lambda text: len(text.ids))
    if len(one.ids) != len(other.ids) and shorter.ended in ("end token", "stop string"):
        return len(shorter.ids)
    return None


def partings(texts: Sequence[Text]) -> tuple[list[int | None], int | None]:
    """(for each text where it parts from the first one, the first place where not all agree)."""
    found = [parting(texts[0], text) for text in texts]
    return found, min((place for place in found if place is not None), default=None)
