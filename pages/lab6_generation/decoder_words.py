"""Section 3 in words: who is ahead and by how much, and why the likelier text is not the better one."""

import math

from components.text import escape
from engine.decoding.following import Rival
from pages.lab6_generation.decoder_study import MOST_TOKENS, Study

NAMES = {"greedy": "Greedy", "beam 4": "Beam of 4", "beam 16": "Beam of 16"}
IN_TEXT = {"greedy": "greedy decoding", "beam 4": "the beam of 4", "beam 16": "the beam of 16"}
CLOSE = 1e-3  # nats; the ways of reading add up in another order

STRENGTH = (
    "<b>Greedy</b> takes the likeliest token at every step. <b>Beam search</b> keeps several texts at once, 4 or 16, "
    "and after every step only the likeliest of them. Both look for a probable text, and a probable text says what "
    "most texts say. A story is read for what it does not share with them: people’s own sentences hold surprising "
    "words, and every one of them costs log-probability."
)


def over(study: Study) -> str:
    """Why no token can be chosen, or nothing."""
    if study.ended:
        return "You took the end token: this story is over. Go back, or fork before one of its tokens."
    if study.full:
        return f"A fork holds {MOST_TOKENS} tokens, and this one is full. Go back, or fork before one of its tokens."
    return ""


def written(study: Study, ids: tuple[int, ...]) -> str:
    """Tokens as text on one line; the end token is written out."""
    return "".join(
        study.found.token(one) if one == study.found.eos_id else study.found.tokenizer.decode([one]) for one in ids
    ).replace("\n", "⏎")


def notice(study: Study) -> str:
    """Who is ahead, and at which step the learner had the most choice."""
    if not study.rivals:
        return (
            f"Nothing is chosen yet. The likeliest first token is <code>{_token(study, study.likeliest())}</code>; "
            "take it, or another one, and see what it costs."
        )
    said = [_against(study), _costliest(study), _openest(study)]
    return " ".join(part for part in said if part)


def _against(study: Study) -> str:
    n, own = len(study.forks.ids), study.active.log_prob
    beaten = [one for one in study.rivals if own > one.log_prob + CLOSE]
    ahead = max(study.rivals, key=lambda one: one.log_prob)
    tokens = f"{n} token{'' if n == 1 else 's'}"
    if beaten:
        who = " and ".join(IN_TEXT[one.name] for one in beaten)
        best = max(beaten, key=lambda one: one.log_prob)
        return f"<b>You beat {who}.</b> Your {tokens} are {_times(own - best.log_prob)} as likely{_why(beaten)}"
    if own >= ahead.log_prob - CLOSE:
        return f"<b>You are level with the best found.</b> {tokens.capitalize()}, log-probability {_signed(own)}."
    return (
        f"<b>{IN_TEXT[ahead.name].capitalize()} has found a text that is {_times(ahead.log_prob - own)} as likely as "
        f"yours</b>, in as many tokens ({tokens}): “{escape(_one_line(study, ahead.ids))}”. Which of the two would you "
        "go on reading? High probability does not mean good text."
    )


def _why(beaten: list[Rival]) -> str:
    if any(one.name != "greedy" for one in beaten):
        return ": the beam dropped your beginning at a step where others looked better. A beam is no proof."
    return ": the likeliest token at every step does not add up to the likeliest text."


def _costliest(study: Study) -> str:
    steps = study.active.steps
    worst = min(steps, key=lambda one: one.log_prob)
    if worst.rank == 0:
        return "At every step you took the likeliest token." if all(one.rank == 0 for one in steps) else ""
    share = worst.log_prob / study.active.log_prob
    return (
        f"Your costliest token is <code>{_token(study, worst.token_id)}</code>, rank {worst.rank + 1:,} at its step: "
        f"it alone makes {share:.0%} of your log-probability of {_signed(study.active.log_prob)}."
    )


def _openest(study: Study) -> str:
    steps = study.active.steps
    if len(steps) < 2:
        return ""
    most, least = max(steps, key=lambda one: one.entropy), min(steps, key=lambda one: one.entropy)
    return (
        f"The model was most open before <code>{_token(study, most.token_id)}</code> (entropy {most.entropy:.2f}, like "
        f"a choice between {math.exp(most.entropy):.0f} equally likely tokens) and surest before "
        f"<code>{_token(study, least.token_id)}</code> ({least.entropy:.2f})."
    )


def alt(study: Study) -> str:
    """The figure in a sentence."""
    likeliest = study.found.token(study.likeliest())
    if not study.rivals:
        return f"No token chosen yet; the likeliest next token is {likeliest}"
    others = ", ".join(f"{NAMES[one.name]} {_signed(one.log_prob)}" for one in study.rivals)
    return (
        f"Your {len(study.forks.ids)} tokens have log-probability {_signed(study.active.log_prob)}; {others}. "
        f"Likeliest next token: {likeliest}. {len(study.forks.texts)} forks"
    )


def _token(study: Study, number: int) -> str:
    return escape(study.found.token(number))


def _one_line(study: Study, ids: tuple[int, ...]) -> str:
    return written(study, ids).strip()


def _times(nats: float) -> str:
    """How many times as likely a difference in log-probability is."""
    ratio = math.exp(min(nats, 700))
    if ratio < 10:
        return f"{ratio:.1f} times"
    return f"{ratio:,.0f} times" if ratio < 1e6 else f"10<sup>{math.log10(ratio):.0f}</sup> times"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
