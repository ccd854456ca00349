"""Home: what the module is, where to begin, and the road through its labs."""

import streamlit as st

from components import controls, page, state, text, warm_up
from components.figures import architecture
from pages import home_roadmap as roadmap

PATH = state.Choice(
    "path",
    roadmap.PATHS[0].name,
    "Path",
    options=tuple(path.name for path in roadmap.PATHS),
    labels={path.name: f"{path.label}  {path.hours}" for path in roadmap.PATHS},
)
PARAMS = [PATH]
FIGURE = "home.architecture"
OPEN = "home.open"  # session key: the lab whose box was clicked


def draw_page() -> None:
    """The whole page, top to bottom."""
    page.open_plain("home", "Transformer Labs", PARAMS)
    st.html(f"<style>{STYLE}</style>")
    _invitation()
    _architecture()
    _roadmap()
    _objectives_and_neighbours()
    controls.end_of_run(PARAMS)


def _invitation() -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="large", wrap=False, key="home-invitation"):
        text.prose(
            "Build a transformer by hand, one piece at a time. You see every number, change it, and check it against "
            "PyTorch and a real pretrained model, with sentences of your own.",
            "home-lead",
        )
        if st.button("Start with Lab 1", type="primary", key="home.start"):
            st.switch_page(roadmap.lab(1).page)


def _architecture() -> None:
    boxes = [
        architecture.Box(box["box"], box["lab"], box["title"], box["text"], roadmap.lab(box["lab"]).page is not None)
        for box in roadmap.BOXES
    ]
    architecture.draw(boxes, key=FIGURE, on_open=_remember_clicked_box)
    # A callback cannot change the page; the run that follows it can.
    clicked = st.session_state.pop(OPEN, None)
    if clicked and roadmap.lab(clicked).page:
        st.switch_page(roadmap.lab(clicked).page)


def _remember_clicked_box() -> None:
    st.session_state[OPEN] = architecture.opened_lab(FIGURE)


@st.fragment
def _roadmap() -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="home-path"):
        st.header("The road through the labs", anchor=False, width="stretch")
        name = controls.choice(PATH, label_visibility="collapsed")
    chosen = next(path for path in roadmap.PATHS if path.name == name)
    text.prose(chosen.for_whom, "home-path-line")
    with st.container(gap=None, key="home-rows"):
        step_head = f"On the {chosen.label.lower()} path, {chosen.hours}"
        st.html(_row("", "Lab and focus", "Afterwards", step_head, "home-row home-head"))
        for lab in roadmap.LABS:
            st.html(_lab_row(lab, lab.steps[name]))
            if lab.page:
                st.page_link(lab.page, label=f"Open Lab {lab.number}", icon=":material/arrow_forward:")
    controls.end_of_run(PARAMS)


def _lab_row(lab: roadmap.Lab, step: roadmap.Step) -> str:
    status = "" if lab.page else '<span class="home-soft">Not open yet</span>'
    return _row(
        str(lab.number),
        f"<b>{lab.title}</b><span>{lab.focus}</span>{status}",
        lab.outcome,
        f'<b class="labs-numbers">{step.hours}</b><span>{step.what}</span>',
        f"home-row{'' if lab.page else ' home-closed'}",
        f'id="lab-{lab.number}" tabindex="-1"',
    )


def _row(number: str, focus: str, outcome: str, step: str, css_class: str, attributes: str = "") -> str:
    cells = "".join(f"<div>{cell}</div>" for cell in (number, focus, outcome, step))
    return f'<div class="{css_class}" {attributes}>{cells}</div>'


def _objectives_and_neighbours() -> None:
    objectives, builds_on, prepares_for = st.columns([1.25, 1, 1], gap="large")
    with objectives:
        st.header("You will be able to", anchor=False)
        st.html(_list([f"{what} <span class='home-soft'>Lab {number}</span>" for number, what in roadmap.OBJECTIVES]))
    with builds_on:
        st.header("It builds on", anchor=False)
        st.html(_list(roadmap.BUILDS_ON))
    with prepares_for:
        st.header("It prepares for", anchor=False)
        st.html(_list(roadmap.PREPARES_FOR))


def _list(lines) -> str:
    return f'<ul class="home-list">{"".join(f"<li>{line}</li>" for line in lines)}</ul>'


STYLE = """
.home-lead { margin: 0; max-width: 47rem; font-size: 1.06rem; line-height: 1.5; }
.home-path-line { margin: 0; opacity: .85; }
.home-row { display: grid; grid-template-columns: 2.2rem 1.15fr 1fr 1.15fr; column-gap: 1.6rem; padding: .85rem .4rem;
  border-top: 1px solid color-mix(in srgb, currentColor 16%, transparent); line-height: 1.42; font-size: .95rem;
  outline: none; }
.home-row > div > * { display: block; }
.home-row > div:first-child { font-size: 1.35rem; font-weight: 600; line-height: 1.1; opacity: .55; }
.home-row b { font-weight: 600; }
.home-row:focus { box-shadow: inset 3px 0 0 #0072B2; }
.home-head { border-top: 0; padding: .2rem .4rem; font-size: .85rem; opacity: .7; }
.home-soft { opacity: .65; font-size: .87rem; }
.home-list { margin: .4rem 0 0; padding-left: 1.1rem; line-height: 1.5; }
.home-list li { margin-bottom: .35rem; font-size: .97rem; }
.st-key-home-rows [data-testid="stPageLink"] { margin: -.75rem 0 .55rem 3.9rem; }
.st-key-home-rows [data-testid="stPageLink"] a * { font-weight: 600; }
@media (max-width: 900px) {
  .home-row { grid-template-columns: 2.2rem 1fr; row-gap: .4rem; }
  .home-row > div:nth-child(n+3) { grid-column: 2; }
  .home-head { display: none; }
}
"""

draw_page()
warm_up.first_page_drawn()
