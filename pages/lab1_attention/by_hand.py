"""Lab 1, "By hand": attention with three words and a few small numbers, every one of them in the learner's hands."""

import streamlit as st
import torch
import torch.nn.functional as F

from components import audit, controls, errors, section, state, text
from components.figures import numbers
from components.typed_numbers import Grid, Notes, Rows, mark_unreadable, overlay, take
from engine.masks import causal_mask
from engine.worked_example import HandTrace, project, work_by_hand, write_dot_product
from pages.lab1_attention import by_hand_notice
from pages.lab1_attention.by_hand_numbers import GIVEN, MAX_DIMS, NAMES, RESULTS, WORDS, CellName
from pages.lab1_attention.by_hand_stages import Matrices, Setup, cover, matrices, row_sums, saturation

QUESTION = "Where does every number of attention come from?"
FIGURE = "by-hand.figure"
NEWEST = 2  # wrong guesses that stay written out beside the whiteboard

START = state.Choice(
    "h_start",
    "words",
    "Start from",
    options=("words", "qkv"),
    labels={"words": "Words", "qkv": "Q, K, V"},
    help="Type the words' numbers and the three weight matrices, or type queries, keys and values directly.",
)
DIMS = state.Number("h_dims", 2, "Dimensions", low=2, high=MAX_DIMS, step=1, help="Numbers in each word's vector, d.")
MASK = state.Choice(
    "h_mask",
    "none",
    "Mask",
    options=("none", "causal", "row1"),
    labels={"none": "None", "causal": "Causal: no later words", "row1": "Row 1 may read nothing"},
    help="Which scores are hidden before the softmax.",
)
UNSCALED = state.Flag("h_unscaled", False, "No scaling", help="Leave out the division by √d.")
WRONG_AXIS = state.Flag("h_axis", False, "Wrong softmax axis", help="Softmax down each column, not along each row.")
LARGE_FILL = state.Flag(
    "h_fill", False, "−1e9 instead of −∞", help="Hide masked scores behind a large number. Choose a mask to see it."
)
BOARD = state.Flag("h_board", False, "Whiteboard", help="Covers every result until you have typed a guess.")
SHOWN = state.Flag("h_shown", False, "Reveal all")
TOKENS = state.Text("h_words", "the cat sat", "Three words", help="Only labels: the numbers stay as they are.")
CELL = CellName("h_cell", "s23", "Chosen cell")
GUESSES = Notes("h_guess", (), "Guesses", codes=tuple(NAMES))
TYPED = Notes("h_typed", (), "Cells that are no number", codes=tuple(NAMES))
TYPEABLE = (*GIVEN, "q", "k", "v")
GRIDS = {code: Grid(f"h_{code}", (), NAMES[code], height=len(GIVEN.get(code, "qkv"))) for code in TYPEABLE}
SWITCHES = [UNSCALED, WRONG_AXIS, LARGE_FILL]
PARAMS = [START, DIMS, MASK, *SWITCHES, BOARD, SHOWN, TOKENS, CELL, GUESSES, TYPED, *GRIDS.values()]


@section.live
def draw() -> None:
    setup = _setup()
    trace = setup.run()
    made, problems = _made(setup, trace)
    blocks = _blocks(setup, trace, made)
    controls_column, figure_column = section.layout(QUESTION, figure_share=3.2)
    with figure_column:
        _figure(setup, trace, blocks, problems)
    section.let_it_paint()
    with controls_column, errors.shown_as_a_sentence():
        _controls()
    with errors.shown_as_a_sentence():
        with figure_column:
            by_hand_notice.write(setup, trace, covered=state.get(BOARD) and not state.get(SHOWN))
            _try_this()
            _audit(setup, trace)
        _folded(setup, trace)


def _controls() -> None:
    controls.choice(START)
    controls.slider(DIMS)
    controls.choice(MASK, compact=True)
    st.html('<span class="labs-label">Break it</span>')
    for switch in SWITCHES:
        controls.toggle(switch)
    st.html('<span class="labs-label">Do it yourself</span>')
    if controls.toggle(BOARD):
        _board_controls()
    with st.popover("More", width="stretch"):
        controls.line(TOKENS)
        controls.reset_button(PARAMS, label="Reset everything")
    text.problem(_tokens()[1])
    for param in GRIDS.values():
        text.problem(state.problem(param))
    for param in (CELL, GUESSES, TYPED):
        text.problem(state.problem(param))


def _board_controls() -> None:
    """How many guesses were right, the newest wrong ones beside their answers, and the whiteboard's two buttons."""
    setup = _setup()
    made = _covered(matrices(setup, setup.run()), setup.run())
    cells = {
        numbers.cell_id(code, r, c): cell
        for code in RESULTS
        for r, row in enumerate(made[code].cells)
        for c, cell in enumerate(row)
    }
    marks = [cell.mark for cell in cells.values()]
    right, judged = marks.count("right"), marks.count("right") + marks.count("wrong")
    text.prose(f"<b>{right} of {judged} right</b>" if judged else "Type a guess into any cell marked ?, then Enter.")
    guessed = [cells[name] for name, _ in state.get(GUESSES) if name in cells]
    for cell in [cell for cell in guessed if cell.mark == "wrong"][-NEWEST:]:
        text.prose(f"✗ {text.escape(f'{cell.label}. {cell.verdict}')}", "labs-reading")
    with st.container(horizontal=True):
        st.button("Reveal all", key="by-hand.reveal", on_click=state.set_value, args=(SHOWN, True))
        st.button("Clear", key="by-hand.clear", on_click=state.reset, args=([SHOWN, GUESSES],))


def _setup() -> Setup:
    """What the controls and the typed cells amount to."""
    tokens, _ = _tokens()
    masks = {"none": None, "causal": causal_mask(WORDS), "row1": torch.tensor([[False], [True], [True]]).expand(3, 3)}
    codes = GIVEN if state.get(START) == "words" else ("q", "k", "v")
    return Setup(
        tokens,
        {code: torch.tensor(_rows(code, state.get(DIMS)), dtype=torch.float64) for code in codes},
        masks[state.get(MASK)],
        scaled=not state.get(UNSCALED),
        softmax_over="queries" if state.get(WRONG_AXIS) else "keys",
        fill="-1e9" if state.get(LARGE_FILL) else "-inf",
    )


def _rows(code: str, dims: int) -> Rows:
    """The numbers of a matrix that can be typed in, at `dims` columns."""
    base = _base(code, dims)
    return overlay(base[:dims] if code.startswith("w") else base, state.get(GRIDS[code]), dims)


def _base(code: str, dims: int) -> Rows:
    """What a matrix holds before the learner changes it. Typed queries, keys and values start where the words led."""
    if code in GIVEN:
        return GIVEN[code]
    x, weight = (torch.tensor(_rows(name, dims), dtype=torch.float64) for name in ("x", "w" + code))
    return tuple(map(tuple, project(x, weight).tolist()))


def _tokens() -> tuple[tuple[str, ...], str | None]:
    """Three short labels, and the sentence when the learner's words are not three."""
    words = state.get(TOKENS).split()
    problem = None
    if len(words) != WORDS:
        problem = f"Three words are needed, with spaces between them, such as “the cat sat”; you wrote {len(words)}."
    filled = [*words[:WORDS], *(f"word {place + 1}" for place in range(len(words), WORDS))]
    return tuple(word if len(word) <= 12 else word[:11] + "…" for word in filled), problem


def _made(setup: Setup, trace: HandTrace) -> tuple[Matrices, list[str]]:
    """Every matrix as it stands on screen, and the sentences about what was typed and cannot be used."""
    made = matrices(setup, trace)
    if state.get(BOARD):
        made = _covered(made, trace)
    made, problems = mark_unreadable(made, state.get(TYPED))
    return made, problems + _bad_guesses(made)


def _figure(setup: Setup, trace: HandTrace, blocks: list, problems: list[str]) -> None:
    chosen = state.get(CELL)
    numbers.draw(
        blocks,
        key=FIGURE,
        alt=by_hand_notice.alt(setup, trace, covered=state.get(BOARD)),
        hint="Click a number to see the arithmetic behind it.",
        selected="" if chosen == "none" else chosen,
        problems=problems,
        acknowledged=st.session_state.get("by-hand.taken", 0),
        on_change=_take,
    )
    section.reading(
        "Framed cells are yours to change. Click any other cell for its arithmetic. In the square tables the row is "
        "the word that reads (query), the column the word that is read (key)."
    )


def _blocks(setup: Setup, trace: HandTrace, made: Matrices) -> list:
    """Which matrix stands where. Words times weights stand so that a result lies where its row and column cross."""
    codes = [[None, "wq", "wk", "wv"], ["x", "q", "k", "v"]] if setup.from_words else [["q", "k", "v"]]
    flow = [made[code] for code in ("s", "d", "m", "w", "o")]
    hidden = state.get(BOARD) and not state.get(SHOWN)
    if setup.softmax_over == "queries" and not hidden:
        flow.insert(4, row_sums(setup, trace))
    blocks = [[[made.get(code) for code in line] for line in codes], [flow]]
    if not setup.scaled and setup.softmax_over == "keys" and not hidden:
        divided = saturation(setup, setup.run(scaled=True), "f", f"With ÷ √{setup.dims}")
        blocks.append([[saturation(setup, trace, "g", "Without scaling"), divided]])
    return blocks


def _covered(made: Matrices, trace: HandTrace) -> Matrices:
    return cover(made, trace, dict(state.get(GUESSES)), state.get(SHOWN))


def _bad_guesses(made: Matrices) -> list[str]:
    cells = [cell for matrix in made.values() for row in matrix.cells for cell in row]
    return [cell.verdict for cell in cells if cell.kind == "covered" and cell.mark == "bad"]


def _take() -> None:
    """Takes in what the learner did to the figure: numbers typed, guesses made, the cell that was clicked."""
    edits, selected = numbers.edits(FIGURE, after=st.session_state.get("by-hand.taken", 0))
    for edit_id, name, typed in edits:
        st.session_state["by-hand.taken"] = edit_id
        _take_one(name, typed)
    if selected:
        state.set_value(CELL, selected)


def _take_one(name: str, typed: str) -> None:
    code, _, _ = numbers.read_cell_id(name)
    if code not in GRIDS or (code in "qkv" and state.get(START) == "words"):
        guesses = dict(state.get(GUESSES)) | {name: typed}
        state.set_value(GUESSES, tuple((cell, guess) for cell, guess in guesses.items() if guess.strip()))
        return
    take(name, typed, GRIDS[code], _base(code, state.get(DIMS)), TYPED)


def _try_this() -> None:
    plain = {MASK: "none", DIMS: 2, UNSCALED: False, WRONG_AXIS: False, LARGE_FILL: False, BOARD: False}
    section.try_this(
        [
            ("Leave out ÷ √d, 4 dimensions", plain | {UNSCALED: True, DIMS: 4, CELL: "w33"}),
            ("A row that may read nothing, with −1e9", plain | {MASK: "row1", LARGE_FILL: True, CELL: "w11"}),
            ("Work it out yourself", plain | {BOARD: True, SHOWN: False, CELL: "none"}),
        ],
        key="by-hand",
    )


def _audit(setup: Setup, trace: HandTrace) -> None:
    theirs = F.scaled_dot_product_attention(trace.query, trace.key, trace.value, attn_mask=setup.mask)
    # The scores are exact to the last of a float64's 16 digits; the exponential hands that error on to the output.
    rounding = 1e-15 * max(1.0, trace.scores.abs().max().item()) * max(1.0, trace.value.abs().max().item())
    mistakes = [switch.label.lower() for switch in SWITCHES if state.get(switch)]
    audit.compare(
        trace.output,
        theirs,
        library="torch.nn.functional.scaled_dot_product_attention",
        tolerance=max(1e-12, 8 * rounding),
        note=f"This is the size of the mistake you switched on ({', '.join(mistakes)})." if mistakes else "",
    )


def _folded(setup: Setup, trace: HandTrace) -> None:
    section.code(work_by_hand, project, write_dot_product)
    if not state.get(BOARD):
        section.table(lambda: _as_table(setup, trace), key="by-hand")
    section.sources(
        "Vaswani et al. 2017, [Attention Is All You Need](https://arxiv.org/abs/1706.03762), section 3.2.1: equation "
        "1, and in footnote 4 why scores are divided by the square root of d.",
        "[torch.nn.functional.scaled_dot_product_attention]"
        "(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html): the "
        "same sum in one call; since torch 2.5 a row that may read nothing gives 0 there too.",
    )


def _as_table(setup: Setup, trace: HandTrace) -> list[dict]:
    """Every number on screen, one a line."""
    lines = []
    for code, matrix in matrices(setup, trace).items():
        for r, row in enumerate(matrix.cells):
            lines += [
                {"matrix": NAMES[code], "row": r + 1, "column": c + 1, "value": cell.text} for c, cell in enumerate(row)
            ]
    return lines
