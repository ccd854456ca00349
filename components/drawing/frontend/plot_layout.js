// Where the legend and the plots stand. All plots have the same size, and their axes line up.

import { makeScale, rangeOf, ticksOf } from "./plot_scales.js"

const NARROWEST = 250 // CSS pixels of a plot that can still be read

export function layOutPlots(pen, theme, data, width) {
  const size = 13 * theme.scale
  pen.font = `${size}px ${theme.font}`
  const gap = 24 * theme.scale
  const fit = Math.max(1, Math.floor((width + gap) / (NARROWEST * theme.scale + gap)))
  const perRow = Math.min(data.plots.length, data.perRow ?? data.plots.length, fit)
  const legend = layOutLegend(pen, theme, data, size, width)
  const space = marginsOf(data.plots, size)
  const plain = marginsOf(data.plots, 13)
  const inner = Math.max(60, data.height - plain.top - plain.bottom) // titles grow in a room, the curves keep their height
  const tall = space.top + inner + space.bottom
  const place = { size, legend, space, boxes: [] }
  const outer = (width - gap * (perRow - 1)) / perRow
  const plots = data.plots.map((plot) => measurePlot(plot, inner))
  const labels = Math.max(...plots.flatMap((each) => each.yTicks.map(({ text }) => pen.measureText(text).width)), size)
  const left = labels + 10
  data.plots.forEach((plot, i) => {
    const x = (i % perRow) * (outer + gap)
    const y = legend.height + Math.floor(i / perRow) * (tall + gap / 2)
    const { xRange, yRange, whole, empty } = plots[i]
    const box = { plot, empty, frameLeft: x, frameTop: y, frameBottom: y + tall, frameRight: x + outer }
    Object.assign(box, { left: x + left, right: x + outer - 8 * theme.scale, top: y + space.top, bottom: y + space.top + inner })
    box.x = makeScale(xRange, plot.logX, box.left + 6, box.right - 6) // points at the ends stand free of the axis
    box.y = makeScale(yRange, plot.logY, box.bottom, box.top)
    box.yTicks = ticksOf(box.y, Math.max(2, Math.round(inner / (size * 3.4))))
    box.xTicks = thinned(pen, box.x, xTicksOf(plot, box.x, whole, (box.right - box.left) / (size * 3.6)), size)
    place.boxes.push(box)
  })
  const rows = Math.ceil(data.plots.length / perRow)
  place.height = legend.height + rows * tall + (rows - 1) * (gap / 2)
  return place
}

function marginsOf(plots, size) {
  const any = (name) => plots.some((plot) => plot[name])
  const title = any("title") ? size * 1.05 + 9 : 0
  const note = any("note") ? size + 6 : 0
  const yTitle = any("yTitle") ? size + 6 : 0
  const marks = plots.some((plot) => plot.marks.length) ? size + 4 : 0
  return { title, note, yTitle, marks, top: title + note + yTitle + marks + 5, bottom: size + 9 + (any("xTitle") ? size + 4 : 0) }
}

function measurePlot(plot, inner) {
  const xs = plot.series.flatMap((series) => series.x.filter((x, i) => x != null && series.y[i] != null))
  const xRange = rangeOf(xs, plot.logX, plot.xRange, false)
  const yRange = rangeOf(plot.series.flatMap((series) => series.y), plot.logY, plot.yRange, true)
  const yTicks = ticksOf(makeScale(yRange, plot.logY, inner, 0), Math.max(2, Math.round(inner / 44)))
  return { xRange, yRange, yTicks, whole: xs.every(Number.isInteger), empty: xs.length === 0 }
}

function xTicksOf(plot, scale, whole, count) {
  if (!plot.xTicks.length) return ticksOf(scale, Math.max(2, Math.min(8, Math.floor(count))), whole)
  return plot.xTicks.filter((value) => value >= scale.low && value <= scale.high).map((value) => ({ value, text: value.toLocaleString("en-US") }))
}

// Labels that would run into each other: every second one, every third, ...
function thinned(pen, scale, ticks, size) {
  const room = (kept) =>
    kept.every((tick, i) => {
      if (i === 0) return true
      const half = (pen.measureText(tick.text).width + pen.measureText(kept[i - 1].text).width) / 2
      return scale.at(tick.value) - scale.at(kept[i - 1].value) >= half + size * 0.6
    })
  for (let every = 1; every < ticks.length; every++) {
    const kept = ticks.filter((_, i) => i % every === 0)
    if (room(kept)) return kept
  }
  return ticks.slice(0, 1)
}

// One entry for each name, in rows; the first series of a name gives its line and its point.
function layOutLegend(pen, theme, data, size, width) {
  const named = new Map()
  for (const plot of data.plots) {
    for (const series of plot.series) if (series.name && !named.has(series.name)) named.set(series.name, series)
  }
  const sample = 30 * theme.scale
  const line = size + 9
  let [x, y] = [0, 0]
  const entries = [...named.values()].map((series) => {
    const wide = sample + 8 + pen.measureText(series.name).width
    if (x > 0 && x + wide > width) [x, y] = [0, y + line]
    const entry = { series, x, y: y + line / 2, sample, room: Math.max(20, width - x - sample - 8) }
    x += wide + 22 * theme.scale
    return entry
  })
  return { entries, height: entries.length ? y + line + 6 * theme.scale : 0 }
}
