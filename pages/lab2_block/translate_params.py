"""What a learner can set in the section on encoder and decoder, and the run's config that follows from it."""

from components import errors, runs, state
from engine.experiments.sequence_tasks import TASKS, Task, find_task
from engine.experiments.sequence_training import SequenceConfig

LEARNING, WRITING = "learning", "writing"
DEFAULTS = SequenceConfig()
MOMENT_STEP = 4  # per cent of a run, as far apart as its measurements

VIEW = state.Choice(
    "t_view", LEARNING, "Watch it", options=(LEARNING, WRITING), labels={LEARNING: "learn", WRITING: "write"}
)
TASK = state.Choice("t_task", DEFAULTS.task, "Task", options=tuple(TASKS))
RUN = runs.run_id("t_run", "sequence")
MOMENT = state.Number("t_at", 100, "Moment of the training, in %", low=0, high=100, step=MOMENT_STEP)
INPUTS = {
    "reverse": state.Text("t_reverse", "attention", "Your input"),
    "sort": state.Text("t_sort", "k3w1a9", "Your input"),
    "date": state.Text("t_date", "3 march 2014", "Your input"),
}
WRITTEN = state.Number("t_written", 3, "Step of the writing", low=1, high=13)
LAYER = state.Number("t_layer", 2, "Decoder layer", low=1, high=4)
HEAD = state.Number("t_head", 0, "Head (0: the mean of all)", low=0, high=8)

NORM = state.Choice(
    "t_norm", "pre", "Norm", options=("pre", "post"), labels={"pre": "before (Pre-LN)", "post": "after (Post-LN)"}
)
RATE = state.Choice(
    "t_rate", "0.0015", "Learning rate", options=("0.0002", "0.0005", "0.0015", "0.005", "0.02", "0.1", "1000")
)
WARMUP = state.Number("t_warmup", DEFAULTS.warmup, "Warm-up steps", low=0, high=1000, step=50)
STEPS = state.Number("t_steps", DEFAULTS.steps, "Training steps", low=200, high=6000, step=200)
D_MODEL = state.Choice("t_d_model", str(DEFAULTS.d_model), "d_model", options=("16", "32", "64", "128"))
HEADS = state.Number("t_heads", DEFAULTS.n_heads, "Heads", low=1, high=8)
LAYERS = state.Number("t_layers", DEFAULTS.n_layers, "Layers on each side", low=1, high=4)
SEED = state.Number("t_seed", DEFAULTS.seed, "Seed", low=0, high=99)

SETTINGS = [NORM, RATE, WARMUP, STEPS, D_MODEL, HEADS, LAYERS, SEED]
PARAMS = [VIEW, TASK, RUN, MOMENT, *INPUTS.values(), WRITTEN, LAYER, HEAD, *SETTINGS]


def task() -> Task:
    """The task on screen."""
    return find_task(state.get(TASK))


def wanted_config() -> tuple[SequenceConfig | None, str | None]:
    """The config that the controls ask for, or None and the sentence that says what is impossible about it."""
    d_model = int(state.get(D_MODEL))
    return errors.attempt(
        lambda: SequenceConfig(
            task=state.get(TASK),
            d_model=d_model,
            d_ff=2 * d_model,
            n_heads=state.get(HEADS),
            n_layers=state.get(LAYERS),
            steps=state.get(STEPS),
            learning_rate=float(state.get(RATE)),
            warmup=state.get(WARMUP),
            seed=state.get(SEED),
            norm_first=state.get(NORM) == "pre",
        )
    )
