"""The arithmetic behind each number of "By hand", written out the way it is done on paper, in coloured pieces."""

import math

from torch import Tensor

from components.figures.numbers import Piece, number
from engine.worked_example import write_dot_product

Says = tuple[Piece, ...]


def dot_product(left: Tensor, right: Tensor, roles: tuple[str, str]) -> Says:
    """ "2·1 + 4·3 = 14", each factor in the colour of the matrix it stands in."""
    written = write_dot_product(left, right).replace("-", "−")
    terms, result = written.rsplit(" = ", 1)
    pieces: list[Piece] = []
    for term in terms.split(" + "):
        a, b = term.split("·")
        pieces += [(" + ", "", False)] if pieces else []
        pieces += [(a, roles[0], False), ("·", "", False), (b, roles[1], False)]
    return (*pieces, (f" = {result}", "", False))


def scaling(score: float, scaled: float, dims: int, divided: bool) -> Says:
    """The division by √d, or that it was left out."""
    if not divided:
        return _line(f"{number(score)} stays {number(scaled)}: the division by √{dims} is left out")
    root = math.sqrt(dims)
    middle = f" = {number(score)} ÷ {number(root)}" if root != int(root) else ""
    return _line(f"{number(score)} ÷ √{dims}{middle} = {number(scaled)}")


def masking(scaled: float, allowed: bool, fill: str) -> Says:
    """A score that stays, or what takes its place."""
    if allowed:
        return _line(f"{number(scaled)} stays: it may be read")
    return _line(f"{number(scaled)} is replaced by {fill.replace('-', '−')}: it may not be read")


def softmax(scores: Tensor, place: int, weight: float, role: str = "query") -> Says:
    """e^a ÷ (e^a + e^b + e^c), with the powers worked out. Large scores are first made smaller by the largest one."""
    numbers_of = scores.tolist()
    largest = max(numbers_of)
    if largest == -math.inf:
        return _line("all are −∞, so the fraction is 0 ÷ 0, which has no value: the weight is set to 0")
    # e to the power of a large score is too long to write; taking the largest off every score changes no fraction.
    shift = largest if abs(largest) > 12 else 0.0
    shifted = [value - shift for value in numbers_of]
    pieces: list[Piece] = [*_power(shifted[place], role), (" ÷ (", "", False)]
    for index, value in enumerate(shifted):
        pieces += [(" + ", "", False)] if index else []
        pieces += _power(value, role if index == place else "")
    powers = [math.exp(value) for value in shifted]
    worked = f"{number(powers[place])} ÷ {number(sum(powers))}"
    pieces += [(f") = {worked} = {number(weight)}", "", False)]
    if shift:
        pieces += [(f" (the largest score, {number(shift)}, was taken off each first)", "", False)]
    return tuple(pieces)


def row_sum(weights: Tensor) -> Says:
    """The weights of one row, added up."""
    return _line(f"{' + '.join(number(w) for w in weights.tolist())} = {number(float(weights.sum()))}")


def entropy(weights: Tensor, bits: float) -> Says:
    """How spread out a row is: the sum of weight times log2(1 / weight)."""
    terms = [f"{number(w)}·log₂(1 ÷ {number(w)})" for w in weights.tolist() if w > 0.0005]
    return _line(f"{' + '.join(terms) or '0'} ≈ {number(bits)}")


def gradient_room(weights: Tensor, room: float) -> Says:
    """How much a row can still learn: 1 minus the sum of its squared weights."""
    squares = " − ".join(f"{number(w)}²" for w in weights.tolist())
    return _line(f"1 − {squares} = {number(room)}")


def _power(exponent: float, role: str) -> list[Piece]:
    return [("e", role, False), (number(exponent), role, True)]


def _line(text: str) -> Says:
    return ((text, "", False),)
