"""One sentence and one reader: arcs from the reading word to the words it reads."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from components import drawing
from components.figures.matrix import floats

if TYPE_CHECKING:
    import torch


def draw(
    tokens: Sequence[str],
    weights: "torch.Tensor",
    reader: int,
    *,
    key: str,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the sentence with the weights of the token at `reader`; a click makes another token the reader.

    weights (query_len, key_len). A click is reported as {"type": "reader", "index"}.
    """
    row = weights[reader]
    best = int(row.argmax())
    data = {"tokens": list(tokens), "weights": floats(weights), "reader": reader}
    alt = f"{tokens[reader]} reads {tokens[best]} most, {row[best]:.2f}"
    return drawing.draw("reading", data, key=key, alt=alt, on_change=on_change)
