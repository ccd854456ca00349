"""Section 4, many heads: one layer's trained weights cut into 1 to 16 heads, what they share, how they are merged."""

import functools

import torch
from torch import nn

from components import audit, controls, errors, models, section, state, text
from components.figures import matrix
from engine.attention import AttentionTrace, MultiHeadAttention, merge_heads, split_heads
from pages.lab1_attention import params

QUESTION = "What do several heads see that one cannot?"
LEGIBLE_TOKENS = 24
TRAINED_HEADS = 12
D_MODEL = 384  # MiniLM's; every count below divides it

HEADS = state.Choice("heads", "12", "Number of heads", options=("1", "2", "3", "4", "6", "8", "12", "16"))
LAYER = state.Number("from_layer", 1, "Layer that the weights come from", low=1, high=6, step=1)
SHOW = state.Choice(
    "show",
    "weights",
    "Show",
    options=("weights", "merge"),
    labels={"weights": "Weights", "merge": "How they merge"},
)
PARAMS = [params.TEXT, HEADS, LAYER, SHOW]


@section.live
def draw() -> None:
    """Small multiples of every head's weights, or the merged vectors before and after the last projection."""
    n_heads, layer = int(state.get(HEADS)), state.get(LAYER) - 1
    read, problem = errors.attempt(lambda: models.short_reading(state.get(params.TEXT), LEGIBLE_TOKENS))
    trace = _traced(read, layer, n_heads) if read else None
    controls_column, figure_column = section.layout(QUESTION)
    with figure_column, errors.shown_as_a_sentence():
        text.problem(problem)
        if read and trace:
            _show(read, trace, layer, n_heads)
    with controls_column:
        _controls(n_heads)


def _traced(read: models.Reading, layer: int, n_heads: int) -> AttentionTrace:
    with torch.inference_mode():
        return recut(layer, n_heads).trace(read.trace.hidden_states[layer])


def _show(read: models.Reading, trace: AttentionTrace, layer: int, n_heads: int) -> None:
    tokens = matrix.positions(read.text.tokens)
    (_draw_weights if state.get(SHOW) == "weights" else _draw_merge)(trace, tokens, n_heads)
    section.let_it_paint()
    text.problem(models.cut_sentence(read.text))
    section.reading(text.escape(models.token_sentence(read.text) or ""))
    section.notice(_notice(trace, tokens, n_heads))
    section.try_this(
        [
            ("One head only", {HEADS: "1", SHOW: "weights"}),
            ("The model’s own 12", {HEADS: "12", SHOW: "weights"}),
            ("See the merge with 4", {HEADS: "4", SHOW: "merge"}),
        ],
        key="many-heads",
    )
    _audit(layer, read.trace.hidden_states[layer], trace)
    section.code(split_heads, merge_heads, MultiHeadAttention.trace, MultiHeadAttention._project)
    section.table(lambda: _table(trace, tokens), key="many-heads")
    section.sources(
        "Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.2, and table 3, row A: with the same total "
        "size, 1 head reaches 24.9 BLEU on English to German, 4 heads 25.5, 8 heads 25.8, 16 heads 25.8, 32 heads "
        "25.4",
        "The weights: sentence-transformers/all-MiniLM-L6-v2, trained with 12 heads; every other cut is our own "
        "experiment",
    )


def _controls(n_heads: int) -> None:
    controls.line(params.TEXT)
    controls.steps(HEADS)
    controls.slider(LAYER)
    controls.choice(SHOW)
    _what_they_share(n_heads)
    controls.reset_button(PARAMS)


@functools.lru_cache(maxsize=64)
def recut(layer: int, n_heads: int) -> MultiHeadAttention:
    """The bundled model's attention of one layer with its trained matrices, cut into `n_heads` heads instead of 12."""
    trained = models.minilm().model.layers[layer].attention
    recut_attention = MultiHeadAttention(D_MODEL, n_heads).requires_grad_(False).eval()
    recut_attention.load_state_dict(trained.state_dict())
    return recut_attention.to(models.minilm().device)


@functools.lru_cache(maxsize=64)
def reference(layer: int, n_heads: int) -> nn.MultiheadAttention:
    """torch's own module with the same matrices and the same cut, for the audit line."""
    ours = recut(layer, n_heads)
    inputs = (ours.query_proj, ours.key_proj, ours.value_proj)
    theirs = nn.MultiheadAttention(D_MODEL, n_heads, batch_first=True).requires_grad_(False).eval()
    theirs.in_proj_weight.copy_(torch.cat([proj.weight for proj in inputs]))
    theirs.in_proj_bias.copy_(torch.cat([proj.bias for proj in inputs]))
    theirs.out_proj.load_state_dict(ours.out_proj.state_dict())
    return theirs.to(models.minilm().device)


def _what_they_share(n_heads: int) -> None:
    head_dim = D_MODEL // n_heads
    parameters = 4 * (D_MODEL * D_MODEL + D_MODEL)
    text.prose(
        "<b>Shared</b>: the tokens, the mask, the four matrices W<sub>Q</sub> W<sub>K</sub> W<sub>V</sub> "
        f"W<sub>O</sub>, <span class='labs-numbers'>{parameters:,}</span> numbers however many heads there are.<br>"
        f"<b>Not shared</b>: each head has {head_dim} of the {D_MODEL} columns, so its own queries, keys, values and "
        "weights.",
        "labs-reading",
    )


def _draw_weights(trace: AttentionTrace, tokens: list[str], n_heads: int) -> None:
    panels = [matrix.Panel(trace.weights[0, head], tokens, tokens, title=f"Head {head + 1}") for head in range(n_heads)]
    matrix.draw(panels, key="many-heads.weights", numbers=n_heads <= 4, per_row=_per_row(n_heads))
    section.reading(
        "One square is one head. <b>Row</b>: the token that reads. <b>Column</b>: the token that is read. Darker: "
        "more. Tokens run from “"
        f"{text.escape(tokens[0])}” to “{text.escape(tokens[-1])}”, downwards and to the right. Point at a cell: the "
        "same pair is framed in every head."
    )


def _per_row(n_heads: int) -> int | None:
    if not 4 < n_heads <= 12:
        return None
    return 6 if state.presenting() else 4


def _draw_merge(trace: AttentionTrace, tokens: list[str], n_heads: int) -> None:
    merged = merge_heads(trace.context)[0]  # (seq_len, d_model)
    owners = [f"h{column * n_heads // D_MODEL + 1}" for column in range(D_MODEL)]
    columns = [f"{owner}.{column % (D_MODEL // n_heads) + 1}" for column, owner in enumerate(owners)]
    # A few features are many times larger than all others; the scale ends where 99 in 100 numbers do.
    scale = torch.cat([merged, trace.output[0]]).abs().flatten().quantile(0.99).item()
    cuts = range(0, D_MODEL, D_MODEL // n_heads)
    panels = [
        matrix.Panel(
            merged,
            tokens,
            columns,
            title=f"1  Laid side by side: head 1 to head {n_heads}",
            signed=True,
            low=-scale,
            high=scale,
            dividers=tuple(cuts)[1:],
        ),
        matrix.Panel(
            trace.output[0],
            tokens,
            [str(column + 1) for column in range(D_MODEL)],
            title="2  After the output matrix: every column is a mix of all heads",
            signed=True,
            low=-scale,
            high=scale,
        ),
    ]
    matrix.draw(panels, key="many-heads.merge", row_axis="token", column_axis="feature", per_row=1, cell_height=14)
    section.reading(
        f"Each head hands over {D_MODEL // n_heads} numbers a token. They are laid side by side ({n_heads} × "
        f"{D_MODEL // n_heads} = {D_MODEL}) and multiplied once by W<sub>O</sub>: only there do heads meet. The few "
        "numbers beyond the scale’s ends are drawn in its last colour."
    )


def _notice(trace: AttentionTrace, tokens: list[str], n_heads: int) -> str:
    said = _notice_merge(trace, n_heads) if state.get(SHOW) == "merge" else _notice_weights(trace, tokens, n_heads)
    own = "" if n_heads == TRAINED_HEADS else f" The model was trained with {TRAINED_HEADS} heads; this cut is our own."
    return said + own


def _notice_merge(trace: AttentionTrace, n_heads: int) -> str:
    sizes = trace.context[0].norm(dim=-1).mean(dim=-1)  # (n_heads,)
    loudest = int(sizes.argmax())
    if n_heads == 1:
        return f"One head fills all {D_MODEL} columns: there is nothing to merge, and the output matrix mixes them."
    return (
        f"Head {loudest + 1} hands over the largest numbers: vectors of length {sizes[loudest]:.2f} on average, "
        f"against {sizes.min():.2f} for head {int(sizes.argmin()) + 1}. In the lower picture the borders are gone: "
        f"each of its columns is made from all {n_heads} heads."
    )


def _notice_weights(trace: AttentionTrace, tokens: list[str], n_heads: int) -> str:
    weights = trace.weights[0]  # (n_heads, query_len, key_len)
    top = weights.argmax(dim=-1)  # (n_heads, query_len)
    if n_heads == 1:
        return (
            "One head makes one set of weights: each token can follow a single rule of reading. All "
            f"{D_MODEL} columns are spent on one comparison."
        )
    answers = [len(set(column)) for column in top.T.tolist()]
    widest = max(range(len(tokens)), key=answers.__getitem__)
    apart = (weights[:, None] - weights[None]).abs().sum(-1).mean(-1) / 2  # (n_heads, n_heads)
    one, other = divmod(int(apart.argmax()), n_heads)
    return (
        f"The {n_heads} heads do not agree: for “{text.escape(tokens[widest])}” they name {answers[widest]} different "
        f"favourites. Heads {min(one, other) + 1} and {max(one, other) + 1} differ most: on average "
        f"{apart.max().item():.0%} of a token’s reading goes elsewhere. The number of parameters has not changed; only "
        "the cut has."
    )


def _audit(layer: int, x: torch.Tensor, trace: AttentionTrace) -> None:
    with torch.inference_mode():
        theirs = reference(layer, trace.weights.shape[1])
        output, weights = theirs(x, x, x, need_weights=True, average_attn_weights=False)
    audit.compare(
        torch.cat([trace.weights.flatten(), trace.output.flatten()]),
        torch.cat([weights.flatten(), output.flatten()]),
        library="torch.nn.MultiheadAttention",
        tolerance=1e-5,
        what="weights and output",
    )


def _table(trace: AttentionTrace, tokens: list[str]):
    import pandas as pd

    weights, favourites = trace.weights[0].max(dim=-1)
    return pd.DataFrame(
        [
            {"head": head + 1, "token": tokens[row], "reads most": tokens[favourite], "weight": round(weight, 4)}
            for head, (line, places) in enumerate(zip(weights.tolist(), favourites.tolist()))
            for row, (weight, favourite) in enumerate(zip(line, places))
        ]
    )
