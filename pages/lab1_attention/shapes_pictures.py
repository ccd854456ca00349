"""The pictures of "Shapes": each tensor of the walk as a brick, and the open one as heat maps."""

from dataclasses import replace

import torch

from components.figures.bricks import Brick
from components.figures.matrix import Panel, positions
from engine.shapes import TensorStep
from pages.lab1_attention.shapes_run import Run, misplaced, owners

NAMES = ["x"]
NAMES += [name + part for name in ("query", "key", "value") for part in ("", ", cut", ", by head")]
NAMES += ["scores", "weights", "context", "context, tokens first", "merged", "output"]
BY_HEAD = [name for name in NAMES if name.endswith("by head")]
LINES = [
    ["x", "query", "query, cut", "query, by head"],
    [None, "key", "key, cut", "key, by head"],
    [None, "value", "value, cut", "value, by head"],
    ["scores", "weights", "context", "context, tokens first"],
    ["merged", "output", None, None],
]
MISPLACED = "-misplaced"  # a second picture of the same tensor


def link_name(name: str) -> str:
    """A tensor's name as it stands in the link: "query, by head" is query-by-head."""
    return name.replace(",", "").replace(" ", "-")


def head_names(made: Run) -> list[str]:
    return [f"head {head + 1}" for head in range(made.attention.n_heads)]


def walk(made: Run, by: str, mistake: bool) -> list[list[Brick | None]]:
    """Every tensor of the run in its place, coloured by "token" or by "head"."""
    drawn = {step.name: _brick(made, step, by, mistake) for step in made.steps(mistake)}
    if mistake:
        # The wrong way has no tensor "cut"; its place shows whose numbers the next tensor really holds.
        for name in BY_HEAD:
            held = drawn[name]
            drawn[name.replace("by head", "cut")] = replace(held, wrong=None)
            title = name.replace("by head", "misplaced")
            drawn[name] = replace(held, name=held.name + MISPLACED, title=title)
    return [[drawn.get(name) for name in line] for line in LINES]


def _brick(made: Run, step: TensorStep, by: str, mistake: bool) -> Brick:
    first = step.name.split(",")[0]
    return Brick(
        name=link_name(step.name),
        title=step.name,
        shape=step.shape,
        axes=step.axes,
        owners=owners(made, step, by, mistake),
        code=step.code,
        comment=step.comment,
        role=first if first in ("query", "key", "value", "output") else "plain",
        wrong=misplaced(made, step) if mistake else None,
    )


def left_over(seq_len: int, d_model: int, n_heads: int) -> Brick:
    """A query that cannot be cut: as many whole numbers a head as there are, and the rest belongs to no head."""
    per_head = d_model // n_heads
    feature = torch.arange(d_model).expand(1, seq_len, d_model)  # (1, seq_len, d_model)
    return Brick(
        "query",
        "query",
        tuple(feature.shape),
        ("batch", "seq_len", "d_model"),
        owners=feature // max(per_head, 1) % n_heads,
        code="query.view(batch, seq_len, n_heads, head_dim)",
        comment=f"cannot run: {n_heads} × {per_head} = {n_heads * per_head}, not {d_model}",
        role="query",
        wrong=feature >= n_heads * per_head,
    )


def number_panels(made: Run, step: TensorStep, mistake: bool) -> tuple[list[Panel], tuple[str, str]]:
    """A tensor as heat maps, one for each block of its brick, and the names of their two axes."""
    names = {"n_heads": head_names(made)}
    names |= dict.fromkeys(("seq_len", "query_len", "key_len"), positions(made.tokens))
    blocks = step.tensor[0] if step.tensor.dim() == 4 else step.tensor  # (blocks, rows, columns)
    rows, columns = (names.get(axis) or _counted(length) for axis, length in zip(step.axes[-2:], step.shape[-2:]))
    titles = names[step.axes[1]] if len(step.axes) == 4 else [step.name]
    share = step.name == "weights"
    scale = 1.0 if share else blocks.abs().max().item()
    # After the first mistake nearly every number differs: frames would only be noise there.
    framed = mistake and step.name in BY_HEAD
    wrong = misplaced(made, step)[0] if framed else torch.zeros(blocks.shape, dtype=torch.bool)
    panels = [
        Panel(
            block,
            rows,
            columns,
            title=title,
            signed=not share,
            low=0.0 if share else -scale,
            high=scale,
            marks=[tuple(place) for place in bad.nonzero().tolist()],
        )
        for block, title, bad in zip(blocks, titles, wrong, strict=True)
    ]
    return panels, (step.axes[-2], step.axes[-1])


def _counted(length: int) -> list[str]:
    return [str(place + 1) for place in range(length)]
