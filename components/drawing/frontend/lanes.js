// Texts that grow side by side: one lane a strategy, its tokens as flowing text, its numbers at the right.
// data: { name, columns: [[heading, sentence]], lanes: [{ title, setting, tokens: [text], numbers: [text], partsAt, note,
//         role }], allUntil, running }, see components/figures/lanes.py. It reports nothing.

import { make } from "./elements.js"
import { readTheme } from "./theme.js"

const NARROW = 620 // CSS pixels at scale 1, below which the numbers stand under the text

export function create(host) {
  const box = make("div", "lanes")
  const view = { host, box, rows: [], name: null }
  host.append(box)
  const watcher = new ResizeObserver(() => view.data && shape(view))
  watcher.observe(host)
  return {
    update(data) {
      view.data = data
      const theme = readTheme(host, data)
      host.style.setProperty("--scale", theme.scale)
      box.setAttribute("role", "group")
      box.setAttribute("aria-label", data.alt)
      if (data.name !== view.name || data.lanes.length !== view.rows.length) build(view)
      view.name = data.name
      data.lanes.forEach((lane, place) => fill(view.rows[place], lane, data, theme))
      shape(view)
    },
    destroy: () => watcher.disconnect(),
  }
}

function shape({ host, box, data }) {
  box.classList.toggle("is-narrow", host.clientWidth / (data.scale ?? 1) < NARROW)
  box.style.setProperty("--columns", data.columns.length)
}

function build(view) {
  const { columns, lanes } = view.data
  const head = make("div", "lanes-row lanes-head")
  head.append(make("span"), numbers(columns.map(([heading]) => heading), columns))
  view.rows = lanes.map(() => {
    const row = { box: make("div", "lanes-row"), text: make("div", "lanes-text"), title: make("b", "lanes-title"), note: make("i", "lanes-note"), spans: [], tokens: [] }
    row.numbers = numbers(columns.map(() => ""), columns)
    row.text.append(row.title, row.note)
    row.text.tabIndex = -1
    row.box.append(row.text, row.numbers)
    return row
  })
  view.box.replaceChildren(head, ...view.rows.map((row) => row.box))
}

function numbers(texts, columns) {
  const part = make("div", "lanes-numbers")
  texts.forEach((text, place) => {
    const cell = make("span", "", text)
    cell.title = columns[place][1]
    cell.dataset.name = columns[place][0]
    part.append(cell)
  })
  return part
}

function fill(row, lane, data, theme) {
  row.box.style.setProperty("--role", theme.roles[lane.role] ?? theme.text)
  row.title.textContent = lane.setting ? `${lane.title} ${lane.setting}` : lane.title
  setTokens(row, lane.tokens)
  row.spans.forEach((span, place) => {
    const name = [
      "lanes-token",
      data.allUntil == null || place < data.allUntil ? "is-common" : "",
      place === data.allUntil ? "is-first" : "",
      place === lane.partsAt ? "is-parting" : "",
    ].filter(Boolean).join(" ")
    if (span.className !== name) span.className = name
  })
  const note = lane.note || (data.running ? "▌" : "")
  if (row.note.textContent !== note) row.note.textContent = note
  row.note.classList.toggle("is-cursor", !lane.note && data.running)
  lane.numbers.forEach((number, place) => {
    const cell = row.numbers.children[place]
    if (cell.textContent !== number) cell.textContent = number
  })
  follow(row, data.running)
}

// Keeps the elements of tokens that stay: a beam search may take back its last ones.
function setTokens(row, tokens) {
  let same = 0
  while (same < tokens.length && same < row.tokens.length && tokens[same] === row.tokens[same]) same++
  for (const span of row.spans.splice(same)) span.remove()
  const fresh = tokens.slice(same).map((token) => make("span", "lanes-token", token))
  row.note.before(...fresh)
  row.spans.push(...fresh)
  row.tokens = [...tokens]
}

// A text too long for its lane shows its end while it grows, and its beginning once it is done.
function follow(row, running) {
  row.text.tabIndex = row.text.scrollHeight > row.text.clientHeight + 1 ? 0 : -1
  if (running) row.text.scrollTop = row.text.scrollHeight
  else if (row.grew) row.text.scrollTop = 0
  row.grew = running
}
