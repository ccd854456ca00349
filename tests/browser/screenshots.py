"""Screenshots for people to look at: every page and section, in every size and theme.

python -m tests.browser.screenshots               all of them, into tests/browser/screenshots/
python -m tests.browser.screenshots real-model    only pages whose name holds this word
"""

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser import chromium, screen
from tests.browser.labs import sections
from tests.serving import serve

FOLDER = Path(__file__).parent / "screenshots"
SIZES = ((1440, 900), (1920, 1080))
THEMES = ("light", "dark")


def pages() -> Iterator[tuple[str, str, dict[str, str]]]:
    """(name, address, link) of everything worth a picture."""
    yield "home", "/", {}
    for section in sections():
        yield f"{section.path[1:]}-{section.name}", section.path, section.link()


def take(browser: Browser, url: str, names: list[str], *, presenting: bool = True) -> list[Path]:
    """Saves the named pages in every size and theme, with `presenting` also in presenter mode; returns the files."""
    FOLDER.mkdir(exist_ok=True)
    modes = [{}, {"present": "1"}] if presenting else [{}]
    wanted = [page for page in pages() if page[0] in names]
    taken = []
    for (width, height), theme in product(SIZES, THEMES):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        page = context.new_page()
        for (name, path, link), mode in product(wanted, modes):
            screen.go(page, url + path, {**link, **mode})
            file = FOLDER / f"{name}{'-presenting' if mode else ''}-{width}x{height}-{theme}.png"
            page.screenshot(path=file)
            taken.append(file)
        context.close()
    return taken


def main(word: str = "") -> int:
    executable = chromium.path()
    if executable is None:
        sys.stderr.write(f"{chromium.MISSING}\n")
        return 1
    with serve() as server, chromium.launch(executable) as browser:
        taken = take(browser, server.url, [name for name, *_ in pages() if word in name])
    sys.stdout.write("".join(f"{file}\n" for file in taken))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
