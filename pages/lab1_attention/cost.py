"""Section 8, what it costs: time and memory against the length of the text, measured here and now."""

import threading

import pandas as pd
import streamlit as st
import torch

from components import audit, controls, errors, section, state, text
from components.figures import curves
from engine.attention import fused_attention, scaled_dot_product_attention
from engine.cost import CostConfig, CostPoint, fit_exponent, measure_cost
from engine.devices import device

QUESTION = "What happens to time and memory when the text is twice as long?"
LONGEST = ("256", "512", "1024", "2048")

HEADS = state.Number("cost_heads", 4, "Heads", low=1, high=8, step=1)
HEAD_DIM = state.Choice("dim", "32", "Numbers in each head", options=("16", "32", "64"))
TO = state.Choice("to", "1024", "Longest text, in tokens", options=LONGEST)
PARAMS = [HEADS, HEAD_DIM, TO]

NAMES = ("naive", "fused")
_MEASURING = threading.Lock()  # two measurements at once would each measure the other


@section.live
def draw() -> None:
    """Two charts, seconds and bytes, with the exponent fitted to each line."""
    controls_column, figure_column = section.layout(QUESTION)
    with controls_column:
        config = CostConfig(
            lengths=_lengths(int(controls.choice(TO))),
            n_heads=controls.slider(HEADS),
            head_dim=int(controls.choice(HEAD_DIM)),
            device=device(),
        )
        again = st.button("Measure again", icon=":material/timer:")
        text.prose(
            "<b>Naive</b>: the formula as it stands; the whole table of weights is in memory. <b>Fused</b>: the same "
            "numbers by torch’s kernel, piece by piece; the table never exists as a whole.",
            "labs-reading",
        )
        controls.reset_button(PARAMS)
    with figure_column, errors.shown_as_a_sentence():
        state.publish(PARAMS)  # before measuring, so that a reload meanwhile loses nothing
        points = _measured(config, again)
        table = pd.DataFrame(points)
        _draw_charts(table)
        exponents = _exponents(table)
        section.notice(_notice(table, exponents))
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
            f"Measured on this server: {config.device}, torch {torch.__version__}, {_threads()}; "
            f"each time is the fastest of several runs (about {config.repeats}), memory the highest sum of what was "
            "allocated and not yet given back; the exponents are fitted to the longer half of the lengths."
        )
        section.code(measure_cost, fit_exponent, fused_attention)
        section.table(lambda: table, key="cost")
        section.sources(
            "Vaswani et al. 2017, *Attention Is All You Need*, table 1: a self-attention layer costs O(n² · d)",
            "Dao et al. 2022, *FlashAttention*: exact attention without the table of weights in memory",
        )


def _threads() -> str:
    n_threads = torch.get_num_threads()
    return f"{n_threads} thread{'s' if n_threads != 1 else ''}"


def _lengths(longest: int) -> tuple[int, ...]:
    return tuple(longest >> shift for shift in (4, 3, 2, 1, 0))


def _measured(config: CostConfig, again: bool) -> list[CostPoint]:
    """The points for `config`: this visitor's last measurement of it, or a new one, drawn while it goes on."""
    kept: dict[CostConfig, list[CostPoint]] = st.session_state.setdefault("cost.points", {})
    if again or config not in kept:
        bar = st.progress(0.0, "Measuring …")
        points: list[CostPoint] = []
        with _MEASURING:
            for point in measure_cost(config):
                points.append(point)
                bar.progress(len(points) / (2 * len(config.lengths)), f"Measuring … {point.seq_len:,} tokens")
        bar.empty()
        kept[config] = points
    return kept[config]


def _draw_charts(table: pd.DataFrame) -> None:
    shown = table.assign(milliseconds=table.seconds * 1000, mebibytes=table.bytes_peak / 2**20)
    left, right = st.columns(2)
    with left:
        _chart(shown, "milliseconds", "ms for one attention")
    with right:
        _chart(shown, "mebibytes", "MiB at the peak")
    section.reading(
        "Both axes are logarithmic: a straight line is a power of the length, and its steepness is the exponent. "
        "1 means twice the length costs twice as much, 2 means four times."
    )


def _chart(shown: pd.DataFrame, y: str, title: str) -> None:
    last = shown[shown.seq_len == shown.seq_len.max()].set_index("variant")[y]
    curves.log_log(
        shown,
        x="seq_len",
        y=y,
        series="variant",
        names=NAMES,
        roles=("negative", "query"),
        key=f"cost.{y}",
        alt=f"{title}: at {shown.seq_len.max()} tokens {last['naive']:.3g} naive and {last['fused']:.3g} fused",
        x_title="tokens",
        y_title=title,
        y_format="~g",
    )


def _exponents(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    found = {}
    for name in NAMES:
        rows = table[table.variant == name]
        for column in ("seconds", "bytes_peak"):
            if (rows[column] > 0).all():
                found[name, column] = fit_exponent(rows.seq_len.tolist(), rows[column].tolist())
    return found


def _notice(table: pd.DataFrame, exponents: dict[tuple[str, str], float]) -> str:
    longest = table[table.seq_len == table.seq_len.max()].set_index("variant")
    naive, fused = longest.loc["naive"], longest.loc["fused"]

    def exponent(name: str, column: str) -> str:
        return f"{exponents[name, column]:.2f}" if (name, column) in exponents else "not measured on this device"

    return (
        f"At {int(table.seq_len.max()):,} tokens naive attention took {naive.seconds * 1000:.2f} ms and "
        f"{naive.bytes_peak / 2**20:.1f} MiB, fused {fused.seconds * 1000:.2f} ms and "
        f"{fused.bytes_peak / 2**20:.1f} MiB. Fitted exponents: time {exponent('naive', 'seconds')} naive, "
        f"{exponent('fused', 'seconds')} fused; memory "
        f"{exponent('naive', 'bytes_peak')} naive, {exponent('fused', 'bytes_peak')} fused. {_growth(exponents)}"
    )


def _growth(exponents: dict[tuple[str, str], float]) -> str:
    times = [exponents.get((name, "seconds"), 0.0) for name in NAMES]
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
