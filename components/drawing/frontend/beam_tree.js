// A beam search as a tree, a column a token. Stepping, playing and pointing ask nobody; a pause tells Python the step.
// data: { shown, turn, root, rows, columns, wider (steps not drawn), nodes: [{ node, parent, column, row, token, text,
//         status, alive, wins, logProb, total, score, rank }], steps: [{ considered, kept, finished, pruned }] }, see
//         components/figures/beam_tree.py
// event: { type: "step", step, turn }

import { add, make } from "./elements.js"
import { makeStepper } from "./stepper.js"
import { formatNumber, makeTip, mix, readableOn, readTheme } from "./theme.js"

const GAP = 17 // pixels between two columns, for the lines
const LEAST = 58 // pixels of a column; a wider tree scrolls
const ROWS = 430 // pixels that all rows share

export function create(host) {
  const view = { host, data: null, width: 0, chosen: 0, pointed: 0 }
  view.stepper = makeStepper({ label: "Step", change: () => paint(view) })
  view.legend = make("div", "beam-legend")
  view.scroll = make("div", "beam-scroll")
  view.scroll.tabIndex = 0
  view.scroll.setAttribute("role", "group")
  view.says = make("p", "beam-says")
  view.says.setAttribute("aria-live", "polite")
  const box = make("div", "beam")
  box.append(view.stepper.bar, view.legend, view.scroll, view.says)
  host.append(box)
  view.tip = makeTip(host)
  view.scroll.addEventListener("keydown", (event) => onKey(view, event))
  view.scroll.addEventListener("focus", () => point(view, view.chosen || view.visible()[0]?.node))
  view.scroll.addEventListener("blur", () => point(view, 0))
  view.visible = () => view.data.nodes.filter((one) => one.column < view.stepper.step)
  const watcher = new ResizeObserver(() => view.data && host.clientWidth !== view.width && paint(view))
  watcher.observe(host)
  return {
    update(data, send) {
      Object.assign(view, { data, send, theme: readTheme(host, data), chosen: 0, pointed: 0 })
      view.by = new Map(data.nodes.map((one) => [one.node, one]))
      host.style.setProperty("--scale", view.theme.scale)
      for (const role of ["query", "value"]) host.style.setProperty(`--${role}`, view.theme.roles[role])
      view.scroll.setAttribute("aria-label", `${data.alt} Arrow keys walk through the tree.`)
      fillLegend(view.legend)
      view.tip.hide()
      view.stepper.take({ last: data.columns, step: data.shown, turn: data.turn, send: (step, turn) => send({ type: "step", step, turn }) })
      paint(view)
    },
    destroy() {
      watcher.disconnect()
      view.stepper.stop()
    },
  }
}

function fillLegend(legend) {
  const kinds = [["is-kept", "in the beam"], ["is-left", "kept, then overtaken"], ["is-finished", "finished ■"], ["is-pruned", "pruned"], ["is-winner", "the winner’s path"]]
  legend.replaceChildren(...kinds.map(([name, text]) => make("span", name, text)))
}

// What has become of a node when `step` tokens have been written.
function fate(one, step) {
  if (one.status !== "kept") return one.status
  return one.alive >= step - 1 ? "kept" : "left"
}

function paint(view) {
  const { data, theme, host } = view
  view.width = host.clientWidth
  if (!data || !view.width) return
  const { scale } = theme
  const root = 54 * scale
  const column = Math.min(170 * scale, Math.max(LEAST * scale, (view.width - root - 8) / data.columns))
  const row = Math.max(27, Math.min(46, ROWS / data.rows)) * scale
  const head = 22 * scale
  const place = {
    column, row, head, scale,
    two: row >= 40 * scale && column > 84 * scale, // room for the sum under the token
    x: (one) => root + one.column * column + GAP * scale,
    y: (one) => head + (one.row + 0.5) * row,
    wide: column - GAP * scale,
    tall: Math.min(row - 5 * scale, 38 * scale),
  }
  view.place = place
  const size = { width: root + data.columns * column + 6, height: head + data.rows * row + 4 }
  const svg = add(document.createElement("div"), "svg", { ...size, "aria-hidden": "true" })
  const measure = add(svg, "g", {})
  paintHead(view, measure, size)
  const lines = add(svg, "g", { fill: "none" })
  paintRoot(view, svg)
  for (const one of view.visible()) {
    paintLine(view, lines, one)
    paintNode(view, svg, one)
  }
  const left = view.scroll.scrollLeft
  view.scroll.replaceChildren(svg)
  view.scroll.scrollLeft = left
  view.says.textContent = sentence(data, view.stepper.step)
  highlight(view)
}

function paintHead(view, parent, size) {
  const { place, theme, data } = view
  const step = view.stepper.step
  for (let i = 0; i < data.columns; i++) {
    const at = { x: place.x({ column: i }) + place.wide / 2, y: 14 * place.scale, "text-anchor": "middle" }
    const label = add(parent, "text", at, i === 0 ? "token 1" : String(i + 1))
    label.style.cssText = `font: ${i === step - 1 ? 700 : 400} ${12.5 * place.scale}px ${theme.font}; fill: ${theme.text}; opacity: ${i === step - 1 ? 1 : 0.65}`
    if (i === step - 1) {
      const band = { x: place.x({ column: i }) - 5 * place.scale, y: 0, width: place.wide + 10 * place.scale, height: size.height, rx: 6, fill: theme.text, opacity: theme.dark ? 0.07 : 0.045 }
      parent.prepend(add(parent, "rect", band))
    }
  }
}

function paintRoot(view, svg) {
  const { place, theme, data } = view
  const y = place.head + 0.5 * place.row
  const text = fit(data.root, 46 * place.scale, `${13.5 * place.scale}px ${theme.font}`)
  const label = add(svg, "text", { x: 48 * place.scale, y: y + 5 * place.scale, "text-anchor": "end" }, text)
  label.style.cssText = `font: 400 ${13.5 * place.scale}px ${theme.font}; fill: ${theme.text}; opacity: 0.75`
}

function paintLine(view, parent, one) {
  const { place, theme } = view
  const from = view.by.get(one.parent)
  const [x0, y0] = from ? [place.x(from) + place.wide, place.y(from)] : [50 * place.scale, place.head + 0.5 * place.row]
  const [x1, y1] = [place.x(one), place.y(one)]
  const middle = (x0 + x1) / 2
  const state = fate(one, view.stepper.step)
  const colour = one.wins || state === "kept" ? theme.roles.query : state === "finished" ? theme.roles.value : theme.soft
  const dash = state === "pruned" ? { "stroke-dasharray": "3 3" } : {}
  const width = (one.wins ? 4 : state === "kept" || state === "finished" ? 1.8 : 1.1) * place.scale
  add(parent, "path", { d: `M${x0},${y0} C${middle},${y0} ${middle},${y1} ${x1},${y1}`, stroke: colour, "stroke-width": width, opacity: state === "pruned" ? 0.6 : 1, "data-to": one.node, ...dash })
}

function paintNode(view, svg, one) {
  const { place, theme } = view
  const { scale } = place
  const state = fate(one, view.stepper.step)
  const group = add(svg, "g", { "data-node": one.node, "data-state": state })
  group.style.cursor = "default"
  const [x, y] = [place.x(one), place.y(one)]
  const box = { x, y: y - place.tall / 2, width: place.wide, height: place.tall }
  const looks = {
    kept: { rx: 6 * scale, stroke: theme.roles.query, "stroke-width": 1.5 * scale, fill: one.wins ? theme.roles.query : mix(theme.background, theme.roles.query, 0.2) },
    left: { rx: 6 * scale, stroke: theme.soft, "stroke-width": 1.2 * scale, fill: one.wins ? theme.roles.query : theme.background },
    finished: { rx: place.tall / 2, stroke: theme.roles.value, "stroke-width": 2.2 * scale, fill: one.wins ? theme.roles.value : mix(theme.background, theme.roles.value, 0.16) },
    pruned: { stroke: theme.soft, "stroke-width": 1 * scale, "stroke-dasharray": "3 3", fill: theme.background, opacity: 0.9 },
  }
  add(group, "rect", { ...box, ...looks[state] })
  const ink = one.wins ? readableOn(looks[state].fill, theme) : theme.text
  const font = `${state === "pruned" ? 400 : 550} ${13 * scale}px ${theme.font}`
  const written = fit(one.token, place.wide - 7 * scale, font, state === "finished" ? " ■" : "")
  const middle = x + place.wide / 2
  const up = place.two ? 2 * scale : -5 * scale
  const label = add(group, "text", { x: middle, y: y - up, "text-anchor": "middle" }, written)
  label.style.cssText = `font: ${font}; fill: ${ink}; opacity: ${state === "pruned" ? 0.72 : 1}; unicode-bidi: isolate`
  if (place.two) {
    const sum = add(group, "text", { x: middle, y: y + 13 * scale, "text-anchor": "middle" }, formatNumber(one.total))
    sum.style.cssText = `font: 400 ${12 * scale}px ${theme.font}; fill: ${ink}; opacity: 0.85; font-variant-numeric: tabular-nums`
  }
  group.onpointerenter = () => point(view, one.node)
  group.onpointerleave = () => point(view, 0)
}

const pen = document.createElement("canvas").getContext("2d")

// `text` and `end`, the text cut with "…" where both are wider than `room`.
function fit(text, room, font, end = "") {
  pen.font = font
  if (pen.measureText(text + end).width <= room) return text + end
  const signs = [...text]
  while (signs.length > 1 && pen.measureText(`${signs.join("")}…${end}`).width > room) signs.pop()
  return `${signs.join("")}…${end}`
}

function sentence(data, step) {
  if (!step) return "The prompt alone. Press Step: every token of the vocabulary is tried behind it."
  const { considered, kept, finished, pruned } = data.steps[step - 1]
  const said = [`Token ${step}: ${considered.toLocaleString("en")} continuations were compared by their sums.`]
  said.push(`${kept} stay in the beam, ${finished} finished.`)
  if (pruned) said.push(`Of the pruned the ${pruned === 1 ? "likeliest is" : `${pruned} likeliest are`} drawn.`)
  if (data.wider > 0 && step === data.columns) said.push(`${data.wider} more ${data.wider === 1 ? "step follows" : "steps follow"}, not drawn.`)
  return said.join(" ")
}

// Show what is known of a node, and light its path up; 0 ends that.
function point(view, node) {
  view.pointed = node
  if (node) view.chosen = node
  highlight(view)
  const one = view.by.get(node)
  if (!one) return view.tip.hide()
  const frame = view.host.getBoundingClientRect()
  const svg = view.scroll.firstChild.getBoundingClientRect()
  const lines = [
    `“${one.text.replaceAll("\n", "⏎")}”`,
    `${one.token}: log p ${formatNumber(one.logProb)}, in all ${formatNumber(one.total)}`,
    `place ${one.rank + 1} among the continuations, ${words(view, one)}`,
  ]
  view.tip.show(svg.left - frame.left + view.place.x(one), svg.top - frame.top + view.place.y(one) + view.place.tall / 2 - 10, lines)
  view.scroll.setAttribute("aria-label", lines.join(". "))
}

function words(view, one) {
  const state = fate(one, view.stepper.step)
  if (state === "finished") return `finished, score ${formatNumber(one.score, 3)}`
  return { kept: "in the beam", left: "kept, and overtaken later", pruned: "pruned" }[state]
}

function highlight(view) {
  const lit = new Set()
  for (let one = view.by.get(view.pointed); one; one = view.by.get(one.parent)) lit.add(one.node)
  for (const part of view.scroll.querySelectorAll("[data-node]")) {
    part.querySelector("rect").style.filter = lit.has(Number(part.dataset.node)) ? "drop-shadow(0 0 3px currentColor)" : ""
    part.style.opacity = lit.size && !lit.has(Number(part.dataset.node)) ? 0.45 : 1
  }
  for (const line of view.scroll.querySelectorAll("[data-to]")) line.style.opacity = lit.size && !lit.has(Number(line.dataset.to)) ? 0.3 : ""
}

// Left: the token before. Right: the best one after it. Up and down: the next one in the same column.
function onKey(view, event) {
  const nodes = view.visible()
  const one = view.by.get(view.chosen)
  if (!one || event.ctrlKey || event.altKey || event.metaKey) return
  const after = nodes.filter((other) => other.parent === one.node).sort((a, b) => a.row - b.row)
  const beside = nodes.filter((other) => other.column === one.column).sort((a, b) => a.row - b.row)
  const at = beside.indexOf(one)
  const to = { ArrowLeft: view.by.get(one.parent), ArrowRight: after[0], ArrowUp: beside[at - 1], ArrowDown: beside[at + 1] }
  if (!(event.key in to)) return
  event.preventDefault()
  if (to[event.key]) point(view, to[event.key].node)
}
