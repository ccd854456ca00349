// A stack of layers with the size of its stream at every stop, and one of its blocks drawn large: the residual stream
// as a thick line, the parts beside it, the norms where they stand. Flow is upwards, as in the papers.
// data: { normFirst, stops: [{ name, title, extra, shape, size, mean, std, norm, stream }], layer, stop, nLayers,
//         tokens, token (-1: the mean over all), follows, shown: { name, path: [[layer, norm]], end },
//         other: { name, path, end } }   A path starts in layer 0, with what goes into the first block.
// events: { type: "stop", name } | { type: "layer", layer } | { type: "token", token }

import { placeStops, placeTower } from "./block_layout.js"
import { make, shape } from "./elements.js"
import { formatNumber, makeTip, mix, readTheme } from "./theme.js"

const SVG = "http://www.w3.org/2000/svg"
const STYLE = `
.block { position: relative; font-variant-numeric: tabular-nums; line-height: 1.3; }
.block svg { position: absolute; left: 0; top: 0; overflow: visible; pointer-events: none; }
.block button { font: inherit; color: var(--st-text-color); cursor: pointer; margin: 0; }
.block-tokens { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25em .2em; margin-bottom: .6em; }
.block-tokens span { color: var(--soft); margin-right: .4em; }
.block-tokens button { border: 1px solid transparent; background: transparent; border-radius: 6px; padding: .1em .4em; unicode-bidi: isolate;
  max-width: 12em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.block-tokens button:hover { border-color: var(--line); }
.block-tokens button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); font-weight: 600; }
.block-area { position: relative; }
.block-stop { position: absolute; box-sizing: border-box; text-align: left; background: var(--st-background-color); border: 1.5px solid var(--line);
  border-left: 5px solid var(--role); border-radius: 7px; padding: .2em .6em .35em .55em; overflow: hidden; white-space: nowrap; }
.block-stop:hover { border-color: var(--role); }
.block-stop[aria-pressed="true"] { border-color: var(--role); box-shadow: 0 0 0 1.5px var(--role); }
.block-stop .line { display: flex; justify-content: space-between; gap: .8em; }
.block-stop b { font-weight: 650; } .block-stop .line > span { color: var(--soft); } .block-stop .line > span:first-child { color: inherit; } .block-stop .line > :last-child b { color: var(--st-text-color); }
.block-stop .values { display: flex; gap: .9em; } .block-stop .values > span { color: var(--soft); } .block-stop .values i, .block-stop .values b { font-style: normal; color: var(--st-text-color); }
.block-stop .size { position: absolute; left: 0; bottom: 0; height: 4px; background: var(--role); opacity: .75; }
.block-layer { position: absolute; box-sizing: border-box; padding: 0 .5em; background: var(--st-background-color); border: 1px solid var(--line); border-radius: 5px;
  overflow: hidden; display: flex; align-items: center; justify-content: center; white-space: nowrap; line-height: 1; }
.block-layer.is-end { border-style: dashed; cursor: default; color: var(--soft); }
.block-layer:hover:not(.is-end) { border-color: var(--accent); }
.block-layer[aria-pressed="true"] { border-color: var(--accent); background: var(--tint); color: var(--accent); font-weight: 650; }
.block-words { position: absolute; color: var(--soft); line-height: 1.3; } .block-words b { color: var(--st-text-color); font-weight: 650; }
.block-words .dash { color: var(--soft); letter-spacing: -.05em; } .block-words .full { color: var(--accent); font-weight: 800; }
@media (prefers-reduced-motion: no-preference) { .block-stop { transition: top .18s ease-out, left .18s ease-out, width .18s ease-out; } }`

export function create(host) {
  const root = make("div", "block")
  const tokens = make("div", "block-tokens")
  const area = make("div", "block-area")
  const pen = document.createElementNS(SVG, "svg")
  pen.setAttribute("aria-hidden", "true")
  area.append(pen)
  root.append(tokens, area)
  root.setAttribute("role", "group")
  host.append(Object.assign(document.createElement("style"), { textContent: STYLE }), root)
  const view = { host, root, tokens, area, pen, tip: makeTip(area), parts: new Map(), width: 0 }
  const watcher = new ResizeObserver(() => {
    if (view.data && host.clientWidth !== view.width) redraw(view)
  })
  watcher.observe(host)
  root.onclick = (event) => press(view, event.target.closest("button"))
  area.onpointerover = (event) => hint(view, event.target.closest(".block-layer"))
  area.onpointerleave = () => view.tip.hide()
  return {
    update(data, send) {
      Object.assign(view, { data, send })
      redraw(view)
    },
    destroy() {
      watcher.disconnect()
    },
  }
}

function press(view, button) {
  if (!button?.dataset.event) return
  const event = JSON.parse(button.dataset.event)
  for (const other of view.root.querySelectorAll("[aria-pressed]")) {
    if (other.dataset.event && JSON.parse(other.dataset.event).type === event.type) other.setAttribute("aria-pressed", String(other === button))
  }
  view.send(event) // what was pressed is marked at once; the numbers follow with the page's answer
}

function hint(view, button) {
  if (!button?.dataset.hint) return view.tip.hide()
  view.tip.show(button.offsetLeft + button.offsetWidth, button.offsetTop - 10, JSON.parse(button.dataset.hint))
}

function redraw(view) {
  const { data, root, host } = view
  view.width = host.clientWidth
  view.theme = readTheme(host, data)
  const { theme } = view
  root.setAttribute("aria-label", data.alt)
  root.style.fontSize = `${13 * theme.scale}px`
  root.style.setProperty("--accent", theme.roles.query)
  root.style.setProperty("--soft", mix(theme.background, theme.text, 0.72))
  root.style.setProperty("--line", mix(theme.background, theme.text, 0.26))
  root.style.setProperty("--tint", mix(theme.background, theme.roles.query, 0.12))
  view.used = new Set()
  drawTokens(view)
  const tower = placeTower(data, view.width, theme.scale)
  const stops = placeStops(data, view.width, theme.scale, tower)
  view.area.style.height = `${tower.height}px`
  view.pen.setAttribute("width", view.width)
  view.pen.setAttribute("height", tower.height)
  const shapes = []
  drawTower(view, tower, stops, shapes)
  drawBlock(view, tower, stops, shapes)
  view.pen.replaceChildren(...shapes.map(([name, attributes]) => shape(name, attributes)))
  for (const [id, part] of view.parts) {
    if (view.used.has(id)) continue
    part.remove()
    view.parts.delete(id)
  }
}

function drawTokens(view) {
  const { data } = view
  const choices = [[-1, "all, averaged"], ...data.tokens.map((token, index) => [index, token])]
  const label = part(view, "follow", "span", "", view.tokens)
  label.textContent = "Follow the vector of"
  for (const [index, token] of choices) {
    const button = part(view, `token ${index}`, "button", "", view.tokens)
    button.textContent = token
    pressable(button, { type: "token", token: index }, index === data.token)
  }
}

// The stack: a box for each layer, and beside it how large the stream is at each of its stops.
function drawTower(view, tower, stops, shapes) {
  const { data, theme } = view
  const accent = theme.roles.query
  const row = tower.rows[data.layer - 1]
  const panel = stops.panel
  shapes.push(["path", { d: `M${tower.right} ${row.top} L${panel.left} ${panel.top} V${panel.bottom} L${tower.right} ${row.bottom} Z`, fill: accent, "fill-opacity": 0.06 }])
  shapes.push(["rect", { x: tower.left, y: row.top, width: tower.right - tower.left, height: row.bottom - row.top, fill: accent, "fill-opacity": 0.1 }])
  shapes.push(["rect", { x: panel.left, y: panel.top, width: panel.right - panel.left, height: panel.bottom - panel.top, rx: 10, fill: accent, "fill-opacity": 0.06 }])
  for (const tick of tower.ticks) {
    shapes.push(["line", { x1: tick.x, x2: tick.x, y1: tower.top, y2: tower.bottom, stroke: theme.faint, "stroke-width": 1 }])
    words(view, `tick ${tick.value}`, tick.x, tower.bottom + 3 * theme.scale, "middle").textContent = String(tick.value)
  }
  shapes.push(["path", { d: tower.other, fill: "none", stroke: theme.soft, "stroke-width": 1.6, "stroke-dasharray": "4 4", "stroke-linejoin": "round" }])
  shapes.push(["path", { d: tower.shown, fill: "none", stroke: accent, "stroke-width": 2.6 * theme.scale, "stroke-linejoin": "round", "stroke-linecap": "round" }])
  for (const [number, place] of tower.rows.entries()) {
    const button = part(view, `layer ${number + 1}`, "button", "block-layer", view.area)
    button.textContent = `Layer ${number + 1}`
    box(button, 0, place.top + 1, tower.left - 6, place.bottom - place.top - 2)
    pressable(button, { type: "layer", layer: number + 1 }, number + 1 === data.layer)
    const [before, after] = [number, number + 1].map((layer) => data.shown.path.findLast((step) => step[0] === layer)[1])
    button.dataset.hint = JSON.stringify([`Layer ${number + 1}: norm ${formatNumber(before, 1)} goes in, ${formatNumber(after, 1)} comes out`])
  }
  for (const [name, place] of [["embedding", tower.embedding], ["last norm", tower.end]]) {
    if (!place) continue
    const end = part(view, name, "div", "block-layer is-end", view.area)
    end.textContent = name
    box(end, 0, place.top + 1, tower.left - 6, place.bottom - place.top - 2)
  }
  const heading = words(view, "heading", 0, 0, "start")
  heading.replaceChildren(
    make("b", "", `Norm of ${data.follows}`), make("br"),
    make("span", "full", "━ "), `${data.shown.name}, shown`, make("br"), make("span", "dash", "╍ "), `${data.other.name}, same weights`,
  )
}

// One block: the stream, its stops, the parts and the lines between them.
function drawBlock(view, tower, stops, shapes) {
  const { data, theme } = view
  const stream = theme.roles.query
  for (const piece of stops.stream) {
    shapes.push(["rect", { x: stops.lane - piece.width / 2, y: piece.top, width: piece.width, height: piece.bottom - piece.top, fill: stream, "fill-opacity": 0.42 }])
  }
  for (const line of stops.lines) {
    shapes.push(["path", { d: line.d, fill: "none", stroke: theme.soft, "stroke-width": 1.6 }])
    if (line.dot) shapes.push(["circle", { cx: line.dot[0], cy: line.dot[1], r: 3.5 * theme.scale, fill: theme.soft }])
    if (line.arrow) shapes.push(["path", { d: line.arrow, fill: theme.soft }])
  }
  for (const y of stops.pluses) {
    const r = 9.5 * theme.scale
    shapes.push(["circle", { cx: stops.lane, cy: y, r, fill: theme.background, stroke: theme.text, "stroke-width": 1.6 }])
    shapes.push(["path", { d: `M${stops.lane - r / 2} ${y} h${r} M${stops.lane} ${y - r / 2} v${r}`, stroke: theme.text, "stroke-width": 1.8 }])
  }
  for (const stop of data.stops) drawStop(view, stop, stops.boxes[stop.name], stops.unit)
  const title = words(view, "title", stops.panel.left + 12, 0, "start")
  title.replaceChildren(make("b", "", `Layer ${data.layer} of ${data.nLayers}: ${data.shown.name}`), make("br"), data.normFirst
    ? "norms stand before the parts; nothing cuts the stream"
    : "norms stand after the sums; the stream must pass them")
}

function drawStop(view, stop, place, unit) {
  const { theme } = view
  const button = part(view, `stop ${stop.name}`, "button", "block-stop", view.area)
  const number = (name, value, digits) => {
    const span = make("span", "", `${name} `)
    span.append(make("i", "", formatNumber(value, digits)))
    return span
  }
  const norm = make("span", "", "norm ")
  norm.append(make("b", "", formatNumber(stop.norm, stop.norm < 100 ? 2 : 1)))
  const [first, second, values] = [make("div", "line"), make("div", "line"), make("div", "values")]
  values.append(number("mean", stop.mean, 2), number("std", stop.std, 2))
  first.append(make("b", "", stop.title))
  const parameters = stop.extra ? [make("span", "", stop.extra)] : []
  second.append(make("span", "", stop.shape))
  const lines = [first, second, values]
  if (place.column === "bar") {
    first.append(...parameters)
    values.append(norm)
    second.append(lines.pop()) // lower than the others: it lies across the stream
  } else if (place.column === "part") {
    second.append(...parameters)
    values.append(norm)
  } else second.append(norm)
  const size = make("div", "size")
  size.style.width = `${Math.max(2, stop.size * unit)}px`
  button.replaceChildren(...lines, size)
  button.style.setProperty("--role", theme.roles[stop.role])
  button.style.zIndex = place.over ? 1 : 0
  box(button, place.left, place.top, place.right - place.left, place.bottom - place.top)
  pressable(button, { type: "stop", name: stop.name }, stop.name === view.data.stop)
}

// Parts are kept by their name over repaints, so that the keyboard's focus stays and boxes can move to a new place.
function part(view, id, tag, className, parent) {
  view.used.add(id)
  if (!view.parts.has(id)) {
    const made = make(tag, className)
    if (tag === "button") made.type = "button"
    parent.append(made)
    view.parts.set(id, made)
  }
  return view.parts.get(id)
}

function words(view, id, x, y, anchor) {
  const made = part(view, `words ${id}`, "div", "block-words", view.area)
  made.style.left = `${x}px`
  made.style.top = `${y}px`
  made.style.transform = anchor === "middle" ? "translateX(-50%)" : ""
  return made
}

function pressable(button, event, pressed) {
  button.dataset.event = JSON.stringify(event)
  button.setAttribute("aria-pressed", String(pressed))
}

function box(element, left, top, width, height) {
  Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` })
}
