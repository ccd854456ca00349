"""The bends that feed-forward parts use, as curves with a movable x, and where the real model's own numbers lie."""

import torch
import torch.nn.functional as F
from torch import Tensor

from components import audit, drawing, section, state, text
from components.figures import plots
from components.figures.numbers import number
from engine.activations import FORMULAS, gelu, gelu_tanh, relu, silu, slope

KEY = "feed-forward.curves"
LOW, HIGH = -4.0, 4.0
NAMES = {"relu": "ReLU", "gelu": "GELU", "gelu_tanh": "GELU (tanh)", "silu": "SiLU"}
ROLES = {"relu": "plain", "gelu": "query", "gelu_tanh": "key", "silu": "value"}
THEIRS = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu}
BINS = 40

AT = state.Number(
    "f_x", 1.0, "x", low=LOW, high=HIGH, step=0.1, help="What arrives at a hidden unit. Or click a curve."
)
OTHER = state.Number(
    "f_u", 2.0, "u, the second projection", low=-3.0, high=3.0, step=0.5, help="SwiGLU multiplies SiLU(x) by it."
)
SLOPES = state.Flag("f_slope", False, "Slopes", help="How steep each curve is: what a gradient is multiplied by.")


def grid() -> Tensor:
    """The x of the curves: (161,), float64."""
    return torch.linspace(LOW, HIGH, 161, dtype=torch.float64)


def draw(arriving: Tensor, layer: int) -> None:
    """The curves, their slopes if wanted, and their values at x.

    arriving: what arrives at the hidden units of the real model's layer `layer` (from 1), before the bend.
    """
    x, at = grid(), state.get(AT)
    drawn = [
        plots.Plot("What comes out", [*_curves(x), _histogram(arriving, layer)], "x, what arrives", y_range=(-1, 4))
    ]
    if state.get(SLOPES):
        rises = [_series(name, x, _with_corner(name, x, slope(FORMULAS[name], x))) for name in FORMULAS]
        drawn.append(plots.Plot("How steep the curve is", rises, "x, what arrives", y_range=(-0.3, 1.3)))
    plots.draw(drawn, key=KEY, height=380, selected=at, on_change=_take)
    section.let_it_paint()
    inside = (arriving.abs() <= HIGH).float().mean().item()
    section.reading(
        "Across: the number that arrives at a hidden unit. Up: what leaves it. Click to move x. Faint: how often each "
        f"x arrives in layer {layer} of MiniLM on your sentence; the area "
        f"under it is {inside:.2f}, the share that falls into the picture."
    )
    text.prose(_values_at(at), "labs-reading")
    section.notice(_notice(arriving, layer, at))


def _take() -> None:
    event = drawing.result(KEY)
    if event and event.get("type") == "x":
        state.set_value(AT, round(min(HIGH, max(LOW, float(event["x"]))), 1))


def _curves(x: Tensor) -> list[plots.Series]:
    u = state.get(OTHER)
    gated = plots.Series(f"SwiGLU, u = {number(u)}", x.tolist(), (silu(x) * u).tolist(), "output", dashed=True)
    return [*(_series(name, x, FORMULAS[name](x)) for name in FORMULAS), gated]


def _series(name: str, x: Tensor, y: Tensor) -> plots.Series:
    return plots.Series(NAMES[name], x.tolist(), y.tolist(), ROLES[name], dashed=name == "gelu_tanh")


def _with_corner(name: str, x: Tensor, rises: Tensor) -> Tensor:
    """ReLU has a corner at 0 and no slope there: a gap in its line."""
    return rises.masked_fill(x.abs() < 1e-9, torch.nan) if name == "relu" else rises


def _histogram(arriving: Tensor, layer: int) -> plots.Series:
    width = (HIGH - LOW) / BINS
    counts = torch.histc(arriving.float(), BINS, LOW, HIGH)  # (BINS,)
    middles = [LOW + width * (place + 0.5) for place in range(BINS)]
    share = counts / arriving.numel() / width
    return plots.Series(f"MiniLM, layer {layer}", middles, share.tolist(), "negative", faint=True)


def _values_at(at: float) -> str:
    x, u = torch.tensor([at], dtype=torch.float64), state.get(OTHER)
    names = [*NAMES.values(), "SwiGLU"]
    values = [FORMULAS[name](x).item() for name in FORMULAS] + [silu(x).item() * u]
    slopes = [number(slope(FORMULAS[name], x).item()) for name in FORMULAS] + [number(slope(silu, x).item() * u)]
    lines = {f"at x = {number(at)}": names, "value": [number(value) for value in values], "slope": slopes}
    rows = "".join(
        f"<tr><th>{head}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for head, cells in lines.items()
    )
    return f"<table class='labs-small-table'>{rows}</table>"


def _notice(arriving: Tensor, layer: int, at: float) -> str:
    x = torch.tensor([at], dtype=torch.float64)
    apart = (gelu(grid()) - gelu_tanh(grid())).abs().max().item()
    below = (arriving < 0).float().mean().item()
    dead = slope(relu, x).item() == 0
    side = (
        f"At x = {number(at)} ReLU’s slope is 0, so nothing is learned through it there; GELU’s is "
        f"{number(slope(gelu, x).item())}."
        if dead
        else f"At x = {number(at)} GELU lets {gelu(x).item() / at:.0%} of x through, ReLU all of it."
    )
    return (
        f"{below:.0%} of what arrives in layer {layer} of MiniLM lies below 0, where every bend lets little or nothing "
        f"through: few units speak at a time. {side} The two GELUs never differ by more than {apart:.4f}, but a "
        "checkpoint must be run with the one it was trained with. Without a bend, expand and contract would be one "
        "matrix: twice a straight line is a straight line."
    )


def audit_line() -> None:
    """Our formulas, and their slopes, against torch's own."""
    x = grid()
    pairs = [(FORMULAS[name](x), theirs(x)) for name, theirs in THEIRS.items()]
    pairs += [(slope(FORMULAS[name], x), slope(theirs, x)) for name, theirs in THEIRS.items()]
    found = audit.find_difference(pairs)
    # 1e-12: float64 formulas that differ only in the order of their steps
    audit.show(
        found, library="torch.nn.functional", tolerance=1e-12, what="curves and slopes", on="the x of the curves"
    )


def as_table() -> list[dict]:
    """The curves at every fifth x."""
    x = grid()[::5]
    values = {NAMES[name]: FORMULAS[name](x).tolist() for name in FORMULAS}
    return [
        {"x": round(value, 2), **{name: round(column[place], 4) for name, column in values.items()}}
        for place, value in enumerate(x.tolist())
    ]
