"""What a learner can set in "Why it repeats"."""

from components import runs, state
from pages.lab6_generation.params import PROMPT, SEED

PROMPT_VIEW, HUNDRED_VIEW = "prompt", "hundred"
VIEWS = {PROMPT_VIEW: "Your prompt", HUNDRED_VIEW: "A hundred texts"}
VIEW = state.Choice("re_view", PROMPT_VIEW, "Look at", options=tuple(VIEWS), labels=VIEWS)

WAYS = {
    "top-p": "Top-p",
    "temperature": "Temperature",
    "penalty": "Repetition penalty",
    "n-gram": "No n-gram twice",
    "plain": "Plain sampling",
}
WAY = state.Choice("re_way", "top-p", "Against greedy", options=tuple(WAYS), labels=WAYS)
TOP_P = state.Number("re_p", 0.9, "Top-p", low=0.0, high=1.0, step=0.05)
TEMPERATURE = state.Number("re_t", 0.8, "Temperature", low=0.0, high=2.0, step=0.1)
PENALTY = state.Number("re_penalty", 1.2, "Penalty", low=1.0, high=2.0, step=0.05)
NGRAM = state.Number("re_n", 3, "Tokens that may not come twice", low=1, high=8)
STRENGTHS = {"top-p": TOP_P, "temperature": TEMPERATURE, "penalty": PENALTY, "n-gram": NGRAM}

TOKENS = state.Number("re_tokens", 240, "New tokens", low=20, high=440, step=20)
ENDS = state.Flag("re_ends", False, "May end its story", help="Off: the end token is never chosen, so it must go on")
SENTENCE = state.Text("re_sentence", "The cat sat on the mat.", "Say it again and again")

TEXTS = state.Number("re_texts", 20, "Texts of each kind", low=5, high=100, step=5)
RUN = runs.run_id("re_run", "repetition")

PARAMS = [
    PROMPT, VIEW, WAY, TOP_P, TEMPERATURE, PENALTY, NGRAM, TOKENS, ENDS, SENTENCE, SEED, TEXTS, RUN,
]  # fmt: skip
