"""A walk through every section: every control is moved, and what was set is still there afterwards."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from components import state
from tests.browser import screen
from tests.browser.labs import OpenSection, sections

HOSTILE = "<b>zqbold</b> **zqstar** $zqmath$ :smile: <script>zqrun()</script> [zqlink](http://b.c) שלום مرحبا 🙂"
MOST_OF_A_KIND = 8  # a matrix of number fields is one kind of control; its first fields stand for all


def _press_arrow(slider: Locator) -> None:
    at_end = slider.evaluate("part => Number(part.value) >= Number(part.max)")
    slider.press("ArrowLeft" if at_end else "ArrowRight")


def _choose_another(group: Locator) -> None:
    buttons = group.get_by_role("radio")
    if not buttons.count():  # several may be chosen: the last one is added, or taken away
        group.get_by_role("button").last.click()
        return
    states = buttons.evaluate_all(
        "all => all.map(part => part.getAttribute('aria-checked') === 'true' || part.checked === true)"
    )
    buttons.nth(states.index(False)).click()


def _choose_next(box: Locator) -> None:
    box.locator("input").first.click()
    box.page.keyboard.press("ArrowDown")
    box.page.keyboard.press("Enter")


def _type_another_number(field: Locator) -> None:
    field.fill(str(int(field.input_value() or 0) + 1))
    field.press("Enter")


def _type_line(field: Locator) -> None:
    field.fill(field.input_value() + " now")
    field.press("Enter")


def _type_area(field: Locator) -> None:
    field.fill(field.input_value() + " now")
    field.press("Control+Enter")


# How each kind of control is found and moved. The row of sections is the frame's, not the section's.
KINDS: dict[str, tuple[str, Callable[[Locator], None]]] = {
    "slider": ('[data-testid="stSlider"] input[type="range"]', _press_arrow),
    "toggle": ('[data-testid="stCheckbox"] label', lambda label: label.click()),
    "choice": ('[data-testid="stButtonGroup"]:not([class*="section"] *)', _choose_another),
    "list": ('[data-testid="stSelectbox"]', _choose_next),
    "number": ('[data-testid="stNumberInput"] input', _type_another_number),
    "line": ('[data-testid="stTextInput"] input', _type_line),
    "area": ('[data-testid="stTextArea"] textarea', _type_area),
}


def found(page: Page, kind: str) -> Locator:
    return screen.main(page).locator(KINDS[kind][0]).locator("visible=true")


@pytest.mark.parametrize("section", sections(), ids=lambda section: f"{section.path[1:]}-{section.name}")
def test_every_control_can_be_moved_and_nothing_is_lost(page, server, section: OpenSection):
    screen.go(page, server.url + section.path, section.link())
    expect(page.get_by_role("heading", level=2).first).to_have_text(section.module.QUESTION)
    assert screen.disagreements(page) == [], "at its start every section agrees with the library"
    moved = 0
    for kind, (_, move) in KINDS.items():
        for place in range(min(found(page, kind).count(), MOST_OF_A_KIND)):
            control = found(page, kind).nth(place)
            if place >= found(page, kind).count() or control.is_disabled():
                continue
            before = screen.link(page)
            move(control)
            screen.settle(page)
            assert screen.breakages(page) == [], f"after moving {kind} {place}"
            moved += screen.link(page) != before
    if section.module.PARAMS:
        assert moved, "no control of this section changed the link"
    _survives_reload_and_another_page(page, section)


def _survives_reload_and_another_page(page: Page, section: OpenSection) -> None:
    link, values = screen.link(page), screen.controls(page)
    page.reload()
    screen.settle(page)
    assert (screen.link(page), screen.controls(page)) == (link, values), "a reload lost something"
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Transformer Labs")
    screen.settle(page)
    page.get_by_test_id("stSidebarNav").get_by_role("link").filter(has_text=section.path[-1]).click()
    expect(page.get_by_role("heading", level=2).first).to_have_text(section.module.QUESTION)
    screen.settle(page)
    assert (screen.link(page), screen.controls(page)) == (link, values), "going to Home and back lost something"


@pytest.mark.parametrize("section", sections(), ids=lambda section: f"{section.path[1:]}-{section.name}")
def test_every_suggestion_changes_the_link_and_reset_goes_back_to_the_start(page, server, section: OpenSection):
    screen.go(page, server.url + section.path, section.link())
    start = screen.controls(page)
    suggestions = screen.main(page).locator('[class*="st-key-try-"] button')
    changed = False
    for place in range(suggestions.count()):
        suggestions.nth(place).click()
        screen.settle(page)
        changed |= screen.link(page) != section.link()
        assert screen.breakages(page) == [], f"after the suggestion {suggestions.nth(place).inner_text()!r}"
    if suggestions.count():
        assert changed, "no suggestion changed anything"
    reset = screen.main(page).get_by_role("button", name="Reset").first
    if reset.count():
        reset.click()
        screen.settle(page)
        assert screen.link(page) == section.link()
        assert screen.controls(page) == start


def test_back_undoes_and_forward_does_again(page, server):
    section = next(section for section in sections() if section.name == "many-heads")
    screen.go(page, server.url + section.path, section.link())
    first = (screen.link(page), screen.controls(page))
    _press_arrow(found(page, "slider").first)
    screen.settle(page)
    second = (screen.link(page), screen.controls(page))
    assert second[0] != first[0]
    page.go_back()
    screen.settle(page)
    assert (screen.link(page), screen.controls(page)) == first
    page.go_forward()
    screen.settle(page)
    assert (screen.link(page), screen.controls(page)) == second


def test_the_row_of_sections_opens_each_section_and_a_plain_visit_comes_back_to_the_last(page, server):
    lab = [section for section in sections() if section.path == "/lab1"]
    screen.go(page, server.url + lab[0].path)
    for section in lab:
        page.get_by_role("radio", name=section.label, exact=True).first.click()
        expect(page.get_by_role("heading", level=2).first).to_have_text(section.module.QUESTION)
        screen.settle(page)
        assert screen.breakages(page) == []


@pytest.mark.parametrize(
    "section",
    [section for section in sections() if any(isinstance(param, state.Text) for param in section.module.PARAMS)],
    ids=lambda section: f"{section.path[1:]}-{section.name}",
)
def test_hostile_text_is_shown_literally(page, server, section: OpenSection):
    screen.go(page, server.url + section.path, section.link())
    for kind in ("line", "area"):
        if found(page, kind).count():
            field = found(page, kind).first
            field.fill(HOSTILE)
            field.press("Enter" if kind == "line" else "Control+Enter")
            screen.settle(page)
            assert found(page, kind).first.input_value() == HOSTILE, "what was typed must be kept"
    assert screen.breakages(page) == []
    rendered = screen.main(page).locator("script, a, b, strong, em, .katex").filter(has_text=re.compile(r"^zq\w+$"))
    assert rendered.all_inner_texts() == []


def test_presenter_mode_enlarges_hides_the_navigation_and_stays_over_the_pages(page, server):
    screen.go(page, server.url + "/lab1")
    small = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    page.get_by_role("button", name="Present").click()
    screen.settle(page)
    assert screen.link(page) == {"present": "1"}
    large = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    assert small == 17
    assert large >= 24
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text(sections()[1].module.QUESTION)
    screen.settle(page)
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text(sections()[0].module.QUESTION)
    screen.settle(page)
    page.get_by_role("button", name="Leave").click()
    screen.settle(page)
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    assert screen.link(page) == {}
