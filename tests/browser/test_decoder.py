"""Lab 6 in a browser: tokens are taken with mouse and keys, forks are made, opened and removed; the dart is thrown."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import screen


@pytest.fixture
def decoder(page, server) -> Page:
    screen.go(page, server.url + "/lab6", {"section": "decoder"})
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".walk-token")).to_have_count(0)
    screen.settle(page)
    return page


def tokens(page: Page) -> Locator:
    return page.locator(".walk-token b")


def test_a_click_takes_a_token_and_its_bar_and_the_link_follow(decoder):
    decoder.locator(".walk-choice").nth(1).click()
    expect(tokens(decoder)).to_have_text(["."])
    expect(decoder.locator(".walk-row b")).to_have_text(["You", "Greedy", "Beam of 4", "Beam of 16"])
    screen.settle(decoder)
    assert "de_forks" in screen.link(decoder)
    assert screen.breakages(decoder) == []


def test_arrows_enter_and_backspace_write_without_a_mouse(decoder):
    decoder.locator(".walk-choice").first.focus()
    for count in (1, 2, 3):
        decoder.keyboard.press("ArrowDown")
        decoder.keyboard.press("ArrowUp")
        decoder.keyboard.press("Enter")
        expect(tokens(decoder)).to_have_count(count)
        screen.settle(decoder)
    decoder.keyboard.press("Backspace")
    expect(tokens(decoder)).to_have_text(["·named", "·Spot"])


def test_a_click_on_a_token_forks_before_it_and_both_texts_stay(decoder):
    for count in (1, 2, 3):
        decoder.locator(".walk-choice").first.click()
        expect(tokens(decoder)).to_have_count(count)
        screen.settle(decoder)
    decoder.locator(".walk-token").nth(1).click()
    expect(tokens(decoder)).to_have_text(["·named"])
    expect(decoder.locator(".walk-fork")).to_have_count(2)
    screen.settle(decoder)
    decoder.locator(".walk-open").first.click()
    expect(tokens(decoder)).to_have_count(3)
    screen.settle(decoder)
    decoder.locator(".walk-drop").nth(1).click()
    expect(decoder.locator(".walk-fork")).to_have_count(1)
    expect(tokens(decoder)).to_have_count(3)


def test_the_dart_walks_through_a_text(page, server):
    screen.go(page, server.url + "/lab6", {"section": "step"})
    field = page.get_by_role("textbox", name="Text so far")
    for _ in range(3):
        before, hit = field.input_value(), page.locator(".dist-token.is-drawn").inner_text()
        page.get_by_role("button", name="Append this token").click()
        expect(field).to_have_value(before + hit.removeprefix("▶ ").strip().replace("·", " "))
        screen.settle(page)
    assert screen.breakages(page) == []
    assert screen.disagreements(page) == []
