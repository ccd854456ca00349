""" "Temperature" in words: what the chosen one does to the texts, and whether any makes the model predict better."""

from collections.abc import Sequence

from engine import jobs
from engine.experiments.temperatures import TemperatureConfig
from pages.lab6_generation import prompt
from pages.lab6_generation.temperature_texts import N_DRAWS, Draws

READING = (
    "Before each draw all scores are divided by the temperature. Upright line: yours; click a plot to move it. "
    "<b>Self-BLEU</b>: how much of a text’s runs of 1 to 4 tokens stand in the other texts from the same beginning. "
    "<b>Distinct-n</b>: of all runs of n tokens in these texts, the share that are different ones. <b>Perplexity</b>: "
    "among how many equally likely tokens the model would be as unsure. Underlined: words that the model’s training "
    "stories do not know."
)


def notice(rows: Sequence[dict], bent: dict, chosen: float) -> str:
    """What the texts at the measured temperature nearest to the chosen one are like, beside those at 1."""
    if not rows:
        return "Nothing has been measured yet."
    here = min(rows, key=lambda row: abs(row["temperature"] - chosen))
    plain = min(rows, key=lambda row: abs(row["temperature"] - 1))
    said = f"At {here['temperature']:g} {_alike(here)}, and {_words(here)}. "
    if here is plain:
        cold, hot = rows[0], rows[-1]
        return (
            f"{said}Colder, variety goes: at {cold['temperature']:g} {_alike(cold)}. Hotter, sense goes: at "
            f"{hot['temperature']:g} {_words(hot)}."
        )
    return f"{said}At {plain['temperature']:g} {_alike(plain)}, and {_words(plain)}."


def _alike(row: dict) -> str:
    return f"self-BLEU is {row['self_bleu']:.2f} and {row['distinct_2']:.0%} of the pairs of tokens are different ones"


def _words(row: dict) -> str:
    return f"{row['known_words']:.1%} of the words are known ones"


def smarter(bent: dict, chosen: float) -> str:
    """The misconception, from the curve of human text: where its lowest point is, and what the chosen one costs."""
    heldout = "stories that it has not seen", bent["heldout"]
    name, values = heldout if bent["heldout"] else ("this project’s own stories", bent["bundled"])
    temperatures = bent["temperatures"]
    best = min(range(len(values)), key=values.__getitem__)
    at = min(range(len(values)), key=lambda place: abs(temperatures[place] - chosen))
    cold, hot = values[0], values[-1]
    said = (
        f"<b>A temperature does not make it smarter.</b> On {name} its perplexity is lowest, {values[best]:.2f}, at "
        f"temperature {temperatures[best]:g}; at {temperatures[0]:g} it is {_size(cold)} and at "
        f"{temperatures[-1]:g} it is {_size(hot)}"
    )
    if at not in (best, 0, len(values) - 1):
        said += f"; at yours, {temperatures[at]:g}, it is {_size(values[at])}"
    said += ". The order of the tokens is the same at every temperature: only how boldly it bets changes."
    if bent["heldout"] and (other := _lowest(bent["temperatures"], bent["bundled"])) > temperatures[best]:
        said += (
            f" On text of another kind, our own stories (dashed), it is lowest at {other:g}: there the model is surer "
            "than it should be."
        )
    return said


def _lowest(temperatures: Sequence[float], values: Sequence[float]) -> float:
    return temperatures[min(range(len(values)), key=values.__getitem__)]


def _size(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}" if value < 1e7 else f"{value:.0e}"


def draws(drawn: Draws, found: prompt.Prompt) -> str:
    """The audit line of the drawn tokens."""
    parts = [f"{found.token(token)} {n} times ({expected:.0f} expected)" for token, n, expected in _named(drawn)]
    said = ", ".join(parts) or "no token is likely enough to be counted alone"
    return (
        f"{N_DRAWS:,} first tokens drawn at this temperature: {said}; no count is further than {drawn.worst:.1f} "
        "standard errors from the model’s own probability"
    )


def _named(drawn: Draws) -> list[tuple[int, int, float]]:
    return [(token, n, expected) for token, n, expected in drawn.counts[:3] if token is not None]


def how_made(record: jobs.Record) -> str:
    """How the curves were measured."""
    config: TemperatureConfig = record.config
    whose = "Your run on this machine"
    if record.stored:
        whose = f"Stored study, {record.seconds / 60:.0f} min on {record.machine}, made again by: {record.command}"
    without = ""
    if record.result and record.result["bent"]["heldout"] is None:
        without = " Without LABS_DATA there are no held-out stories here: their curve is left out."
    return (
        f"{config.prompts} beginnings × {config.texts} texts of {config.new_tokens} tokens at each of "
        f"{len(config.temperatures)} temperatures, seed {config.seed}. {whose}.{without}"
    )
