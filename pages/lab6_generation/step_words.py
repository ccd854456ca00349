"""Section 2 in words: what each filter keeps here, what temperature leaves alone, where the dart stands."""

import math

from components import state
from components.text import escape
from pages.lab6_generation import step_study as chosen
from pages.lab6_generation.params import SEED
from pages.lab6_generation.step_study import Study

TITLES = {
    "model": "Model",
    "repetition_penalty": "Penalty",
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "min_p": "Min-p",
    "typical": "Typical",
}
PARAM_OF = {
    "repetition_penalty": chosen.PENALTY,
    "temperature": chosen.TEMPERATURE,
    "top_k": chosen.TOP_K,
    "top_p": chosen.TOP_P,
    "min_p": chosen.MIN_P,
    "typical": chosen.TYPICAL,
}
OFF = {chosen.PENALTY: 1.0, chosen.TEMPERATURE: 1.0, chosen.TOP_K: 0, chosen.TOP_P: 1.0, chosen.MIN_P: 0.0}
OFF[chosen.TYPICAL] = 1.0

ORDER_SENTENCE = (
    "<b>The order is fixed.</b> The repetition penalty comes first: it changes the scores of tokens that stand in the "
    "text already. Temperature divides all scores. Then each filter cuts: top-k keeps a number of tokens, top-p the "
    "fewest that reach a probability, min-p those that are likely enough beside the likeliest, typical those about as "
    "surprising as expected. A cut after a higher temperature is another cut, so the order matters; this one is "
    "transformers’."
)


def setting(name: str) -> str:
    """What stands under a stage's name: its value, or that it is off."""
    if name == "model":
        return "as it is"
    param = PARAM_OF[name]
    return "off" if state.get(param) == OFF[param] else param.format(state.get(param))


def plainly(param: state.Param) -> str:
    """What an extreme value means, under its slider."""
    if param is chosen.TEMPERATURE and state.get(param) == 0:
        return "0 cannot divide anything; it stands for greedy: the likeliest token alone is left."
    if param is chosen.TOP_P and state.get(param) == 0:
        return "No token is needed to reach 0, and one is always kept: the likeliest. So top-p 0 is greedy too."
    return ""


def not_appended(study: Study) -> str | None:
    """Why the token cannot be put behind the text, or None."""
    if study.drawn == study.found.eos_id:
        return "The dart hit the end token: the story is over. Draw again to go on."
    try:
        study.found.tokenizer.token_bytes(study.drawn).decode()
    except UnicodeDecodeError:
        return "This token is a part of a character and cannot stand in a text alone. Draw again."
    return None


def dart(study: Study) -> str:
    """The line above the dart."""
    return (
        f"Seed {state.get(SEED)}, throw {state.get(chosen.THROW)}: the random number is u = {study.share:.4f}. "
        f"It falls on {study.token(study.drawn)}, {_probability(_final(study, study.drawn))} wide."
    )


def notice(study: Study, by_top_k: int, by_top_p: list[int]) -> str:
    """Top-k beside top-p at this place and at others, what temperature did, and what is left."""
    said = [_alike(by_top_k, by_top_p), _temperature(study), _left(study)]
    return " ".join(part for part in said if part)


def _alike(by_top_k: int, by_top_p: list[int]) -> str:
    k, p = chosen.compared()
    said = (
        f"<b>Top-k and top-p are not alike.</b> Alone here, top-k {k} would keep {_tokens(by_top_k)} and top-p {p:g} "
        f"would keep {_tokens(by_top_p[-1])}."
    )
    if len(by_top_p) == 1:
        return said
    fewest, most = min(by_top_p), max(by_top_p)
    spread = f"{fewest:,} each time" if fewest == most else f"from {fewest:,} to {most:,}"
    places = f"At the last {len(by_top_p)} places of this text"
    return f"{said} {places} top-p keeps {spread}; top-k keeps {by_top_k:,} everywhere."


def _temperature(study: Study) -> str:
    t = state.get(chosen.TEMPERATURE)
    if t in (0, 1):
        return ""
    places = [stage.name for stage in study.stages].index("temperature")
    before, after = study.stages[places - 1], study.stages[places]
    best = int(before.logits.argmax())
    way = "sharper" if t < 1 else "flatter"
    return (
        f"Temperature {t:g} leaves the order of all {len(before.logits):,} tokens as it is and makes the bars {way}: "
        f"<code>{escape(study.token(best))}</code> goes from {before.log_probs[best].exp():.3f} to "
        f"{after.log_probs[best].exp():.3f}, the entropy from {before.entropy:.2f} to {after.entropy:.2f}. It makes "
        "the model bolder or shyer, never wiser."
    )


def _left(study: Study) -> str:
    first, last = study.stages[0], study.final
    return (
        f"In the end {_tokens(last.n_kept)} of {first.n_kept:,} can be drawn, with {last.kept_mass:.3f} of the model’s "
        f"own probability. The choice was as open as one between {math.exp(first.entropy):.1f} equally likely tokens, "
        f"now between {math.exp(last.entropy):.1f}."
    )


def alt(study: Study) -> str:
    """The figure in a sentence."""
    first, last = study.stages[0], study.final
    best = int(first.logits.argmax())
    return (
        f"Likeliest next token: {study.token(best)}, {first.log_probs[best].exp():.3f} for the model, "
        f"{_final(study, best):.3f} after all filters, which keep {last.n_kept:,} of {first.n_kept:,} tokens; the dart "
        f"at {study.share:.3f} hits {study.token(study.drawn)}"
    )


def _final(study: Study, token: int) -> float:
    return study.final.log_probs[token].exp().item()


def _probability(value: float) -> str:
    return "less than 0.001" if value < 0.0005 else f"{value:.3f}"


def _tokens(n: int) -> str:
    return f"{n:,} token{'' if n == 1 else 's'}"
