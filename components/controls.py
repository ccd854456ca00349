"""Widgets over `state.Param`: each shows the value, remembers what the learner sets, and says what was wrong.

A widget's own value is written when it differs from what it should show, and for a moment after (see `show`): writing
it on every run would fight a learner who moves it faster than the server answers.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from components import state, text

MOMENT = 1.0  # seconds after a run in which the browser has heard of what it wrote, even on a busy machine


def slider(param: state.Number, *, high: float | None = None, returns_with: str = "a longer text") -> Any:
    """A slider; sends its value when the mouse is released, or at each step of the keyboard.

    high: a lower end than the parameter's own: what the text on screen allows, such as its number of tokens. A value
    beyond it stays the learner's wish, in the link too; the slider shows its end until a longer text allows the wish
    again, and says so; returns_with names what allows it again. With a single possible value there is nothing to slide,
    and it says that.
    """
    high = param.high if high is None else min(high, param.high)
    shown = fitted(param, high)
    if high > param.low:
        written = (
            {} if isinstance(param.step, int) else {"format": "%g"}
        )  # a decimal as the link writes it: 1.1, not 1.10
        _widget(st.slider, param, shown=shown, min_value=param.low, max_value=high, step=param.step, **written)
    else:
        text.prose(f"{text.escape(param.label)}: {param.low} is the only choice here.", "labs-reading")
        text.problem(state.problem(param))
    wish = state.get(param)
    if wish > high:
        text.problem(f"{param.label} goes up to {high} here; {wish} comes back with {returns_with}.")
    return shown


def fitted(param: state.Number, high: float) -> Any:
    """The value that holds while the text allows no more than `high`: what a section computes with."""
    return min(state.get(param), high)


def choice(param: state.Choice, *, compact: bool = False, wrap: bool = False, label_visibility: str = "visible") -> str:
    """One of a few names, all in sight; `wrap` lets them take several rows, `compact` folds many into a list."""
    if compact:
        return _widget(
            st.selectbox,
            param,
            options=param.options,
            format_func=param.show,
            filter_mode=None,
            label_visibility=label_visibility,
        )
    return _widget(
        st.pills if wrap else st.segmented_control,
        param,
        options=param.options,
        format_func=param.show,
        required=True,
        wrap=wrap or None,
        label_visibility=label_visibility,
    )


def several(param: state.Several, label_visibility: str = "visible") -> tuple[str, ...]:
    """Any of a few names, all in sight."""
    widget_key, shown = state.key(param), list(state.get(param))
    show(widget_key, shown, same=set(st.session_state.get(widget_key) or ()) == set(shown))
    st.pills(
        param.label,
        param.options,
        selection_mode="multi",
        wrap=True,
        format_func=param.show,
        key=widget_key,
        help=param.help,
        default=shown,
        on_change=remember,
        args=(param, widget_key),
        label_visibility=label_visibility,
    )
    text.problem(state.problem(param))
    return state.get(param)


def steps(param: state.Choice) -> str:
    """One of several ordered names on a slider: for more of them than fit side by side."""
    return _widget(st.select_slider, param, options=param.options, format_func=param.show)


def pick(param: state.Number, options: Sequence[int], show: Callable[[int], str]) -> int:
    """One number out of a list that shows names made from data, such as the tokens of a text (never read as markup)."""
    # The browser remembers a choice by its shown name, so other names make another widget; the value stays.
    names = hashlib.sha256("\n".join(map(show, options)).encode("utf-8", "replace")).hexdigest()[:12]
    return _widget(st.selectbox, param, names, options=options, format_func=show, filter_mode=None)


def number(param: state.Number, *, placeholder: str | None = None) -> Any:
    """A field for a number whose range is too wide for a slider; taken on Enter or by its two buttons.

    placeholder: what stands in an emptied field, whose value is None; without it an emptied field is at its low end.
    """
    empty = {} if placeholder is None else {"value": None, "placeholder": placeholder}
    return _widget(st.number_input, param, min_value=param.low, max_value=param.high, step=param.step, **empty)


def toggle(param: state.Flag) -> bool:
    """On or off."""
    return _widget(st.toggle, param)


def line(param: state.Text, placeholder: str | None = None) -> str:
    """One line of text, taken on Enter or when the field is left."""
    return _widget(st.text_input, param, placeholder=placeholder)


def area(param: state.Text, placeholder: str | None = None, height: int = 100) -> str:
    """Several lines of text, taken on Ctrl+Enter or when the field is left."""
    return _widget(st.text_area, param, placeholder=placeholder, height=height)


def reset_button(params: list[state.Param], label: str = "Reset") -> None:
    """Brings every control of a section back to its start."""
    names = "-".join(param.name for param in params)
    st.button(
        label, key=f"reset.{names}", on_click=state.reset, args=(params,), type="tertiary", icon=":material/undo:"
    )


def _widget(
    make: Callable[..., Any], param: state.Param, variant: str = "", *, shown: Any = None, **options: Any
) -> Any:
    # shown: what the widget shows where that is not the parameter's value.
    widget_key, value = state.key(param) + variant, state.get(param) if shown is None else shown
    show(widget_key, value)
    # What the browser begins with where it misses that the value was written; see `show`.
    if make is st.selectbox:
        options["index"] = list(options["options"]).index(value)
    elif make in (st.pills, st.segmented_control):
        options["default"] = value
    else:
        options.setdefault("value", value)
    make(param.label, key=widget_key, help=param.help, on_change=remember, args=(param, widget_key), **options)
    text.problem(state.problem(param))
    return state.get(param)


@dataclass(frozen=True)
class _Written:
    """A value that we put into a widget, as long as the browser may not have heard of it."""

    before: Any  # what the browser may still report
    until: float  # on the clock; unending while no run has come to its end since


def show(widget_key: str, value: Any, *, same: bool | None = None) -> None:
    """Make a widget show `value` where it shows another one. same: whether it does, where equality does not tell.

    Streamlit tells the browser so in one run only, and what a run had to say is lost where the next one begins before
    it was sent; and until the browser has heard of it, what it sends on other occasions still carries the old value,
    as if the learner had set that. So the value is written again until a run has come to its end, and for a moment
    after; and for as long `remember` does not take the old one for the learner's.
    """
    held, written = st.session_state, _written()
    if widget_key not in held or not (held[widget_key] == value if same is None else same):
        written[widget_key] = _Written(held.get(widget_key), math.inf)
        held[widget_key] = value
    elif widget_key in written and time.monotonic() < written[widget_key].until:
        held[widget_key] = value


def remember(param: state.Param, widget_key: str) -> None:
    """A widget's on_change: the learner's value holds from now on."""
    value, ours = st.session_state[widget_key], _written().get(widget_key)
    if ours and value == ours.before and time.monotonic() < ours.until:
        return
    _written().pop(widget_key, None)
    state.set_value(param, param.ordered(value) if isinstance(param, state.Several) else value)


def end_of_run(params: Iterable[state.Param]) -> None:
    """What is done at the end of every run, which an interrupted one does not reach: the link says what is on screen,
    and what was written into widgets counts as shown a moment later."""
    state.publish(params)
    until = time.monotonic() + MOMENT
    for widget_key, written in _written().items():
        if written.until == math.inf:
            _written()[widget_key] = replace(written, until=until)


def _written() -> dict[str, _Written]:
    return st.session_state.setdefault("controls.written", {})
