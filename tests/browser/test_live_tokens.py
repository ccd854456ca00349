"""Lab 4, section 4 in a browser: tokens while typing, and text, tokens and ids that light up each other."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import screen

CHIPS = ".live-chips .strip-chip"


@pytest.fixture
def tokens(page: Page, server) -> Page:
    screen.go(page, server.url + "/lab4", {"section": "tokens", "text": "the owl"})
    expect(page.locator(CHIPS)).not_to_have_count(0)
    return page


def texts(page: Page, part: str) -> list[str]:
    return page.locator(part).all_inner_texts()


def test_tokens_follow_the_typing_and_the_text_stays_the_learners(tokens):
    area = tokens.locator("textarea.live-text")
    area.press("Control+End")
    tokens.keyboard.type(" saw 🦤 <b>two</b>\nboats", delay=30)
    wanted = "the owl saw 🦤 <b>two</b>\nboats"
    expect(area).to_have_value(wanted)
    expect(tokens.locator(".live-counters b").first).to_have_text(str(len(wanted)))
    expect(tokens.locator(".live-counters b").nth(2)).to_have_text(str(tokens.locator(CHIPS).count()))
    assert tokens.locator(CHIPS).count() == tokens.locator(".live-ids span").count()
    # The coloured copy under the text is the same text, so that each colour stands under its own token.
    assert tokens.locator(".live-inner").evaluate("part => part.textContent") == wanted


def test_text_tokens_and_ids_light_up_each_other(tokens):
    first = tokens.locator(CHIPS).first
    first.hover()
    lit = texts(tokens, ".is-lit")
    assert len(lit) == 3
    tokens.locator(".live-ids span").last.hover()
    assert texts(tokens, ".is-lit") != lit
    tokens.locator("textarea.live-text").hover(position={"x": 15, "y": 22})
    assert texts(tokens, ".is-lit") == lit
    assert "1 byte: 74" in tokens.locator(".tip:visible").inner_text()


def test_a_click_takes_the_token_apart_and_stands_in_the_link(tokens):
    number = tokens.locator(".live-ids span").last.inner_text()
    tokens.locator(CHIPS).last.click()
    expect(tokens.locator(f".live-ids span.is-chosen:text-is('{number}')")).to_be_visible()
    tokens.wait_for_url(f"**s_id={number}*")
    expect(tokens.locator(".tree svg")).to_be_visible()


def test_a_button_replaces_what_was_typed(tokens):
    area = tokens.locator("textarea.live-text")
    area.fill("mine")
    expect(tokens.locator(".live-counters b").first).to_have_text("4")
    tokens.get_by_role("button", name="Indented code").click()
    expect(area).to_have_value("def total(prices):\n    for price in prices:\n\tif price > 0:\n            yield price")
