"""The race's lanes as they stand on the screen."""

from playwright.sync_api import Page

# How many tokens each lane holds now. The figures stand in shadow roots.
LANES = """() => {
  const found = []
  const look = (root) => root.querySelectorAll('*').forEach((part) => {
    if (part.shadowRoot) look(part.shadowRoot)
    if (part.classList?.contains('lanes-text')) found.push(part.querySelectorAll('.lanes-token').length)
  })
  look(document)
  return found
}"""

# Presses Run and notes the milliseconds until a new race's lanes hold their first token, looked at in every frame.
RUN_AND_TIME = f"""() => new Promise((done) => {{
  const lanes = {LANES}
  const button = [...document.querySelectorAll('button')].find((one) => one.innerText.trim().endsWith('Run'))
  const before = lanes().join()
  const begun = performance.now()
  button.click()
  const look = () => {{
    const now = lanes()
    const waited = performance.now() - begun
    if ((now.join() !== before && now.some((n) => n > 0)) || waited > 20000) done(waited)
    else requestAnimationFrame(look)
  }}
  look()
}})"""


def lanes(page: Page) -> list[int]:
    """How many tokens each lane shows now."""
    return page.evaluate(LANES)
