"""What several sections of Lab 6 share: the learner's prompt, the model, the seed."""

from components import language_models, state

START = "Once upon a time, there was a little dog"

PROMPT = state.Text("prompt", START, "Prompt")
MODEL = language_models.model_choice("model")
SEED = state.Number("seed", 7, "Seed", low=0, high=999, help="The same seed draws the same random numbers")

ENDINGS = {"sentence": "Sentence", "story": "Story"}
ENDS = state.Choice(
    "ends",
    "sentence",
    "A text ends with its",
    options=tuple(ENDINGS),
    labels=ENDINGS,
    help="Sentence: at a full stop, an exclamation or a question mark. Story: only at the token that ends a story",
)
