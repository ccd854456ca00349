"""The stages of "Normalise" as matrices to type in and click, made from two engine traces."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from components.figures.numbers import Cell, Matrix, cell_id, number, show
from components.typed_numbers import Rows
from engine.normalisation import NormTrace, trace_norm

# Chosen so that token 1 can be done in the head: mean 4, standard deviation 3, root mean square 5.
GIVEN: dict[str, Rows] = {"x": ((1, 3, 3, 9), (1, -5, -7, -5)), "g": ((1, 1, 1, 1), (0, 0, 0, 0))}
TOKENS = ("token 1", "token 2")
D_MODEL = 4
NAMES = {
    "x": "Numbers in",
    "g": "Learned",
    "l": "LayerNorm",
    "r": "RMSNorm",
    "lo": "LayerNorm out",
    "ro": "RMSNorm out",
}
LABEL_ROOM = 128  # CSS pixels, for the names of the steps


@dataclass(frozen=True)
class Setup:
    """Both normalisations of the same two tokens: the numbers, the settings and the switches."""

    x: Tensor  # (2, 4), float64
    scale: Tensor  # (4,)
    shift: Tensor  # (4,)
    eps: float
    unbiased: bool = False
    over: str = "features"
    token: int = 0  # whose steps are written out
    layernorm: NormTrace = field(init=False)
    rmsnorm: NormTrace = field(init=False)

    def __post_init__(self) -> None:
        options = {"scale": self.scale, "eps": self.eps, "over": self.over}
        layernorm = trace_norm(self.x, shift=self.shift, unbiased=self.unbiased, **options)
        object.__setattr__(self, "layernorm", layernorm)
        object.__setattr__(self, "rmsnorm", trace_norm(self.x, "rmsnorm", **options))

    def with_numbers(self, x: Tensor) -> "Setup":
        return Setup(x, self.scale, self.shift, self.eps, self.unbiased, self.over, self.token)

    def averaged(self, column: int) -> tuple[Tensor, tuple[str, ...]]:
        """What a statistic of `column` is taken over: the numbers, and the ids of their cells."""
        if self.over == "features":
            return self.x[self.token], tuple(cell_id("x", self.token, c) for c in range(D_MODEL))
        return self.x[:, column], tuple(cell_id("x", r, column) for r in range(len(self.x)))


def tensors(x: Rows, learned: Rows) -> tuple[Tensor, Tensor, Tensor]:
    """Typed numbers as x, scale and shift."""
    scale, shift = torch.tensor(learned, dtype=torch.float64)
    return torch.tensor(x, dtype=torch.float64), scale, shift


def matrices(setup: Setup) -> dict[str, Matrix]:
    """Every matrix of the figure by its code."""
    return {
        "x": _numbers_in(setup),
        "g": _learned(setup),
        "l": _steps(setup, "l", setup.layernorm),
        "r": _steps(setup, "r", setup.rmsnorm),
        "lo": _output(setup, "lo", setup.layernorm),
        "ro": _output(setup, "ro", setup.rmsnorm),
    }


def short(value: float) -> str:
    """A number as it stands in a cell; unlike in Lab 1 a very small one matters here.

    >>> [short(value) for value in (9.0, 0.25, 2.2e-6, float("nan"))]
    ['9', '0.25', '2.2e−6', 'NaN']
    """
    if value != value:
        return "NaN"
    return number(value) if 0 < abs(value) < 0.005 else show(value)


def _exact(value: float) -> str:
    """A number inside a calculation, in brackets where a minus sign would be misread."""
    text = "NaN" if value != value else number(value)
    return f"({text})" if text.startswith("−") else text


def _result(value: float) -> str:
    """What a calculation ends in."""
    return number(value) if value == value else "NaN, “not a number”: this has no value"


def _numbers_in(setup: Setup) -> Matrix:
    def cell(r: int, c: int) -> Cell:
        return _given(setup.x[r, c].item(), f"{TOKENS[r]}, number {c + 1}", "yours to change")

    return _matrix("x", "two tokens, four numbers each", [[cell(r, c) for c in range(D_MODEL)] for r in range(2)])


def _learned(setup: Setup) -> Matrix:
    said = (
        ("scale γ", setup.scale, "one scale for each column, the same for every token; a model learns it"),
        ("shift β", setup.shift, "one shift for each column, for LayerNorm only; a model learns it"),
    )
    cells = [
        [_given(value, f"{name}, column {c + 1}", where) for c, value in enumerate(values.tolist())]
        for name, values, where in said
    ]
    return _matrix("g", "shared by all tokens", cells, rows=("scale γ", "shift β"))


def _given(value: float, label: str, where: str) -> Cell:
    return Cell(f"{value:.12g}".replace("-", "−"), kind="given", label=label, where=where)


def _matrix(code: str, formula: str, cells: list, rows=TOKENS, role: str = "plain") -> Matrix:
    return Matrix(code, NAMES[code], formula, tuple(map(tuple, cells)), role, rows, label_room=LABEL_ROOM)


def _steps(setup: Setup, code: str, trace: NormTrace) -> Matrix:
    """Top to bottom: what one token's numbers become. A statistic is one wide cell, as it is one number for all."""
    layer = trace.mean is not None
    n = setup.averaged(0)[0].numel()
    divisor = f", ÷ {n - 1}" if setup.unbiased and layer else ""
    names = (
        "mean" if layer else "no mean",
        "minus the mean" if layer else "nothing taken off",
        "squared",
        ("variance" if layer else "mean square") + divisor,
        "root of that + eps",
        "divided by the root",
        "times γ",
    )
    cells = [_mean_row(setup, code, trace), _centred_row(setup, code, trace), _squares_row(setup, code, trace)]
    cells += [_variance_row(setup, code, trace, n), _root_row(setup, code, trace)]
    cells += [_divided_row(setup, code, trace), _scaled_row(setup, code, trace)]
    formula = f"the steps of {TOKENS[setup.token]}"
    return _matrix(code, formula, cells, rows=names)


def _statistic(setup: Setup, values: Tensor, make: Callable[[int, float], Cell]) -> list[Cell]:
    """One number for the whole token; over the tokens, by mistake, one for each column."""
    if setup.over == "features":
        return [make(0, values[setup.token, 0].item())]
    return [make(c, values[0, c].item()) for c in range(D_MODEL)]


def _span(setup: Setup) -> int:
    return D_MODEL if setup.over == "features" else 1


def _each(values: Tensor, make: Callable[[int, float], Cell]) -> list[Cell]:
    return [make(c, value) for c, value in enumerate(values.tolist())]


def _line(text: str) -> tuple:
    return ((text, "", False),)


def _label(setup: Setup, code: str, stage: str, column: int | None = None) -> str:
    place = f", column {column + 1}" if column is not None else ""
    return f"{NAMES[code]}, {TOKENS[setup.token]}: {stage}{place}"


def _left_out(text: str, where: str) -> list[Cell]:
    return [Cell("–", label=text, where=where, span=D_MODEL)]


def _mean_row(setup: Setup, code: str, trace: NormTrace) -> list[Cell]:
    if trace.mean is None:
        return _left_out("RMSNorm, no mean", "RMSNorm measures only how large the numbers are, not where they lie")

    def cell(column: int, value: float) -> Cell:
        values, reads = setup.averaged(column)
        total = f"({' + '.join(_exact(value) for value in values.tolist())})"
        says = f"{total} ÷ {len(values)} = {number(values.sum().item())} ÷ {len(values)} = {_result(value)}"
        where = "of this token’s own four numbers" if setup.over == "features" else "of one column, over the tokens"
        return Cell(
            short(value),
            label=_label(setup, code, "mean"),
            where=where,
            says=_line(says),
            reads=reads,
            span=_span(setup),
        )

    return _statistic(setup, trace.mean, cell)


def _centred_row(setup: Setup, code: str, trace: NormTrace) -> list[Cell]:
    if trace.mean is None:
        return _left_out("RMSNorm, nothing taken off", "the numbers go on as they came in")

    def cell(column: int, value: float) -> Cell:
        mean = trace.mean.expand_as(setup.x)[setup.token, column].item()
        says = f"{number(setup.x[setup.token, column].item())} − {_exact(mean)} = {_result(value)}"
        reads = (cell_id("x", setup.token, column), _statistic_id(setup, code, 0, column))
        where = "how far it lies above or below the mean"
        return Cell(
            short(value),
            label=_label(setup, code, "minus the mean", column),
            where=where,
            says=_line(says),
            reads=reads,
        )

    return _each(trace.centred[setup.token], cell)


def _statistic_id(setup: Setup, code: str, row: int, column: int) -> str:
    return cell_id(code, row, 0 if setup.over == "features" else column)


def _squares_row(setup: Setup, code: str, trace: NormTrace) -> list[Cell]:
    def cell(column: int, value: float) -> Cell:
        before = trace.centred[setup.token, column].item()
        reads = (cell_id("x", setup.token, column) if trace.mean is None else cell_id(code, 1, column),)
        where = "squared, so that below counts like above"
        says = _line(f"{_exact(before)}² = {_result(value)}")
        return Cell(short(value), label=_label(setup, code, "squared", column), where=where, says=says, reads=reads)

    return _each(trace.squares[setup.token], cell)


def _variance_row(setup: Setup, code: str, trace: NormTrace, n: int) -> list[Cell]:
    divisor = n - 1 if setup.unbiased and trace.mean is not None else n

    def cell(column: int, value: float) -> Cell:
        over_tokens = setup.over == "tokens"
        squares = trace.squares[:, column] if over_tokens else trace.squares[setup.token]
        terms = " + ".join(number(value) for value in squares.tolist())
        says = f"({terms}) ÷ {divisor} = {number(squares.sum().item())} ÷ {divisor} = {_result(value)}"
        reads = tuple(cell_id(code, 2, c) for c in ([column] if over_tokens else range(D_MODEL)))
        stage = "variance" if trace.mean is not None else "mean square"
        where = "the mean of the squares" if divisor == n else f"the squares’ sum by {divisor}: the mistake you chose"
        label = _label(setup, code, stage)
        return Cell(short(value), label=label, where=where, says=_line(says), reads=reads, span=_span(setup))

    return _statistic(setup, trace.variance, cell)


def _root_row(setup: Setup, code: str, trace: NormTrace) -> list[Cell]:
    def cell(column: int, value: float) -> Cell:
        variance = trace.variance.expand_as(setup.x)[setup.token, column].item()
        says = f"√({number(variance)} + {number(setup.eps)}) = {_result(value)}"
        where = "eps, a small number, keeps it away from 0"
        reads = (_statistic_id(setup, code, 3, column),)
        label = _label(setup, code, "root of that + eps")
        return Cell(short(value), label=label, where=where, says=_line(says), reads=reads, span=_span(setup))

    return _statistic(setup, trace.root, cell)


def _divided_row(setup: Setup, code: str, trace: NormTrace) -> list[Cell]:
    def cell(column: int, value: float) -> Cell:
        before = trace.centred[setup.token, column].item()
        root = trace.root.expand_as(setup.x)[setup.token, column].item()
        source = cell_id("x", setup.token, column) if trace.mean is None else cell_id(code, 1, column)
        says = _line(f"{number(before)} ÷ {number(root)} = {_result(value)}")
        return Cell(
            short(value),
            label=_label(setup, code, "divided by the root", column),
            where="all four by the same root" if setup.over == "features" else "each column by its own root",
            says=says,
            reads=(source, _statistic_id(setup, code, 4, column)),
        )

    return _each(trace.divided[setup.token], cell)


def _scaled_row(setup: Setup, code: str, trace: NormTrace) -> list[Cell]:
    def cell(column: int, value: float) -> Cell:
        before = trace.divided[setup.token, column].item()
        says = _line(f"{_exact(before)} · {_exact(setup.scale[column].item())} = {_result(value)}")
        reads = (cell_id(code, 5, column), cell_id("g", 0, column))
        where = "the learned scale of this column"
        return Cell(short(value), label=_label(setup, code, "times γ", column), where=where, says=says, reads=reads)

    return _each(trace.scaled[setup.token], cell)


def _output(setup: Setup, code: str, trace: NormTrace) -> Matrix:
    layer = trace.mean is not None

    def cell(r: int, c: int) -> Cell:
        before, value = trace.scaled[r, c].item(), trace.output[r, c].item()
        sum_of = f"{_exact(before)} + {_exact(setup.shift[c].item())} = {_result(value)}"
        own = (cell_id(code[0], 6, c),) if r == setup.token else ()
        return Cell(
            short(value),
            label=f"{NAMES[code]}, {TOKENS[r]}, number {c + 1}",
            where="the learned shift of this column added" if layer else "RMSNorm has no shift",
            says=_line(sum_of if layer else f"{_exact(before)} stays as it is"),
            reads=own + ((cell_id("g", 1, c),) if layer else ()),
        )

    cells = [[cell(r, c) for c in range(D_MODEL)] for r in range(2)]
    return _matrix(code, "times γ, plus β" if layer else "times γ", cells, role="output")
