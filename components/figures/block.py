"""A stack of layers with the size of its stream, and one of its blocks drawn large. Everything in it is a button."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components import drawing


@dataclass(frozen=True)
class Stop:
    """One place in the block: what it is called, what made it, and the numbers of the vector that stands there.

    name: "input", "attention_norm", "attention", "attention_sum", "feed_forward_norm", "hidden", "feed_forward" or
    "feed_forward_sum". extra: what stands beside the title, such as a count of parameters.
    """

    name: str
    title: str
    extra: str
    shape: str
    size: int  # numbers in the vector: the length of the bar
    mean: float
    std: float
    norm: float
    role: str


@dataclass(frozen=True)
class Stream:
    """The size of the residual stream on its way up: (layer, norm), with layer 0 for what goes into the first."""

    name: str
    path: Sequence[tuple[int, float]]
    end: float | None  # after the last norm, where there is one


def draw(
    stops: Sequence[Stop],
    shown: Stream,
    other: Stream,
    *,
    norm_first: bool,
    layer: int,
    n_layers: int,
    stop: str,
    tokens: Sequence[str],
    token: int,
    follows: str,
    key: str,
    on_change: Callable[[], None],
) -> Any:
    """Draws layer `layer` (counted from 1) of the stack.

    shown, other: the stream of this stack and of the one it is compared with. token: the one that is followed, or -1
    for the mean over all; follows: the same in words. `drawing.result(key)` is then {"type": "stop", "name"},
    {"type": "layer", "layer"} or {"type": "token", "token"}.
    """
    data = {
        "stops": [asdict(one) for one in stops],
        "shown": _plain(shown),
        "other": _plain(other),
        "normFirst": norm_first,
        "layer": layer,
        "nLayers": n_layers,
        "stop": stop,
        "tokens": list(tokens),
        "token": token,
        "follows": follows,
    }
    alt = describe(stops, shown, layer, follows)
    return drawing.draw("block", data, key=key, alt=alt, on_change=on_change)


def describe(stops: Sequence[Stop], shown: Stream, layer: int, follows: str) -> str:
    """The picture in a sentence."""
    walk = ", ".join(f"{stop.title} {stop.norm:.1f}" for stop in stops)
    return (
        f"A {shown.name} block, layer {layer}. Norm of {follows} at each stop: {walk}. Over the whole stack it goes "
        f"from {shown.path[0][1]:.1f} to {shown.path[-1][1]:.1f}."
    )


def _plain(stream: Stream) -> dict[str, Any]:
    # A tuple: Streamlit looks for data frames in every list, deep down too.
    path = tuple((layer, round(norm, 4)) for layer, norm in stream.path)
    return {"name": stream.name, "path": path, "end": stream.end}
