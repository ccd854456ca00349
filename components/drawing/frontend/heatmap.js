// Matrices as coloured cells on one canvas: one large, or many small multiples. Rows are queries, columns are keys.
// data: { panels: [{ title, note?, rows, columns, values (base64 float32, row major), role, signed, low, high,
//         masked? (base64 uint8), digits?, muted? }], rowAxis, columnAxis, maxCell, cellHeight?, perRow?, legend?,
//         legendPanel?, sharedRows?: bool, selectable?: bool, selected?: {panel,row,column},
//         paint?: {cells (base64 uint8)} } Panels also take: marks?, markRole?, framed? (a column), framedRow?, texts?
//         (one a cell, written instead of its number), cellWidth? (CSS pixels, with sharedRows). The first panel is the
//         one that is painted.
// events: { type: "select", panel, row, column } | { type: "paint", cells: "0101..." }

import { decodeBytes, decodeFloats, formatNumber, makeTip, mix, ramp, readTheme, readableOn, sizeCanvas } from "./theme.js"
import { layOut } from "./heatmap_layout.js"

export function create(host) {
  const canvas = document.createElement("canvas")
  canvas.tabIndex = 0
  const spoken = Object.assign(document.createElement("div"), { className: "spoken" })
  spoken.setAttribute("aria-live", "polite")
  host.append(canvas, spoken)
  const tip = makeTip(host)
  const view = { host, canvas, spoken, tip, hover: null, cursor: null, stroke: null }

  canvas.onpointermove = (event) => {
    const cell = cellAt(view, event.offsetX, event.offsetY)
    if (view.stroke && cell?.panel === 0) paintCell(view, cell)
    setHover(view, cell, event.offsetX, event.offsetY)
  }
  canvas.onpointerleave = () => setHover(view, null)
  canvas.onpointerdown = (event) => {
    const cell = cellAt(view, event.offsetX, event.offsetY)
    if (!cell) return
    view.cursor = cell
    if (paintable(view, cell.panel)) {
      canvas.setPointerCapture(event.pointerId)
      view.stroke = { value: 1 - view.cells[cell.row * view.panels[0].columns.length + cell.column] }
      paintCell(view, cell)
    } else choose(view, cell)
  }
  canvas.onpointerup = canvas.onpointercancel = () => endStroke(view)
  canvas.onkeydown = (event) => moveCursor(view, event)

  const watcher = new ResizeObserver(() => {
    if (view.data && host.clientWidth !== view.width) redraw(view)
  })
  watcher.observe(host)
  return {
    update(data, send) {
      view.data = data
      view.send = send
      view.panels = data.panels.map(readPanel)
      // An answer that arrives while the learner is still painting must not take back what they have just painted.
      if (!data.paint) view.stroke = null
      if (!view.stroke) view.cells = data.paint ? decodeBytes(data.paint.cells) : null
      canvas.style.touchAction = data.paint ? "none" : ""
      view.selected = data.selected ?? null
      if (view.cursor && !(view.cursor.row < view.panels[view.cursor.panel]?.rows.length)) view.cursor = null
      canvas.setAttribute("role", "img")
      canvas.setAttribute("aria-label", data.alt)
      redraw(view)
    },
    destroy() {
      watcher.disconnect()
    },
  }
}

function readPanel(panel) {
  const values = decodeFloats(panel.values)
  const masked = panel.masked ? decodeBytes(panel.masked) : null
  let { low, high } = panel
  if (low == null || high == null) {
    let largest = 0
    values.forEach((value, i) => {
      if (!masked?.[i] && Number.isFinite(value)) largest = Math.max(largest, Math.abs(value))
    })
    high = largest || 1
    low = panel.signed ? -high : 0
  }
  return { ...panel, values, masked, low, high }
}

function cellWidth(view, panel) {
  return panel.cellWidth ? panel.cellWidth * view.theme.scale : view.place.cell
}

function paintable(view, index) {
  return Boolean(view.data.paint) && index === 0
}

function isHidden(view, index, at) {
  return index === 0 && view.cells ? !view.cells[at] : Boolean(view.panels[index].masked?.[at])
}

function redraw(view) {
  view.width = view.host.clientWidth
  if (!view.width || !view.panels?.length) return
  const theme = readTheme(view.host, view.data)
  const place = layOut(view, theme)
  const panelRows = Math.ceil(view.panels.length / place.perRow)
  const legendHeight = view.data.legend === false ? 0 : 34 * theme.scale
  const height = panelRows * place.panelHeight + legendHeight
  view.base ??= document.createElement("canvas")
  const pen = sizeCanvas(view.base, view.width, height)
  pen.clearRect(0, 0, view.width, height)
  view.height = height
  view.theme = theme
  view.place = place
  view.boxes = view.panels.map((panel, i) => ({
    x: place.lefts ? place.lefts[i] : (i % place.perRow) * place.panelWidth + place.rowLabel,
    y: Math.floor(i / place.perRow) * place.panelHeight + place.titleSpace + place.noteSpace + place.axisSpace + place.columnSpace,
  }))
  view.panels.forEach((panel, i) => drawPanel(view, pen, panel, i))
  if (legendHeight) drawLegend(view, pen, height - legendHeight + 12 * theme.scale)
  showMarks(view)
}

// The cells are painted once; moving the pointer lays only the frames anew over that picture.
function showMarks(view) {
  const pen = sizeCanvas(view.canvas, view.width, view.height)
  pen.clearRect(0, 0, view.width, view.height)
  pen.drawImage(view.base, 0, 0, view.width, view.height)
  view.panels.forEach((panel, i) => drawMarks(view, pen, panel, i, view.boxes[i].x, view.boxes[i].y))
}

function drawPanel(view, pen, panel, index) {
  const { theme, place } = view
  const { x, y } = view.boxes[index]
  const { cell, tall } = place
  panel.ramp = ramp(theme, panel.role, panel.signed)
  pen.textBaseline = "middle"
  drawLabels(view, pen, panel, index, x, y)
  pen.globalAlpha = panel.muted ? 0.35 : 1
  const inset = cell >= 8 ? 1 : 0
  const wide = panel.columns.length
  const width = cellWidth(view, panel)
  drawColours(view, pen, panel, x, y, width, inset)
  drawContents(view, pen, panel, index, width, inset)
  pen.globalAlpha = 1
  pen.strokeStyle = mix(theme.background, theme.text, 0.3)
  pen.lineWidth = 1
  pen.strokeRect(x - 0.5, y - 0.5, wide * width + 1 - inset, panel.rows.length * tall + 1 - inset)
  pen.strokeStyle = theme.text
  for (const column of panel.dividers ?? []) {
    pen.beginPath()
    pen.moveTo(x + column * cell, y - 3)
    pen.lineTo(x + column * cell, y + panel.rows.length * tall + 3)
    pen.stroke()
  }
}

// All colours of a panel at once: a picture of one pixel a cell, enlarged, with the gaps drawn over it.
function drawColours(view, pen, panel, x, y, width, inset) {
  const { tall } = view.place
  const [rows, wide] = [panel.rows.length, panel.columns.length]
  const tile = (view.tile ??= document.createElement("canvas"))
  tile.width = wide
  tile.height = rows
  const tilePen = tile.getContext("2d")
  const picture = tilePen.createImageData(wide, rows)
  const { bytes } = panel.ramp
  for (let at = 0; at < rows * wide; at++) {
    const from = 3 * stepOf(panel, panel.values[at])
    picture.data[4 * at] = bytes[from]
    picture.data[4 * at + 1] = bytes[from + 1]
    picture.data[4 * at + 2] = bytes[from + 2]
    picture.data[4 * at + 3] = 255
  }
  tilePen.putImageData(picture, 0, 0)
  pen.imageSmoothingEnabled = false
  pen.drawImage(tile, x, y, wide * width, rows * tall)
  if (!inset) return
  pen.fillStyle = view.theme.background
  for (let column = 1; column <= wide; column++) pen.fillRect(x + column * width - 1, y, 1, rows * tall)
  for (let row = 1; row <= rows; row++) pen.fillRect(x, y + row * tall - 1, wide * width, 1)
}

// What stands in the cells: hatching where nothing may be read, words, or numbers where there is room for them.
function drawContents(view, pen, panel, index, width, inset) {
  const { theme, place } = view
  const { x, y } = view.boxes[index]
  const { cell, tall, size } = place
  const numbers = !panel.texts && cell >= size * 2.5 && view.data.numbers !== false
  const hides = panel.masked || (index === 0 && view.cells)
  if (!panel.texts && !numbers && !hides) return
  pen.font = `${size}px ${theme.font}`
  panel.values.forEach((value, at) => {
    const left = x + (at % panel.columns.length) * width
    const top = y + Math.floor(at / panel.columns.length) * tall
    if (hides && isHidden(view, index, at)) return hatch(pen, theme, left, top, cell - inset, tall - inset)
    if (panel.texts && tall < size) return
    if (!panel.texts && !numbers) return
    pen.fillStyle = readableOn(panel.ramp[stepOf(panel, value)], theme)
    pen.textAlign = panel.texts ? "left" : "center"
    if (panel.texts) pen.fillText(shorten(pen, panel.texts[at], width - 12), left + 7, top + (tall - inset) / 2 + 1)
    else pen.fillText(formatNumber(value, panel.digits ?? 2), left + (cell - inset) / 2, top + (tall - inset) / 2 + 1)
  })
}

// Which of the 256 colours of the panel's scale `value` takes.
function stepOf(panel, value) {
  if (Number.isNaN(value)) return 0
  const share = (value - panel.low) / (panel.high - panel.low || 1)
  return Math.max(0, Math.min(255, Math.round(share * 255)))
}

function drawLabels(view, pen, panel, index, x, y) {
  const { theme, place } = view
  const { size, cell, tall } = place
  let top = y - place.columnSpace - place.axisSpace - place.noteSpace - place.titleSpace
  pen.textAlign = "left"
  const first = !place.lefts || index === 0
  const left = x - (place.rowsLabelled && !place.lefts ? place.rowLabel : 0)
  if (place.titleSpace) {
    pen.fillStyle = panel.muted ? theme.soft : theme.text
    pen.font = `600 ${size * 1.05}px ${theme.font}`
    pen.fillText(shorten(pen, panel.title ?? "", (place.panelWidth ?? view.width) - 8), left, top + size / 2 + 2)
    top += place.titleSpace
  }
  pen.font = `${size}px ${theme.font}`
  if (place.noteSpace) {
    pen.fillStyle = theme.soft
    pen.fillText(panel.note ?? "", left, top + size / 2 - 2)
    top += place.noteSpace
  }
  if (place.axisSpace && first) {
    pen.fillStyle = theme.soft
    pen.fillText(`${view.data.rowAxis} ↓   ${view.data.columnAxis} →`, left, top + size / 2)
  }
  pen.fillStyle = theme.text
  pen.textAlign = "right"
  if (place.rowsLabelled && first) {
    pen.font = `${Math.min(size, tall * 1.15)}px ${theme.font}`
    panel.rows.forEach((label, row) => {
      pen.fillText(shorten(pen, label, place.rowLabel - 10), x - 8, y + row * tall + tall / 2 + 1)
    })
    pen.font = `${size}px ${theme.font}`
  }
  if (!place.labelled) return
  panel.columns.forEach((label, column) => {
    const middle = x + (column + 0.5) * cellWidth(view, panel)
    pen.font = `${column === panel.framed ? "700 " : ""}${size}px ${theme.font}`
    if (place.flat) {
      pen.textAlign = "center"
      pen.fillText(label, middle, y - size / 2 - 3)
      return
    }
    pen.save()
    pen.translate(middle - 2, y - 6)
    pen.rotate(-Math.PI / 4)
    pen.textAlign = "left"
    pen.fillText(shorten(pen, label, place.columnSpace * 1.3), 0, 0)
    pen.restore()
  })
}

function shorten(pen, label, room) {
  if (pen.measureText(label).width <= room) return label
  let cut = [...label]
  while (cut.length > 1 && pen.measureText(cut.join("") + "…").width > room) cut.pop()
  return cut.join("") + "…"
}

function hatch(pen, theme, left, top, side, high = side) {
  pen.fillStyle = mix(theme.background, theme.text, 0.07)
  pen.fillRect(left, top, side, high)
  if (side < 6) return
  pen.save()
  pen.beginPath()
  pen.rect(left, top, side, high)
  pen.clip()
  pen.strokeStyle = mix(theme.background, theme.text, 0.3)
  pen.lineWidth = 1
  pen.beginPath()
  for (let shift = -high; shift < side; shift += 6) {
    pen.moveTo(left + shift, top + high)
    pen.lineTo(left + shift + high, top)
  }
  pen.stroke()
  pen.restore()
}

function drawMarks(view, pen, panel, index, x, y) {
  const { tall } = view.place
  const wide = cellWidth(view, panel)
  const box = (row, column, width, colour) => {
    pen.strokeStyle = colour
    pen.lineWidth = width
    pen.strokeRect(x + column * wide - 0.5, y + row * tall - 0.5, wide, tall)
  }
  if (panel.framed != null) {
    pen.strokeStyle = view.theme.text
    pen.lineWidth = 2
    pen.strokeRect(x + panel.framed * wide - 0.5, y - 0.5, wide, panel.rows.length * tall)
  }
  if (panel.framedRow != null) {
    pen.strokeStyle = view.theme.text
    pen.lineWidth = 2
    pen.strokeRect(x - 0.5, y + panel.framedRow * tall - 0.5, panel.columns.length * wide, tall)
  }
  for (const mark of panel.marks ?? []) box(mark[0], mark[1], 2, view.theme.roles[panel.markRole ?? "negative"])
  if (view.hover && view.hover.row < panel.rows.length && view.hover.column < panel.columns.length) {
    pen.strokeStyle = view.theme.text
    pen.lineWidth = 1
    pen.strokeRect(x - 0.5, y + view.hover.row * tall - 0.5, panel.columns.length * wide, tall)
    pen.strokeRect(x + view.hover.column * wide - 0.5, y - 0.5, wide, panel.rows.length * tall)
    box(view.hover.row, view.hover.column, 2, view.theme.text)
  }
  if (view.selected && (view.selected.panel ?? 0) === index) box(view.selected.row, view.selected.column, 3, view.theme.roles.negative)
}

function drawLegend(view, pen, top) {
  const { theme, place } = view
  const panel = view.panels[view.data.legendPanel ?? 0]
  const [width, height] = [120 * theme.scale, 10 * theme.scale]
  panel.ramp.forEach((colour, i) => {
    pen.fillStyle = colour
    pen.fillRect((i / 256) * width, top, width / 256 + 1, height)
  })
  pen.strokeStyle = mix(theme.background, theme.text, 0.3)
  pen.strokeRect(0.5, top - 0.5, width, height + 1)
  pen.fillStyle = theme.soft
  pen.font = `${place.size * 0.95}px ${theme.font}`
  pen.textAlign = "left"
  pen.textBaseline = "middle"
  const digits = panel.high >= 10 ? 0 : 2
  let at = width + 8
  const label = `${formatNumber(panel.low, digits)} to ${formatNumber(panel.high, digits)}`
  pen.fillText(label, at, top + height / 2 + 1)
  if (view.cells || view.panels.some((p) => p.masked?.some((m) => m))) {
    at += pen.measureText(label).width + 22
    hatch(pen, theme, at, top - 2, 14 * theme.scale)
    pen.fillStyle = theme.soft
    const room = view.width - at - 20 * theme.scale
    const words = ["masked: may not be read", "masked"].find((text) => pen.measureText(text).width <= room) ?? ""
    pen.fillText(words, at + 20 * theme.scale, top + height / 2 + 1)
  }
}

function cellAt(view, px, py) {
  if (!view.place) return null
  for (let panel = 0; panel < view.panels.length; panel++) {
    const { x, y } = view.boxes[panel]
    const row = Math.floor((py - y) / view.place.tall)
    const column = Math.floor((px - x) / cellWidth(view, view.panels[panel]))
    if (row >= 0 && column >= 0 && row < view.panels[panel].rows.length && column < view.panels[panel].columns.length) {
      return { panel, row, column }
    }
  }
  return null
}

function describe(view, { panel: index, row, column }) {
  const panel = view.panels[index]
  const at = row * panel.columns.length + column
  const hidden = isHidden(view, index, at)
  const value = hidden ? "masked" : (panel.texts?.[at] ?? formatNumber(panel.values[at], Math.max(3, panel.digits ?? 3)))
  const pair = `${panel.rows[row]} → ${panel.columns[column]}`
  return [panel.title ? `${panel.title}: ${pair}` : pair, paintable(view, index) ? (hidden ? "may not be read" : "may be read") : value]
}

function setHover(view, cell, x, y) {
  const same = cell && view.hover && cell.panel === view.hover.panel && cell.row === view.hover.row && cell.column === view.hover.column
  if (!cell) view.tip.hide()
  else view.tip.show(x, y, describe(view, cell))
  if (same || (!cell && !view.hover)) return
  view.hover = cell
  showMarks(view)
}

function choose(view, cell) {
  view.spoken.textContent = describe(view, cell).join(", ")
  const panel = view.panels[cell.panel]
  if (!view.data.selectable || panel.texts) return
  if (panel.framed == null) view.selected = cell
  for (const each of view.panels) if (each.framed != null) each.framed = cell.column
  redraw(view)
  view.send({ type: "select", ...cell })
}

function paintCell(view, cell) {
  const at = cell.row * view.panels[0].columns.length + cell.column
  if (view.cells[at] === view.stroke.value) return
  view.cells[at] = view.stroke.value
  redraw(view)
}

function endStroke(view) {
  if (!view.stroke) return
  view.stroke = null
  view.send({ type: "paint", cells: [...view.cells].join("") })
}

function moveCursor(view, event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key]
  const cursor = view.cursor ?? { panel: 0, row: 0, column: 0 }
  const panel = view.panels[cursor.panel]
  if (step) {
    event.preventDefault()
    view.cursor = {
      panel: cursor.panel,
      row: Math.max(0, Math.min(panel.rows.length - 1, cursor.row + step[0])),
      column: Math.max(0, Math.min(panel.columns.length - 1, cursor.column + step[1])),
    }
    const { x, y } = view.boxes[cursor.panel]
    const { tall } = view.place
    setHover(view, view.cursor, x + (view.cursor.column + 0.5) * cellWidth(view, panel), y + (view.cursor.row + 0.5) * tall)
    view.spoken.textContent = describe(view, view.cursor).join(", ")
  } else if ((event.key === "Enter" || event.key === " ") && view.cursor) {
    event.preventDefault()
    if (paintable(view, view.cursor.panel)) {
      view.stroke = { value: 1 - view.cells[view.cursor.row * panel.columns.length + view.cursor.column] }
      paintCell(view, view.cursor)
      endStroke(view)
    } else choose(view, view.cursor)
  }
}
