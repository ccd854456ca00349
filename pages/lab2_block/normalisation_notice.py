"""What to notice in "Normalise", in words made from the numbers on screen."""

import torch
from torch import Tensor

from components.figures.numbers import number
from pages.lab2_block.normalisation_stages import D_MODEL, GIVEN, TOKENS, Setup, short

START = torch.tensor(GIVEN["x"], dtype=torch.float64)


def note(setup: Setup) -> str:
    """About the mistake that is switched on, or what the numbers are a case of; then about the other token."""
    if setup.over == "tokens":
        return _over_tokens(setup) + _other_token(setup)
    if setup.unbiased:
        return _unbiased(setup)
    for case in (_no_value, _eps_matters, _shifted, _stretched):
        if said := case(setup):
            return said + _other_token(setup)
    return _plain(setup) + _other_token(setup)


def _plain(setup: Setup) -> str:
    x, layer, rms = setup.x[setup.token], setup.layernorm, setup.rmsnorm
    outs = layer.divided[setup.token], rms.divided[setup.token]
    said = (
        f"{TOKENS[setup.token].capitalize()} comes in with mean {_n(x.mean())} and standard deviation "
        f"{_n(layer.variance[setup.token].sqrt())} (the root of the variance: how far its numbers typically lie from "
        f"the mean). Divided, LayerNorm’s numbers have mean {_n(outs[0].mean())} and standard deviation "
        f"{_n(_spread(outs[0]))}. RMSNorm takes no mean off: its numbers keep a mean of {_n(outs[1].mean())}, and only "
        f"their size, the root of their mean square, is {_n(outs[1].square().mean().sqrt())}."
    )
    if (setup.scale != 1).any() or (setup.shift != 0).any():
        out = layer.output[setup.token]
        said += (
            f" Your scale and shift then undo some of it: LayerNorm’s output has mean {_n(out.mean())} and standard "
            f"deviation {_n(_spread(out))}. A model may learn any scale and shift, for each column."
        )
    return said


def _over_tokens(setup: Setup) -> str:
    return (
        "Now each column is normalised over the tokens: that is <b>batch normalisation</b>, not LayerNorm. With two "
        f"tokens every LayerNorm number becomes {_values(setup.layernorm.divided)}, whatever the token says, and a "
        "token’s output depends on who else is in the batch. Transformers normalise each token by itself."
    )


def _values(values: Tensor) -> str:
    found = [short(value) for value in sorted({round(value, 2) + 0.0 for value in values.flatten().tolist()})]
    return " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _unbiased(setup: Setup) -> str:
    right = setup.x[setup.token].var(correction=0).item()
    wrong = setup.layernorm.variance[setup.token].item()
    return (
        f"Dividing by {D_MODEL - 1} instead of {D_MODEL} makes LayerNorm’s variance {short(wrong)} instead of "
        f"{short(right)}, so its numbers shrink by √({D_MODEL - 1} ÷ {D_MODEL}) = "
        f"{((D_MODEL - 1) / D_MODEL) ** 0.5:.3f}. Statistics books divide by n − 1 to guess the spread of a larger "
        "population; here the four numbers are all there is. torch.std and torch.var divide by n − 1 unless told "
        "otherwise, which is how the mistake gets into code. With 384 columns the factor is "
        f"{(383 / 384) ** 0.5:.4f}: small, and still not what a checkpoint was trained with."
    )


def _no_value(setup: Setup) -> str:
    if setup.layernorm.output[setup.token].isfinite().all():
        return ""
    rms = setup.rmsnorm.output[setup.token]
    beside = (
        f"RMSNorm has something to divide by: its root is {short(setup.rmsnorm.root[setup.token].item())}."
        if rms.isfinite().all()
        else "RMSNorm’s root is 0 as well."
    )
    return (
        "The four numbers are equal, so the variance is 0, and with eps = 0 the root is 0 too. 0 ÷ 0 has no value: "
        f"computers call it NaN, and one NaN spoils everything that is added to it later. {beside} Choose any eps "
        "above 0: LayerNorm then gives 0 ÷ √eps = 0."
    )


def _eps_matters(setup: Setup) -> str:
    variance = setup.layernorm.variance[setup.token].item()
    under_root = variance + setup.eps
    if not under_root or setup.eps / under_root < 0.05:
        return ""
    spread = _spread(setup.layernorm.divided[setup.token])
    if variance == 0:
        return (
            f"The four numbers are equal: nothing sets them apart, and LayerNorm gives 0 for each, thanks to eps. "
            f"RMSNorm still sees their size and gives {_n(setup.rmsnorm.divided[setup.token, 0])}."
        )
    return (
        f"The variance is only {short(variance)}, so eps = {number(setup.eps)} is {setup.eps / under_root:.0%} of what "
        f"stands under LayerNorm’s root. The divided numbers have a standard deviation of {_n(spread)} instead of 1: "
        "eps keeps small differences from being blown up. RMSNorm adds the same eps to a mean square of "
        f"{short(setup.rmsnorm.variance[setup.token].item())}."
    )


def _shifted(setup: Setup) -> str:
    added = setup.x[setup.token] - START[setup.token]
    if added[0] == 0 or not torch.allclose(added, added[:1].expand_as(added), atol=1e-12, rtol=0):
        return ""
    layer, rms = _moved(setup, setup.token)
    return (
        f"Every number of {TOKENS[setup.token]} is {_n(added[0].abs())} {'higher' if added[0] > 0 else 'lower'} than "
        f"at the start. LayerNorm takes the mean off, so its output is the same (largest difference {_tiny(layer)}). "
        f"RMSNorm does not: its output moved by up to {_n(rms)}, because what all four share now makes up most of "
        "its size."
    )


def _stretched(setup: Setup) -> str:
    x, start = setup.x[setup.token], START[setup.token]
    factor = x[0] / start[0]
    if factor <= 0 or factor == 1 or not torch.allclose(x, start * factor, atol=0, rtol=1e-12):
        return ""
    layer, rms = _moved(setup, setup.token)
    return (
        f"Every number of {TOKENS[setup.token]} is {_n(factor)} times what it was at the start. Both norms divide the "
        f"size out: LayerNorm’s output moved by at most {_tiny(layer)}, RMSNorm’s by at most {_tiny(rms)}"
        + (", which is eps at work." if setup.eps else ".")
    )


def _other_token(setup: Setup) -> str:
    """That a token which was not touched has kept its output; or has not, where the norm runs over the batch."""
    changed = [bool((setup.x[r] != START[r]).any()) for r in range(len(TOKENS))]
    if sum(changed) != 1:
        return ""
    other = changed.index(False)
    layer, rms = _moved(setup, other)
    if setup.over == "tokens":
        return f" You did not touch {TOKENS[other]}, yet its LayerNorm output moved by up to {_tiny(layer)}."
    return (
        f" {TOKENS[other].capitalize()}, which you did not touch, kept its outputs (largest difference "
        f"{_tiny(max(layer, rms))}): no token’s numbers enter another’s mean."
    )


def _moved(setup: Setup, token: int) -> tuple[float, float]:
    """How far a token's outputs lie from those of the numbers at the start, under the settings on screen."""
    start = setup.with_numbers(START)
    pairs = (setup.layernorm, start.layernorm), (setup.rmsnorm, start.rmsnorm)
    return tuple((now.output[token] - then.output[token]).abs().max().item() for now, then in pairs)


def _spread(values: Tensor) -> float:
    return values.std(correction=0).item()


def _n(value: Tensor | float) -> str:
    """Rounding dust is 0 in words."""
    value = float(value)
    return number(0.0 if abs(value) < 1e-9 else value)


def _tiny(value: float) -> str:
    return short(value) if value > 1e-9 else "0" if value == 0 else number(value)


def alt(setup: Setup) -> str:
    """The figure in one sentence, for those who do not see it."""
    rows = []
    for name, trace in (("LayerNorm", setup.layernorm), ("RMSNorm", setup.rmsnorm)):
        out = ", ".join(short(value) for value in trace.output[setup.token].tolist())
        rows.append(f"{name} divides by {short(trace.root.expand_as(setup.x)[setup.token, 0].item())} and gives {out}")
    numbers_in = ", ".join(short(value) for value in setup.x[setup.token].tolist())
    return f"{TOKENS[setup.token].capitalize()}, {numbers_in}, step by step: {'; '.join(rows)}."
