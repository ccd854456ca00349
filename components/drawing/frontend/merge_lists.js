// The lines of a corpus, and beside them two lists of merges: with every line, and without those that are crossed out.
// data: { lines: [{ text, gone, vanished, moved }], before, after: [{ first, second, joined, count }],
//         kept: [[place before, place after]], titles: [before, after] }
// events: { type: "line", index }

import { readTheme } from "./theme.js"

const SVG = "http://www.w3.org/2000/svg"
const GAP = 92 // between the lists, in CSS pixels: slanted strokes need room

export function create(host) {
  const box = element("div", "merges")
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

function element(tag, className, text) {
  const made = Object.assign(document.createElement(tag), { className })
  if (text !== undefined) made.textContent = text
  return made
}

function lines(data, send) {
  const box = element("div", "merges-lines")
  const head = element("div", "merges-head")
  head.append(element("b", "", "Corpus"), element("span", "", "click a line to delete it"))
  const list = element("ol", "")
  const most = Math.max(1, ...data.lines.map((line) => line.vanished + line.moved))
  data.lines.forEach((line, index) => {
    const button = element("button", "merges-line")
    button.type = "button"
    button.setAttribute("aria-pressed", String(line.gone))
    const says = `alone deleted: ${line.vanished} ${line.vanished === 1 ? "merge vanishes" : "merges vanish"}, ${line.moved} move`
    button.title = `Line ${index + 1}, ${says}. Click to ${line.gone ? "bring it back" : "delete it"}.`
    const words = element("span", "merges-words", line.text)
    words.dir = "auto"
    const bar = element("span", "merges-bar")
    for (const [name, n] of [["is-gone", line.vanished], ["is-moved", line.moved]]) {
      const part = element("i", name)
      part.style.width = `${(100 * n) / most}%`
      bar.append(part)
    }
    button.append(element("small", "", String(index + 1)), words, bar, element("small", "", `${line.vanished}+${line.moved}`))
    button.onclick = () => send({ type: "line", index })
    const item = element("li", "")
    item.append(button)
    list.append(item)
  })
  const foot = element("div", "merges-foot")
  foot.append(element("i", "is-gone"), "vanish + ", element("i", "is-moved"), "move, when this line alone is deleted")
  box.append(head, list, foot)
  return box
}

function lists(data, height, theme) {
  const box = element("div", "merges-lists")
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
  const middle = element("div", "merges-middle")
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
  const box = element("div", "merges-column")
  const other = side === "before" ? "after" : "before"
  const title = element("div", "merges-head")
  title.append(element("b", "", data.titles[side === "before" ? 0 : 1]))
  const list = element("ol", "")
  data[side].forEach((row, place) => {
    const there = partner.get(place)
    const state = there === undefined ? (side === "before" ? "is-gone" : "is-new") : there === place ? "is-same" : "is-moved"
    const item = element("li", state)
    item.dataset[side] = place
    const way = side === "before" ? "" : moved(there, place)
    const sign = { "is-gone": "✗", "is-new": "+", "is-moved": way, "is-same": "" }[state]
    const pair = element("span", "merges-pair")
    pair.append(element("span", "", row.first), element("i", "", "+"), element("span", "", row.second))
    item.append(element("small", "", String(place + 1)), pair, element("small", "merges-count", `${row.count}×`), element("b", "", sign))
    item.title = `${row.joined}: ${row.count} times${there === undefined ? "" : `; place ${there + 1} in the other list`}`
    item.onpointerenter = () => light(side === "before" ? place : there)
    item.onpointerleave = () => light(undefined)
    list.append(item)
  })
  if (!data[side].length) list.append(element("li", "merges-none", "no pair to merge"))
  box.append(title, list)
  box.dataset.other = other
  return box
}

function moved(from, to) {
  if (from === undefined || from === to) return ""
  return from > to ? `↑${from - to}` : `↓${to - from}`
}
