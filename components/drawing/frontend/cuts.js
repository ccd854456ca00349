// One text cut by several tokenizers: a row each, letter under letter, lines broken between words.
// data: { letters: [character], names, details, row_roles, blocks: [[[start, end, prefix, note, n tokens, alone, unknown]]] }

import { make } from "./elements.js"
import { readTheme } from "./theme.js"
import { SIGNS } from "./white_space.js"

export function create(host) {
  const box = Object.assign(document.createElement("div"), { className: "cuts" })
  host.append(box)
  const view = { host, box, data: null, width: 0 }
  const watcher = new ResizeObserver(() => {
    if (view.data && host.clientWidth !== view.width) paint(view)
  })
  watcher.observe(host)
  return {
    update(data) {
      view.data = data
      paint(view)
    },
    destroy() {
      watcher.disconnect()
    },
  }
}

function paint(view) {
  const { host, box, data } = view
  view.width = host.clientWidth
  const theme = readTheme(host, data)
  box.style.setProperty("--scale", theme.scale)
  box.style.setProperty("--negative", theme.roles.negative)
  const cell = 22 * theme.scale
  box.style.setProperty("--cell", `${cell}px`)
  const label = 86 * theme.scale
  const perLine = Math.max(12, Math.floor((view.width - label - 8) / cell))
  const head = make("div", "cuts-heads")
  data.names.forEach((name, row) => {
    const one = make("div", "cuts-name")
    one.style.setProperty("--role", theme.roles[data.row_roles[row]])
    one.append(make("b", "", name), make("span", "", data.details[row]))
    head.append(one)
  })
  const lines = broken(data, perLine).map(([start, end]) => line(data, theme, start, end))
  box.replaceChildren(head, ...lines)
}

// Lines of at most `most` letters that begin where no row has a block across: at a word's space where there is one.
function broken(data, most) {
  const whole = new Set(data.letters.keys())
  for (const row of data.blocks) for (const [start, end] of row) for (let i = start + 1; i < end; i++) whole.delete(i)
  const found = []
  let start = 0
  while (data.letters.length - start > most) {
    let end = start + most
    const space = (i) => whole.has(i) && /\s/.test(data.letters[i])
    while (end > start && !space(end)) end -= 1
    if (end === start) for (end = start + most; end > start + 1 && !whole.has(end); ) end -= 1
    if (end === start + 1) end = start + most
    found.push([start, end])
    start = end
  }
  found.push([start, data.letters.length])
  return found
}

function line(data, theme, from, to) {
  const box = make("div", "cuts-line")
  data.blocks.forEach((blocks, row) => {
    const strip = make("div", "cuts-row")
    strip.style.setProperty("--role", theme.roles[data.row_roles[row]])
    strip.append(make("span", "cuts-label", data.names[row]))
    const track = make("div", "cuts-track")
    track.style.width = `calc(${to - from} * var(--cell))`
    blocks.forEach(([start, end, prefix, note, nTokens, alone, unknown], number) => {
      if (end <= from || start >= to) return
      const [first, last] = [Math.max(start, from), Math.min(end, to)]
      const classes = ["cuts-block", number % 2 ? "is-odd" : "", alone ? "is-alone" : "", unknown ? "is-unknown" : ""]
      const block = make("span", classes.filter(Boolean).join(" "))
      block.style.left = `calc(${first - from} * var(--cell))`
      block.style.width = `calc(${last - first} * var(--cell) - 2px)`
      const shown = data.letters.slice(first, last).map((letter) => SIGNS[letter] ?? letter).join("")
      if (prefix) block.append(make("small", "", prefix))
      block.append(make("span", "", prefix && SIGNS[data.letters[first]] ? shown.slice(1) : shown))
      if (nTokens > 1) block.append(make("sup", "", String(nTokens)))
      block.title = note
      track.append(block)
    })
    strip.append(track)
    box.append(strip)
  })
  return box
}
