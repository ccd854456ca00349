"""Section 8, what it costs: time and memory against the length of the text, stored and measured here."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from components import audit, controls, errors, runs, section, state, text
from components.figures import plots
from engine import jobs
from engine.attention import fused_attention, scaled_dot_product_attention
from engine.cost import CostConfig, CostPoint, fit_exponent, measure_cost
from engine.devices import device

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What happens to time and memory when the text is twice as long?"
LONGEST = ("256", "512", "1024", "2048")

HEADS = state.Number("cost_heads", 4, "Heads", low=1, high=8, step=1)
HEAD_DIM = state.Choice("dim", "32", "Numbers in each head", options=("16", "32", "64"))
TO = state.Choice("to", "1024", "Longest text, in tokens", options=LONGEST)
RUN = runs.run_id("cost_run", "attention-cost", "Your measurement")
PARAMS = [HEADS, HEAD_DIM, TO, RUN]

NAMES = ("naive", "fused")
ROLES = {"naive": "negative", "fused": "query"}
SECONDS, BYTES = "seconds", "bytes_peak"


@dataclass(frozen=True)
class Measurement:
    """The points of one run that are there in pairs: both ways at the same length, shortest first."""

    config: CostConfig
    points: list[CostPoint]
    record: jobs.Record

    def of(self, variant: str, quantity: str) -> tuple[list[int], list[float]]:
        """Lengths, and seconds or bytes, of one of the two ways."""
        rows = [point for point in self.points if point.variant == variant]
        return [row.seq_len for row in rows], [getattr(row, quantity) for row in rows]

    def exponents(self) -> dict[tuple[str, str], float]:
        """The exponent of each line that has one: without memory figures from the device there is none."""
        found = {}
        for name in NAMES:
            for quantity in (SECONDS, BYTES):
                exponent, _ = errors.attempt(partial(fit_exponent, *self.of(name, quantity)))
                if exponent is not None:
                    found[name, quantity] = exponent
        return found


@section.live
def draw() -> None:
    """Two charts, milliseconds and mebibytes, with the exponent fitted to each line."""
    stored = jobs.stored("attention-cost")
    controls_column, figure_column = section.layout(QUESTION)
    config = CostConfig(
        lengths=_lengths(int(state.get(TO))),
        n_heads=state.get(HEADS),
        head_dim=int(state.get(HEAD_DIM)),
        device=device(),
    )
    with figure_column:
        runs.follow(RUN, lambda live, status: _charts(live, stored), stored=stored)
    section.let_it_paint()
    with controls_column:
        controls.choice(TO)
        controls.slider(HEADS)
        controls.choice(HEAD_DIM)
        runs.controls(RUN, config, label="Measure here")
        text.prose(
            "<b>Naive</b>: the formula as it stands; the whole table of weights is in memory. <b>Fused</b>: the same "
            "numbers by torch’s kernel, piece by piece; the table never exists as a whole.",
            "labs-reading",
        )
        controls.reset_button(PARAMS)
    with figure_column:
        _below(_on_screen(stored), config)


def _lengths(longest: int) -> tuple[int, ...]:
    return tuple(longest >> shift for shift in (4, 3, 2, 1, 0))


def _measurement(record: jobs.Record) -> Measurement | None:
    """What a run has measured so far; None before there are two lengths to compare."""
    points = [CostPoint(**event) for event in record.events]
    points = points[: len(points) // 2 * 2]
    return Measurement(record.config, points, record) if len(points) >= 4 else None


def _on_screen(stored: jobs.Record) -> Measurement:
    """The learner's own measurement when there is something to see of it, else the stored one."""
    own = runs.look(RUN)
    return (own and _measurement(jobs.record(own.run_id))) or _measurement(stored)


def _charts(live: jobs.Record | None, stored: jobs.Record) -> None:
    """Time and memory over length on logarithmic axes; the learner's own lies over the stored one."""
    shown, behind = _measurement(stored), None
    if own := live and _measurement(live):
        shown, behind = own, shown
    exponents = shown.exponents()
    plots.draw(
        [
            _plot("Time for one attention, in ms", SECONDS, 1000.0, shown, behind, exponents),
            _plot("Memory at the peak, in MiB", BYTES, 2.0**-20, shown, behind, exponents),
        ],
        key="cost.charts",
        per_row=2,
        height=340,
    )
    section.reading(
        "Both axes are logarithmic: a straight line is a power of the length, and its steepness is the exponent. "
        "1 means twice the length costs twice as much, 2 means four times."
    )
    section.notice(_notice(shown))


def _plot(
    title: str,
    quantity: str,
    unit: float,
    shown: Measurement,
    behind: Measurement | None,
    exponents: dict[tuple[str, str], float],
) -> plots.Plot:
    lines = [_line(behind, name, quantity, unit, behind=True) for name in NAMES] if behind else []
    lines += [_line(shown, name, quantity, unit) for name in NAMES]
    fitted = [f"{name} {exponents[name, quantity]:.2f}" for name in NAMES if (name, quantity) in exponents]
    note = f"exponents: {', '.join(fitted)}" if fitted else "not measured on this device"
    lengths = {length for series in lines for length in series.x}
    return plots.Plot(title, lines, x_title="tokens", log_x=True, log_y=True, note=note, x_ticks=sorted(lengths))


def _line(measured: Measurement, name: str, quantity: str, unit: float, *, behind: bool = False) -> plots.Series:
    lengths, values = measured.of(name, quantity)
    said, role = (f"{name}, stored run", "plain") if behind else (name, ROLES[name])
    values = [value * unit for value in values]
    return plots.Series(said, lengths, values, role=role, dashed=behind, faint=behind, points=not behind)


def _below(shown: Measurement, config: CostConfig) -> None:
    section.try_this(
        [
            ("Up to 2,048 tokens", {TO: "2048"}),
            ("One head", {HEADS: 1}),
            ("Eight heads of 64", {HEADS: 8, HEAD_DIM: "64"}),
        ],
        key="cost",
    )
    _audit(config)
    audit.measured(
        f"{_where(shown)}; one thread at low priority. Each time is the fastest of several runs (about "
        f"{shown.config.repeats}), memory the highest sum of what was allocated and not yet given back; the exponents "
        "are fitted to the longer half of the lengths."
    )
    section.code(measure_cost, fit_exponent, fused_attention)
    section.table(lambda: _table(shown), key="cost")
    section.sources(
        "Vaswani et al. 2017, *Attention Is All You Need*, table 1: a self-attention layer costs O(n² · d)",
        "Dao et al. 2022, *FlashAttention*: exact attention without the table of weights in memory",
    )


def _where(shown: Measurement) -> str:
    """Whose measurement it is, and on which machine."""
    if shown.record.stored:
        return f"Stored, not from this server: {shown.record.command}, on {shown.record.machine}"
    return f"Measured on this server: {shown.config.device}, torch {torch.__version__}"


def _table(shown: Measurement) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(shown.points)


def _notice(shown: Measurement) -> str:
    naive, fused = shown.points[-2:]
    exponents, config = shown.exponents(), shown.config

    def exponent(name: str, quantity: str) -> str:
        return f"{exponents[name, quantity]:.2f}" if (name, quantity) in exponents else "not measured on this device"

    return (
        f"With {_count(config.n_heads, 'head')} of {config.head_dim} numbers, at {naive.seq_len:,} tokens naive "
        f"attention took {naive.seconds * 1000:.2f} ms and "
        f"{naive.bytes_peak / 2**20:.1f} MiB, fused {fused.seconds * 1000:.2f} ms and "
        f"{fused.bytes_peak / 2**20:.1f} MiB. Fitted exponents: time {exponent('naive', SECONDS)} naive, "
        f"{exponent('fused', SECONDS)} fused; memory "
        f"{exponent('naive', BYTES)} naive, {exponent('fused', BYTES)} fused. {_growth(exponents)}"
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _growth(exponents: dict[tuple[str, str], float]) -> str:
    times = [exponents.get((name, SECONDS), 0.0) for name in NAMES]
    if max(times) > 2.3:
        return (
            "Every pair of tokens is compared, which makes the square of the length. Time that grows faster than that "
            "is most often waiting for memory: a longer table of weights no longer fits near the processor."
        )
    if min(times) < 1.7:
        return (
            "Both compare every pair of tokens; that the time does not grow with the square here means that fixed "
            "costs still outweigh it. Choose a longer text."
        )
    return (
        "Both still compare every pair of tokens, so time grows about with the square; only the memory for the table "
        "can be saved."
    )


def _audit(config: CostConfig) -> None:
    """The two variants on the same random input: the saving must not change the answer."""
    generator = torch.Generator().manual_seed(config.seed)
    shape = (3, 1, config.n_heads, config.lengths[0], config.head_dim)
    query, key, value = torch.randn(shape, generator=generator).to(config.device)
    audit.compare(
        scaled_dot_product_attention(query, key, value)[0],
        torch.nn.functional.scaled_dot_product_attention(query, key, value),
        library="torch",
        tolerance=1e-5,
        what=f"output at {config.lengths[0]} tokens",
        on="random numbers",
    )
