"""The browser: the environment's CHROMIUM, else `chromium` on the path."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

MISSING = "no Chromium: install it (apt install chromium) or name it in CHROMIUM"


def path() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def launch(executable: str) -> Iterator[Browser]:
    """A headless browser, closed at the end."""
    with sync_playwright() as playwright:
        # The sandbox needs rights that containers do not give; the pages shown here are our own.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
