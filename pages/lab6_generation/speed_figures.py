"""The figures of section 10: curves and bars of a run, with the stored one behind the learner's own."""

from components import drawing, state
from components.figures import bars, plots
from pages.lab6_generation.speed_params import DRAFT
from pages.lab6_generation.speed_study import Line, Speeds

KEY = "speed.plots"
LINES = {
    "whole": ("without a cache", "negative"),
    "cached": ("with a cache, through the modules", "key"),
    "lean": ("with a cache, lean loop", "query"),
}


def cache(shown: Speeds, behind: Speeds | None) -> None:
    """Milliseconds of one token more, and seconds of a whole text."""

    def lines(make: str) -> list[plots.Series]:
        found = []
        for speeds in filter(None, (behind, shown)):
            for reading, (name, role) in LINES.items():
                found.append(_line(name, role, getattr(speeds, make)(reading), behind=speeds is behind))
        return found

    x = {"x_title": "tokens of the text", "y_range": (0, None)}
    plots.draw(
        [
            plots.Plot("One token more, in ms", lines("next_token"), **x),
            plots.Plot("The whole text, in seconds", lines("whole_text"), **x),
        ],
        key=KEY,
        per_row=2,
        height=370,
    )


def _line(name: str, role: str, line: Line, *, behind: bool = False, dashed: bool = False) -> plots.Series:
    if behind:
        return plots.Series(f"{name}, stored run", *line, role="plain", dashed=True, faint=True)
    return plots.Series(name, *line, role=role, dashed=dashed, points=not dashed)


def batch(shown: Speeds, behind: Speeds | None) -> None:
    """Tokens a second of several texts, and one reading by its tokens."""
    sizes = shown.batch(each=False)[0]
    side = {"x_title": "texts side by side", "log_x": True, "x_ticks": sizes}
    before = (
        [_line("texts side by side", "plain", behind.batch(each=each), behind=True) for each in (False, True)]
        if (behind)
        else []
    )
    together = _line("texts side by side", "query", shown.batch(each=False))
    limit = _line("limit of the memory", "plain", shown.limit(), dashed=True)
    each = _line("texts side by side", "query", shown.batch(each=True))
    steps = [_line("texts side by side", "query", shown.batch_step())]
    steps.append(_line("tokens of one text", "value", shown.at_once()))
    ticks = {"x_title": "tokens in one reading", "x_ticks": sizes, "log_x": True, "y_range": (0, None)}
    plots.draw(
        [
            plots.Plot("Tokens a second, all texts", [*before[:1], limit, together], log_y=True, **side),
            plots.Plot("Tokens a second, each text", [*before[1:], each], y_range=(0, None), **side),
            plots.Plot("One reading, in ms", steps, **ticks),
        ],
        key=KEY,
        per_row=3,
        height=370,
    )


def strategies(shown: Speeds, behind: Speeds | None) -> None:
    """Bars of tokens a second."""

    def bar(name: str, event: dict, role: str) -> bars.Bar:
        which = {key: event[key] for key in ("name", "by", "beams")}
        before = behind.tokens_per_second(**which) if behind else None
        speed = event["tokens"] / event["seconds"]
        return bars.Bar(name, speed, f"{speed:,.0f}", role, before)

    ours = [bar(strategy_name(event), event, "query") for event in shown.of("strategy", by="ours")]
    theirs = [bar(strategy_name(event), event, "key") for event in shown.of("strategy", by="transformers")]
    drafted = []
    for temperature, name in ((shown.config.temperature, "sampling"), (0.0, "greedy")):
        if rows := shown.drafted(temperature):
            best = max(rows, key=lambda row: row.tokens_per_second)
            before = (
                max((row.tokens_per_second for row in behind.drafted(temperature)), default=None) if behind else None
            )
            speed = best.tokens_per_second
            drafted.append(bars.Bar(f"{name}, {best.n_draft} drafted", speed, f"{speed:,.0f}", "value", before))
    groups = [("Ours", ours), ("Ours, with a draft model", drafted[: 1 if shown.config.temperature == 0 else 2])]
    groups.append(("transformers’ generate, the same weights", theirs))
    bars.draw([group for group in groups if group[1]], title="Tokens a second of the finished text")


def strategy_name(event: dict) -> str:
    """A way of choosing in words."""
    names = {"filtered": "sampling, three filters", "constrained": f"beam search, {event['beams']}, one word required"}
    if event["name"] == "beam":
        return f"beam search, {event['beams']} beams"
    return names.get(event["name"], event["name"])


def draft(shown: Speeds, behind: Speeds | None) -> None:
    """Acceptance, tokens a reading and tokens a second by draft length."""
    temperature = shown.config.temperature
    ways = {temperature: (f"temperature {temperature:g}", "query"), 0.0: ("temperature 0, greedy", "key")}
    kept, per_round, speed = [], [], []
    for degree, (name, role) in ways.items():
        rows = shown.drafted(degree)
        n = [row.n_draft for row in rows]
        kept.append(_line(name, role, (n, [100 * row.acceptance for row in rows])))
        per_round.append(_line(name, role, (n, [row.tokens_per_round for row in rows])))
        speed.append(_line(name, role, (n, [row.tokens_per_second for row in rows])))
        plain = shown.plain(degree)
        speed.append(plots.Series(f"{name}, no draft", n, [plain] * len(n), role=role, dashed=True, faint=True))
    rows = shown.drafted(temperature)
    expected = ([row.n_draft for row in rows], [row.expected_per_round for row in rows])
    per_round.append(_line("if every token were kept as often", "plain", expected, dashed=True))
    if behind and (before := behind.drafted(temperature)):
        points = ([row.n_draft for row in before], [row.tokens_per_second for row in before])
        speed.insert(0, _line(f"temperature {temperature:g}", "plain", points, behind=True))
    x = {"x_title": "tokens drafted at a time", "x_ticks": expected[0]}
    plots.draw(
        [
            plots.Plot("Kept, % of those looked at", kept, y_range=(0, 100), **x),
            plots.Plot("Tokens for each reading", per_round, y_range=(0, None), **x),
            plots.Plot("Tokens a second", speed, y_range=(0, None), **x),
        ],
        key=f"{KEY}.draft",
        per_row=3,
        height=300,
        selected=state.get(DRAFT),
        on_change=_take,
    )


def _take() -> None:
    """A click into a plot chooses the draft length there."""
    event = drawing.result(f"{KEY}.draft")
    if event and event.get("type") == "x":
        state.set_value(DRAFT, int(min(max(round(event["x"]), DRAFT.low), DRAFT.high)))


FIGURES = {"cache": cache, "batch": batch, "strategies": strategies, "draft": draft}
