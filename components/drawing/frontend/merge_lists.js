// The lines of a corpus, and beside them two lists of merges: with every line, and without those that are crossed out.
// data: { lines: [{ text, gone, vanished, moved }], before, after: [{ first, second, joined, count }],
//         kept: [[place before, place after]], titles: [before, after] }
// events: { type: "line", index }

import { make } from "./elements.js"
import { readTheme } from "./theme.js"

const SVG = "http://www.w3.org/2000/svg"
const GAP = 92 // between the lists, in CSS pixels: slanted strokes need room

export function create(host) {
  const box = make("div", "merges")
  host.append(box)
  return {
    update(data, send) {
      const theme = readTheme(host, data)
      for (const role of ["query", "value", "negative", "key"]) box.style.setProperty(`--${role}`, theme.roles[role])
      box.style.setProperty("--scale", theme.scale)
      const height = Math.round((Math.max(data.before.length, data.after.length) > 26 ? 19 : 21) * theme.scale)
      box.style.setProperty("--row", `${height}px`)
      const scrolled = box.querySelector(".merges-lines ol")?.scrollTop ?? 0
      box.replaceChildren(lines(data, send), lists(data, height, theme))
      box.querySelector(".merges-lines ol").scrollTop = scrolled
    },
  }
}

function lines(data, send) {
  const box = make("div", "merges-lines")
  const head = make("div", "merges-head")
  head.append(make("b", "", "Corpus"), make("span", "", "click a line to delete it"))
  const list = make("ol", "")
  const most = Math.max(1, ...data.lines.map((line) => line.vanished + line.moved))
  data.lines.forEach((line, index) => {
    const button = make("button", "merges-line")
    button.type = "button"
    button.setAttribute("aria-pressed", String(line.gone))
    const says = `alone deleted: ${line.vanished} ${line.vanished === 1 ? "merge vanishes" : "merges vanish"}, ${line.moved} move`
    button.title = `Line ${index + 1}, ${says}. Click to ${line.gone ? "bring it back" : "delete it"}.`
    const words = make("span", "merges-words", line.text)
    words.dir = "auto"
    const bar = make("span", "merges-bar")
    for (const [name, n] of [["is-gone", line.vanished], ["is-moved", line.moved]]) {
      const part = make("i", name)
      part.style.width = `${(100 * n) / most}%`
      bar.append(part)
    }
    button.append(make("small", "", String(index + 1)), words, bar, make("small", "", `${line.vanished}+${line.moved}`))
    button.onclick = () => send({ type: "line", index })
    const item = make("li", "")
    item.append(button)
    list.append(item)
  })
  const foot = make("div", "merges-foot")
  foot.append(make("i", "is-gone"), "vanish + ", make("i", "is-moved"), "move, when this line alone is deleted")
  box.append(head, list, foot)
  return box
}

function lists(data, height, theme) {
  const box = make("div", "merges-lists")
  const partner = { before: new Map(data.kept), after: new Map(data.kept.map(([a, b]) => [b, a])) }
  const svg = document.createElementNS(SVG, "svg")
  const rows = Math.max(data.before.length, data.after.length, 1)
  svg.setAttribute("viewBox", `0 0 ${GAP} ${rows * height}`)
  svg.setAttribute("aria-hidden", "true")
  svg.style.height = `${rows * height}px`
  const strokes = new Map()
  for (const [a, b] of data.kept) {
    const path = document.createElementNS(SVG, "path")
    const [from, to] = [(a + 0.5) * height, (b + 0.5) * height]
    path.setAttribute("d", `M0,${from} C${GAP / 2},${from} ${GAP / 2},${to} ${GAP},${to}`)
    path.setAttribute("class", a === b ? "is-same" : "is-moved")
    svg.append(path)
    strokes.set(a, path)
  }
  const middle = make("div", "merges-middle")
  middle.style.width = `${GAP * theme.scale}px`
  middle.append(svg)
  svg.setAttribute("preserveAspectRatio", "none")
  const light = (a) => {
    for (const old of box.querySelectorAll(".is-lit")) old.classList.remove("is-lit")
    if (a === undefined) return
    strokes.get(a)?.classList.add("is-lit")
    box.querySelector(`[data-before="${a}"]`)?.classList.add("is-lit")
    box.querySelector(`[data-after="${partner.before.get(a)}"]`)?.classList.add("is-lit")
  }
  box.append(column("before", data, partner.before, light), middle, column("after", data, partner.after, light))
  return box
}

function column(side, data, partner, light) {
  const box = make("div", "merges-column")
  const other = side === "before" ? "after" : "before"
  const title = make("div", "merges-head")
  title.append(make("b", "", data.titles[side === "before" ? 0 : 1]))
  const list = make("ol", "")
  data[side].forEach((row, place) => {
    const there = partner.get(place)
    const state = there === undefined ? (side === "before" ? "is-gone" : "is-new") : there === place ? "is-same" : "is-moved"
    const item = make("li", state)
    item.dataset[side] = place
    const way = side === "before" ? "" : moved(there, place)
    const sign = { "is-gone": "✗", "is-new": "+", "is-moved": way, "is-same": "" }[state]
    const pair = make("span", "merges-pair")
    pair.append(make("span", "", row.first), make("i", "", "+"), make("span", "", row.second))
    item.append(make("small", "", String(place + 1)), pair, make("small", "merges-count", `${row.count}×`), make("b", "", sign))
    item.title = `${row.joined}: ${row.count} times${there === undefined ? "" : `; place ${there + 1} in the other list`}`
    item.onpointerenter = () => light(side === "before" ? place : there)
    item.onpointerleave = () => light(undefined)
    list.append(item)
  })
  if (!data[side].length) list.append(make("li", "merges-none", "no pair to merge"))
  box.append(title, list)
  box.dataset.other = other
  return box
}

function moved(from, to) {
  if (from === undefined || from === to) return ""
  return from > to ? `↑${from - to}` : `↓${to - from}`
}
