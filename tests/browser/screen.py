"""What is on screen: waiting until it stands still, and reading it."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import Locator, Page

TIMEOUT = 60_000  # milliseconds; the first forward of a fresh server imports torch

# True when the script is at rest, nothing is a placeholder, and every figure has been painted; for 300 ms on end.
_AT_REST = """() => {
  const figures = []
  const collect = (root) => root.querySelectorAll('*').forEach((part) => {
    if (part.shadowRoot) collect(part.shadowRoot)
    if (part.classList?.contains('drawing')) figures.push(part)
  })
  collect(document)
  const still = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning'
    && document.querySelector('h1')
    && !document.querySelector('[data-testid="stSkeleton"], [data-stale="true"]')
    && figures.every((figure) => figure.dataset.paints)
  if (!still) { window.__restSince = null; return false }
  window.__restSince ??= performance.now()
  return performance.now() - window.__restSince > 300
}"""

# Every control's kind and value, in the order of the page.
_CONTROLS = """() => {
  const groups = '[data-testid="stButtonGroup"], [data-testid="stSelectbox"]'
  const read = (part) => {
    if (part.dataset.testid === 'stSelectbox') return part.innerText
    if (part.dataset.testid === 'stButtonGroup')
      return [...part.querySelectorAll('[aria-checked="true"], [aria-pressed="true"]')].map((one) => one.innerText)
    if (part.type === 'checkbox') return part.checked
    if (part.type === 'range') return part.getAttribute('aria-valuetext') ?? part.value
    return part.value
  }
  const parts = document.querySelector('[data-testid="stMain"]').querySelectorAll(`input, textarea, ${groups}`)
  return [...parts].map((part) => [part.dataset.testid ?? part.type, read(part)])
}"""


def go(page: Page, url: str, values: dict[str, str] | None = None) -> None:
    """Opens `url` with `values` in its link, as a learner pastes it, and waits until it stands still."""
    page.goto(f"{url}?{urlencode(values)}" if values else url)
    settle(page)


def settle(page: Page) -> None:
    """Waits until the page stands still."""
    page.evaluate("window.__restSince = null")
    page.wait_for_function(_AT_REST, timeout=TIMEOUT, polling=50)


def link(page: Page) -> dict[str, str]:
    """What the address carries."""
    return dict(parse_qsl(urlsplit(page.evaluate("location.href")).query, keep_blank_values=True))


def controls(page: Page) -> list:
    """Every control's kind and value, in the order of the page."""
    return page.evaluate(_CONTROLS)


def main(page: Page) -> Locator:
    return page.get_by_test_id("stMain")


def sentences(page: Page) -> list[str]:
    """The sentences about what is wrong, as the learner reads them."""
    return page.locator(".labs-problem").all_inner_texts()


def breakages(page: Page) -> list[str]:
    """What must never be on screen, whatever the learner does: tracebacks, empty sections, figures that failed."""
    found = page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').all_inner_texts()
    found += [text for text in sentences(page) if "could not be drawn" in text]
    found += page.locator('[role="dialog"]').all_inner_texts()
    return found


def disagreements(page: Page) -> list[str]:
    """The audit lines that say that ours and the library's numbers differ."""
    return page.locator(".labs-audit-fails").all_inner_texts()
