"""Lab 2, section 6, stack it: a model built from parts, what it costs, and whether the formulas are right."""

from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, errors, section, state, text
from components.figures import costs, plots
from engine.budget import activation_terms, flops_terms, parameter_terms
from engine.devices import device, free_memory
from engine.formula import make_term, one_formula, total
from engine.published import MOST_BUILT, PUBLISHED, count_built, count_in_transformers
from pages.lab2_block import stack_once, stack_words
from pages.lab2_block import stack_settings as of
from pages.lab2_block.stack_costs import Terms, alt, tower
from pages.lab2_block.stack_costs import costs as four_costs

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What does a model of your own cost, and which part of it costs most?"
PARAMS = of.PARAMS
SHORT = {"Transformer base": "2017 base"}  # names that are too long for a button
PAIRS = ((of.LAYERS, of.WIDTH), (of.HEADS, of.KV_HEADS))
MORE_PAIRS = ((of.D_FF, of.VOCABULARY), (of.BATCH,))
MORE = (of.NUMBER_TYPE, of.POSITION, of.PLACE, of.NORM, of.ACTIVATION)


@section.live
def draw() -> None:
    """The tower of parts, four costs with formula and numbers, memory against context, and a run that checks them."""
    setup, problem = errors.attempt(of.read)
    terms = Terms(setup) if setup else None
    controls_column, figure_column = section.layout(QUESTION, controls_share=1.0, figure_share=2.9)
    with figure_column, errors.shown_as_a_sentence():
        _figure(terms) if terms else _impossible(problem)
    section.let_it_paint()
    with controls_column:
        _controls(setup, problem)
    if terms:
        with figure_column, errors.shown_as_a_sentence():
            _below(terms)


def _impossible(problem: str) -> None:
    text.prose("No such model can be built, so there is nothing to draw yet. What you typed is kept.")
    text.problem(problem)


def _figure(terms: Terms) -> None:
    ground, stacks, top = tower(terms)
    costs.draw(ground, stacks, top, four_costs(terms), key="stack.costs", alt=alt(terms))
    section.reading(
        "The larger a box, the more parameters. Beside it: each cost as one formula, and the same with your numbers. "
        "Click a cost for its terms; point at a part to find it everywhere."
    )


def _controls(setup: of.Setup | None, problem: str | None) -> None:
    wrong = of.culprit(problem) if problem else None
    _presets(setup)
    controls.choice(of.FAMILY)
    for pair in PAIRS:
        _fields(pair, wrong, problem)
    _fields((of.CONTEXT,), wrong, problem)
    with st.expander("More", expanded=wrong in (of.D_FF, of.VOCABULARY, of.BATCH)):
        for pair in MORE_PAIRS:
            _fields(pair, wrong, problem)
        for param in MORE:
            controls.choice(param, compact=True)
        for flag in (of.TIED, of.BIAS, of.BERT):
            controls.toggle(flag)
    controls.reset_button(of.PARAMS)


def _presets(setup: of.Setup | None) -> None:
    """Published models to start from; the one that is on screen is marked."""
    now = setup.published if setup else None
    with st.container(key="published", gap="xsmall"):
        st.html('<span class="labs-label">Start from</span>')
        for pair in (PUBLISHED[:2], PUBLISHED[2:]):
            for column, published in zip(st.columns(2, gap="xsmall"), pair):
                column.button(
                    SHORT.get(published.name, published.name),
                    key=f"stack.{published.name}",
                    help=f"{published.name}: {published.source}",
                    on_click=_take,
                    args=(published,),
                    type="primary" if published is now else "secondary",
                    width="stretch",
                )


def _take(published) -> None:
    for param, value in of.values(published).items():
        state.set_value(param, value)


def _fields(pair: tuple[of.Size, ...], wrong: of.Size | None, problem: str | None) -> None:
    with st.container(key=f"typed-{pair[0].name}"):  # without step buttons, which leave no room for the number
        for column, size in zip(st.columns(2, gap="small"), pair):
            with column:
                controls.number(size, placeholder="= heads" if size.optional else "a number")
    if wrong in pair:
        text.problem(problem)


def _below(terms: Terms) -> None:
    setup = terms.setup
    section.notice(stack_words.notice(terms))
    _try_this(setup)
    _audit(terms)
    where = device()
    left, right = st.columns(2, gap="large")
    with left:
        plots.draw([stack_words.memory_plot(setup, free_memory(where), where)], key="stack.memory", height=300)
    with right:
        stack_once.draw(setup)
    _words_of_the_formulas(setup)
    section.code(parameter_terms, flops_terms, activation_terms, make_term, one_formula)
    section.table(lambda: _table(terms), key="stack")
    section.sources(
        "Kaplan et al. 2020, *Scaling Laws for Neural Language Models*, table 1: parameters and operations per token",
        "Korthikanti et al. 2022, *Reducing Activation Recomputation in Large Transformer Models*, section 4.1",
        "Ainslie et al. 2023, *GQA*: query heads that share keys and values",
        *(f"{one.name}: {one.source}" for one in PUBLISHED),
    )


def _try_this(setup: of.Setup) -> None:
    config = setup.config
    changes = [
        ("Twice the context", {of.CONTEXT: min(2 * config.max_len, of.CONTEXT.most)}),
        ("Twice the width", {of.WIDTH: min(2 * config.d_model, of.WIDTH.most)}),
    ]
    if config.key_value_heads > 1:
        changes.append(("One key and value head for all", {of.KV_HEADS: 1}))
    else:
        changes.append(("Keys and values for each head", {of.KV_HEADS: None}))
    section.try_this(changes, key="stack")


def _audit(terms: Terms) -> None:
    """The formula against our own module, always; against transformers' where the model is a published one."""
    setup = terms.setup
    own = total(parameter_terms(setup.config, setup.kind))
    built = "built from shapes alone"
    if setup.config.n_layers > MOST_BUILT:
        built = "one and two layers built from shapes alone, the rest alike"
    _compare(own, _count_built(setup.config, setup.kind), "our own module", f"parameters, {built}")
    if setup.published:
        theirs = _count_in_transformers(setup.published)
        _compare(total(terms.parameters), theirs, f"transformers’ {setup.published.class_name}", setup.published.name)


def _compare(formula: int, counted: int, library: str, what: str) -> None:
    found = f"the formula and {library} agree on {counted:,}, counted just now"
    audit.claim(
        formula == counted,
        f"{what}: {found if formula == counted else f'the formula gives {formula:,}, {library} has {counted:,}'}",
    )


@lru_cache(maxsize=64)
def _count_built(config, kind: str) -> int:
    return count_built(config, kind)


@lru_cache(maxsize=len(PUBLISHED))
def _count_in_transformers(published) -> int:
    return count_in_transformers(published)


def _words_of_the_formulas(setup: of.Setup) -> None:
    config = setup.config
    section.reading(
        f"In the formulas: kv_dim = n_kv_heads × d_model ÷ n_heads = {config.key_value_heads * config.head_dim:,}; "
        f"seq_len = max_len, the context; n_bytes = {setup.n_bytes}, of one number in {setup.number_type}. "
        "<b>Parameters</b> are the numbers that training changes. <b>FLOPs</b> are multiplications and additions. "
        "<b>Activations</b> are the forward pass’s intermediate values that the gradients are worked out from; the "
        "formula is an estimate, within 12 % of what autograd keeps in our tests. The <b>KV cache</b> spares a model "
        "that writes reading its own text anew for each token."
    )


def _table(terms: Terms) -> "pd.DataFrame":
    import pandas as pd

    rows = [
        {"cost": cost.name, "term": row.name, "formula": row.formula, "numbers": row.worked, "value": row.text}
        for cost in four_costs(terms)
        for row in cost.rows
    ]
    return pd.DataFrame(rows)
