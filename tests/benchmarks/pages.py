"""The pages in a real browser, beside a bare one-slider Streamlit app in the same run.

What is timed is what a learner waits for: from the key press to the frame after the figure's last repaint.
"""

import json
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from playwright.sync_api import Browser, Page

from tests.browser import chromium, screen
from tests.browser.lanes import RUN_AND_TIME
from tests.serving import Server, serve

ROUNDS = 20
BARE_APP = "tests/benchmarks/bare_app.py"
VISITORS = 10
# Lab, section and the control that is moved in it: a slider by the arrow keys, a toggle by the space bar.
SECTIONS = (
    ("lab1", "by-hand", "Dimensions"),
    ("lab1", "shapes", "Wrong reshape"),
    ("lab1", "many-heads", "Layer that the weights come from"),
    ("lab1", "masks", "Change token (leak detector)"),
    ("lab1", "cross-attention", "Layer"),
    ("lab2", "block&b_model=256&b_ff=1024&b_heads=8", "Layers"),  # 6 layers, and 7 at every other step
    ("lab6", "step", "Temperature"),
    ("lab6", "step&st_penalty=1.2&st_min=0.05&st_typical=0.9", "Top-k"),  # every filter is on
)
SENTENCE = "The old man who fed the pigeons said that they knew his {number} names"  # about 16 tokens
LONG_TEXT = "the quick brown fox jumps over the lazy dog and runs away " * 50  # more than 512 tokens

# Resolves with the milliseconds from the next key press or click to the frame after the last change it caused.
WATCH = """(quiet) => {
  const hosts = []
  const collect = (root) => root.querySelectorAll("*").forEach((node) => {
    if (node.shadowRoot) collect(node.shadowRoot)
    if (node.classList?.contains("drawing") && !node.querySelector(".plain-button")) hosts.push(node)
  })
  collect(document)
  const bare = document.querySelector("#shown")
  window.__answer = new Promise((resolve) => {
    let begun = null
    let last = null
    let timer = null
    const seen = () => {
      if (begun === null) return
      requestAnimationFrame((now) => {
        last = performance.now() - begun
        clearTimeout(timer)
        timer = setTimeout(() => resolve(last), quiet)
      })
    }
    const start = () => { begun ??= performance.now() }
    addEventListener("keydown", start, { capture: true, once: true })
    addEventListener("pointerdown", start, { capture: true, once: true })
    const observer = new MutationObserver(seen)
    hosts.forEach((host) => observer.observe(host, { attributes: true, attributeFilter: ["data-paints"] }))
    const everything = { childList: true, characterData: true, subtree: true }
    let shown = bare?.textContent
    const changed = new MutationObserver(() => {
      const now = document.querySelector("#shown")?.textContent
      if (now !== undefined && now !== shown) seen((shown = now))
    })
    if (bare) changed.observe(document.querySelector(".stMain"), everything)
    setTimeout(() => resolve(null), 20000)
  })
}"""


def main() -> None:
    """Prints the tables of the README's performance section."""
    with chromium.launch(chromium.path()) as browser:
        repaints(browser)
        real_model(browser)
        first_token(browser)
        cold_start(browser)
        visitors(browser)


def repaints(browser: Browser) -> None:
    """Control to repainted figure, against the bare app.

    The bare app runs twice: as Streamlit ships, and with this project's settings (which leave out the full garbage
    collection after each run, most of a bare app's time once torch is imported).
    """
    print(
        "\n| control to repainted figure, median of 20 | ms | bare app as Streamlit ships | ratio "
        "| bare app with our settings | ratio |\n|---|---|---|---|---|---|"
    )
    with (
        serve() as app,
        serve(BARE_APP, our_settings=False) as shipped,
        serve(BARE_APP) as tuned,
        tab(browser) as page,
        tab(browser) as shipped_page,
        tab(browser) as tuned_page,
    ):
        wait_until_warm(app)
        for bare, bare_page in ((shipped, shipped_page), (tuned, tuned_page)):
            bare_page.goto(bare.url)
            bare_page.wait_for_selector("#shown", timeout=60_000)
        for lab, section, control in SECTIONS:
            open_section(page, app, section, lab)
            tabs = ((page, control), (shipped_page, "Value"), (tuned_page, "Value"))
            timings: list[list[float]] = [[], [], []]
            for round_ in range(ROUNDS + 2):
                for one, (opened, label) in zip(timings, tabs):
                    one.append(timed(opened, partial(step, opened, label, round_)))
            row(f"{section.split('&')[0]}: {control}", *(one[2:] for one in timings))


def real_model(browser: Browser) -> None:
    """The real model: another head, another pair under the pointer, a new sentence, 512 tokens."""
    print("\n| the real model, median of 20 (5 for 512 tokens) | milliseconds |\n|---|---|")
    with serve() as app, tab(browser) as page:
        wait_until_warm(app)
        open_section(page, app, "real-model")
        for name, canvas in (("hover over a token", ".model-main"), ("switch to another head", ".model-bird")):
            print(f"| {name}, in the browser | {statistics.median(in_browser(page, canvas)):.1f} |")
        text = page.get_by_role("textbox").first
        for name, make, rounds in (
            ("a new sentence of about 16 tokens", lambda n: SENTENCE.format(number=n), ROUNDS),
            ("a new text of 512 tokens", lambda n: f"{n} {LONG_TEXT}", 5),
        ):
            times = []
            for number in range(rounds):
                text.fill(make(number))
                times.append(timed(page, lambda: text.press("Control+Enter"), quiet=600))
            print(f"| {name}, typed to drawn | {statistics.median(times):.0f} |")


def first_token(browser: Browser) -> None:
    """From pressing Run in the race to the first token on the screen; every race is over before the next begins."""
    print(f"\n| the race, {ROUNDS} times | median, ms | longest, ms |\n|---|---|---|")
    with serve() as app, tab(browser) as page:
        wait_until_warm(app)
        open_section(page, app, "race&ra_new=40", "lab6")
        waited = []
        for _ in range(ROUNDS):
            page.locator(".labs-run", has_text="Finished").wait_for()
            screen.settle(page)
            waited.append(page.evaluate(RUN_AND_TIME))
    print(f"| Run to first token on screen | {statistics.median(waited):.0f} | {max(waited):.0f} |")


def cold_start(browser: Browser) -> None:
    """From starting the server to a page that can be read."""
    print("\n| server start to readable page, median of 5 | seconds |\n|---|---|")
    cases = (
        ("home", "app.py", "Transformer Labs", {}),
        ("bare app without torch", BARE_APP, "Bare", {"LABS_BARE_IMPORTS": "0"}),
        ("bare app that imports torch and transformers", BARE_APP, "Bare", {}),
    )
    times: dict[str, list[float]] = {name: [] for name, *_ in cases}
    for _ in range(5):
        for name, script, title, environment in cases:
            with serve(script, **environment) as server, tab(browser) as page:
                page.goto(server.url)
                page.get_by_role("heading", name=title, level=1).wait_for()
                times[name].append(time.perf_counter() - server.started)
    for name, seconds in times.items():
        print(f"| {name} | {statistics.median(seconds):.2f} |")
    ratio = statistics.median(times["home"]) / statistics.median(times["bare app without torch"])
    print(f"| home against the bare app | {ratio:.2f}x |")


def visitors(browser: Browser) -> None:
    """Server memory for each further visitor of the heaviest section."""
    with serve() as app, tab(browser) as first:
        wait_until_warm(app)
        open_section(first, app, "real-model")
        before = app.resident_megabytes()
        contexts = [browser.new_context() for _ in range(VISITORS)]
        for context in contexts:
            open_section(context.new_page(), app, "real-model")
        each = (app.resident_megabytes() - before) / VISITORS
        print(f"\n| memory | MB |\n|---|---|\n| server with one visitor | {before:.0f} |")
        print(f"| each further visitor, mean of {VISITORS} | {each:.1f} |")
        for context in contexts:
            context.close()


def in_browser(page: Page, canvas: str) -> list[float]:
    """Milliseconds from a click (bird's-eye) or a move (the open head) on the figure to the next frame.

    The server is not asked in between: the figure tells it only after a pause.
    """
    return page.evaluate(
        """async ([canvas, rounds]) => {
          const find = (root) => {
            for (const node of root.querySelectorAll("*")) {
              if (node.matches(canvas)) return node
              const inside = node.shadowRoot && find(node.shadowRoot)
              if (inside) return inside
            }
            return null
          }
          const target = find(document)
          const frame = () => new Promise((done) => requestAnimationFrame(() => done()))
          const times = []
          for (let i = 0; i < rounds; i++) {
            const box = target.getBoundingClientRect()
            const place = { bubbles: true, composed: true,
              clientX: box.left + box.width * (0.15 + 0.7 * ((i * 7) % rounds) / rounds),
              clientY: box.top + box.height * (0.15 + 0.7 * ((i * 3) % rounds) / rounds) }
            await new Promise((done) => setTimeout(done, 60))
            await frame()
            const begun = performance.now()
            target.dispatchEvent(new PointerEvent("pointermove", place))
            if (canvas === ".model-bird") target.dispatchEvent(new MouseEvent("click", place))
            await frame()
            times.push(performance.now() - begun)
          }
          return times
        }""",
        [canvas, ROUNDS],
    )


@contextmanager
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()


def open_section(page: Page, server: Server, section: str, lab: str = "lab1") -> None:
    page.goto(f"{server.url}/{lab}?section={section}")
    page.locator(".labs-audit").first.wait_for(timeout=60_000)
    screen.settle(page)  # a kept audit line may stand there before the figure's script has come


def wait_until_warm(server: Server) -> None:
    for _ in range(600):
        with urllib.request.urlopen(f"{server.url}/api/ready") as answer:
            if json.load(answer)["ready"]:
                return
        time.sleep(0.1)
    raise RuntimeError("the server did not load its model within a minute")


def timed(page: Page, act: Callable[[], None], quiet: int = 250) -> float:
    page.evaluate(WATCH, quiet)
    act()
    milliseconds = page.evaluate("window.__answer")
    if milliseconds is None:
        raise RuntimeError(f"nothing was repainted on {page.url}")
    return milliseconds


def step(page: Page, label: str, round_: int) -> None:
    control = page.locator(f'.stMain input[aria-label="{label}"]').first
    control.focus()
    if control.get_attribute("type") == "checkbox":
        control.press("Space")
    else:
        control.press("ArrowRight" if round_ % 2 == 0 else "ArrowLeft")


def row(name: str, ours: list[float], *others: list[float]) -> None:
    mine = statistics.median(ours)
    peers = (statistics.median(other) for other in others)
    cells = " | ".join(f"{peer:.0f} | {mine / peer:.2f}" for peer in peers)
    print(f"| {name} | {mine:.0f} | {cells} |", flush=True)
