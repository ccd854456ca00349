"""What section 9 draws from a run of the induction job: its curves, its looks at the heads, and which head is best."""

import string
from dataclasses import dataclass

import torch
from torch import Tensor

from components.figures import plots
from engine import jobs
from engine.experiments.induction import Head, InductionConfig, unpack_weights, watched_line

SYMBOLS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+-"  # one for each token
MEAN_OF = 10  # steps that one point of a loss curve stands for
DEPTH_NAMES = {1: "one layer", 2: "two layers"}
DEPTH_ROLES = {1: "output", 2: "query"}


@dataclass(frozen=True)
class Look:
    """One look at the heads: the weights on the watched line and every head's scores, in the order of config.heads."""

    step: int
    weights: Tensor  # (all heads, seq_len, seq_len)
    induction: list[float]
    previous: list[float]


def has_begun(record: jobs.Record) -> bool:
    """Whether there is something to draw: a look at the heads, and the losses of a step."""
    return len(record.events) > 1


def looks(record: jobs.Record) -> list[dict]:
    """The events in which the heads were looked at, the first one before training."""
    return [event for event in record.events if "weights" in event]


def look_at(record: jobs.Record, per_cent: int) -> Look:
    """The look nearest to `per_cent` of the run, as far as it has come."""
    step = per_cent / 100 * record.config.steps
    event = min(looks(record), key=lambda event: abs(event["step"] - step))
    return Look(event["step"], unpack_weights(event["weights"]), event["induction"], event["previous"])


def best_head(record: jobs.Record, score: str, depth: int, layer: int | None = None) -> int:
    """The place in config.heads of the head with the highest `score` at the newest look, in one layer or in any."""
    scores = looks(record)[-1][score]
    places = [place for place, head in enumerate(record.config.heads) if head.depth == depth]
    if layer is not None:
        places = [place for place in places if record.config.heads[place].layer == layer]
    return max(places, key=lambda place: scores[place])


def shown_heads(record: jobs.Record, choice: str) -> list[int]:
    """Three places in config.heads: of the one layer, and of each of the two layers."""
    if choice == "best":
        wanted = (("induction", 1, 0), ("previous", 2, 0), ("induction", 2, 1))
        return [best_head(record, score, depth, layer) for score, depth, layer in wanted]
    number = min(int(choice), record.config.n_heads) - 1
    return [record.config.heads.index(Head(depth, layer, number)) for depth, layer in ((1, 0), (2, 0), (2, 1))]


def tokens(config: InductionConfig) -> list[str]:
    """The watched line in symbols."""
    return [SYMBOLS[token] for token in watched_line(config)]


def mean_losses(record: jobs.Record, copy: str, place: int) -> tuple[list[int], list[float]]:
    """Steps and losses of one depth on one copy ("first", "second"): each point is the mean of MEAN_OF steps."""
    events = [event for event in record.events if copy in event]
    groups = [events[start : start + MEAN_OF] for start in range(0, len(events), MEAN_OF)]
    steps = [group[-1]["step"] for group in groups]
    return steps, [sum(event[copy][place] for event in group) / len(group) for group in groups]


def end_losses(record: jobs.Record, copy: str) -> list[float]:
    """Each depth's loss over the newest steps."""
    return [mean_losses(record, copy, place)[1][-1] for place in range(len(record.config.depths))]


def curves(record: jobs.Record, *, behind: bool) -> tuple[list, list, list]:
    """The lines of the three plots: loss on the first copy, on the second, and the best head's induction score.

    behind: drawn faint, as the stored run is behind the learner's own.
    """
    first, second, scores = [], [], []
    for place, depth in enumerate(record.config.depths):
        style = {"name": DEPTH_NAMES[depth], "role": DEPTH_ROLES[depth]}
        style = {"name": "stored run", "role": "plain", "dashed": True, "faint": True} if behind else style
        for lines, copy in ((first, "first"), (second, "second")):
            steps, losses = mean_losses(record, copy, place)
            lines.append(plots.Series(x=steps, y=losses, **style))
        found = looks(record)
        heads = [index for index, head in enumerate(record.config.heads) if head.depth == depth]
        best = [max(event["induction"][index] for index in heads) for event in found]
        scores.append(plots.Series(x=[event["step"] for event in found], y=best, **style))
    return first, second, scores


def should_read(config: InductionConfig) -> list[tuple[int, int]]:
    """The cells of an induction head: each token of the second copy, and the token after its earlier place."""
    line = watched_line(config)
    copy_len = len(line) // 2
    return [(row, row - copy_len + 1) for row in range(copy_len, 2 * copy_len)]


def masked(n_tokens: int) -> Tensor:
    """What a causal model may not read: bool (n_tokens, n_tokens), True above the diagonal."""
    return torch.ones(n_tokens, n_tokens, dtype=torch.bool).triu(1)
