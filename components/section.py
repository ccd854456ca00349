"""The parts of a section in their order: question, controls beside figure, how to read it, what to notice, try this,
and folded below: the code that ran, the numbers as a table, the sources."""

import functools
import inspect
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components import errors, state, text
from components.controls import end_of_run

Study = TypeVar("Study")

PAINT_FIRST = 0.05  # seconds; a browser on two slow cores needs 20 to 40 ms from message to picture


def live(draw: Callable[[], None]) -> Callable[[], None]:
    """Makes `draw` the body of its section: what the page frame calls, and what a control of the section runs again.

    It runs alone when one of its controls changes, an error in it is a sentence, and at its end the link says what is
    on screen: every one of its module's PARAMS that differs from its default.
    """

    @st.fragment
    @functools.wraps(draw)
    def body() -> None:
        with errors.shown_as_a_sentence():
            draw()
        end_of_run(sys.modules[draw.__module__].PARAMS)

    return body


def layout(
    question: str, controls_share: float = 1.0, figure_share: float = 2.4, gap: str = "large"
) -> tuple[DeltaGenerator, Any]:
    """The section's one question, and two columns under it: (controls, figure)."""
    st.header(question, anchor=False)
    return tuple(st.columns([controls_share, figure_share], gap=gap))


def in_order(
    question: str,
    study: Callable[[], Study],
    *,
    figure: Callable[[Study], None],
    controls: Callable[[Study | None, str | None], None],
    below: Callable[[Study], None],
    **shares: float,
) -> None:
    """A section whose one computation is `study`: computed first, its figure sent first, then controls and the rest.

    Where `study` raises a ValueError there is no figure, and `controls` gets None and the sentence. shares: see layout.
    """
    found, problem = errors.attempt(study)
    controls_column, figure_column = layout(question, **shares)
    if found:
        with figure_column, errors.shown_as_a_sentence():
            figure(found)
            let_it_paint()
    with controls_column:
        controls(found, problem)
    if found:
        with figure_column, errors.shown_as_a_sentence():
            below(found)


def let_it_paint() -> None:
    """Called after the figure: a moment in which it reaches the screen before the rest of the section is made.

    Streamlit sends what a run has made while the run goes on, but only when Python gives its other threads a turn;
    without this pause the browser gets everything at once and lays all of it out before the figure.
    """
    time.sleep(PAINT_FIRST)


def reading(sentence: str) -> None:
    """One sentence under the figure that says how to read it. Plain words, no learner's text unless escaped."""
    text.prose(sentence, "labs-reading")


def notice(sentence: str) -> None:
    """What to notice, made from the numbers on screen. HTML: learner's text inside must be escaped."""
    text.prose(f"<b>What to notice</b> {sentence}", "labs-notice")


def try_this(
    changes: Iterable[tuple[str, dict[state.Param, Any]]], key: str, then: Callable[[], Any] | None = None
) -> None:
    """Two or three changes worth making: each button sets the controls it names; `then` is called after that."""

    def apply(values: dict[state.Param, Any]) -> None:
        for param, value in values.items():
            state.set_value(param, value)
        if then:
            then()

    with st.container(horizontal=True, vertical_alignment="center", key=f"try-{key}"):
        st.html('<span class="labs-label">Try this</span>', width="content")
        for index, (label, values) in enumerate(changes):
            st.button(label, key=f"try.{key}.{index}", on_click=apply, args=(values,), width="content")


def code(*shown: Callable | type, title: str = "The code that ran") -> None:
    """Folded: the source of the functions that computed the figure."""

    def body() -> None:
        for item in shown:
            st.code(source(item), language="python")

    fold(title, body, key="code")


def table(make: Callable[[], Any], key: str, title: str = "The numbers as a table") -> None:
    """Folded: the figure's numbers as a table. `make` returns a data frame and is called only when it is opened."""
    fold(title, lambda: st.dataframe(make(), hide_index=True), key=f"table.{key}")


def sources(*lines: str) -> None:
    """Folded: where the facts come from. Markdown written by the project."""
    fold("Sources", lambda: st.markdown("\n".join(f"- {line}" for line in lines)), key="sources")


def fold(title: str, body: Callable[[], Any], key: str) -> None:
    """A folded part whose body is made only while it is open: what nobody reads costs no time at each change."""
    folded = st.expander(title, key=f"fold.{key}", on_change="rerun")
    if folded.open:
        with folded:
            body()


@functools.lru_cache(maxsize=256)
def source(item: Callable | type) -> str:
    """The source of one function or class, as it stands in its file."""
    return textwrap.dedent(inspect.getsource(item))
