"""What "Speed" shows: the measurements of one run, told apart by what they are of."""

import math
from dataclasses import dataclass
from functools import cached_property

from engine import jobs
from engine.experiments.decoding_speed import READINGS, DecodingSpeedConfig

Line = tuple[list[float], list[float]]  # x, y
ERRORS = 4.0  # standard errors that a count may lie from what is expected


@dataclass(frozen=True)
class Drafted:
    """What drafting n tokens at a time gave."""

    n_draft: int
    tokens_per_second: float
    acceptance: float  # of the tokens that were looked at
    tokens_per_round: float
    checked: int

    @property
    def expected_per_round(self) -> float:
        """Tokens for each reading if every token had the same chance: Leviathan et al. 2023, equation 1."""
        a, n = self.acceptance, self.n_draft
        return n + 1.0 if a >= 1 else (1 - a ** (n + 1)) / (1 - a)


@dataclass(frozen=True)
class Compared:
    """One token of many draws: how likely it is to the model and to its draft, and how often it came."""

    token: int | None  # None: all others together
    model: float
    draft: float
    share: float
    error: float  # the standard error of the share

    @property
    def errors(self) -> float:
        """How many standard errors the share lies from the model's probability."""
        return abs(self.share - self.model) / self.error if self.error else 0.0


@dataclass(frozen=True)
class Speeds:
    """The measurements of a run so far."""

    record: jobs.Record

    @property
    def config(self) -> DecodingSpeedConfig:
        return self.record.config

    def of(self, kind: str, **values) -> list[dict]:
        """The events of one kind in which these values stand."""
        wanted = {"kind": kind, **values}
        return [event for event in self.record.events if wanted.items() <= event.items()]

    @property
    def weight_bytes(self) -> int:
        """The bytes of all weights, which are the bytes of the array that was added up beside them."""
        return self.of("memory", what="weights")[0]["bytes"]

    def bandwidth(self, what: str = "weights") -> float:
        """Bytes a second."""
        found = self.of("memory", what=what)[0]
        return found["bytes"] / found["seconds"]

    def next_token(self, reading: str) -> Line:
        """Length of the text, and milliseconds of one token more."""
        found = self.of("cache", reading=reading)
        return [one["length"] for one in found], [1000 * one["seconds"] for one in found]

    def whole_text(self, reading: str) -> Line:
        """Length of the text, and seconds for all of it: the area under next_token, a token taken as straight."""
        lengths, times = self.next_token(reading)
        if not lengths:
            return [], []
        total, sums = lengths[0] * times[0] / 1000, []
        for place, length in enumerate(lengths):
            if place:
                total += (length - lengths[place - 1]) * (times[place] + times[place - 1]) / 2000
            sums.append(total)
        return lengths, sums

    def batch(self, *, each: bool) -> Line:
        """Texts side by side, and tokens a second: of each of them, or of all together."""
        found = self.of("batch")
        return [one["texts"] for one in found], [
            one["tokens"] / one["seconds"] * (1 if each else one["texts"]) for one in found
        ]

    def limit(self) -> Line:
        """Tokens a second of all texts if a step took no longer than to fetch every weight once."""
        steps = self.bandwidth() / self.weight_bytes
        return [one["texts"] for one in self.of("batch")], [one["texts"] * steps for one in self.of("batch")]

    def batch_step(self) -> Line:
        """Texts side by side, and milliseconds of one step."""
        found = self.of("batch")
        return [one["texts"] for one in found], [1000 * one["seconds"] / one["tokens"] for one in found]

    def at_once(self) -> Line:
        """Tokens of one text in one reading, and its milliseconds."""
        found = self.of("at-once", who="model")
        return [one["tokens"] for one in found], [1000 * one["seconds"] for one in found]

    @cached_property
    def share_of_limit(self) -> float | None:
        """How much of the memory's speed one text at a time uses."""
        alone = self.of("batch", texts=1)
        if not alone:
            return None
        return self.weight_bytes * alone[0]["tokens"] / alone[0]["seconds"] / self.bandwidth()

    def tokens_per_second(self, name: str, by: str, beams: int = 0) -> float | None:
        found = self.of("strategy", name=name, by=by, beams=beams)
        return found[0]["tokens"] / found[0]["seconds"] if found else None

    def drafted(self, temperature: float) -> list[Drafted]:
        """For each draft length; nothing while there is none."""
        return [
            Drafted(
                one["n_draft"],
                one["tokens"] / one["seconds"],
                one["accepted"] / max(1, one["checked"]),
                one["tokens"] / max(1, one["rounds"]),
                one["checked"],
            )
            for one in self.of("draft", temperature=temperature)
            if one["n_draft"]
        ]

    def plain(self, temperature: float) -> float | None:
        """Tokens a second of the same texts without a draft."""
        found = self.of("draft", temperature=temperature, n_draft=0)
        return found[0]["tokens"] / found[0]["seconds"] if found else None

    @cached_property
    def first_tokens(self) -> list[Compared]:
        """The token that was drawn many times with a draft, beside the model's own probabilities."""
        found = self.of("first-tokens")
        if not found:
            return []
        one, n = found[0], found[0]["draws"]
        rows = zip([*one["tokens"], None], one["model"], one["draft"], one["counts"], strict=True)
        return [Compared(token, p, q, count / n, math.sqrt(p * (1 - p) / n)) for token, p, q, count in rows if p > 0]

    def merged_first_tokens(self, n: int) -> list[Compared]:
        """The n likeliest tokens, and all others as one class."""
        rows = self.first_tokens
        if len(rows) <= n + 1:
            return rows
        p, q, share = (sum(getattr(row, name) for row in rows[n:]) for name in ("model", "draft", "share"))
        return [*rows[:n], Compared(None, p, q, share, math.sqrt(max(0.0, p * (1 - p)) / self.draws))]

    @property
    def draws(self) -> int:
        return self.of("first-tokens")[0]["draws"]

    def has(self, view: str) -> bool:
        """Whether there is something to see in a view, and something to compare it with."""
        memory = len(self.of("memory")) == 2
        return {
            "cache": all(len(self.next_token(one)[0]) >= 2 for one in READINGS),
            "batch": memory and len(self.of("batch")) >= 2,
            "strategies": len(self.of("strategy")) >= 2,
            "draft": len(self.drafted(self.config.temperature)) >= 2,
        }[view]


def either(view: str, own: jobs.Record | None, stored: jobs.Record) -> tuple[Speeds, Speeds | None]:
    """(what is shown, what lies behind it): the learner's own over the stored one, once there is something to see."""
    if own is not None and Speeds(own).has(view):
        return Speeds(own), Speeds(stored)
    return Speeds(stored), None
