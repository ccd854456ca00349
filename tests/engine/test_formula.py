"""One formula for a whole sum: what it says is worked out again by Python's own arithmetic."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.budget import activation_terms, cache_terms, flops_terms, parameter_terms
from engine.formula import make_term, one_formula, total
from engine.model_config import ModelConfig
from tests.engine.test_budget import SMALL, STYLES

NAMES = ("n_layers", "batch", "d_model", "d_ff", "seq_len")
PLAIN = {"×": "*", ",": "", "²": "**2", "³": "**3"}


def worked_out(written: str) -> int:
    for sign, plain in PLAIN.items():
        written = written.replace(sign, plain)
    assert re.fullmatch(r"[\d+*() ]+", written), written
    return eval(written)


@pytest.mark.parametrize(
    ("kind", "style"), itertools.product(("encoder", "decoder", "encoder-decoder", "causal"), STYLES), ids=str
)
def test_one_formula_is_worth_what_its_terms_are(kind, style):
    config = ModelConfig(**SMALL, **style)
    for terms in (
        parameter_terms(config, kind),
        flops_terms(config, kind),
        activation_terms(config, kind, batch=3),
        cache_terms(config, batch=3),
    ):
        whole = one_formula(terms)
        assert worked_out(whole.worked) == whole.value == total(terms)
        numbers = {name: getattr(config, name) for name in ("d_model", "n_heads", "n_layers", "d_ff", "max_len")}
        numbers |= {"vocab_size": config.vocab_size, "kv_dim": config.key_value_heads * config.head_dim}
        numbers |= {"seq_len": config.max_len, "batch": 3, "n_bytes": 4, "n_token_types": 0}
        named = re.sub(r"[a-z_]+", lambda name, known=numbers: str(known[name[0]]), whole.formula)
        assert worked_out(named) == whole.value


@given(st.lists(st.lists(st.sampled_from([*NAMES, "2", "3"]), min_size=1, max_size=3), min_size=1, max_size=5))
def test_any_sum_keeps_its_worth(products):
    numbers = dict(zip(NAMES, (2, 3, 8, 32, 7), strict=True))
    formula = " + ".join(" × ".join(product) for product in products)
    term = make_term("any", formula, numbers)
    assert worked_out(one_formula([term]).worked) == term.value


def test_nothing_is_nothing():
    assert (one_formula([]).formula, one_formula([]).value) == ("0", 0)
