// Lines over a number on one canvas: one plot, or several small ones in rows, with one legend above them.
// data: { plots: [{ title, note, xTitle, yTitle, logX, logY, xRange, yRange ([low or null, high or null]), xTicks,
//         marks: [[x, word]], series: [{ name, x, y (null: a gap), role, dashed, faint, points }] }],
//         height (of one plot, CSS pixels), perRow?, selected? (an x), selectable? }
// event: { type: "x", plot, x }
// The picture is painted once for its numbers; the pointer lays only the reading over it, and keeps it over an update.

import { makeTip, mix, readTheme, sizeCanvas } from "./theme.js"
import { layOutPlots } from "./plot_layout.js"
import { GLYPHS, paintLegend, paintPlot, paintPoint } from "./plot_paint.js"
import { formatValue } from "./plot_scales.js"

const NEAR = 7 // pixels: a value this far from the crosshair still counts as standing at it

export function create(host) {
  const canvas = document.createElement("canvas")
  canvas.tabIndex = 0
  const spoken = Object.assign(document.createElement("div"), { className: "spoken" })
  spoken.setAttribute("aria-live", "polite")
  host.append(canvas, spoken)
  const view = { host, canvas, spoken, tip: makeTip(host), base: document.createElement("canvas"), pointer: null }
  canvas.onpointermove = (event) => point(view, { x: event.offsetX, y: event.offsetY })
  canvas.onpointerleave = canvas.onblur = () => point(view, null)
  canvas.onclick = () => choose(view)
  canvas.onkeydown = (event) => moveByKey(view, event)
  const watcher = new ResizeObserver(() => {
    if (view.data && host.clientWidth !== view.width) redraw(view)
  })
  watcher.observe(host)
  return { update: (data, send) => update(view, data, send), destroy: () => watcher.disconnect() }
}

function update(view, data, send) {
  view.data = data
  view.send = send
  view.selected = data.selected ?? null
  view.canvas.setAttribute("role", "img")
  view.canvas.setAttribute("aria-label", data.alt)
  redraw(view)
}

function redraw(view) {
  view.width = view.host.clientWidth
  if (!view.width || !view.data.plots.length) return
  view.theme = readTheme(view.host, view.data)
  view.place = layOutPlots(view.canvas.getContext("2d"), view.theme, view.data, view.width)
  const pen = sizeCanvas(view.base, view.width, view.place.height)
  pen.clearRect(0, 0, view.width, view.place.height)
  paintLegend(pen, view.theme, view.place)
  for (const box of view.place.boxes) paintPlot(pen, view.theme, view.place, box)
  showReading(view)
}

// The finished picture, and over it the crosshair and the learner's chosen x.
function showReading(view) {
  const pen = sizeCanvas(view.canvas, view.width, view.place.height)
  pen.clearRect(0, 0, view.width, view.place.height)
  pen.drawImage(view.base, 0, 0, view.width, view.place.height)
  if (view.selected != null) for (const box of view.place.boxes) paintLine(view, pen, box, view.selected, 2)
  view.reading = view.pointer && readAt(view, view.pointer)
  if (!view.reading) return view.tip.hide()
  const { box, x } = view.reading
  for (const other of view.place.boxes) {
    if (other !== box && other.plot.xTitle !== box.plot.xTitle) continue
    paintLine(view, pen, other, x, 1)
    for (const { series, value, at } of valuesAt(other, x)) {
      paintPoint(pen, view.theme, series, other.x.at(at), other.y.at(value), 4.5 * view.theme.scale)
    }
  }
  view.tip.show(view.pointer.x, view.pointer.y, describe(view.reading))
}

function paintLine(view, pen, box, x, width) {
  if (x < box.x.low || x > box.x.high) return
  pen.strokeStyle = width > 1 ? view.theme.text : mix(view.theme.background, view.theme.text, 0.5)
  pen.lineWidth = width
  pen.beginPath()
  pen.moveTo(box.x.at(x), box.top)
  pen.lineTo(box.x.at(x), box.bottom)
  pen.stroke()
}

// The plot under the pointer and the x of the value nearest to it.
function readAt(view, { x: px, y: py }) {
  const box = view.place.boxes.find((b) => px >= b.left - 8 && px <= b.right + 8 && py >= b.frameTop && py <= b.frameBottom)
  const x = box && nearest(box, box.plot.series.flatMap((series) => series.x.filter((_, i) => visible(box, series, i))), px)
  return x == null ? null : { box, x }
}

function visible(box, series, i) {
  const [x, y] = [series.x[i], series.y[i]]
  return x != null && y != null && x >= box.x.low && x <= box.x.high && !(box.plot.logY && y <= 0) && !(box.plot.logX && x <= 0)
}

function nearest(box, xs, px) {
  let [best, distance] = [null, Infinity]
  for (const x of xs) {
    const away = Math.abs(box.x.at(x) - px)
    if (away < distance) [best, distance] = [x, away]
  }
  return best
}

// [{ series, value, at }]: what every series says at x, or at its own nearest x where that is practically the same place.
function valuesAt(box, x) {
  const found = []
  for (const series of box.plot.series) {
    let [best, distance] = [-1, Infinity]
    for (let i = 0; i < series.x.length; i++) {
      if (!visible(box, series, i)) continue
      const away = Math.abs(box.x.at(series.x[i]) - box.x.at(x))
      if (away < distance) [best, distance] = [i, away]
    }
    if (best >= 0 && distance <= NEAR) found.push({ series, value: series.y[best], at: series.x[best] })
  }
  return found
}

function describe({ box, x }) {
  const place = box.plot.xTitle ? `${box.plot.xTitle} ${formatValue(x)}` : formatValue(x)
  return [place, ...valuesAt(box, x).map(({ series, value }) => `${GLYPHS[series.role] ?? "●"} ${series.name} ${formatValue(value)}`.replace(/ +/g, " "))]
}

function point(view, pointer) {
  view.pointer = pointer
  if (!view.place) return
  showReading(view)
  view.canvas.style.cursor = view.reading ? (view.data.selectable ? "pointer" : "crosshair") : "default"
}

function choose(view) {
  if (!view.reading) return
  view.spoken.textContent = describe(view.reading).join(", ")
  if (!view.data.selectable) return
  view.selected = view.reading.x
  showReading(view)
  view.send({ type: "x", plot: view.place.boxes.indexOf(view.reading.box), x: view.reading.x })
}

// Left and right go from value to value, up and down from plot to plot; Enter chooses.
function moveByKey(view, event) {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault()
    return choose(view)
  }
  if (event.key === "Escape") return point(view, null)
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0
  const turn = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0
  if ((!step && !turn) || !view.place) return
  event.preventDefault()
  const boxes = view.place.boxes
  const now = boxes.indexOf(view.reading?.box)
  const box = boxes[Math.max(0, Math.min(boxes.length - 1, Math.max(now, 0) + turn))]
  const xs = [...new Set(box.plot.series.flatMap((series) => series.x.filter((_, i) => visible(box, series, i))))].sort((a, b) => a - b)
  if (!xs.length) return
  const from = now < 0 ? (step < 0 ? xs.length : -1) : xs.indexOf(nearest(box, xs, box.x.at(view.reading.x)))
  const x = xs[Math.max(0, Math.min(xs.length - 1, from + step))]
  point(view, { x: box.x.at(x), y: (box.top + box.bottom) / 2 })
  if (view.reading) view.spoken.textContent = describe(view.reading).join(", ")
}
