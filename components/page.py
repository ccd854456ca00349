"""The frame of every page: title, sections, Copy link, presenter mode, and the house's typography.

A page runs only the section that is open. A section is a module with QUESTION, PARAMS and `draw()`; it is imported
when it is first opened, so that the frame is on screen before torch is in memory.
"""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from components import controls, drawing, errors, state, text, warm_up
from components.style import STYLE, STYLE_PRESENTING


@dataclass(frozen=True)
class Section:
    """One section of a lab: `name` stands in the link, `label` on the page, `module` holds QUESTION, PARAMS, draw()."""

    name: str
    label: str
    module: str


def open_plain(page: str, title: str, params: Iterable[state.Param] = ()) -> None:
    """Opens a page without sections: link, style, title, presenter mode. Such a page calls `state.publish` itself."""
    state.enter(page)
    state.open_params(params)
    _style()
    with st.container(horizontal=True, vertical_alignment="center", key="labs-header"):
        st.title(title, anchor=False, width="stretch")
        _copy_link_button()
        _present_button()


def open_lab(page: str, title: str, hours: str, sections: list[Section]) -> None:
    """Opens a lab: the header, the row of sections, and the section that the link names."""
    by_name = {section.name: section for section in sections}
    section_param = state.Choice(
        "section",
        sections[0].name,
        "Section",
        options=tuple(by_name),
        labels={section.name: section.label for section in sections},
    )
    state.enter(page, [section_param])
    _style()
    _header(title, hours, sections, section_param)
    _open_section(by_name[state.get(section_param)])
    warm_up.first_page_drawn()


def _header(title: str, hours: str, sections: list[Section], section_param: state.Choice) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="labs-header"):
        st.title(title, anchor=False, width="content")
        place = [section.name for section in sections].index(state.get(section_param)) + 1
        st.html(f'<p class="labs-aside">{text.escape(hours)} · section {place} of {len(sections)}</p>', width="stretch")
        _copy_link_button()
        if state.presenting():
            _step_buttons(section_param)
        _present_button()
    _section_row(section_param)
    text.problem(state.problem(section_param))


def _section_row(section_param: state.Choice) -> None:
    widget_key = state.key(section_param)
    controls.show(widget_key, state.get(section_param))
    st.segmented_control(
        section_param.label,
        section_param.options,
        format_func=section_param.show,
        key=widget_key,
        required=True,
        label_visibility="collapsed",
        on_change=controls.remember,
        args=(section_param, widget_key),
    )


def _copy_link_button() -> None:
    drawing.draw("copy_link", {}, key="copy-link", alt="Copy the link to what is on screen", width="content")


def _step_buttons(section_param: state.Choice) -> None:
    def step(by: int) -> None:
        names = section_param.options
        place = names.index(state.get(section_param)) + by
        state.set_value(section_param, names[max(0, min(place, len(names) - 1))])

    st.button("Previous", key="present-previous", shortcut="PageUp", on_click=step, args=(-1,))
    st.button("Next", key="present-next", shortcut="PageDown", on_click=step, args=(1,))


def _present_button() -> None:
    def flip() -> None:
        state.set_value(state.PRESENT, not state.presenting())

    label = "Leave" if state.presenting() else "Present"
    st.button(label, key="present", on_click=flip, help=state.PRESENT.help)


def _open_section(section: Section) -> None:
    with errors.shown_as_a_sentence():
        module = importlib.import_module(section.module)
        state.open_params(module.PARAMS)
        module.draw()


def _style() -> None:
    st.html(f"<style>{STYLE}{STYLE_PRESENTING if state.presenting() else ''}</style>")
