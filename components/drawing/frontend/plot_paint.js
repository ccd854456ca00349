// How a plot looks: thin axes, full lines, and a shape of point for each role, so that colour is not the only carrier.

import { mix } from "./theme.js"

export const GLYPHS = { query: "●", key: "■", value: "▲", output: "◆", negative: "▼", plain: "–" }

export function paintLegend(pen, theme, place) {
  pen.font = `${place.size}px ${theme.font}`
  pen.textBaseline = "middle"
  pen.textAlign = "left"
  for (const { series, x, y, sample, room } of place.legend.entries) {
    strokeStyle(pen, theme, series)
    pen.beginPath()
    pen.moveTo(x, y)
    pen.lineTo(x + sample, y)
    pen.stroke()
    endStyle(pen)
    if (marked(series)) paintPoint(pen, theme, series, x + sample / 2, y, 4.5 * theme.scale)
    pen.fillStyle = theme.text
    pen.fillText(shorten(pen, series.name, room), x + sample + 8, y + 1)
  }
}

export function paintPlot(pen, theme, place, box) {
  paintTitles(pen, theme, place, box)
  if (box.empty) return paintEmpty(pen, theme, place, box)
  paintAxes(pen, theme, place, box)
  paintMarks(pen, theme, place, box)
  pen.save()
  pen.beginPath()
  pen.rect(box.left, box.top - 6, box.right - box.left + 6, box.bottom - box.top + 12)
  pen.clip()
  for (const series of box.plot.series) paintSeries(pen, theme, box, series)
  pen.restore()
}

function paintTitles(pen, theme, place, box) {
  const { size, space } = place
  const { plot } = box
  const room = box.frameRight - box.frameLeft
  let top = box.frameTop
  pen.textAlign = "left"
  pen.textBaseline = "middle"
  pen.font = `600 ${size * 1.05}px ${theme.font}`
  pen.fillStyle = theme.text
  if (plot.title) pen.fillText(shorten(pen, plot.title, room), box.frameLeft, top + size / 2 + 2)
  top += space.title
  pen.font = `${size}px ${theme.font}`
  pen.fillStyle = theme.soft
  if (plot.note) pen.fillText(shorten(pen, plot.note, room), box.frameLeft, top + size / 2)
  top += space.note
  if (plot.yTitle) pen.fillText(shorten(pen, plot.yTitle, room), box.frameLeft, top + size / 2)
  if (!plot.xTitle) return
  pen.textAlign = "center"
  pen.fillText(shorten(pen, plot.xTitle, room), (box.left + box.right) / 2, box.bottom + 9 + size * 1.6)
}

function paintEmpty(pen, theme, place, box) {
  pen.font = `${place.size}px ${theme.font}`
  pen.strokeStyle = mix(theme.background, theme.text, 0.45)
  pen.lineWidth = 1
  line(pen, box.left, box.bottom + 0.5, box.right, box.bottom + 0.5)
  pen.fillStyle = theme.soft
  pen.textAlign = "center"
  pen.fillText("no values yet", (box.left + box.right) / 2, (box.top + box.bottom) / 2)
}

function paintAxes(pen, theme, place, box) {
  const { size } = place
  pen.font = `${size}px ${theme.font}`
  pen.lineWidth = 1
  pen.textAlign = "right"
  for (const { value, text } of box.yTicks) {
    const y = Math.round(box.y.at(value)) + 0.5
    pen.strokeStyle = mix(theme.background, theme.text, 0.1)
    line(pen, box.left, y, box.right, y)
    pen.fillStyle = theme.soft
    pen.fillText(text, box.left - 7, y + 1)
  }
  pen.strokeStyle = mix(theme.background, theme.text, 0.45)
  line(pen, box.left, box.bottom + 0.5, box.right, box.bottom + 0.5)
  for (const { value, text } of box.xTicks) {
    const x = Math.round(box.x.at(value)) + 0.5
    pen.strokeStyle = mix(theme.background, theme.text, 0.45)
    line(pen, x, box.bottom, x, box.bottom + 4)
    pen.fillStyle = theme.soft
    const half = pen.measureText(text).width / 2
    pen.textAlign = x + half > box.frameRight ? "right" : "center"
    pen.fillText(text, pen.textAlign === "right" ? box.frameRight : x, box.bottom + 8 + size / 2)
  }
}

// Vertical lines with a word above the axes; a word that would run into the one before it is left to the reading.
function paintMarks(pen, theme, place, box) {
  pen.font = `${place.size}px ${theme.font}`
  let taken = -Infinity
  for (const [value, word] of [...box.plot.marks].sort((a, b) => a[0] - b[0])) {
    if (value < box.x.low || value > box.x.high) continue
    const x = Math.round(box.x.at(value)) + 0.5
    pen.strokeStyle = theme.soft
    pen.lineWidth = 1
    pen.setLineDash([2, 4])
    line(pen, x, box.top, x, box.bottom)
    pen.setLineDash([])
    const wide = pen.measureText(word).width
    const left = Math.max(box.left, Math.min(x - wide / 2, box.frameRight - wide))
    if (left < taken) continue
    taken = left + wide + place.size * 0.7
    pen.textAlign = "left"
    pen.fillStyle = theme.soft
    pen.fillText(word, left, box.top - place.size / 2 - 3)
  }
}

function paintSeries(pen, theme, box, series) {
  const runs = runsOf(box, series)
  strokeStyle(pen, theme, series)
  pen.beginPath()
  for (const run of runs) {
    run.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)))
  }
  pen.stroke()
  const radius = (series.points ? 4 : 4.5) * theme.scale
  const crowded = (box.right - box.left) / (runs.reduce((sum, run) => sum + run.length, 0) || 1) < radius * 2.2
  const last = runs.at(-1)?.at(-1)
  for (const run of runs) {
    for (const spot of run) {
      if ((spot === last && marked(series)) || run.length === 1 || (series.points && !crowded)) paintPoint(pen, theme, series, ...spot, radius)
    }
  }
  endStyle(pen)
}

// The stretches without gaps, as pixels. Where many values share a column of pixels, its first, lowest, highest and last.
function runsOf(box, series) {
  const runs = []
  let run = null
  for (let i = 0; i < series.x.length; i++) {
    const [x, y] = [series.x[i], series.y[i]]
    if (x == null || y == null || (box.x.log && x <= 0) || (box.y.log && y <= 0)) {
      run = null
      continue
    }
    if (!run) runs.push((run = []))
    run.push([box.x.at(x), box.y.at(y)])
  }
  const many = 2 * (box.right - box.left)
  return runs.map((each) => (each.length > many ? fewer(each) : each))
}

function fewer(run) {
  const kept = []
  for (let start = 0; start < run.length; ) {
    let [end, low, high] = [start, start, start]
    while (end < run.length && Math.floor(run[end][0]) === Math.floor(run[start][0])) {
      if (run[end][1] < run[low][1]) low = end
      if (run[end][1] > run[high][1]) high = end
      end += 1
    }
    for (const i of [...new Set([start, low, high, end - 1])].sort((a, b) => a - b)) kept.push(run[i])
    start = end
  }
  return kept
}

// Plain lines are what the others are measured against: they end without a point.
function marked(series) {
  return series.points || series.role !== "plain"
}

function strokeStyle(pen, theme, series) {
  pen.strokeStyle = theme.roles[series.role] ?? theme.roles.query
  pen.lineWidth = (series.faint ? 1.75 : 2.25) * Math.sqrt(theme.scale)
  pen.globalAlpha = series.faint ? 0.5 : 1
  pen.lineJoin = "round"
  pen.setLineDash(series.dashed ? [6 * theme.scale, 4 * theme.scale] : [])
}

function endStyle(pen) {
  pen.globalAlpha = 1
  pen.setLineDash([])
}

// The role's own shape round (x, y); hollow for a dashed series.
export function paintPoint(pen, theme, series, x, y, radius) {
  const colour = theme.roles[series.role] ?? theme.roles.query
  pen.setLineDash([])
  pen.beginPath()
  shape(pen, series.role, x, y, radius)
  pen.fillStyle = series.dashed || series.role === "plain" ? theme.background : colour
  pen.fill()
  pen.strokeStyle = colour
  pen.lineWidth = 1.5
  pen.stroke()
}

function shape(pen, role, x, y, r) {
  if (role === "key") return pen.rect(x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7)
  const corners = { value: [3, -90], output: [4, -90], negative: [3, 90] }[role]
  if (!corners) return pen.arc(x, y, r * 0.9, 0, 2 * Math.PI)
  const [count, turn] = corners
  for (let i = 0; i < count; i++) {
    const angle = ((turn + (360 / count) * i) * Math.PI) / 180
    pen.lineTo(x + r * 1.15 * Math.cos(angle), y + r * 1.15 * Math.sin(angle))
  }
  pen.closePath()
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath()
  pen.moveTo(x1, y1)
  pen.lineTo(x2, y2)
  pen.stroke()
}

function shorten(pen, label, room) {
  if (pen.measureText(label).width <= room) return label
  let cut = [...label]
  while (cut.length > 1 && pen.measureText(cut.join("") + "…").width > room) cut.pop()
  return cut.join("") + "…"
}
