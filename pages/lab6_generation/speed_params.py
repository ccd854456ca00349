"""The controls of section 10, which its parts share."""

from components import runs, state
from pages.lab6_generation.params import PROMPT, SEED

VIEWS = {"cache": "Cache", "batch": "Batch", "strategies": "Strategies", "draft": "Draft model"}
VIEW = state.Choice("sp_view", "cache", "What makes it cheaper", options=tuple(VIEWS), labels=VIEWS)
TOKENS = state.Choice(
    "sp_tokens",
    "64",
    "Tokens of each measured text",
    options=("32", "64", "128"),
    help="For a measurement of your own; press Measure here after it",
)
DRAFT = state.Number("sp_draft", 3, "Tokens drafted at a time", low=1, high=6)
TEMPERATURE = state.Number("sp_temp", 1.0, "Temperature", low=0.0, high=2.0, step=0.1)
NEW = state.Number("sp_new", 32, "New tokens", low=8, high=96, step=8)
RUN = runs.run_id("sp_run", "decoding-speed", "Your measurement")
PARAMS = [VIEW, PROMPT, TOKENS, DRAFT, TEMPERATURE, NEW, SEED, RUN]
