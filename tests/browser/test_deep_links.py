"""A link is all that is needed: on a fresh server, in a fresh browser, after a reload, after Back."""

import os

import pytest
from playwright.sync_api import expect

from components import state
from tests.browser import screen
from tests.browser.labs import OpenSection, sections

# A server takes seconds to start: one a lab, for its last section; with FRESH_SERVERS=1 one for each.
LAST = {section.path: section for section in sections()}


@pytest.mark.parametrize("section", sections(), ids=lambda section: f"{section.path[1:]}-{section.name}")
def test_the_first_request_shows_exactly_what_the_link_says(page, server, fresh_server, section: OpenSection):
    fresh = LAST[section.path] == section or os.environ.get("FRESH_SERVERS") == "1"
    wanted = section.other_link()
    screen.go(page, (fresh_server() if fresh else server).url + section.path, wanted)
    expect(page.get_by_role("heading", level=2).first).to_have_text(section.module.QUESTION)
    assert screen.breakages(page) == []
    assert screen.sentences(page) == []
    assert screen.link(page) == wanted, "what is shown is not what the link said"
    sliders = {value for kind, value in screen.controls(page) if kind == "range"}
    assert sliders <= set(wanted.values()), "a slider stands where the link did not put it"
    before = screen.controls(page)
    page.reload()
    screen.settle(page)
    assert screen.link(page) == wanted
    assert screen.controls(page) == before


def test_home_by_deep_link_is_the_first_request_to_a_fresh_server(page, fresh_server):
    screen.go(page, fresh_server().url, {"path": "quick"})
    expect(page.get_by_role("heading", level=1)).to_have_text("Transformer Labs")
    expect(page.get_by_text("On the quick path")).to_be_visible()
    assert screen.link(page) == {"path": "quick"}
    assert screen.breakages(page) == []


@pytest.mark.parametrize("section", sections(), ids=lambda section: f"{section.path[1:]}-{section.name}")
def test_a_link_with_impossible_values_gets_sentences_and_keeps_its_section(page, server, section: OpenSection):
    refused = [param for param in section.module.PARAMS if not isinstance(param, state.Text)]
    screen.go(page, server.url + section.path, {**section.link(), **{param.name: "<b>?</b>" for param in refused}})
    expect(page.get_by_role("heading", level=2).first).to_have_text(section.module.QUESTION)
    assert screen.breakages(page) == []
    if refused:
        assert screen.sentences(page), "nothing says that the link was wrong"
    assert screen.link(page) == section.link(), "the impossible values leave the link"


def test_an_unknown_section_gets_a_sentence_and_the_first_section(page, server):
    first = sections()[0]
    screen.go(page, server.url + first.path, {"section": "nonsense"})
    expect(page.get_by_role("heading", level=2).first).to_have_text(first.module.QUESTION)
    assert any("section must be one of" in sentence for sentence in screen.sentences(page))
