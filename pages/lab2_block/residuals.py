"""Section 4, residual connections: a stack with its shortcuts and without, untrained and trained."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st
from torch import Tensor

from components import audit, controls, errors, section, state, text
from components.figures import plots
from engine import jobs, signal_checks, signals
from engine.blocks import Block
from engine.experiments import shortcuts
from engine.experiments.markov import entropy
from engine.signals import SignalConfig, SignalReport
from pages.lab2_block import residuals_words

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What happens to a deep stack without its shortcuts?"
MOST_LAYERS = 48

DEPTH = state.Number("r_depth", 12, "Layers", low=2, high=MOST_LAYERS)
PLACES = {"pre": "Before (Pre-LN)", "post": "After (Post-LN)", "none": "No norm"}
PLACE = state.Choice(
    "r_place", "pre", "Norm", options=tuple(PLACES), labels=PLACES, help="Where the norm of each part stands"
)
PARTS = {"query_key": "Query, key", "feed_forward": "Feed forward", "signal": "Stream"}
GRADIENT = state.Choice(
    "r_gradient", "query_key", "Gradient of", options=tuple(PARTS), labels=PARTS, help="Shown in the third plot"
)
SHOWN = {"both": "Both", "with": "With", "without": "Without"}
SHOW = state.Choice("r_show", "both", "Shortcuts", options=tuple(SHOWN), labels=SHOWN)
KINDS = {"layernorm": "LayerNorm", "rmsnorm": "RMSNorm"}
KIND = state.Choice("r_norm", "layernorm", "Kind of norm", options=tuple(KINDS), labels=KINDS)
ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU"}
ACTIVATION = state.Choice("r_activation", "relu", "Activation", options=tuple(ACTIVATIONS), labels=ACTIVATIONS)
SEED = state.Number("r_seed", 0, "Seed", low=0, high=99, help="First weights, input vectors and words to predict")
PARAMS = [DEPTH, PLACE, GRADIENT, SHOW, KIND, ACTIVATION, SEED]

WITH, WITHOUT = "with shortcuts: x + part(x)", "without: part(x)"
ROLES = {WITH: "query", WITHOUT: "negative"}


@dataclass(frozen=True)
class Study:
    """The same untrained stack twice: everything that the figure, the words and the table show."""

    kept: SignalReport  # with shortcuts
    lost: SignalReport  # without
    gradient: str  # a key of PARTS

    def series(self, name: str) -> dict[str, list[float]]:
        """One number of every layer, with and without."""
        reports = {WITH: self.kept, WITHOUT: self.lost}
        return {label: [getattr(layer, name) for layer in one.layers] for label, one in reports.items()}


@section.live
def draw() -> None:
    """Two stacks that differ only in the additions: size, likeness of tokens and gradient, layer by layer."""
    study, problem = errors.attempt(_study)
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.8)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            _figure(study, state.get(SHOW))
            section.let_it_paint()
    with controls_column:
        text.problem(problem)
        _controls()
    if study:
        with figure_column, errors.shown_as_a_sentence():
            _below(study)


def _controls() -> None:
    controls.slider(DEPTH)
    controls.choice(SHOW)
    place = controls.choice(PLACE, wrap=True)
    controls.choice(GRADIENT, wrap=True)
    with st.expander("More"):
        if place != "none":
            controls.choice(KIND)
        controls.choice(ACTIVATION)
        controls.slider(SEED)
    controls.reset_button(PARAMS)


def _study() -> Study:
    place = state.get(PLACE)
    config = SignalConfig(
        n_layers=state.get(DEPTH),
        norm_first=place != "post",
        norm="none" if place == "none" else state.get(KIND),
        activation=state.get(ACTIVATION),
        seed=state.get(SEED),
        double=True,
    )
    return Study(_measured(config), _measured(replace(config, residual=False)), state.get(GRADIENT))


@st.cache_resource(max_entries=128, show_spinner=False)
def _measured(config: SignalConfig) -> SignalReport:
    return signals.measure_signals(config)


def _figure(study: Study, shown: str) -> None:
    n_layers = study.kept.config.n_layers
    layers = range(1, n_layers + 1)

    def lines(name: str) -> list[plots.Series]:
        chosen = {"both": (WITH, WITHOUT), "with": (WITH,), "without": (WITHOUT,)}[shown]
        values = study.series(name)
        return [plots.Series(label, layers, values[label], ROLES[label], points=n_layers <= 24) for label in chosen]

    plots.draw(
        [
            plots.Plot(
                "Size of a token’s vector",
                lines("signal"),
                x_title="layer",
                log_y=True,
                note=f"it goes in with size {study.kept.input_signal:.1f}",
            ),
            plots.Plot(
                "How alike the tokens are",
                lines("similarity"),
                x_title="layer",
                y_range=(None, 1),
                note="mean cosine; 1 = all the same",
            ),
            plots.Plot(
                f"Gradient: {PARTS[study.gradient].lower()}",
                lines(f"{study.gradient}_gradient"),
                x_title="layer",
                log_y=True,
                note="its length, before the first step",
            ),
        ],
        key="residuals.signals",
        height=350,
    )


def _below(study: Study) -> None:
    section.reading(
        "An <b>untrained</b> stack, from layer 1 on the left. Random vectors go in, a loss comes out, and its gradient "
        "flows back from the right. A <b>shortcut</b> (residual connection) adds a part’s input to its output. The "
        "gradient says how strongly the loss pulls at a layer; near 0, that layer cannot learn."
    )
    section.notice(residuals_words.notice(study.kept, study.lost, study.gradient))
    section.try_this(
        [
            ("48 layers, Pre-LN", {DEPTH: 48, PLACE: "pre", GRADIENT: "query_key", SHOW: "both"}),
            ("48 layers, Post-LN", {DEPTH: 48, PLACE: "post", GRADIENT: "query_key", SHOW: "both"}),
            ("No norm at all", {DEPTH: 24, PLACE: "none", GRADIENT: "signal", SHOW: "both"}),
        ],
        key="residuals",
    )
    _audit(study)
    _trained(study.kept.config.n_layers)
    section.code(signals.measure_signals, Block._around, Block._add)
    section.table(lambda: _table(study), key="residuals")
    section.sources(
        "The shortcut: He et al. 2016, *Deep Residual Learning for Image Recognition*; in the transformer: Vaswani et "
        "al. 2017, section 3.1",
        "Tokens become one: Dong et al. 2021, *Attention Is Not All You Need: Pure Attention Loses Rank Doubly "
        "Exponentially with Depth*. They leave out the feed-forward parts as well; here only the shortcuts go",
        "The first weights are Glorot & Bengio’s (2010), biases 0; vectors of 64 numbers, 4 heads, 4 texts of 16 "
        "tokens, causal mask; 64-bit numbers. A gradient below about 10⁻¹⁵ of its neighbours is rounding",
    )


def _audit(study: Study) -> None:
    # Without a norm the gradient of a deep stack grows so large that rounding decides it: there is nothing to compare.
    rows, gradient = (
        (2, "") if study.kept.config.norm == "none" else (3, ", query-key gradient as a share of attention’s")
    )
    pairs = ((signal_checks.curves(one), _torch_curves(one.config)) for one in (study.kept, study.lost))
    audit.show(
        audit.find_difference((ours[:rows], theirs[:rows]) for ours, theirs in pairs),
        library="torch.nn.TransformerEncoderLayer",
        tolerance=1e-8,  # 64-bit rounding, through 48 layers that may each enlarge it
        what=f"size and likeness of each layer{gradient}",
        on="the stacks on screen",
    )


@st.cache_resource(max_entries=128, show_spinner=False)
def _torch_curves(config: SignalConfig) -> Tensor:
    return signal_checks.torch_curves(config)


def _trained(n_layers: int) -> None:
    """The stored training: the last loss for each depth, and the way to it for the depth nearest to the one chosen."""
    stored = jobs.stored("shortcuts")
    config, final = stored.config, stored.result["final"]
    near = min(config.depths, key=lambda depth: abs(depth - n_layers))
    guess, best = shortcuts.guessing(config), entropy()
    text.prose(f"<b>And when it trains?</b> The same stacks as language models, {config.steps} steps each.")

    def lines(x, kept, lost) -> list[plots.Series]:
        made = [
            plots.Series(WITH, x, kept, ROLES[WITH], points=len(x) < 10),
            plots.Series(WITHOUT, x, lost, ROLES[WITHOUT], points=len(x) < 10),
        ]
        ends = [x[0], x[-1]]
        return [
            *made,
            plots.Series("guessing", ends, [guess] * 2, "plain", dashed=True, faint=True),
            plots.Series("best possible", ends, [best] * 2, "plain", dashed=True),
        ]

    def way(with_them: bool) -> list[float]:
        return [event["loss"] for event in stored.events if (event["depth"], event["shortcuts"]) == (near, with_them)]

    steps = [event["step"] for event in stored.events if event["depth"] == near and event["shortcuts"]]
    last = ([final[f"{depth} {side}"] for depth in config.depths] for side in ("with", "without"))
    plots.draw(
        [
            plots.Plot(
                "Loss after training, by depth",
                lines(config.depths, *last),
                x_title="layers",
                log_x=True,
                x_ticks=config.depths,
                y_range=(0, 4),
            ),
            plots.Plot(
                f"On the way: {near} layer{'s' if near > 1 else ''}",
                lines(steps, way(True), way(False)),
                x_title="step",
                y_range=(0, 4),
            ),
        ],
        key="residuals.trained",
        height=260,
    )
    text.prose(residuals_words.trained(final, guess, best))
    audit.measured(
        f"Stored training, Pre-LN, seed {config.seed}: {stored.seconds:.0f} s on {stored.machine}. "
        f"Made again by: {stored.command}"
    )


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    shown = {"size": "signal", "cosine": "similarity", "gradient": f"{study.gradient}_gradient"}
    columns = {"layer": range(1, study.kept.config.n_layers + 1)}
    for name, field in shown.items():
        for side, values in zip(("with", "without"), study.series(field).values(), strict=True):
            columns[f"{name}, {side}"] = [f"{value:.4g}" for value in values]
    return pd.DataFrame(columns)
