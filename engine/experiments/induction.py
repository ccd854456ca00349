"""How a head comes to read the token after the last time: one layer and two layers, trained on the same data.

Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits": in a model of two layers without
feed-forward parts, a head of the first layer writes into each token which token stood before it (a previous-token
head), and a head of the second uses that to find the place where the present token stood before, and reads what came
next there (an induction head). Olsson et al. 2022, "In-context Learning and Induction Heads": it appears within a
short stretch of training, and one layer alone never gets it.

The data are random tokens, and then the same tokens again. Nothing can announce the first copy; all of the second can
be known by whoever finds the last time. How long a copy is changes from batch to batch: with one fixed length, a single
layer would only have to count back, and no head would need to look at the tokens (`shortest = longest` shows it).
"""

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.attention import MultiHeadAttention
from engine.initial import as_generator, initialise, no_random_start
from engine.jobs.handle import DivergedError, Run
from engine.masks import causal_mask

WARM_UP = 20  # steps in which the learning rate rises to its value
BETAS = (0.9, 0.99)  # of Adam; a shorter memory than usual, for a short training
CLIP = 1.0  # the longest gradient
WATCHED_LEN = 8  # tokens in each copy of the lines on which the heads are watched
WATCHED_LINES = 32  # lines over which the scores are averaged; the weights shown are those of the first
DIVERGED = 10.0  # times the loss of guessing, above which training has failed
SAVE_EVERY = 100  # steps


@dataclass(frozen=True)
class InductionConfig:
    """What to train, on what, and how. The defaults take about 16 seconds on one core."""

    steps: int = 800
    learning_rate: float = 0.006
    seed: int = 0
    shortest: int = 8  # tokens in a copy; each batch draws a length between the two
    longest: int = 24
    depths: tuple[int, ...] = (1, 2)  # layers of each model
    n_heads: int = 4
    d_model: int = 64
    vocab_size: int = 48
    batch: int = 24
    watch_every: int = 20  # steps between two looks at the heads

    def __post_init__(self) -> None:
        limits = {"steps": (1, 5_000), "shortest": (2, 48), "longest": (2, 48), "n_heads": (1, 8)}
        limits |= {"d_model": (8, 256), "vocab_size": (4, 64), "batch": (1, 128), "watch_every": (1, 5_000)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
        if self.shortest > self.longest:
            raise ValueError(f"shortest must be at most longest = {self.longest}, got {self.shortest}")
        if self.d_model % (2 * self.n_heads):
            raise ValueError(
                f"d_model must be a multiple of 2 n_heads = {2 * self.n_heads}: each head gets an even share, "
                f"got {self.d_model}"
            )
        if not 0 < self.learning_rate <= 100:
            raise ValueError(f"learning_rate must be above 0 and at most 100, got {self.learning_rate!r}")
        if not self.depths or any(not isinstance(depth, int) or not 1 <= depth <= 4 for depth in self.depths):
            raise ValueError(f"depths must be whole numbers from 1 to 4, got {self.depths!r}")
        as_generator(self.seed)

    @property
    def guessing(self) -> float:
        """The loss of knowing nothing: the natural logarithm of the vocabulary's size."""
        return math.log(self.vocab_size)

    @property
    def one_length(self) -> bool:
        """Whether all copies are equally long, so that counting back is enough."""
        return self.shortest == self.longest

    @property
    def heads(self) -> "list[Head]":
        """Every head of every model, in the order in which the events hold them."""
        return [
            Head(depth, layer, head) for depth in self.depths for layer in range(depth) for head in range(self.n_heads)
        ]


@dataclass(frozen=True)
class Head:
    """One head of one of the models; layer and head are counted from 0."""

    depth: int  # layers of its model
    layer: int
    head: int


class AttentionOnly(nn.Module):
    """A causal language model of attention alone: each layer adds what its heads have read to the stream.

    The norm stands before each layer; only rotary positions, which turn queries and keys, tell the order.
    """

    def __init__(self, n_layers: int, vocab_size: int, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(n_layers))
        self.attentions = nn.ModuleList(
            MultiHeadAttention(d_model, n_heads, rotary_base=10_000.0) for _ in range(n_layers)
        )
        self.final_norm = nn.LayerNorm(d_model)
        self.unembedding = nn.Linear(d_model, vocab_size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (batch, seq_len) to the logits of each next token (batch, seq_len, vocab_size)."""
        x, mask = self._embed(ids), causal_mask(ids.shape[1])
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            x = x + attention(norm(x), mask=mask)  # (batch, seq_len, d_model)
        return self.unembedding(self.final_norm(x))  # (batch, seq_len, vocab_size)

    def weights(self, ids: Tensor) -> Tensor:
        """What every head reads: (batch, n_layers, n_heads, seq_len, seq_len)."""
        x, mask, found = self._embed(ids), causal_mask(ids.shape[1]), []
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            trace = attention.trace(norm(x), mask=mask)
            found.append(trace.weights)  # (batch, n_heads, seq_len, seq_len)
            x = x + trace.output  # (batch, seq_len, d_model)
        return torch.stack(found, dim=1)

    def _embed(self, ids: Tensor) -> Tensor:
        return self.embedding(ids) * self.embedding.embedding_dim**0.5  # (batch, seq_len, d_model), of spread 1


def repeated_tokens(copy_len: int, batch: int, vocab_size: int, generator: torch.Generator) -> Tensor:
    """Random tokens, and then the same tokens again: (batch, 2 * copy_len).

    >>> ids = repeated_tokens(3, 1, 10, torch.Generator().manual_seed(0))
    >>> bool((ids[:, :3] == ids[:, 3:]).all())
    True
    """
    ids = torch.randint(vocab_size, (batch, copy_len), generator=generator)  # (batch, copy_len)
    return torch.cat([ids, ids], dim=1)  # (batch, 2 * copy_len)


def losses_by_copy(model: nn.Module, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Mean -ln p of the true next token in the first copy, and in the second, of lines made by repeated_tokens.

    The second copy's own first token counts with the first copy: nothing tells that the repetition starts here.
    """
    logits = model(ids[:, :-1])  # (batch, 2 * copy_len - 1, vocab_size)
    losses = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")  # (batch, 2 * copy_len - 1)
    copy_len = ids.shape[1] // 2
    return losses[:, :copy_len].mean(), losses[:, copy_len:].mean()


def induction_score(weights: Tensor) -> Tensor:
    """The mean weight that the second copy's tokens give to the token after their own earlier occurrence.

    weights (..., seq_len, seq_len) to (...,); 1 is a perfect induction head (Olsson et al. 2022, "prefix matching").

    >>> induction_score(torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.0]])).item()
    1.0
    """
    copy_len = weights.shape[-1] // 2
    queries = torch.arange(copy_len, 2 * copy_len)  # (copy_len,)
    return weights[..., queries, queries - copy_len + 1].mean(dim=-1)


def previous_token_score(weights: Tensor) -> Tensor:
    """The mean weight that tokens give to the one just before them: weights (..., seq_len, seq_len) to (...,)."""
    return weights.diagonal(offset=-1, dim1=-2, dim2=-1).mean(dim=-1)


def train_induction(run: Run) -> dict | None:
    """The job: train every depth on the same batches, and report losses at each step and heads every few steps.

    Events: {"step", "first": [loss of each depth], "second": [...]}, and on every `watch_every`-th, the untrained one
    included, {"weights", "induction", "previous"} of all heads in the order of config.heads; see unpack_weights.
    """
    race = Race(run.config)
    state = run.load()
    if state is None:
        run.emit({"step": 0} | race.look())
    else:
        race.restore(state)
    while race.step < run.config.steps:
        run.wait_while_paused()
        if run.should_stop():
            run.save(race.state())
            return None
        first, second = race.train_step()
        _check_going_well(run, race.step, [*first, *second])
        event = {"step": race.step, "first": _rounded(first), "second": _rounded(second)}
        run.emit(event | race.look() if race.step % run.config.watch_every == 0 else event)
        if race.step % SAVE_EVERY == 0 or race.step == run.config.steps:
            run.save(race.state())
    return race.result()


def seconds(config: InductionConfig) -> float:
    """How long it may take on one core: a fixed part of each layer's step, and a part for each token and number."""
    tokens = config.batch * (config.shortest + config.longest)  # of a batch, on average
    layers = sum(config.depths)
    step = 0.001 + layers * (0.0003 + tokens * (config.d_model * 7.8e-8 + config.n_heads * 3.9e-7))
    return 1.5 + config.steps * step


class Race:
    """Models of several depths that see the same batches in the same order, each with its own Adam."""

    def __init__(self, config: InductionConfig) -> None:
        self.config, self.step = config, 0
        with no_random_start():
            self.models = [
                AttentionOnly(depth, config.vocab_size, config.d_model, config.n_heads) for depth in config.depths
            ]
        for model in self.models:
            initialise(model, config.seed)
        self.optimisers = [
            torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=BETAS) for model in self.models
        ]
        self.generator = as_generator(config.seed)
        self.watched = self._batch(WATCHED_LEN, WATCHED_LINES)  # (WATCHED_LINES, 2 * WATCHED_LEN)

    def train_step(self) -> tuple[list[float], list[float]]:
        """One batch for every model: its losses on the first copy, and on the second, before the step."""
        self.step += 1
        low, high = self.config.shortest, self.config.longest
        copy_len = int(torch.randint(low, high + 1, (), generator=self.generator))
        ids = self._batch(copy_len, self.config.batch)  # (batch, 2 * copy_len)
        losses = [self._learn(model, optimiser, ids) for model, optimiser in self._pairs()]
        return [first for first, _ in losses], [second for _, second in losses]

    def _learn(self, model: AttentionOnly, optimiser: torch.optim.Optimizer, ids: Tensor) -> tuple[float, float]:
        optimiser.param_groups[0]["lr"] = self.config.learning_rate * min(1.0, self.step / WARM_UP)
        first, second = losses_by_copy(model, ids)
        copy_len = ids.shape[1] // 2
        loss = (first * copy_len + second * (copy_len - 1)) / (2 * copy_len - 1)  # the mean over all tokens
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        return first.item(), second.item()

    @torch.no_grad()
    def look(self) -> dict:
        """What the heads read now: {"weights": base64, "induction": [...], "previous": [...]}."""
        found = [model.weights(self.watched).flatten(1, 2) for model in self.models]  # (lines, heads, len, len) each
        weights = torch.cat(found, dim=1)  # (lines, all heads, seq_len, seq_len)
        return {
            "weights": pack_weights(weights[0]),
            "induction": _rounded(induction_score(weights).mean(dim=0).tolist()),
            "previous": _rounded(previous_token_score(weights).mean(dim=0).tolist()),
        }

    @torch.no_grad()
    def result(self) -> dict:
        """Where each depth ended, measured on the watched lines: losses by copy and the best head's scores."""
        losses = [losses_by_copy(model, self.watched) for model in self.models]
        return {
            "depths": list(self.config.depths),
            "first": _rounded([first.item() for first, _ in losses]),
            "second": _rounded([second.item() for _, second in losses]),
            "induction": _rounded(
                [induction_score(model.weights(self.watched)).mean(dim=0).max().item() for model in self.models]
            ),
        }

    def state(self) -> dict:
        """All that changes; a Race of the same config that restores it goes on to the same numbers."""
        return {
            "weights": [dict(model.state_dict()) for model in self.models],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "generator": self.generator.get_state(),
            "step": self.step,
        }

    def restore(self, state: dict) -> None:
        for (model, optimiser), weights, kept in zip(self._pairs(), state["weights"], state["optimisers"], strict=True):
            model.load_state_dict(weights)
            optimiser.load_state_dict(kept)
        self.generator.set_state(state["generator"])
        self.step = state["step"]

    def _pairs(self) -> Iterator[tuple[AttentionOnly, torch.optim.Optimizer]]:
        return zip(self.models, self.optimisers, strict=True)

    def _batch(self, copy_len: int, batch: int) -> Tensor:
        return repeated_tokens(copy_len, batch, self.config.vocab_size, self.generator)


def watched_line(config: InductionConfig) -> list[int]:
    """The tokens whose reading the events show: (2 * WATCHED_LEN,)."""
    lines = repeated_tokens(WATCHED_LEN, WATCHED_LINES, config.vocab_size, as_generator(config.seed))
    return lines[0].tolist()


def pack_weights(weights: Tensor) -> str:
    """Weights from 0 to 1 as text: one byte each, only what a causal model may read.

    weights (n_heads, seq_len, seq_len), row by row up to the diagonal; base64.
    """
    rows, columns = torch.tril_indices(*weights.shape[-2:])
    kept = (weights[:, rows, columns] * 255).round().to(torch.uint8)  # (n_heads, seq_len * (seq_len + 1) / 2)
    return base64.b64encode(kept.numpy().tobytes()).decode()


def unpack_weights(packed: str, seq_len: int = 2 * WATCHED_LEN) -> Tensor:
    """`pack_weights` backwards: (n_heads, seq_len, seq_len), exact to 1 / 510.

    >>> weights = torch.tensor([[[1.0, 0.0], [0.2, 0.8]]])
    >>> unpack_weights(pack_weights(weights), seq_len=2).allclose(weights, atol=1 / 510)
    True
    """
    rows, columns = torch.tril_indices(seq_len, seq_len)
    kept = torch.frombuffer(bytearray(base64.b64decode(packed)), dtype=torch.uint8).reshape(-1, len(rows))
    weights = torch.zeros(len(kept), seq_len, seq_len)  # (n_heads, seq_len, seq_len)
    weights[:, rows, columns] = kept / 255
    return weights


def learned_at(events: Sequence[dict], place: int, below: float, window: int = 20) -> int | None:
    """The first step at which the second copy's loss, as a mean over `window` steps, is under `below`; None if never.

    place: which of the config's depths.
    """
    recent: list[float] = []
    for event in events:
        if "second" in event:
            recent = [*recent[1 - window :], event["second"][place]]
            if len(recent) == window and sum(recent) / window < below:
                return event["step"]
    return None


def _check_going_well(run: Run, step: int, losses: Sequence[float]) -> None:
    """End the run as diverged when a loss is no number, or far beyond what knowing nothing costs."""
    advice = f"choose a learning_rate below {run.config.learning_rate:g}"
    worst = max(losses, key=lambda loss: math.inf if math.isnan(loss) else loss)
    run.check_finite(step, advice=advice, loss=worst)
    if worst > DIVERGED * run.config.guessing:
        raise DivergedError(
            f"loss became {worst:.1f} at step {step}, where guessing costs {run.config.guessing:.2f}: {advice}", step
        )


def _rounded(numbers: Sequence[float]) -> list[float]:
    return [round(number, 4) for number in numbers]
