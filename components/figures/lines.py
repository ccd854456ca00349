"""Token lines, the head view: who reads on the left, who is read on the right, a line for every reading.

Pointing at a token shows only its lines and their weights; a click keeps it. All of it happens in the browser.
"""

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from components import drawing

if TYPE_CHECKING:
    import torch


def draw(
    query_tokens: Sequence[str],
    key_tokens: Sequence[str],
    weights: "torch.Tensor",
    *,
    key: str,
    alt: str | None = None,
    head: int = 0,
    head_names: Sequence[str] | None = None,
    selected: tuple[str, int] | None = None,
    query_name: str = "query: reads",
    key_name: str = "key: is read",
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws `weights`, (query_len, key_len) or (n_heads, query_len, key_len); with several heads, a row of buttons.

    head: the head that is shown first, counted from 0. selected: ("query" or "key", index), the token that is kept.
    query_name, key_name: what stands over the two columns. alt: made from the numbers of the open head unless given.
    on_change: called 400 ms after the learner chose; `drawing.result(key)` is then
    {"type": "select", "head", "side", "index"}, side and index None when no token is kept.

    Raises ValueError when weights do not fit the tokens.
    """
    weights = weights.detach().float().cpu()
    weights = weights[None] if weights.dim() == 2 else weights
    expected = (len(query_tokens), len(key_tokens))
    if weights.dim() != 3 or tuple(weights.shape[1:]) != expected:
        raise ValueError(f"weights must be (n_heads, {expected[0]}, {expected[1]}), got {tuple(weights.shape)}")
    head = min(max(head, 0), weights.shape[0] - 1)
    data = {
        "queries": list(query_tokens),
        "keys": list(key_tokens),
        "weights": base64.b64encode(weights.contiguous().numpy().tobytes()).decode(),
        "heads": list(head_names or (f"head {number}" for number in range(1, weights.shape[0] + 1))),
        "head": head,
        "selected": None if selected is None else {"side": selected[0], "index": selected[1]},
        "queryName": query_name,
        "keyName": key_name,
    }
    alt = alt or describe(query_tokens, key_tokens, weights[head])
    return drawing.draw("lines", data, key=key, alt=alt, on_change=on_change)


def describe(query_tokens: Sequence[str], key_tokens: Sequence[str], weights: "torch.Tensor") -> str:
    """A sentence from the numbers of one head: its three strongest readings."""
    flat = weights.detach().flatten()
    places = [divmod(int(place), len(key_tokens)) for place in flat.topk(min(3, flat.numel())).indices]
    return "Strongest: " + "; ".join(
        f"{q + 1} {query_tokens[q]} reads {k + 1} {key_tokens[k]} with {weights[q, k]:.2f}" for q, k in places
    )
