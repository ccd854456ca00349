"""Lab 4, merge by merge, in a browser: playing, keys and the slider move the figure without Python, a rest the link."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import screen

PLACE = ".played-place"


@pytest.fixture
def figure(page, server) -> Page:
    screen.go(page, server.url + "/lab4", {"section": "merges"})
    expect(page.locator(PLACE)).to_have_text("merge 0 of 48")
    return page


def rest(page: Page) -> None:
    page.wait_for_timeout(700)  # the figure tells Python after half a second
    screen.settle(page)


def paints(page: Page) -> int:
    return int(page.locator(".drawing").evaluate_all("all => all.map(one => one.dataset.paints)")[-1])


def test_keys_step_and_jump_and_the_rest_is_in_the_link(figure):
    figure.locator(".played-scrub input").focus()
    for _ in range(3):
        figure.keyboard.press("ArrowRight")
    expect(figure.locator(PLACE)).to_have_text("merge 3 of 48")
    expect(figure.locator(".played-says")).to_contain_text("Merge 3 joined e + r into er, 8 times.")
    rest(figure)
    assert screen.link(figure)["g_rank"] == "3"
    figure.keyboard.press("End")
    expect(figure.locator(".played-says")).to_contain_text("No pair is left")
    figure.keyboard.press("ArrowLeft")
    expect(figure.locator(PLACE)).to_have_text("merge 47 of 48")
    figure.keyboard.press("Home")
    rest(figure)
    assert "g_rank" not in screen.link(figure)


def test_scrubbing_asks_python_for_nothing(figure):
    before = paints(figure)
    slider = figure.locator(".played-scrub input")
    for rank in (40, 12, 31, 5):
        slider.evaluate("(part, rank) => { part.value = rank; part.dispatchEvent(new Event('input')) }", str(rank))
        expect(figure.locator(PLACE)).to_have_text(f"merge {rank} of 48")
        expect(figure.locator(".played-rung:visible")).to_have_count(rank)
    assert paints(figure) == before, "each update from Python paints the figure anew"
    rest(figure)
    assert screen.link(figure)["g_rank"] == "5"
    figure.reload()
    screen.settle(figure)
    expect(figure.locator(PLACE)).to_have_text("merge 5 of 48")


def test_play_runs_pauses_and_stays_where_it_was_paused(figure):
    figure.get_by_role("button", name="3× speed").click()
    figure.get_by_role("button", name="Play", exact=True).click()
    expect(figure.locator(PLACE)).to_have_text(re.compile(r"merge ([5-9]|\d\d) of 48"))
    figure.get_by_role("button", name="Pause").click()
    stood = figure.locator(PLACE).inner_text()
    rest(figure)
    assert figure.locator(PLACE).inner_text() == stood
    assert screen.link(figure)["g_rank"] == stood.split()[1]
    figure.locator(".played-rung:visible").nth(2).click()  # a row of the vocabulary leads to its merge
    expect(figure.locator(PLACE)).to_have_text(f"merge {int(stood.split()[1]) - 2} of 48")
    figure.get_by_role("button", name="Reset").click()
    expect(figure.locator(PLACE)).to_have_text("merge 0 of 48")
