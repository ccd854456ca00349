"""Sums written out: a term's formula is not only shown, it is what is computed.

A formula is products joined by " + ", and a product is whole numbers and names joined by " × ".
"""

import math
from collections import Counter
from dataclasses import dataclass

BRACKETS = ("n_layers", "batch")  # what many terms share, written once before a bracket

Sums = dict[tuple[str, ...], int]  # the names of each product, and the whole number they are multiplied by


@dataclass(frozen=True)
class Term:
    """One part of a sum, with the formula that gave it.

    >>> term = make_term("token embedding", "vocab_size × d_model", {"vocab_size": 50257, "d_model": 768})
    >>> term.value, term.worked
    (38597376, '50,257 × 768')
    """

    name: str
    formula: str  # in the names of ModelConfig, such as "n_layers × d_ff + n_layers × d_model"
    worked: str  # the same with this config's numbers
    value: int


def make_term(name: str, formula: str, numbers: dict[str, int]) -> Term:
    """Work out a formula with these numbers."""
    products = [
        [numbers[factor] if factor in numbers else int(factor) for factor in product.split(" × ")]
        for product in formula.split(" + ")
    ]
    worked = " + ".join(" × ".join(f"{factor:,}" for factor in factors) for factors in products)
    return Term(name, formula, worked, sum(math.prod(factors) for factors in products))


def total(terms: list[Term]) -> int:
    """All terms added up."""
    return sum(term.value for term in terms)


def one_formula(terms: list[Term], name: str = "all together") -> Term:
    """The sum of all terms as one formula: like products joined, what they share written once before a bracket.

    >>> numbers = {"n_layers": 2, "d_model": 8, "d_ff": 32}
    >>> parts = ("n_layers × 4 × d_model × d_model", "n_layers × 2 × d_model × d_ff", "d_model")
    >>> whole = one_formula([make_term("", part, numbers) for part in parts])
    >>> whole.formula, whole.worked, whole.value
    ('d_model × (n_layers × (4 × d_model + 2 × d_ff) + 1)', '8 × (2 × (4 × 8 + 2 × 32) + 1)', 1544)
    """
    sums: Sums = Counter()
    numbers: dict[str, int] = {}
    for term in terms:
        for product, worked in zip(term.formula.split(" + "), term.worked.split(" + "), strict=True):
            factors = list(zip(product.split(" × "), worked.replace(",", "").split(" × "), strict=True))
            names = [(factor, int(number)) for factor, number in factors if not factor.isdigit()]
            numbers |= names
            times = math.prod(int(factor) for factor, _ in factors if factor.isdigit())
            sums[tuple(factor for factor, _ in names)] += times
    symbols = {factor: factor for factor in numbers}
    worked = {factor: f"{number:,}" for factor, number in numbers.items()}
    return Term(name, _write(sums, symbols), _write(sums, worked), total(terms))


def _write(sums: Sums, words: dict[str, str]) -> str:
    """A sum of products, brackets and all. words: what to write for each name."""
    common = _common(sums)
    if common and len(sums) > 1:
        inside = _write(_divided(sums, common), words)
        return f"{_product(common, 1, words)} × ({inside})"
    bracket = next((name for name in BRACKETS if sum(name in product for product in sums) > 1), None)
    parts, left = [], dict(sums)
    while left:
        product = next(iter(left))
        together = {other: left[other] for other in left if bracket in other} if bracket in product else {}
        parts.append(_write(together, words) if together else _product(product, left[product], words))
        left = {other: times for other, times in left.items() if other != product and other not in together}
    return " + ".join(parts) or "0"


def _common(sums: Sums) -> tuple[str, ...]:
    """The names that stand in every product, as often as they stand in all of them."""
    shared = [Counter(product) for product in sums]
    often = {name: min(counts[name] for counts in shared) for name in (shared[0] if shared else ())}
    return tuple(name for name, times in often.items() for _ in range(times))


def _divided(sums: Sums, common: tuple[str, ...]) -> Sums:
    """The same sum with `common` taken out of every product."""
    divided: Sums = Counter()
    for product, times in sums.items():
        left = list(product)
        for name in common:
            left.remove(name)
        divided[tuple(left)] += times
    return divided


def _product(names: tuple[str, ...], times: int, words: dict[str, str]) -> str:
    """One product: the whole number unless it is 1, then the names; what stands there twice is squared."""
    powers = {1: "", 2: "²", 3: "³"}
    factors = [words[name] + powers[count] for name, count in Counter(names).items()]
    return " × ".join(([f"{times:,}"] if times > 1 or not factors else []) + factors)
