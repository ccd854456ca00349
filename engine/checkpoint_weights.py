"""A checkpoint's weights under our own names, and into our own modules: all of them, or an error.

A weight we do not know or one that is missing is refused: a model that is almost loaded gives numbers that are almost
right, and nobody notices.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.initial import no_random_start

Model = TypeVar("Model", bound=nn.Module)


def rename(
    weights: dict[str, Tensor], kind: str, *, prefix: str, names: dict[str, str], ignored: str
) -> dict[str, Tensor]:
    """A checkpoint's weights under our names, in float32.

    names: its name for each part, N for a layer's number, to ours. prefix: what may stand before its names. ignored:
    a pattern for heads of other tasks and tables of constants, which are left out.
    Raises ValueError for a name that is none of these, or that is there twice.
    """
    renamed = {}
    for original, tensor in weights.items():
        key = original.removeprefix(prefix)
        if re.fullmatch(ignored, key):
            continue
        ours = _our_name(key, names)
        if ours is None:
            raise ValueError(f"weight {original!r} is unknown: a {kind} model has no such part")
        if ours in renamed:
            raise ValueError(f"weight {original!r} is there twice, with and without a prefix or under an old name")
        renamed[ours] = tensor.float()
    return renamed


def build(make: Callable[[], Model], weights: dict[str, Tensor], *, n_layers: int) -> Model:
    """What `make` makes, holding exactly these weights. ValueError when one is missing, left over or misshapen."""
    there = {int(found[1]) for name in weights if (found := re.search(r"\blayers\.(\d+)\.", name))}
    if n_layers > len(there):  # checked before anything is built: config.json may say a billion
        raise ValueError(f"the checkpoint must hold {n_layers} layers by config.json, but it holds {len(there)}")
    with torch.device("meta"), no_random_start():  # shapes only: the numbers come from the checkpoint
        model = make()
    wanted = model.state_dict()
    if missing := sorted(set(wanted) - set(weights)):
        raise ValueError(
            f"the checkpoint must hold {len(wanted)} weights, but {len(missing)} are missing: {missing[:3]}"
        )
    if unknown := sorted(set(weights) - set(wanted)):
        raise ValueError(
            f"the checkpoint holds {len(unknown)} weights that its config.json leaves no room for: {unknown[:3]}"
        )
    for name, tensor in weights.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"weight {name!r} must have shape {tuple(wanted[name].shape)} by config.json, got {tuple(tensor.shape)}"
            )
    model.load_state_dict(weights, assign=True)
    return model.eval()


def only(settings: dict, allowed: dict[str, tuple]) -> None:
    """Raises ValueError for a setting that changes the arithmetic in a way that we have not built."""
    for name, values in allowed.items():
        if name in settings and settings[name] not in values:
            raise ValueError(
                f"{name} must be {values[0]!r} in config.json, got {settings[name]!r}: we have not built it"
            )


def _our_name(key: str, names: dict[str, str]) -> str | None:
    """layers.3.attention_norm.weight for encoder.layer.3.attention.output.LayerNorm.gamma; None when unknown."""
    part, _, kind = key.rpartition(".")
    kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
    layer = re.search(r"(?<=\.)\d+(?=\.)", f".{part}.")
    number = layer[0] if layer else ""
    generic = re.sub(r"(^|\.)\d+(\.)", r"\1N\2", part, count=1)
    if generic not in names or kind not in ("weight", "bias"):
        return None
    return names[generic].replace(".N.", f".{number}.") + f".{kind}"
