"""Inside a language model, place by place: the text, and under it what heads read or what each block would say.

A place is the last token that has been read, counted from 0 over the tokens that are drawn; the token after it is the
one that is being written, or that comes next.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components import drawing
from components.figures.matrix import floats
from components.figures.token_strip import Chip, columns, word

if TYPE_CHECKING:
    import torch

    from engine.logit_lens import LogitLens
    from engine.text_interface import TextInterface

WEIGHT_STEPS = 65_535  # a weight travels as a whole number of this many steps
VIEWS = ("attention", "grid", "layers", "probability")


@dataclass(frozen=True)
class Choice:
    """What is open. layer and head are counted from 1; 0 is the mean of all."""

    place: int
    layer: int = 0
    head: int = 0


def chips(tokenizer: "TextInterface", ids: Iterable[int]) -> list[Chip]:
    """The tokens of a text that begins with the model's own start."""
    note = "ends every text, and stands before the next one"
    return [Chip(word(tokenizer, one), one, note=note if one == tokenizer.eos_id else "") for one in ids]


def draw(
    tokens: Sequence[Chip],
    lens: "LogitLens",
    choice: Choice,
    *,
    view: str,
    tokenizer: "TextInterface",
    first: int,
    places: tuple[int, int],
    n_prompt: int,
    fades: bool,
    key: str,
    alt: str,
    weights: "torch.Tensor | None" = None,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the text and one view of the chosen place.

    tokens: of the whole text that is drawn, one more than is read. lens: of the places from `first` to the last one
    that is read, its targets the tokens that come next. view: "attention" (needs weights (n_layers, n_heads, n_places,
    key_len), key_len as many as are read), "grid" (depths and places), "layers" (all depths of one place) or
    "probability". tokenizer: names the tokens of the lens. places: the first and last that can be chosen. n_prompt:
    tokens that were given and not written. fades: what comes after the chosen place is not there yet.

    A choice is reported 400 ms later as {"type": "choice", "place", "layer", "head"}.
    """
    named, top = _named(lens)
    data = {
        **columns(tokens),
        "view": view,
        "choice": vars(choice),
        "places": list(places),
        "nPrompt": n_prompt,
        "fades": fades,
        "showIds": False,
        "showSpace": True,
        "words": [word(tokenizer, number) for number in named],
        "wordIds": named,
        "lens": {
            "first": first,
            "n": len(lens.positions),
            "layers": len(lens.top_ids) - 1,
            "nTop": lens.top_ids.shape[-1],
            "top": top,
            "p": floats(lens.top_probabilities),
            "targetP": floats(lens.target_probabilities),
            "rank": floats(lens.target_ranks),
            "entropy": floats(lens.entropy),
        },
        "attention": _packed(weights, first) if view == "attention" and weights is not None else None,
    }
    return drawing.draw("lens", data, key=key, alt=alt, on_change=on_change)


def _named(lens: "LogitLens") -> tuple[list[int], tuple[int, ...]]:
    """Every id that is named, once, and for each cell which of them it is."""
    ids = lens.top_ids.flatten().tolist()
    place_of = {number: place for place, number in enumerate(dict.fromkeys(ids))}
    return list(place_of), tuple(place_of[number] for number in ids)


def _packed(weights: "torch.Tensor", first: int) -> dict[str, Any]:
    n_layers, n_heads, n_places, key_len = weights.shape
    steps = (weights * WEIGHT_STEPS).round().numpy().astype("<u2")
    return {
        "layers": n_layers,
        "heads": n_heads,
        "first": first,
        "n": n_places,
        "keys": key_len,
        "weights": base64.b64encode(steps.tobytes()).decode(),
    }
