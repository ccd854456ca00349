"""Lab 2, section 2: LayerNorm and RMSNorm on four numbers, every one of them in the learner's hands."""

import re
from dataclasses import dataclass

import streamlit as st
import torch.nn.functional as F

from components import audit, controls, errors, section, state, text
from components.figures import numbers
from components.typed_numbers import Grid, Notes, Rows, mark_unreadable, overlay, take
from engine.normalisation import trace_norm
from pages.lab2_block import normalisation_notice
from pages.lab2_block.normalisation_stages import D_MODEL, GIVEN, NAMES, Setup, matrices, tensors

QUESTION = "What does a norm do to one token’s numbers?"
FIGURE = "norm.figure"
LARGEST = 10_000  # above it float64 would need more digits than fit into a cell
SMALLEST = 1e-9  # below it squares lose their digits before any eps matters


@dataclass(frozen=True)
class CellName(state.Param):
    """The cell whose arithmetic is written out; "none" for none."""

    def parse(self, raw: str) -> str:
        found = re.fullmatch(r"([a-z]+)[1-9][1-9]", raw)
        if raw != "none" and (not found or found[1] not in NAMES):
            raise ValueError(f"{self.name} must name a cell, such as l41 for LayerNorm, row 4; got {raw[:40]!r}")
        return raw


EPS = state.Choice(
    "n_eps",
    "1e-5",
    "eps",
    options=("0", "1e-12", "1e-5", "0.01", "1"),
    labels={"1e-12": "1e−12", "1e-5": "1e−5"},
    help="Added under the root. torch’s own value is 1e−5; BERT and MiniLM use 1e−12.",
)
TOKEN = state.Choice(
    "n_token",
    "1",
    "Steps of",
    options=("1", "2"),
    labels={"1": "Token 1", "2": "Token 2"},
    help="Whose steps are shown.",
)
UNBIASED = state.Flag("n_unbiased", False, "Variance ÷ (n − 1)", help="LayerNorm’s variance divided by 3 instead of 4.")
BATCH = state.Flag(
    "n_batch", False, "Over the batch", help="Statistics of each column over the tokens, not of each token."
)
X = Grid("n_x", (), "Numbers in", height=2, width=D_MODEL, largest=LARGEST, smallest=SMALLEST)
LEARNED = Grid("n_g", (), "Scale and shift", height=2, width=D_MODEL, largest=LARGEST, smallest=SMALLEST)
TYPED = Notes("n_typed", (), "Cells that are no number", codes=("x", "g"))
CELL = CellName("n_cell", "l64", "Chosen cell")
GRIDS = {"x": X, "g": LEARNED}
SWITCHES = [UNBIASED, BATCH]
PARAMS = [EPS, TOKEN, *SWITCHES, X, LEARNED, TYPED, CELL]


@section.live
def draw() -> None:
    """The numbers in, the steps of one token through both norms, and what comes out of both tokens."""
    setup = _setup()
    made, problems = mark_unreadable(matrices(setup), state.get(TYPED), LARGEST, SMALLEST)
    controls_column, figure_column = section.layout(QUESTION, figure_share=3.0)
    with figure_column:
        _figure(setup, made, problems)
    section.let_it_paint()
    with controls_column, errors.shown_as_a_sentence():
        _controls()
    with errors.shown_as_a_sentence():
        with figure_column:
            section.notice(normalisation_notice.note(setup))
            _try_this()
            _audit(setup)
        _folded(setup, made)


def _setup() -> Setup:
    """What the controls and the typed cells amount to."""
    return Setup(
        *tensors(_rows("x"), _rows("g")),
        eps=float(state.get(EPS)),
        unbiased=state.get(UNBIASED),
        over="tokens" if state.get(BATCH) else "features",
        token=int(state.get(TOKEN)) - 1,
    )


def _rows(code: str) -> Rows:
    return overlay(GIVEN[code], state.get(GRIDS[code]), D_MODEL)


def _figure(setup: Setup, made: dict, problems: list[str]) -> None:
    chosen = state.get(CELL)
    numbers.draw(
        [[[made["x"], made["g"]], [made["l"], made["r"]], [made["lo"], made["ro"]]]],
        key=FIGURE,
        alt=normalisation_notice.alt(setup),
        hint="Click a number to see the arithmetic behind it.",
        selected="" if chosen == "none" else chosen,
        problems=problems,
        acknowledged=st.session_state.get("norm.taken", 0),
        on_change=_take,
    )
    section.reading(
        "Framed cells are yours to change. Read each norm from top to bottom; a wide cell is one number that holds for "
        "the whole token. Click any number for its arithmetic."
    )


def _take() -> None:
    """Takes in what the learner did to the figure: numbers typed, the cell that was clicked."""
    edits, selected = numbers.edits(FIGURE, after=st.session_state.get("norm.taken", 0))
    for edit_id, name, typed in edits:
        st.session_state["norm.taken"] = edit_id
        code, _, _ = numbers.read_cell_id(name)
        if code in GRIDS:
            take(name, typed, GRIDS[code], GIVEN[code], TYPED)
    if selected:
        state.set_value(CELL, selected)


def _controls() -> None:
    controls.steps(EPS)
    controls.choice(TOKEN)
    st.html('<span class="labs-label">Change that token</span>')
    token = int(state.get(TOKEN)) - 1
    with st.container(horizontal=True):
        st.button("+ 100", key="norm.add", on_click=_change, args=(token, 1, 100), help="Adds 100 to each number.")
        st.button("× 10", key="norm.times", on_click=_change, args=(token, 10, 0), help="Ten times each number.")
    st.html('<span class="labs-label">Break it</span>')
    for switch in SWITCHES:
        controls.toggle(switch)
    controls.reset_button(PARAMS)
    text.problem(st.session_state.pop("norm.too-large", None))
    for param in (X, LEARNED, TYPED, CELL):
        text.problem(state.problem(param))


def _change(token: int, factor: float, added: float) -> None:
    """A button's callback: the four numbers of one token times `factor` plus `added`, where that can still be typed."""
    rows = list(_rows("x"))
    # 12 digits, as the cells show: 0.1 times 10 is 1, not 1.0000000000000002
    rows[token] = tuple(float(f"{value * factor + added:.12g}") for value in rows[token])
    if max(map(abs, rows[token])) > LARGEST:
        st.session_state["norm.too-large"] = f"That would go beyond {LARGEST:,}, the largest number a cell takes here."
        return
    state.set_value(X, () if tuple(rows) == overlay(GIVEN["x"], (), D_MODEL) else tuple(rows))
    state.set_value(TYPED, tuple(note for note in state.get(TYPED) if not note[0].startswith(f"x{token + 1}")))


def _try_this() -> None:
    plain = {X: (), LEARNED: (), TYPED: (), UNBIASED: False, BATCH: False, TOKEN: "1", EPS: "1e-5"}
    section.try_this(
        [
            ("Add 100 to token 1", plain | {X: ((101.0, 103.0, 103.0, 109.0),), CELL: "r51"}),
            ("Four equal numbers, no eps", plain | {X: ((5.0, 5.0, 5.0, 5.0),), EPS: "0", CELL: "l61"}),
            ("Very small differences", plain | {X: ((0.001, 0.003, 0.003, 0.009),), CELL: "l51"}),
            ("Normalise over the batch", plain | {X: ((1.0, 3.0, 3.0, -9.0),), BATCH: True, CELL: "l14"}),
        ],
        key="norm",
    )


def _audit(setup: Setup) -> None:
    mistakes = [switch.label for switch in SWITCHES if state.get(switch)]
    note = f"This is the size of the mistake you switched on ({', '.join(mistakes)})." if mistakes else ""
    pairs = {
        "torch.nn.functional.layer_norm": (
            setup.layernorm,
            F.layer_norm(setup.x, (D_MODEL,), setup.scale, setup.shift, setup.eps),
        ),
        "torch.nn.functional.rms_norm": (setup.rmsnorm, F.rms_norm(setup.x, (D_MODEL,), setup.scale, setup.eps)),
    }
    for library, (ours, theirs) in pairs.items():
        # Taking off the mean leaves an error in the last of a float64's 16 digits of x; the root and γ enlarge it.
        root = ours.root[ours.root > 0]
        size = setup.x.abs().max() / root.min() if root.numel() else 1.0
        rounding = 1e-15 * float(max(1.0, size)) * max(1.0, setup.scale.abs().max().item())
        shift = 1e-15 * setup.shift.abs().max().item()
        tolerance = max(1e-12, 8 * (rounding + shift))
        audit.compare(ours.output, theirs, library=library, tolerance=tolerance, note=note)


def _folded(setup: Setup, made: dict) -> None:
    section.code(trace_norm)
    section.table(lambda: _as_table(made), key="norm")
    section.sources(
        "Ba, Kiros and Hinton 2016, [Layer Normalization](https://arxiv.org/abs/1607.06450), equations 3 and 4: mean "
        "and standard deviation over the units of a layer, for each case on its own; then gain and bias.",
        "Zhang and Sennrich 2019, [Root Mean Square Layer Normalization](https://arxiv.org/abs/1910.07467), equation "
        "4: the mean is left out; what helps, they argue, is the scaling.",
        "Ioffe and Szegedy 2015, [Batch Normalization](https://arxiv.org/abs/1502.03167): the statistics are taken "
        "over the batch.",
        "[torch.nn.LayerNorm](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html) divides by n "
        "(“biased estimator”), with eps under the root.",
    )


def _as_table(made: dict) -> list[dict]:
    """Every number on screen, one a line."""
    return [
        {
            "matrix": matrix.title,
            "row": str(matrix.rows[r]),
            "column": "all" if cell.span > 1 else str(c + 1),
            "value": cell.text,
        }
        for matrix in made.values()
        for r, row in enumerate(matrix.cells)
        for c, cell in enumerate(row)
    ]
