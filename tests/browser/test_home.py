"""Home in the browser: its picture leads to the labs by mouse and by keyboard."""

import pytest
from playwright.sync_api import expect

from pages import home_roadmap as roadmap
from tests.browser import screen


@pytest.fixture
def home(page, server):
    screen.go(page, server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Transformer Labs")
    return page


def box(page, number: int):
    return page.locator(f'.architecture button[data-lab="{number}"]')


def test_the_first_screen_holds_the_invitation_the_picture_and_the_beginning_of_the_road(home):
    for part in (
        home.get_by_role("button", name="Start with Lab 1"),
        box(home, 1),
        box(home, 6),
        home.get_by_text("Attention from scratch", exact=True).first,
    ):
        expect(part).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_attention_box_opens_lab_1_again_and_again(home, by):
    for _ in range(2):
        if by == "mouse":
            box(home, 1).click()
        else:
            box(home, 1).press("Enter")
        expect(home.get_by_role("heading", level=1)).to_have_text(roadmap.lab(1).title)
        home.get_by_role("link", name="Home").click()
        expect(home.get_by_role("heading", level=1)).to_have_text("Transformer Labs")
        screen.settle(home)


@pytest.mark.parametrize("number", [lab.number for lab in roadmap.LABS if lab.page is None])
def test_the_box_of_a_closed_lab_shows_its_place_on_the_road_which_says_so(home, number):
    box(home, number).click()
    card = home.locator(f"#lab-{number}")
    expect(card).to_be_focused()
    expect(card).to_be_in_viewport()
    expect(card).to_contain_text("Not open yet")


def test_every_box_is_reached_by_the_tab_key_in_the_order_of_the_data(home):
    reached = []
    box(home, roadmap.BOXES[0]["lab"]).focus()
    for _ in roadmap.BOXES:
        reached.append(
            home.evaluate("""() => {
          let part = document.activeElement
          while (part.shadowRoot?.activeElement) part = part.shadowRoot.activeElement
          return Number(part.dataset.lab)
        }""")
        )
        home.keyboard.press("Tab")
    assert reached == [box["lab"] for box in roadmap.BOXES]


def test_the_chosen_path_stands_in_the_link_and_survives_a_visit_to_a_lab(home):
    home.get_by_role("radio", name="Deep dive").click()
    expect(home.get_by_text("On the deep dive path")).to_be_visible()
    screen.settle(home)
    assert screen.link(home) == {"path": "deep"}
    home.get_by_role("link", name="Open Lab 1").click()
    expect(home.get_by_role("heading", level=1)).to_have_text(roadmap.lab(1).title)
    screen.settle(home)
    home.get_by_role("link", name="Home").click()
    expect(home.get_by_text("On the deep dive path")).to_be_visible()
    screen.settle(home)
    assert screen.link(home) == {"path": "deep"}
