// Where the panels of a heat map stand, and how large their cells are: all the same, so that panels can be compared.

export function layOut(view, theme) {
  const { data, panels } = view
  const size = 13 * theme.scale
  const pen = view.canvas.getContext("2d")
  pen.font = `${size}px ${theme.font}`
  const widest = (labels) => Math.max(0, ...labels.map((label) => pen.measureText(label).width))
  const rows = Math.max(...panels.map((p) => p.rows.length))
  const columns = Math.max(...panels.map((p) => p.columns.length))
  if (data.sharedRows) return layOutSharedRows(view, theme, size, widest)
  const many = panels.length > 1
  const perRow = Math.min(panels.length, data.perRow ?? (many ? Math.max(1, Math.ceil(Math.sqrt(panels.length * 1.6))) : 1))
  const gap = many ? 22 * theme.scale : 0
  const outer = view.width / perRow - gap
  // Labels stand on the first panel of a row only when the multiples are small.
  let rowLabel = Math.min(widest(panels[0].rows) + 12, 170 * theme.scale)
  let columnLabel = widest(panels[0].columns)
  let cell = Math.min((outer - rowLabel) / columns, data.maxCell ?? 56 * theme.scale)
  const tallWanted = data.cellHeight && data.cellHeight * theme.scale
  if (many && !tallWanted && cell < size * 1.02) {
    rowLabel = 4
    cell = Math.min(outer / columns, data.maxCell ?? 56 * theme.scale)
  }
  cell = cell >= 3 ? Math.floor(cell) : Math.max(cell, 0.5)
  if (!many && cell >= size * 1.02 && columnLabel > cell - 4) {
    // Slanted labels lean out over the right edge; room is kept for the last one.
    const lean = Math.min(pen.measureText(panels[0].columns.at(-1) ?? "").width, 120 * theme.scale) * 0.72 - cell / 2
    cell = Math.max(Math.ceil(size * 1.02), Math.floor(Math.min(cell, (outer - rowLabel - Math.max(0, lean)) / columns)))
  }
  const tall = tallWanted ?? cell
  const labelled = cell >= size * 1.02
  const rowsLabelled = tallWanted ? tall >= size * 0.8 : labelled
  const flat = labelled && columnLabel <= cell - 4
  const columnSpace = !labelled ? 4 : flat ? size + 8 : Math.min(columnLabel * 0.72 + size, 130 * theme.scale)
  const titleSpace = panels.some((p) => p.title) ? size + 12 : 0
  const noteSpace = panels.some((p) => p.note) ? size + 7 : 0
  const axisSpace = data.rowAxis ? size + 6 : 0
  return { size, perRow, gap, rowLabel: rowsLabelled ? rowLabel : 4, cell, tall, labelled, rowsLabelled, flat, columnSpace, titleSpace, noteSpace, axisSpace, rows, columns,
    panelWidth: perRow === 1 ? view.width : view.width / perRow,
    panelHeight: titleSpace + noteSpace + axisSpace + columnSpace + rows * tall + gap }
}

// Panels about the same rows: side by side, with the rows' labels once, on the left. Cells are square, but for panels
// that ask for wider ones (`cellWidth`, CSS pixels) to hold words.
function layOutSharedRows(view, theme, size, widest) {
  const { data, panels } = view
  const gap = 26 * theme.scale
  const rowLabel = Math.min(widest(panels[0].rows) + 12, 170 * theme.scale)
  const fixed = (panel) => (panel.cellWidth ?? 0) * theme.scale * panel.columns.length
  const square = panels.filter((panel) => !panel.cellWidth)
  const taken = rowLabel + gap * (panels.length - 1) + panels.reduce((sum, panel) => sum + fixed(panel), 0) + 2
  const columns = square.reduce((sum, panel) => sum + panel.columns.length, 0) || 1
  const rows = Math.max(...panels.map((panel) => panel.rows.length))
  const room = Math.max(4, Math.floor(Math.min((view.width - taken) / columns, data.maxCell ?? 56 * theme.scale)))
  const cell = square.length ? room : Math.min(...panels.map((panel) => panel.cellWidth * theme.scale))
  const tall = data.cellHeight ? data.cellHeight * theme.scale : square.length ? cell : room
  const labelled = cell >= size * 1.02
  const columnLabel = Math.max(0, ...(square.length ? square : panels).map((panel) => widest(panel.columns)))
  const flat = labelled && columnLabel <= cell - 4
  const titleSpace = panels.some((panel) => panel.title) ? size + 12 : 0
  const noteSpace = panels.some((panel) => panel.note) ? size + 7 : 0
  const axisSpace = data.rowAxis ? size + 6 : 0
  const columnSpace = !labelled ? 4 : flat ? size + 8 : Math.min(columnLabel * 0.72 + size, 130 * theme.scale)
  let x = rowLabel
  const lefts = panels.map((panel) => {
    const left = x
    const words = Math.max(widest([panel.title ?? ""]) * 1.12, widest([panel.note ?? ""])) // titles are larger and bold
    x += Math.max(fixed(panel) || panel.columns.length * cell, words) + gap
    return left
  })
  return { size, perRow: panels.length, gap, rowLabel, cell, tall, labelled, rowsLabelled: tall >= size, flat, columnSpace, titleSpace,
    noteSpace, axisSpace, lefts, panelHeight: titleSpace + noteSpace + axisSpace + columnSpace + rows * tall + 6 }
}
