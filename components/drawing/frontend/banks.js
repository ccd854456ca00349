// A constrained beam search: the texts of one step as cards in banks, under those of the step before, with arrows.
// data: { steps: [[{ node, parent, bank, text, total, met: [bool], ends, wins }]], names, needed, shown, turn }, see
//         components/figures/banks.py
// event: { type: "step", step, turn }

import { add, make } from "./elements.js"
import { makeStepper } from "./stepper.js"
import { formatNumber, readTheme } from "./theme.js"

const SVG = "http://www.w3.org/2000/svg"

export function create(host) {
  const view = { host, data: null, width: 0 }
  view.stepper = makeStepper({ label: "Token", change: () => paint(view) })
  view.words = make("div", "banks-words")
  view.map = document.createElementNS(SVG, "svg")
  view.map.setAttribute("class", "banks-map")
  view.map.setAttribute("aria-hidden", "true") // the bar above says and does the same
  view.map.onclick = (event) => view.stepper.go(Math.ceil(((event.offsetX - view.margin) / (view.width - view.margin)) * view.data.steps.length))
  view.scroll = make("div", "banks-scroll")
  view.scroll.tabIndex = 0
  view.grid = make("div", "banks-grid")
  view.arrows = document.createElementNS(SVG, "svg")
  view.arrows.setAttribute("aria-hidden", "true")
  view.scroll.append(view.grid)
  view.says = make("p", "beam-says")
  view.says.setAttribute("aria-live", "polite")
  const box = make("div", "banks")
  box.setAttribute("role", "group")
  box.append(view.stepper.bar, view.map, view.words, view.scroll, view.says)
  host.append(box)
  const watcher = new ResizeObserver(() => view.data && host.clientWidth !== view.width && paint(view))
  watcher.observe(host)
  return {
    update(data, send) {
      Object.assign(view, { data, theme: readTheme(host, data) })
      host.style.setProperty("--scale", view.theme.scale)
      for (const role of ["query", "value", "key"]) host.style.setProperty(`--${role}`, view.theme.roles[role])
      box.setAttribute("aria-label", data.alt)
      view.words.replaceChildren(...data.names.map((name, i) => word(name, i)))
      view.stepper.take({ last: data.steps.length, step: data.shown, turn: data.turn, send: (step, turn) => send({ type: "step", step, turn }) })
      paint(view)
    },
    destroy() {
      watcher.disconnect()
      view.stepper.stop()
    },
  }
}

// A required word with the letter that stands for it on the cards.
function word(name, i) {
  const part = make("span", "banks-word")
  part.append(make("b", "", letter(i)), document.createTextNode(` ${name}`))
  return part
}

const letter = (i) => String.fromCharCode(65 + i)

function paint(view) {
  const { data, host, stepper } = view
  view.width = host.clientWidth
  if (!data || !view.width) return
  const columns = data.needed + 1
  view.grid.style.gridTemplateColumns = `repeat(${columns}, minmax(calc(106px * var(--scale, 1)), 1fr))`
  const now = stepper.step ? data.steps[stepper.step - 1] : []
  const before = stepper.step > 1 ? data.steps[stepper.step - 2].filter((one) => !one.ends) : []
  const cells = []
  for (let bank = 0; bank < columns; bank++) cells.push(head(data, bank))
  for (let bank = 0; bank < columns; bank++) cells.push(stack(data, before, bank, true))
  for (let bank = 0; bank < columns; bank++) cells.push(stack(data, now, bank, false))
  view.grid.replaceChildren(...cells, view.arrows)
  drawMap(view)
  view.says.textContent = sentence(data, stepper.step, now)
  requestAnimationFrame(() => drawArrows(view, now))
}

function head(data, bank) {
  const part = make("div", `banks-head${bank && bank === data.needed ? " is-full" : ""}`)
  const all = bank === data.needed && bank > 0
  part.append(make("b", "", `Bank ${bank}`), make("span", "", all ? "all in place" : data.needed ? `${bank} of ${data.needed} tokens` : "nothing is required"))
  return part
}

function stack(data, cards, bank, earlier) {
  const part = make("div", `banks-stack${earlier ? " is-before" : ""}`)
  for (const one of cards.filter((card) => card.bank === bank)) part.append(earlier ? small(one) : card(data, one))
  return part
}

function small(one) {
  const part = make("div", "banks-card is-small")
  part.dataset.before = one.node
  part.append(make("span", "banks-tail", one.text.length > 20 ? `…${one.text.slice(-19)}` : one.text), make("small", "", formatNumber(one.total)))
  return part
}

function card(data, one) {
  const part = make("div", `banks-card${one.ends ? " is-end" : ""}${one.wins ? " is-winner" : ""}`)
  part.dataset.node = one.node
  part.dataset.parent = one.parent
  const foot = make("div", "banks-foot")
  one.met.forEach((met, i) => {
    const mark = make("i", met ? "is-met" : "", letter(i) + (met ? "✓" : ""))
    mark.setAttribute("aria-label", `${data.names[i]}: ${met ? "in place" : "missing"}`)
    foot.append(mark)
  })
  foot.append(make("small", "", `${formatNumber(one.total)}${one.ends ? " ■" : ""}`))
  part.append(make("span", "banks-tail", one.text), foot)
  return part
}

// The whole search in small: for each token how many texts stand in each bank, and the winner's way up.
function drawMap(view) {
  const { data, theme, width, stepper, map } = view
  const { scale } = theme
  const row = Math.max(9, Math.min(20, 100 / (data.needed + 1))) * scale
  const left = (view.margin = 52 * scale)
  const step = (width - left) / data.steps.length
  const [x, y] = [(i) => left + (i + 0.5) * step, (bank) => (data.needed - bank + 0.5) * row]
  map.replaceChildren()
  map.setAttribute("width", width)
  map.setAttribute("height", (data.needed + 1) * row)
  if (stepper.step) add(map, "rect", { x: left + (stepper.step - 1) * step, y: 0, width: step, height: (data.needed + 1) * row, rx: 4, fill: theme.text, opacity: theme.dark ? 0.16 : 0.1 })
  for (let bank = 0; bank <= data.needed; bank++) {
    add(map, "line", { x1: left, x2: width, y1: y(bank), y2: y(bank), stroke: theme.faint })
    if (row < 14 * scale && bank % 2) continue
    const label = add(map, "text", { x: 0, y: y(bank) + 4.5 * scale })
    label.textContent = `Bank ${bank}`
    label.style.cssText = `font: 400 ${12.5 * scale}px ${theme.font}; fill: ${theme.text}; opacity: 0.8`
  }
  const way = []
  data.steps.forEach((cards, i) => {
    const counts = new Map()
    for (const one of cards) {
      counts.set(one.bank, (counts.get(one.bank) ?? 0) + 1)
      if (one.wins) way.push(`${x(i)},${y(one.bank)}`)
    }
    for (const [bank, count] of counts) {
      const r = Math.min(row / 2 - 1, (1.6 + 1.5 * Math.sqrt(count)) * scale)
      add(map, "circle", { cx: x(i), cy: y(bank), r, fill: theme.roles.query, opacity: 0.55 })
    }
  })
  add(map, "polyline", { points: way.join(" "), fill: "none", stroke: theme.roles.key, "stroke-width": 2.5 * scale, "stroke-linejoin": "round" })
}

// From each card to the one that it goes on from.
function drawArrows(view, now) {
  const { grid, arrows } = view
  const frame = grid.getBoundingClientRect()
  if (!frame.width) return
  arrows.setAttribute("width", grid.scrollWidth)
  arrows.setAttribute("height", grid.scrollHeight)
  arrows.replaceChildren()
  for (const one of now) {
    const to = grid.querySelector(`[data-node="${Number(one.node)}"]`)
    const from = grid.querySelector(`[data-before="${Number(one.parent)}"]`)
    if (!from || !to) continue
    const [a, b] = [from.getBoundingClientRect(), to.getBoundingClientRect()]
    const same = a.left === b.left
    const [x0, y0] = [a.right - frame.left - (same ? 4 : 14), a.bottom - frame.top]
    const [x1, y1] = [b.left - frame.left + (same ? b.width - 4 : 22), same ? b.top - frame.top + b.height / 2 : b.top - frame.top]
    const d = same
      ? `M${x0 + 4},${(a.top + a.bottom) / 2 - frame.top} C${x0 + 15},${(a.top + a.bottom) / 2 - frame.top} ${x0 + 15},${y1} ${x1 + 6},${y1}`
      : `M${x0},${y0} C${x0},${(y0 + y1) / 2} ${x1},${(y0 + y1) / 2} ${x1},${y1 - 5}`
    const path = document.createElementNS(SVG, "path")
    path.setAttribute("d", d)
    path.setAttribute("class", `banks-arrow${same ? "" : " is-climb"}`)
    arrows.append(path)
    const tip = document.createElementNS(SVG, "path")
    tip.setAttribute("d", same ? `M${x1 + 9},${y1 - 4} L${x1 + 2},${y1} L${x1 + 9},${y1 + 4} Z` : `M${x1 - 4.5},${y1 - 7} L${x1 + 4.5},${y1 - 7} L${x1},${y1} Z`)
    tip.setAttribute("class", `banks-arrowhead${same ? "" : " is-climb"}`)
    arrows.append(tip)
  }
}

function sentence(data, step, now) {
  if (!step) return "Nothing is written yet: the prompt counts for no bank."
  const places = new Set(now.map((one) => one.bank)).size
  const full = now.filter((one) => one.met.every(Boolean)).length
  const ends = now.filter((one) => one.ends).length
  const word = ends ? `; ${ends} ${ends === 1 ? "ends" : "end"} here (■)` : ""
  return `Token ${step}: ${now.length} texts in ${places} ${places === 1 ? "bank" : "banks"}, ${full} of them with everything in place${word}. Bold frame: the later winner.`
}
