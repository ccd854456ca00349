"""Widgets over `state.Param`: each shows the parameter's value, remembers what the learner sets, and says what was wrong.

A widget's own value is written only when it differs from the parameter's: writing it on every run would fight a
learner who moves it faster than the server answers.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from components import state, text


def slider(param: state.Number, *, high: float | None = None) -> Any:
    """A slider; sends its value when the mouse is released, or at each step of the keyboard.

    high: a lower end than the parameter's own, such as the number of tokens of the text on screen. A value beyond it
    becomes it, and the control says so. With a single possible value there is nothing to slide, and it says that.
    """
    high = param.high if high is None else min(high, param.high)
    if state.get(param) > high:
        beyond = state.get(param)
        state.set_value(param, high)
        state.complain(param, f"{param.label} goes up to {high} here; {beyond} was asked for. Shown instead: {high}.")
    if high <= param.low:
        text.prose(f"{text.escape(param.label)}: {param.low} is the only choice here.", "labs-reading")
        text.problem(state.problem(param))
        return state.get(param)
    return _widget(st.slider, param, min_value=param.low, max_value=high, step=param.step)


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
        label_visibility=label_visibility,
    )


def steps(param: state.Choice) -> str:
    """One of several ordered names on a slider: for more of them than fit side by side."""
    return _widget(st.select_slider, param, options=param.options, format_func=param.show)


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


def _widget(make: Callable[..., Any], param: state.Param, **options: Any) -> Any:
    widget_key, value = state.key(param), state.get(param)
    if widget_key not in st.session_state or st.session_state[widget_key] != value:
        st.session_state[widget_key] = value
    make(param.label, key=widget_key, help=param.help, on_change=_remember, args=(param,), **options)
    text.problem(state.problem(param))
    return state.get(param)


def _remember(param: state.Param) -> None:
    state.set_value(param, st.session_state[state.key(param)])
