"""Section 5, where the norm goes: a Pre-LN and a Post-LN model race; the learner commits to a guess first."""

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
import torch

from components import audit, controls, drawing, errors, runs, section, state, text
from components.figures import plots
from engine import jobs
from engine.experiments import initial_gradients, norm_race, race_twin
from engine.experiments.markov import entropy, make_followers, sample_texts
from engine.experiments.norm_race import NAMES, NormRaceConfig, Racer
from pages.lab2_block import race_words

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "Where does the norm go?"
WARMUP_STEPS = 100
ROLES = {"pre": "query", "post": "key"}

GUESSES = {"pre": "Pre-LN learns faster", "post": "Post-LN learns faster", "same": "No difference"}
GUESS = state.Choice("w_guess", "", "Your guess", options=tuple(GUESSES), labels=GUESSES)
DEPTH = state.Choice("w_depth", "12", "Layers", options=("2", "6", "12", "18", "24"))
WARM = state.Flag(
    "w_warm",
    False,
    "Warm-up",
    help=f"On: the learning rate rises from 0 to its height over the first {WARMUP_STEPS} steps",
)
STEP = state.Number("w_step", 50, "Step whose layers are shown", low=1, high=NormRaceConfig.steps)
RATE = state.Choice(
    "w_rate",
    "0.001",
    "Learning rate",
    options=("0.0003", "0.001", "0.003", "0.01", "100000"),
    help="Stored runs use 0.001. 100000 is absurd on purpose: it breaks the training",
)
SEED = state.Number("w_seed", 0, "Seed", low=0, high=99, help="First weights and texts. Stored runs use 0")
RUN = runs.run_id("w_run", "norm-race")
PARAMS = [GUESS, DEPTH, WARM, STEP, RATE, SEED, RUN]


@section.live
def draw() -> None:
    """The question; after a guess the race, and below it what the paper found before the first step."""
    config, problem = errors.attempt(_config)
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.85)
    if not state.get(GUESS):
        with figure_column:
            _ask()
        with controls_column:
            _settings()
            text.problem(problem)
            text.problem(state.problem(GUESS))
            controls.reset_button(PARAMS)
        return
    with figure_column:
        runs.follow(RUN, _figure, stored=_stored(config))
        section.let_it_paint()
    with controls_column:
        controls.choice(GUESS, compact=True)
        _settings()
        controls.slider(STEP)
        runs.controls(RUN, config, label="Race", problem=problem)
        with st.expander("More"):
            controls.choice(RATE, compact=True)
            controls.slider(SEED)
        controls.reset_button(PARAMS)
    with figure_column:
        _below(config)


def _settings() -> None:
    controls.steps(DEPTH)
    controls.toggle(WARM)


def _config() -> NormRaceConfig:
    config = NormRaceConfig(
        n_layers=int(state.get(DEPTH)),
        warmup_steps=WARMUP_STEPS if state.get(WARM) else 0,
        learning_rate=float(state.get(RATE)),
        seed=state.get(SEED),
    )
    norm_race.check_memory(config)
    return config


def _stored(config: NormRaceConfig | None) -> jobs.Record | None:
    """The run stored for these settings, if there is one."""
    if config is None:
        return None
    name = f"norm-race-depth-{config.n_layers}" + ("-warm-up" if config.warmup_steps else "")
    found = jobs.stored(name) if name in jobs.stored_names() else None
    return found if found and found.config == config else None


def _ask() -> None:
    """Committing comes first: a picture seen before a guess teaches less."""
    text.prose(race_words.challenge(state.get(DEPTH), WARMUP_STEPS if state.get(WARM) else 0))
    for column, (name, norm_first) in zip(st.columns(2, gap="large"), norm_race.RACERS.items()):
        with column:
            text.prose(f"<b>{NAMES[name]}</b>: {'x + part(norm(x))' if norm_first else 'norm(x + part(x))'}")
            st.html(race_words.sketch(norm_first=norm_first))
    st.subheader("What do you expect?", anchor=False)
    for column, (guess, label) in zip(st.columns(3), GUESSES.items()):
        choose = {"key": f"race.guess.{guess}", "on_click": state.set_value, "args": (GUESS, guess)}
        column.button(label, **choose, width="stretch", type="primary")
    section.reading("Choose one. Then you see the race.")


def _shown(live: jobs.Record | None, status: "jobs.RunStatus | None") -> tuple[jobs.Record | None, jobs.Record | None]:
    """The run that the figure is about, and the stored one behind it."""
    config, _ = errors.attempt(_config)
    going_on = status is not None and status.state in runs.UNDECIDED
    if live is not None and (going_on or live.config == config):
        return live, _stored(live.config)
    return _stored(config), None


def _figure(live: jobs.Record | None, status: "jobs.RunStatus | None") -> None:
    """Drawn again twice a second while a run goes on."""
    record, behind = _shown(live, status)
    if live is not None and live is not record:
        section.reading("Your run had other settings. It comes back with them.")
    if record is None:
        text.prose(
            f"<b>No run is stored for these settings</b> ({race_words.settings(_config())}). Press Race to run it."
        )
        return
    following = record is live and status is not None and status.active
    events, step = record.events, race_words.look_at(record.events, None if following else state.get(STEP))
    text.prose(race_words.verdict(record, state.get(GUESS), GUESSES))
    plots.draw(
        [_loss_plot(record, behind)],
        key="race.loss",
        height=250,
        selected=step,
        on_change=_step_clicked,
    )
    if step is None:
        return
    plots.draw(_layer_plots(record, behind, step), key="race.layers", per_row=2, height=230)
    section.reading(
        "Above: the loss on each step’s new texts; lower is better, the dashed line is the lowest there can be. "
        f"Below: each layer at step {step}; click into the curves, or move the slider, for another step."
    )
    section.notice(race_words.notice(events, step, record.config))


def _step_clicked() -> None:
    found = drawing.result("race.loss")
    if found:
        state.set_value(STEP, max(STEP.low, min(round(found["x"]), STEP.high)))


def _loss_plot(record: jobs.Record, behind: jobs.Record | None) -> plots.Plot:
    config, series = record.config, []
    for run, faint in ((behind, True), (record, False)):
        for name, role in ROLES.items() if run else ():
            steps = [event["step"] for event in run.events]
            losses = [event[name]["loss"] for event in run.events]
            series.append(plots.Series(_name(name, faint), steps, losses, role, dashed=faint, faint=faint))
    ends = [1, config.steps]
    series.append(plots.Series("lowest possible", ends, [entropy()] * 2, "plain", dashed=True))
    highest = max((loss for line in series for loss in line.y if loss is not None), default=0.0)
    broken = highest > 3 * norm_race.guessing(config)
    return plots.Plot(
        "Loss",
        series,
        x_title="step",
        x_range=(1, config.steps),
        y_range=None if broken else (0, 1.3 * norm_race.guessing(config)),
        log_y=broken,
        note=f"guessing {norm_race.guessing(config):.2f}, lowest possible {entropy():.2f}",
    )


def _layer_plots(record: jobs.Record, behind: jobs.Record | None, step: int) -> list[plots.Plot]:
    found = []
    for what, title, log in (("gradient", "Gradient", True), ("residual", "Residual stream", False)):
        series = []
        for run, faint in ((behind, True), (record, False)):
            event = next((event for event in run.events if event["step"] == step), None) if run else None
            for name, role in ROLES.items() if event else ():
                sizes = event[name].get(what, [])
                layers = range(1, len(sizes) + 1)
                line = plots.Series(_name(name, faint), layers, sizes, role, dashed=faint, faint=faint, points=True)
                series.append(line)
        note = "all weights of a layer" if log else "mean length of a token’s vector after each layer"
        y_range = None if log else (0, None)
        layers = (1, record.config.n_layers)
        plot = plots.Plot(f"{title}, step {step}", series, x_title="layer", x_range=layers, y_range=y_range, log_y=log)
        found.append(replace(plot, note=note))
    return found


def _name(name: str, faint: bool) -> str:
    return NAMES[name] + (", stored run" if faint else "")


def _below(config: NormRaceConfig | None) -> None:
    now = runs.look(RUN)
    record, _ = _shown(jobs.record(now.run_id) if now else None, now)
    leave_run = {} if now and now.state in runs.UNDECIDED else {RUN: ""}
    section.try_this(
        [
            ("Only 2 layers", {DEPTH: "2", WARM: False} | leave_run),
            ("12 layers with warm-up", {DEPTH: "12", WARM: True} | leave_run),
            ("The layers at step 1", {STEP: 1}),
        ],
        key="race",
    )
    shown = record.config if record else config
    if shown:
        ours, theirs = _first_steps(shown)
        audit.compare(
            ours,
            theirs,
            library="torch.nn.TransformerEncoderLayer",
            tolerance=1e-5,
            what="step 1 of both, loss and gradient of each layer",
            on="the same weights and texts",
        )
        audit.measured(race_words.how_measured(record, shown))
    _paper()
    section.code(Racer.step, make_followers, sample_texts)
    section.table(lambda: _table(record), key="race")
    section.sources(
        "Xiong et al. 2020, *On Layer Normalization in the Transformer Architecture*: theorem 1 and figure 3 for the "
        "gradients before training, section 4 for the translation results",
        "Vaswani et al. 2017, *Attention Is All You Need*, section 5.3: Post-LN, and the warm-up it needed",
        "The race: engine/experiments/norm_race.py. Its language: engine/experiments/markov.py, with an entropy that "
        "can be worked out by hand (Shannon 1948)",
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _first_steps(config: NormRaceConfig) -> tuple[torch.Tensor, torch.Tensor]:
    return race_twin.first_steps(config)


@st.cache_data(max_entries=8, show_spinner=False)
def _gradients(seed: int) -> initial_gradients.GradientsByDepth:
    return initial_gradients.gradients_by_depth(seeds=(seed,))


def _paper() -> None:
    """The paper's finding, and our miniature of it, computed here."""
    st.subheader("Before the first step", anchor=False)
    found = _gradients(state.get(SEED))
    words, figure = st.columns([1, 1.2], gap="large")
    with figure:
        plots.draw([_depth_plot(found)], key="race.depth", height=270)
    with words:
        for paragraph in race_words.paper(found):
            text.prose(paragraph)
        audit.claim(found.as_expected, race_words.direction(found))


def _depth_plot(found: initial_gradients.GradientsByDepth) -> plots.Plot:
    theory = [found.pre[0] * (found.depths[0] / depth) ** 0.5 for depth in found.depths]
    return plots.Plot(
        "Gradient of the last layer’s feed-forward weights",
        [
            plots.Series("Pre-LN", found.depths, found.pre, "query", points=True),
            plots.Series("Post-LN", found.depths, found.post, "key", points=True),
            plots.Series("1 / √layers", found.depths, theory, "plain", dashed=True),
        ],
        x_title="layers",
        log_x=True,
        log_y=True,
        x_ticks=found.depths,
        note="untrained, both axes logarithmic",
    )


def _table(record: jobs.Record | None) -> "pd.DataFrame":
    import pandas as pd

    rows = [
        {"step": event["step"], **{NAMES[name]: event[name]["loss"] for name in NAMES}}
        for event in (record.events if record else [])
    ]
    return pd.DataFrame(rows)
