"""What decoding hands out: the text that was written, and one record for each step on the way to it.

Records hold ids and a few of the likeliest tokens, never the whole distribution: a long text stays small.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One token that could come next. `filtered` is its probability after the filters, 0 where they dropped it."""

    token_id: int
    probability: float
    filtered: float


@dataclass(frozen=True)
class TokenStep:
    """One token chosen by greedy decoding or by sampling. Logarithms are natural, entropies in nats."""

    step: int  # counted from 0
    token_id: int
    log_prob: float  # under the model's own distribution
    filtered_log_prob: float  # under what the filters left of it
    total_log_prob: float  # the sum of log_prob so far
    entropy: float
    filtered_entropy: float
    n_kept: int  # tokens that the filters left
    kept_mass: float  # what these have of the model's probability
    rank: int  # of the chosen token in the model's own distribution, 0 for the likeliest
    candidates: tuple[Candidate, ...]  # the likeliest of the model, and the chosen one, best first
    draw: float | None = None  # the random number in [0, 1) that chose; None for greedy
    finished: bool = False  # whether the text ends here, by an end token or a stop string


@dataclass(frozen=True)
class BeamCandidate:
    """One hypothesis with one token more. Nodes are numbered over the whole search; 0 is the prompt."""

    node: int
    parent: int
    token_id: int
    log_prob: float  # of this token
    total_log_prob: float  # of all new tokens
    rank: int  # among the step's candidates, 0 for the best
    status: str  # "kept", "finished" or "pruned"
    bank: int = 0  # tokens of required phrases that are in place; see engine.decoding.constraints
    met: tuple[int, ...] = ()  # how many places each required item has
    score: float | None = None  # of a finished one: total_log_prob / length ** length_penalty
    row: int = 0  # the beam it went on from


@dataclass(frozen=True)
class BeamStep:
    """One step of a beam search: every candidate that was looked at, best first."""

    step: int  # counted from 0; its tokens are the (step + 1)-th
    num_beams: int
    candidates: tuple[BeamCandidate, ...]
    best_finished: tuple[int, ...]  # nodes of the finished hypotheses that are held now, best first
    n_considered: int  # continuations that could be chosen from, dropped ones left out
    ended: str | None = None  # why the search ends here: "full", "no better", "length", "nothing left", or None


@dataclass(frozen=True)
class Generation:
    """A text that was written."""

    ids: list[int]  # new tokens only, the end token included when it was produced
    log_prob: float  # the sum over them, under the model's own distribution
    score: float  # log_prob / len(ids) ** length_penalty; length_penalty is 1 where there is none
    finished: bool  # by an end token or a stop string; False: max_new_tokens was reached
    steps: tuple[TokenStep | BeamStep, ...] = ()  # empty unless keep_steps=True


def make_generation(
    ids: list[int], log_prob: float, *, finished: bool, length_penalty: float = 1.0, steps: tuple = ()
) -> Generation:
    """A Generation with its score."""
    score = log_prob / len(ids) ** length_penalty if ids else 0.0
    return Generation(ids, log_prob, score, finished, steps)
