"""Training in the page: it goes on while the learner does other things, and is found again through the link."""

import time

from playwright.sync_api import Page, expect

from tests.browser import screen

HEADS_LEARN = {"section": "heads-learn"}


def button(page: Page, name: str):
    return screen.main(page).get_by_role("button", name=name, exact=True)


def start(page: Page, url: str) -> dict[str, str]:
    """Starts a run and returns the link that names it, once its first events are on screen."""
    screen.go(page, url + "/lab1", HEADS_LEARN)
    expect(page.locator(".labs-run")).to_contain_text("A stored run")
    button(page, "Train").click()
    expect(page.locator(".labs-run")).to_contain_text("Running", timeout=screen.TIMEOUT)
    link = screen.link(page)
    assert len(link["ind_run"]) == 32
    return link


def stop(page: Page) -> float:
    """Presses Stop and returns the seconds until the page says that it has stopped."""
    began = time.monotonic()
    button(page, "Stop").click()
    expect(page.locator(".labs-run")).to_contain_text("Stopped after", timeout=10_000)
    return time.monotonic() - began


def test_a_run_survives_a_reload_and_is_seen_and_steered_from_a_second_browser(page, server, browser):
    link = start(page, server.url)
    page.reload()
    expect(page.locator(".labs-run")).to_contain_text("Running", timeout=screen.TIMEOUT)
    other = browser.new_context().new_page()
    other.goto(page.url)
    expect(other.locator(".labs-run")).to_contain_text("Running", timeout=screen.TIMEOUT)
    assert screen.link(other) == link
    assert stop(other) < 4, "two seconds for the run to stop, and the page's own time to say so"
    expect(page.locator(".labs-run")).to_contain_text("Stopped after", timeout=10_000)
    expect(button(page, "Resume")).to_be_visible()
    assert screen.breakages(page) == screen.breakages(other) == []
    other.context.close()


def test_training_does_not_block_the_page_another_page_or_another_visitor(page, server, browser):
    start(page, server.url)
    before, search = screen.link(page), page.evaluate("location.search")
    page.locator('[data-testid="stSlider"] input[type="range"]').first.press("ArrowLeft")
    page.wait_for_function("before => location.search !== before", arg=search, timeout=5_000)
    assert screen.link(page) | {"ind_run": before["ind_run"]} == screen.link(page), "the run is still named"
    other = browser.new_context().new_page()
    screen.go(other, server.url + "/lab1", {"section": "masks"})
    began = time.monotonic()
    other.locator('[data-testid="stSlider"] input[type="range"]').first.press("ArrowRight")
    screen.settle(other)
    assert time.monotonic() - began < 3, "a second visitor's control answers while a model trains"
    assert screen.breakages(other) == []
    other.context.close()
    page.get_by_role("radio", name="Many heads", exact=True).first.click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("head")
    screen.settle(page)
    page.get_by_role("radio", name="Heads learn", exact=True).first.click()
    expect(page.locator(".labs-run")).to_contain_text("Running", timeout=screen.TIMEOUT)
    stop(page)


def test_pause_and_one_step_and_on(page, server):
    start(page, server.url)
    button(page, "Pause").click()
    expect(page.locator(".labs-run")).to_contain_text("Paused", timeout=10_000)
    button(page, "One step").click()
    expect(button(page, "Go on")).to_be_visible(timeout=10_000)
    button(page, "Go on").click()
    expect(page.locator(".labs-run")).to_contain_text("Running", timeout=10_000)
    stop(page)
