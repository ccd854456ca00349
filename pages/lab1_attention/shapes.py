"""Lab 1, "Shapes": every tensor of multi-head attention with its shape, and the reshape that goes wrong."""

import functools

import streamlit as st
import torch

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import bricks, matrix
from components.text import escape
from engine.attention import MultiHeadAttention, merge_heads, split_heads
from engine.shapes import TensorStep, scrambled_heads, shape_walk, split_heads_without_transpose
from engine.texts import EncodedText, encode_text
from pages.lab1_attention import shapes_pictures as pictures
from pages.lab1_attention.shapes_run import Run, nearest, run

QUESTION = "Where does each number go when heads are cut?"
FIGURE = "shapes.figure"
LEGIBLE_TOKENS = 10
LINE_HEIGHT = 40  # of a picture: low, because five lines of bricks share the screen
WIDEST_LINE = 24  # columns of numbers that stand side by side; more break into several lines
MOST_D_MODEL, MOST_HEADS = 32, 8

BY_LINK = {pictures.link_name(name): name for name in pictures.NAMES}

TEXT = state.Text("s_text", "The cat sat on the mat", "Sentence")  # short: its own, so that nothing is cut
D_MODEL = state.Number("s_d_model", 16, "d_model: numbers a token", low=4, high=MOST_D_MODEL, step=1)
N_HEADS = state.Number("s_heads", 4, "n_heads", low=1, high=MOST_HEADS, step=1)
WRONG = state.Flag("s_wrong", False, "Wrong reshape", help="Straight to the shape one wants, without a transpose.")
COLOUR = state.Choice(
    "s_colour", "token", "Colour by", options=("token", "head"), labels={"token": "Token", "head": "Head"}
)
SEED = state.Number("s_seed", 7, "Seed of the random numbers", low=0, high=99, step=1)
TENSOR = state.Choice("s_tensor", "query-by-head", "Open tensor", options=tuple(BY_LINK), labels=BY_LINK)
PARAMS = [TEXT, D_MODEL, N_HEADS, WRONG, COLOUR, SEED, TENSOR]


@section.live
def draw() -> None:
    encoded, problem = errors.attempt(lambda: encode_text(models.minilm(), state.get(TEXT), max_tokens=LEGIBLE_TOKENS))
    if encoded and _divides():
        _made(encoded)  # before anything is drawn; `_show` finds it made
    controls_column, figure_column = section.layout(QUESTION, figure_share=3.0)
    with figure_column, errors.shown_as_a_sentence():
        text.problem(problem)
        if encoded:
            (_show if _divides() else _show_what_is_left_over)(encoded)
        _try_this()
        if encoded and _divides():
            _audit(_made(encoded))
    with controls_column, errors.shown_as_a_sentence():
        _controls()
    section.code(shape_walk, split_heads, merge_heads, split_heads_without_transpose, scrambled_heads)
    if encoded and _divides():
        section.table(lambda: _table(_made(encoded)), key="shapes")
    section.sources(
        "Vaswani et al. 2017, [Attention Is All You Need](https://arxiv.org/abs/1706.03762), section 3.2.2: several "
        "heads, each on d_model / n_heads numbers.",
        "[torch.Tensor.view](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html): the same numbers "
        "in the same order under another shape. A transpose is what changes which number comes after which.",
    )


def _controls() -> None:
    controls.line(TEXT)
    controls.slider(D_MODEL)
    controls.slider(N_HEADS)
    if not _divides():
        _offer_what_divides()
    controls.toggle(WRONG)
    controls.choice(COLOUR)
    with st.popover("More", width="stretch"):
        controls.slider(SEED)
        controls.reset_button(PARAMS)
    text.problem(state.problem(SEED))
    text.problem(state.problem(TENSOR))


def _divides() -> bool:
    return state.get(D_MODEL) % state.get(N_HEADS) == 0


def _offer_what_divides() -> None:
    """The engine's own sentence, and the nearest values that work as buttons."""
    d_model, n_heads = state.get(D_MODEL), state.get(N_HEADS)
    with errors.shown_as_a_sentence():
        MultiHeadAttention(d_model, n_heads)
    heads, widths = nearest(d_model, n_heads, MOST_D_MODEL, MOST_HEADS)
    with st.container(horizontal=True, gap="small", key="try-divides"):
        for value in heads:
            label = f"{value} head{'s' if value > 1 else ''}"
            st.button(label, key=f"shapes.heads.{value}", on_click=state.set_value, args=(N_HEADS, value))
        for value in widths:
            st.button(f"d_model {value}", key=f"shapes.d.{value}", on_click=state.set_value, args=(D_MODEL, value))


def _show(encoded: EncodedText) -> None:
    made = _made(encoded)
    step = _open_step(made)
    _draw_bricks(made, step)
    words = st.container()
    _draw_numbers(made, step)
    section.let_it_paint()
    with words:
        section.reading(
            "One cell is one number. In every picture the last axis runs to the right, the one before it down, and the "
            "one before that makes the blocks. Click a tensor to open its numbers below."
        )
        text.prose(escape(models.cut_sentence(encoded) or ""), "labs-reading")
    section.notice(_notice(made))


def _show_what_is_left_over(encoded: EncodedText) -> None:
    """Where the cut fails: as many whole numbers a head as there are, and the rest in the colour of what is wrong."""
    d_model, n_heads = state.get(D_MODEL), state.get(N_HEADS)
    per_head = d_model // n_heads
    left_over = d_model - n_heads * per_head
    brick = pictures.left_over(len(encoded), d_model, n_heads)
    bricks.draw(
        [[brick, None], [None, None]],
        key="shapes.left-over",
        alt=f"{d_model} numbers cannot be cut into {n_heads} heads: {left_over} are left over.",
        labels=[f"head {head + 1}" for head in range(n_heads)],
        legend="Colour: the head a number would belong to",
        selected="query",
        wrong_label="left over",
        picture_height=150,
    )
    section.notice(
        f"Each head would get {d_model / n_heads:.4g} of a token’s {d_model} numbers, and a number cannot be cut. With "
        f"{per_head} each, {left_over} of every token’s numbers belong to no head. Choose one of the values beside the "
        "sliders."
    )


def _made(encoded: EncodedText) -> Run:
    return _run(tuple(encoded.ids), tuple(encoded.tokens), state.get(D_MODEL), state.get(N_HEADS), state.get(SEED))


@functools.lru_cache(maxsize=64)
def _run(ids: tuple[int, ...], tokens: tuple[str, ...], d_model: int, n_heads: int, seed: int) -> Run:
    return run(ids, tokens, d_model, n_heads, seed)


def _open_step(made: Run) -> TensorStep:
    """The tensor that is open. The wrong way has no tensor "cut": the one it goes to straight away opens instead."""
    steps = {step.name: step for step in made.steps(state.get(WRONG))}
    name = BY_LINK[state.get(TENSOR)]
    return steps.get(name) or steps[name.replace("cut", "by head")]


def _draw_bricks(made: Run, opened: TensorStep) -> None:
    mistake, by = state.get(WRONG), state.get(COLOUR)
    labels = matrix.positions(made.tokens) if by == "token" else pictures.head_names(made)
    bricks.draw(
        pictures.walk(made, by, mistake),
        key=FIGURE,
        alt=_alt(made),
        labels=labels,
        legend=f"Colour: the {by} a number belongs to",
        selected=pictures.link_name(opened.name),
        picture_height=LINE_HEIGHT,
        on_change=_take,
    )


def _take() -> None:
    name = (drawing.result(FIGURE) or {}).get("name", "").removesuffix(pictures.MISPLACED)
    if name in BY_LINK:
        state.set_value(TENSOR, name)


def _draw_numbers(made: Run, step: TensorStep) -> None:
    panels, axes = pictures.number_panels(made, step, state.get(WRONG))
    side_by_side = sum(len(panel.columns) for panel in panels) <= WIDEST_LINE
    matrix.draw(
        panels,
        key="shapes.numbers",
        row_axis=axes[0],
        column_axis=axes[1],
        max_cell=38,
        per_row=3 if len(panels[0].columns) > 8 and len(panels) > 1 else None,
        shared_rows=side_by_side,
    )


def _notice(made: Run) -> str:
    return _notice_wrong(made) if state.get(WRONG) else _notice_right(made)


def _notice_right(made: Run) -> str:
    n_heads, head_dim, seq_len = made.attention.n_heads, made.attention.head_dim, made.seq_len
    return (
        f"Cutting {made.attention.d_model} numbers into {n_heads} × {head_dim} moves nothing: the numbers of “query, "
        f"cut” come in the same order as those of “query”, one block a token. The transpose then gathers, for each "
        f"head, its {head_dim} numbers of all {seq_len} tokens. Only so can each head make its own {seq_len} × "
        f"{seq_len} table of scores: {n_heads * seq_len * seq_len} scores in all."
    )


def _notice_wrong(made: Run) -> str:
    n_heads, seq_len = made.attention.n_heads, made.seq_len
    scrambled = scrambled_heads(seq_len, made.attention.d_model, n_heads)
    count, total = int(scrambled.is_scrambled.sum()), scrambled.is_scrambled.numel()
    if not count:
        return (
            f"0 of {total} numbers sit in the wrong place: here view and transpose come to the same order, so the "
            "mistake hides. A test with one head, or one token, would never find it."
        )
    held = [made.tokens[place] for place in scrambled.token[0].unique().tolist()]
    moved = (made.wrong[-1].tensor - made.right[-1].tensor).abs().max().item()
    typical = made.right[-1].tensor.abs().mean().item()
    return (
        f"<b>{count} of {total} numbers sit in the wrong place</b>, and no error is raised, because the shape is "
        f"right. Head 1 should hold {made.attention.head_dim} numbers of each of the {seq_len} tokens. It holds "
        f"numbers of {len(held)} tokens only: {', '.join(f'“{escape(token)}”' for token in held)}. The output moves by "
        f"up to {moved:.2f}, where its numbers are {typical:.2f} in size on average."
    )


def _try_this() -> None:
    section.try_this(
        [
            ("The wrong reshape", {WRONG: True, D_MODEL: 16, N_HEADS: 4, TENSOR: "query-by-head"}),
            ("One head hides it", {WRONG: True, N_HEADS: 1, TENSOR: "query-by-head"}),
            ("18 numbers for 4 heads", {D_MODEL: 18, N_HEADS: 4, WRONG: False}),
        ],
        key="shapes",
    )


def _audit(made: Run) -> None:
    with torch.inference_mode():
        theirs, _ = made.reference(made.x, made.x, made.x, need_weights=False)
    audit.compare(
        made.steps(state.get(WRONG))[-1].tensor,
        theirs,
        library="torch.nn.MultiheadAttention",
        tolerance=1e-5,  # float32, sums of up to 32 numbers in another order
        what="output",
        note="This is the size of the mistake you switched on (wrong reshape)." if state.get(WRONG) else "",
    )


def _table(made: Run) -> list[dict]:
    return [
        {"tensor": step.name, "shape": str(step.shape), "axes": ", ".join(step.axes), "code": step.code}
        for step in made.steps(state.get(WRONG))
    ]


def _alt(made: Run) -> str:
    steps = made.steps(state.get(WRONG))
    shapes = "; ".join(f"{step.name} {' by '.join(map(str, step.shape))}" for step in steps)
    if not state.get(WRONG):
        return f"The tensors of multi-head attention and their shapes: {shapes}"
    share = scrambled_heads(made.seq_len, made.attention.d_model, made.attention.n_heads).share
    return f"The tensors of multi-head attention, {share:.0%} misplaced by the wrong reshape: {shapes}"
