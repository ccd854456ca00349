"""A browser for the whole run, a page for each test, and servers: one that runs throughout, and fresh ones.

Without Chromium these tests are skipped with the reason; with REQUIRE_BROWSER=1 they fail instead.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium
from tests.serving import Server, serve


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = chromium.path()
    if executable is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(chromium.MISSING)
        pytest.skip(chromium.MISSING)
    with chromium.launch(executable) as started:
        yield started


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """A page that fails its test when a script fails in it or when it asks another machine for anything."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(f"script: {error}"))
    opened.on("request", lambda request: _note_outside(request.url, failures))
    opened.on("websocket", lambda socket: _note_outside(socket.url, failures))
    yield opened
    context.close()
    assert not failures, failures


@pytest.fixture(scope="session")
def server(browser) -> Iterator[Server]:
    """One server for everything that does not need a fresh one."""
    with serve() as running:
        yield running


@pytest.fixture
def fresh_server(browser) -> Iterator[Callable[..., Server]]:
    """Starts servers that nobody has asked for a page yet; all stop when the test ends."""
    with ExitStack() as servers:
        yield lambda **environment: servers.enter_context(serve(**environment))


def _note_outside(url: str, failures: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in {"localhost", "127.0.0.1"}:
        failures.append(f"asked another machine: {url}")
