// One head as a matrix over the same rows as its lines: a cell for each reading. Rows read, columns are read.

import { inkOf, shorten } from "./token_lines.js"
import { formatNumber, mix, ramp, readableOn } from "./theme.js"

export function layGrid(pen, theme, spec, box) {
  const { scale } = theme
  const size = 13 * scale
  pen.font = `${size}px ${theme.font}`
  const widest = (rows) => Math.max(...rows.map((row) => pen.measureText(named(row)).width))
  const left = Math.min(widest(spec.queryRows) + 14 * scale, box.width * 0.26)
  const above = Math.min(widest(spec.keyRows) * 0.75 + 14 * scale, 92 * scale)
  const heading = 22 * scale
  const spill = 30 * scale // slanted labels lean out over the last column
  const cell = Math.floor(Math.min((box.width - left - spill) / spec.keyRows.length, (box.height - above - heading) / spec.queryRows.length, 44 * scale))
  return { ...box, size, left: box.x + left, top: box.y + heading + above, cell: Math.max(cell, 3), above, spec, labelRoom: left - 12 * scale }
}

export function paintGrid(pen, theme, place, spec, { hover, row, pair, muted }) {
  const { cell, size, left, top } = place
  const [high, wide] = [spec.queryRows.length, spec.keyRows.length]
  const colours = ramp(theme, "query", false)
  pen.globalAlpha = muted ? 0.45 : 1
  pen.textBaseline = "middle"
  const gap = cell >= 8 ? 1 : 0
  pen.font = `${Math.min(size, 12.5 * theme.scale)}px ${theme.font}`
  pen.textAlign = "center"
  for (let q = 0; q < high; q++) {
    for (let k = 0; k < wide; k++) {
      const share = spec.shares[q * wide + k]
      const colour = colours[Math.max(0, Math.min(255, Math.round(share * 255)))]
      pen.fillStyle = colour
      pen.fillRect(left + k * cell, top + q * cell, cell - gap, cell - gap)
      if (cell >= 29 * theme.scale && share >= 0.05) {
        pen.fillStyle = readableOn(colour, theme)
        pen.fillText(formatNumber(share, 2).replace("0.", "."), left + (k + 0.5) * cell, top + (q + 0.5) * cell)
      }
    }
  }
  pen.strokeStyle = mix(theme.background, theme.text, 0.3)
  pen.lineWidth = 1
  pen.strokeRect(left - 0.5, top - 0.5, wide * cell + 1 - gap, high * cell + 1 - gap)
  pen.globalAlpha = 1
  paintLabels(pen, theme, place, spec, hover?.q ?? row, hover?.k ?? pair)
  paintMarks(pen, theme, place, spec, { hover, row, pair })
}

function paintLabels(pen, theme, place, spec, row, column) {
  const { cell, size, left, top } = place
  pen.font = `600 ${size}px ${theme.font}`
  pen.textAlign = "left"
  pen.fillStyle = inkOf(theme, "query")
  pen.fillText("query ↓", place.x, place.y + 10 * theme.scale)
  const after = pen.measureText("query ↓  ").width
  pen.fillStyle = inkOf(theme, "key")
  pen.fillText("key →", place.x + after, place.y + 10 * theme.scale)
  const every = Math.max(1, Math.ceil((size * 1.05) / cell)) // leave labels out rather than print them over each other
  const shown = (index, chosen) => index === chosen || (index % every === 0 && Math.abs(index - (chosen ?? -99)) >= every)
  spec.queryRows.forEach((one, q) => {
    if (!shown(q, row)) return
    const font = `${q === row ? "700 " : ""}${size}px ${theme.font}`
    const text = shorten(pen, named(one), place.labelRoom, font)
    pen.font = font
    pen.fillStyle = q === row ? inkOf(theme, "query") : theme.text
    pen.textAlign = "right"
    pen.fillText(text, left - 7 * theme.scale, top + (q + 0.5) * cell)
  })
  spec.keyRows.forEach((one, k) => {
    if (!shown(k, column)) return
    const font = `${k === column ? "700 " : ""}${size}px ${theme.font}`
    const text = shorten(pen, named(one), place.above * 1.25, font)
    pen.save()
    pen.translate(left + (k + 0.5) * cell, top - 6 * theme.scale)
    pen.rotate(-Math.PI / 4)
    pen.font = font
    pen.fillStyle = k === column ? inkOf(theme, "key") : theme.text
    pen.textAlign = "left"
    pen.fillText(text, 0, 0)
    pen.restore()
  })
}

function paintMarks(pen, theme, place, spec, { hover, row, pair }) {
  const { cell, left, top } = place
  const band = (q, colour, width) => {
    pen.strokeStyle = colour
    pen.lineWidth = width
    pen.strokeRect(left - 1, top + q * cell - 1, spec.keyRows.length * cell + 1, cell + 1)
  }
  if (row != null) band(row, theme.roles.query, 2 * theme.scale)
  const box = (q, k, colour) => {
    pen.strokeStyle = colour
    pen.lineWidth = 2.5 * theme.scale
    pen.strokeRect(left + k * cell - 1, top + q * cell - 1, cell + 1, cell + 1)
  }
  if (row != null && pair != null) box(row, pair, theme.roles.key)
  if (hover) box(hover.q, hover.k, theme.text)
}

export function named(row) {
  return `${row.place} ${row.text}`
}

export function cellAt(place, x, y) {
  if (!place) return null
  const k = Math.floor((x - place.left) / place.cell)
  const q = Math.floor((y - place.top) / place.cell)
  return q >= 0 && k >= 0 && q < place.spec.queryRows.length && k < place.spec.keyRows.length ? { q, k } : null
}
