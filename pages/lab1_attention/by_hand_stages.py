"""The stages of "By hand" as matrices to look at and click, made from one engine trace."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.figures.numbers import Cell, Matrix, cell_id, digits, show
from components.typed_numbers import read_number
from engine.worked_example import HandTrace, project, work_by_hand
from pages.lab1_attention import by_hand_writing as writing
from pages.lab1_attention.by_hand_numbers import NAMES

Matrices = dict[str, Matrix]
ROLES = {"x": "plain", "wq": "query", "wk": "key", "wv": "value", "q": "query", "k": "key", "v": "value"}


@dataclass(frozen=True)
class Setup:
    """One sum on paper: the numbers, the mask and the switches."""

    tokens: tuple[str, ...]
    given: dict[str, Tensor]  # x, wq, wk, wv; or q, k, v when these are typed directly. float64
    mask: Tensor | None  # bool (3, 3), True = may read
    scaled: bool = True
    softmax_over: str = "keys"
    fill: str = "-inf"

    @property
    def from_words(self) -> bool:
        return "x" in self.given

    @property
    def dims(self) -> int:
        return next(iter(self.given.values())).shape[1]

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, worked out from the words or as they were typed."""
        if not self.from_words:
            return self.given["q"], self.given["k"], self.given["v"]
        query, key, value = (project(self.given["x"], self.given[name]) for name in ("wq", "wk", "wv"))
        return query, key, value

    def run(self, *, scaled: bool | None = None) -> HandTrace:
        query, key, value = self.tensors()
        return work_by_hand(
            query,
            key,
            value,
            self.mask,
            scaled=self.scaled if scaled is None else scaled,
            softmax_over=self.softmax_over,
            fill=self.fill,
        )


def matrices(setup: Setup, trace: HandTrace) -> Matrices:
    """Every stage, by its code: those that are given can be typed in, the others clicked."""
    made = {code: _given(code, setup) for code in setup.given}
    if setup.from_words:
        for code, tensor in (("q", trace.query), ("k", trace.key), ("v", trace.value)):
            made[code] = _projected(code, tensor, setup)
    made |= {"s": _scores(setup, trace), "d": _scaled(setup, trace), "m": _masked(setup, trace)}
    made |= {"w": _weights(setup, trace), "o": _output(setup, trace)}
    return made


def _table(
    code: str,
    values: Tensor,
    formula: str,
    make: Callable[[int, int], Cell],
    role: str = "plain",
    rows=None,
    columns=None,
) -> Matrix:
    height, width = values.shape
    cells = tuple(
        tuple(replace(make(r, c), text=show(values[r, c].item())) for c in range(width)) for r in range(height)
    )
    return Matrix(code, NAMES.get(code, code), formula, cells, role, rows, columns)


def _given(code: str, setup: Setup) -> Matrix:
    """Numbers of the learner's own. Three rows are words; the weights' rows are dimensions.

    A formula over a table of two columns has room for about 22 letters; the rest is said when a cell is chosen.
    """
    by_word = code in ("x", "q", "k", "v")
    formula = {
        "x": "the words, as numbers",
        "q": "what each looks for",
        "k": "what each offers",
        "v": "what each gives",
    }

    def cell(r: int, c: int) -> Cell:
        row = f"row “{setup.tokens[r]}”" if by_word else f"row {r + 1}"
        where = "" if by_word else "a weight: chosen here, learned in a model"
        return Cell("", kind="given", label=f"{NAMES[code]}, {row}, column {c + 1}", where=where)

    values = setup.given[code]
    table = _table(code, values, formula.get(code, "chosen here"), cell, ROLES[code])
    text = tuple(
        tuple(replace(cell, text=f"{value:.12g}".replace("-", "−")) for cell, value in zip(row, line, strict=True))
        for row, line in zip(table.cells, values.tolist(), strict=True)
    )
    return replace(table, cells=text, rows=setup.tokens if code in ("x", "q") else None)


def _projected(code: str, values: Tensor, setup: Setup) -> Matrix:
    weight = "w" + code
    x, by = setup.given["x"], setup.given[weight]

    def cell(r: int, c: int) -> Cell:
        return Cell(
            "",
            label=f"{NAMES[code]}, “{setup.tokens[r]}”, column {c + 1}",
            where=f"row “{setup.tokens[r]}” of X times column {c + 1} of {NAMES[weight]}, term by term, added up",
            says=writing.dot_product(x[r], by[:, c], ("plain", ROLES[code])),
            reads=tuple(cell_id("x", r, i) for i in range(x.shape[1]))
            + tuple(cell_id(weight, i, c) for i in range(by.shape[0])),
        )

    return _table(code, values, f"X · {NAMES[weight]}", cell, ROLES[code])


def _pair(setup: Setup, stage: str, r: int, c: int) -> str:
    return f"{stage}, “{setup.tokens[r]}” reads “{setup.tokens[c]}”"


def _scores(setup: Setup, trace: HandTrace) -> Matrix:
    def cell(r: int, c: int) -> Cell:
        return Cell(
            "",
            label=_pair(setup, "scores", r, c),
            where=f"row “{setup.tokens[r]}” of Q times row “{setup.tokens[c]}” of K: how well the two fit",
            says=writing.dot_product(trace.query[r], trace.key[c], ("query", "key")),
            reads=tuple(cell_id("q", r, i) for i in range(setup.dims))
            + tuple(cell_id("k", c, i) for i in range(setup.dims)),
        )

    return _table("s", trace.scores, "Q · Kᵀ", cell, rows=setup.tokens, columns=setup.tokens)


def _scaled(setup: Setup, trace: HandTrace) -> Matrix:
    def cell(r: int, c: int) -> Cell:
        return Cell(
            "",
            label=_pair(setup, "scaled", r, c),
            where="the score divided by the square root of the number of dimensions",
            says=writing.scaling(trace.scores[r, c].item(), trace.scaled[r, c].item(), setup.dims, setup.scaled),
            reads=(cell_id("s", r, c),),
        )

    formula = f"÷ √{setup.dims}" if setup.scaled else f"÷ √{setup.dims} left out"
    return _table("d", trace.scaled, formula, cell, columns=setup.tokens)


def _masked(setup: Setup, trace: HandTrace) -> Matrix:
    def cell(r: int, c: int) -> Cell:
        allowed = _allowed(setup, r, c)
        fill = "-∞" if setup.fill == "-inf" else "-1000000000"
        return Cell(
            "",
            label=_pair(setup, "masked", r, c),
            where="the mask is applied before the softmax",
            says=writing.masking(trace.scaled[r, c].item(), allowed, fill),
            reads=(cell_id("d", r, c),),
            masked=not allowed,
        )

    formula = "nothing hidden" if setup.mask is None else f"hidden: {'−∞' if setup.fill == '-inf' else '−1e9'}"
    return _table("m", trace.masked, formula, cell, columns=setup.tokens)


def _weights(setup: Setup, trace: HandTrace) -> Matrix:
    by_row = setup.softmax_over == "keys"

    def cell(r: int, c: int) -> Cell:
        line, place = (trace.masked[r], c) if by_row else (trace.masked[:, c], r)
        along = f"row “{setup.tokens[r]}”" if by_row else f"column “{setup.tokens[c]}”"
        weight = trace.weights[r, c].item()
        return Cell(
            "",
            label=_pair(setup, "weights", r, c),
            where=f"its share of {along} of masked",
            says=writing.softmax(line, place, weight),
            reads=tuple(cell_id("m", r, i) if by_row else cell_id("m", i, c) for i in range(len(setup.tokens))),
            masked=not _allowed(setup, r, c),
            share=weight,
        )

    formula = "softmax of each row" if by_row else "softmax of each column"
    return _table("w", trace.weights, formula, cell, "query", columns=setup.tokens)


def _output(setup: Setup, trace: HandTrace) -> Matrix:
    def cell(r: int, c: int) -> Cell:
        return Cell(
            "",
            label=f"output, “{setup.tokens[r]}”, column {c + 1}",
            where=f"row “{setup.tokens[r]}” of weights times column {c + 1} of V: a mix of the words' values",
            says=writing.dot_product(trace.weights[r], trace.value[:, c], ("query", "value")),
            reads=tuple(cell_id("w", r, i) for i in range(len(setup.tokens)))
            + tuple(cell_id("v", i, c) for i in range(len(setup.tokens))),
        )

    return _table("o", trace.output, "weights · V", cell, "output")


def row_sums(setup: Setup, trace: HandTrace) -> Matrix:
    """What each row of weights adds up to; shown when the softmax runs the wrong way."""

    def cell(r: int, c: int) -> Cell:
        return Cell(
            "",
            label=f"weights of “{setup.tokens[r]}”, added up",
            where="should be 1",
            says=writing.row_sum(trace.weights[r]),
            reads=tuple(cell_id("w", r, i) for i in range(len(setup.tokens))),
        )

    return replace(_table("e", trace.row_sums[:, None], "not 1", cell, "negative"), title="row sum")


def saturation(setup: Setup, trace: HandTrace, code: str, title: str) -> Matrix:
    """Entropy, largest weight and the room left for the gradient, a row for each query."""
    values = torch.stack([trace.entropy, trace.saturation, trace.gradient_room], dim=1)  # (query_len, 3)

    def cell(r: int, c: int) -> Cell:
        weights = trace.weights[r]
        what, where, says = (
            ("entropy", "in bits: 0 when all weight lies on one word, 1.58 when shared by three", writing.entropy),
            ("largest weight", "near 1 the row has settled on one word", lambda w, v: ((f"{v:.3f}", "", False),)),
            ("room to learn", "1 minus the squares: near 0 hardly any gradient passes", writing.gradient_room),
        )[c]
        return Cell(
            "",
            label=f"{what} of “{setup.tokens[r]}”, {title}",
            where=where,
            says=says(weights, values[r, c].item()),
            reads=tuple(cell_id("w", r, i) for i in range(len(setup.tokens))) if code == "g" else (),
        )

    names = ("entropy", "largest weight", "room to learn")
    table = _table(code, values, "how settled each row is", cell, rows=setup.tokens, columns=names)
    return replace(table, title=title, wide=2.1)


def cover(made: Matrices, trace: HandTrace, guesses: dict[str, str], shown: bool) -> Matrices:
    """Whiteboard mode: results without a guess are covered, the others are marked right or wrong."""
    truths = {"q": trace.query, "k": trace.key, "v": trace.value, "s": trace.scores, "d": trace.scaled}
    truths |= {"m": trace.masked, "w": trace.weights, "o": trace.output}

    def judged(cell: Cell, name: str, truth: float) -> Cell:
        if cell.kind == "given" or (cell.masked and name.startswith("m")):
            return cell
        if name in guesses:
            return judge(cell, guesses[name], truth)
        if shown:
            return cell
        return replace(cell, text="", kind="covered", says=(), share=None)

    return {
        code: replace(
            matrix,
            cells=tuple(
                tuple(judged(cell, cell_id(code, r, c), truths[code][r, c].item()) for c, cell in enumerate(row))
                for r, row in enumerate(matrix.cells)
            ),
        )
        if code in truths
        else matrix
        for code, matrix in made.items()
    }


def judge(cell: Cell, guess: str, truth: float) -> Cell:
    """A guess that is a number uncovers its cell; it is right within the rounding of the shown digits."""
    try:
        number = read_number(guess, largest=None)
    except ValueError as error:
        sentence = f"{cell.label}: {error}"
        return replace(cell, text=guess, kind="covered", says=(), share=None, mark="bad", verdict=sentence)
    if abs(number - truth) <= max(0.01, 0.5 * 10 ** -digits(truth)) + 1e-9:
        return replace(cell, mark="right", verdict=f"You wrote {guess}: right.")
    off = number - truth
    direction = "too high" if off > 0 else "too low"
    return replace(
        cell, mark="wrong", verdict=f"You wrote {guess}; it is {cell.text}, so you were {show(abs(off))} {direction}."
    )


def _allowed(setup: Setup, r: int, c: int) -> bool:
    return setup.mask is None or bool(setup.mask[r, c])
