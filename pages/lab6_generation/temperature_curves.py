"""The figure of "Temperature": six measures over the temperature, of the texts written at it and of human text."""

from collections.abc import Callable

from components.figures import plots
from engine import jobs

HELDOUT, BUNDLED = "held-out stories", "our own"
MOST_SHOWN = 1000  # the curve of human text ends there: at 0.1 its perplexity has up to 14 digits
HUNDRED = 100


def bent(record: jobs.Record, stored: jobs.Record) -> dict:
    """What each temperature makes of human text; the same for every run, so the stored one's until a run is done."""
    return (record.result or stored.result)["bent"]


def draw(
    live: jobs.Record | None, stored: jobs.Record, *, key: str, selected: float, on_change: Callable[[], None]
) -> None:
    """The learner's run over the stored one, or the stored one alone."""

    def lines(name: str, said: str, role: str = "query", scale: float = 1) -> list[plots.Series]:
        own = [_line(live or stored, name, said, role, scale)]
        return [_line(stored, name, f"{said}, stored", role, scale, behind=True), *own] if live else own

    plots.draw(
        [
            _plot("How alike the texts are", lines("self_bleu", "self-BLEU"), (0, 1)),
            _plot(
                "Runs of tokens that are different ones",
                [*lines("distinct_2", "distinct-2"), *lines("distinct_4", "distinct-4", "value")],
                (0, 1),
            ),
            _plot("How open each choice is, in nats", lines("entropy", "entropy", "key"), (0, 8)),
            _plot("Words that are words, in %", lines("known_words", "known words", "value", HUNDRED), (60, HUNDRED)),
            _plot("How odd the model finds it", lines("perplexity", "perplexity", "negative"), (1, 10_000), log_y=True),
            _plot("Perplexity of human text", _human(bent(live or stored, stored)), (1, MOST_SHOWN), log_y=True),
        ],
        key=key,
        per_row=3,
        height=172,
        selected=selected,
        on_change=on_change,
    )


def _line(record: jobs.Record, name: str, said: str, role: str, scale: float, *, behind: bool = False) -> plots.Series:
    temperatures = [row["temperature"] for row in record.events]
    values = [scale * row[name] for row in record.events]
    return plots.Series(said, temperatures, values, role, dashed=behind, faint=behind, points=not behind)


def _human(judged: dict) -> list[plots.Series]:
    found = []
    for name, key, role in ((HELDOUT, "heldout", "output"), (BUNDLED, "bundled", "plain")):
        if judged[key]:
            values = [value if value <= MOST_SHOWN else None for value in judged[key]]
            found.append(plots.Series(name, judged["temperatures"], values, role, dashed=key == "bundled"))
    return found


def _plot(title: str, lines: list[plots.Series], y_range: tuple[float, float], *, log_y: bool = False) -> plots.Plot:
    ticks = (0, 0.5, 1, 1.5, 2)
    return plots.Plot(title, lines, x_title="temperature", x_range=(0, 2), x_ticks=ticks, y_range=y_range, log_y=log_y)
