// The logit lens as words: a grid of depths and places, all depths of one place, and what could come next.

import { make } from "./elements.js"
import { decodeFloats, formatNumber, ramp, readableOn } from "./theme.js"
import { visible } from "./token_strip.js"

const MOST_COLUMNS = 12

// Numbers by depth (0: before the first block) and place (counted from 0, over the whole text).
export function readLens(data) {
  const { first, n, layers, nTop } = data.lens
  const [p, targetP, rank, entropy] = [data.lens.p, data.lens.targetP, data.lens.rank, data.lens.entropy].map(decodeFloats)
  const at = (depth, place) => depth * n + place - first
  return {
    first,
    last: first + n - 1,
    layers,
    nTop,
    top(depth, place) {
      const from = at(depth, place) * nTop
      return Array.from({ length: nTop }, (_, i) => ({ word: data.words[data.lens.top[from + i]], id: data.wordIds[data.lens.top[from + i]], p: p[from + i] }))
    },
    // The token that comes next there: its probability at this depth, and how many tokens are likelier.
    target: (depth, place) => ({ p: targetP[at(depth, place)], rank: rank[at(depth, place)] }),
    entropy: (depth, place) => entropy[at(depth, place)],
  }
}

export function depthName(depth) {
  return depth ? `after block ${depth}` : "before block 1"
}

// Which places stand in the grid: in a text that grows the last ones, else those round the chosen place.
function columnsOf(view) {
  const { lens, choice, theme, data } = view
  const room = Math.floor((view.width - 110 * theme.scale) / (62 * theme.scale))
  const n = Math.max(3, Math.min(MOST_COLUMNS, room))
  const end = data.fades ? choice.place : Math.min(lens.last, Math.max(choice.place + Math.floor(n / 2), lens.first + n - 1))
  const start = Math.max(lens.first, end - n + 1)
  return Array.from({ length: end - start + 1 }, (_, i) => start + i)
}

// Rows from many depths must still fit the screen.
function rowHeight(view) {
  return `${Math.max(17, Math.min(30, 400 / (view.lens.layers + 1))) * view.theme.scale}px`
}

export function paintGrid(view) {
  const { lens, data, choice, theme } = view
  const places = columnsOf(view)
  const grid = make("div", "lens-grid")
  grid.setAttribute("role", "img")
  grid.setAttribute("aria-label", data.alt)
  grid.style.setProperty("--row", rowHeight(view))
  grid.style.gridTemplateColumns = `max-content repeat(${places.length}, minmax(0, ${112 * theme.scale}px))`
  grid.style.gridTemplateRows = `repeat(${lens.layers + 3}, auto)`
  // Every part says where it stands: the frame round the chosen column would push the others aside.
  const put = (part, row, column) => {
    part.style.gridRow = row + 1
    part.style.gridColumn = column + 1
    grid.append(part)
  }
  const foot = lens.layers + 2
  put(make("div", "lens-row", "it reads"), 0, 0)
  for (let depth = 0; depth <= lens.layers; depth++) put(make("div", "lens-row", depthName(depth)), depth + 1, 0)
  put(make("div", "lens-row", "comes next"), foot, 0)
  places.forEach((place, i) => {
    const name = (place === choice.place ? "lens-now" : "") + (place >= data.places[0] && place <= data.places[1] ? " lens-can" : "")
    put(word(`lens-head ${name}`, data.texts[place], place), 0, i + 1)
    for (let depth = 0; depth <= lens.layers; depth++) put(cell(view, depth, place, lens.top(depth, place)[0], name), depth + 1, i + 1)
    put(word(`lens-head lens-foot ${name}`, data.texts[place + 1], place), foot, i + 1)
  })
  const frame = make("div", "lens-column")
  frame.style.gridColumn = places.indexOf(choice.place) + 2
  grid.append(frame)
  return [grid]
}

function cell(view, depth, place, { word: text, id, p }, name = "") {
  const right = id === view.data.ids[place + 1]
  const part = word(`lens-cell ${right ? "is-right " : ""}${name}`, text, place)
  const colour = ramp(view.theme, "query", false)[Math.round(255 * Math.min(1, p))]
  part.style.backgroundColor = colour
  part.style.color = readableOn(colour, view.theme)
  part.dataset.depth = depth
  return part
}

// A token in a box; the space before a word is only hinted at.
function word(className, text, place) {
  const part = make("div", className)
  const shown = visible(text)
  if (shown.length > 1 && shown[0] === "·") part.append(make("i", "", "·"), shown.slice(1))
  else part.append(shown)
  part.dataset.place = place
  return part
}

// The chosen place alone: the likeliest tokens at every depth, and how the one that comes next is doing.
export function paintLayers(view) {
  const { lens, data, choice, theme } = view
  const grid = make("div", "lens-grid")
  grid.setAttribute("role", "img")
  grid.setAttribute("aria-label", data.alt)
  grid.style.setProperty("--row", rowHeight(view))
  grid.style.gridTemplateColumns = `max-content repeat(${lens.nTop}, minmax(0, ${108 * theme.scale}px)) minmax(50px, ${190 * theme.scale}px) max-content max-content`
  const heads = Array.from({ length: lens.nTop }, (_, i) => make("div", "lens-head", i ? `${i + 1}.` : "likeliest"))
  const title = make("b", "lens-title", visible(data.texts[choice.place + 1]))
  title.style.gridColumn = "span 2"
  grid.append(make("div"), ...heads, title, make("div", "lens-number", "rank"))
  for (let depth = 0; depth <= lens.layers; depth++) {
    grid.append(make("div", "lens-row", depthName(depth)))
    for (const one of lens.top(depth, choice.place)) {
      const part = cell(view, depth, choice.place, one)
      part.append(make("small", "", formatNumber(one.p, 2)))
      grid.append(part)
    }
    const { p, rank } = lens.target(depth, choice.place)
    grid.append(track(p), make("div", "lens-number", formatNumber(p, 2)), make("div", "lens-number", (rank + 1).toLocaleString("en")))
  }
  return [grid]
}

// What could come next at the chosen place, likeliest first, and the token that did where it is none of them.
export function paintNext(view) {
  const { lens, data, choice } = view
  const rows = lens.top(lens.layers, choice.place)
  const next = data.texts[choice.place + 1]
  const { p, rank } = lens.target(lens.layers, choice.place)
  const all = rows.map((row, i) => ({ ...row, rank: i }))
  if (rank >= rows.length) all.push({ word: next, p, rank })
  const list = make("div", "lens-next")
  list.setAttribute("role", "img")
  list.setAttribute("aria-label", data.alt)
  for (const row of all) {
    const name = `${(row.rank + 1).toLocaleString("en")}. ${visible(row.word)}`
    list.append(make("div", `lens-word${row.rank === rank ? " is-right" : ""}`, name), track(row.p), make("div", "lens-number", formatNumber(row.p, 3)))
  }
  return [make("div", "lens-title", `What could come next after ${visible(data.texts[choice.place])}`), list]
}

function track(share) {
  const part = make("div", "lens-track")
  const fill = make("i")
  fill.style.width = `${100 * Math.min(1, share)}%`
  part.append(fill)
  return part
}

export function cellTip(view, place, depth) {
  const { lens, data } = view
  const next = visible(data.texts[place + 1])
  if (Number.isNaN(depth)) return [`It has read up to ${visible(data.texts[place])}; next comes ${next}`]
  const { p, rank } = lens.target(depth, place)
  return [
    `${depthName(depth)}, up to ${visible(data.texts[place])}`,
    ...lens.top(depth, place).map((one, i) => `${i + 1}. ${visible(one.word)}   ${formatNumber(one.p, 3)}`),
    `${next}: rank ${(rank + 1).toLocaleString("en")}, probability ${formatNumber(p, 3)}`,
    `entropy ${formatNumber(lens.entropy(depth, place), 2)} nats`,
  ]
}
