// The layout of panels that are about the same rows: side by side, with the rows' labels once, on the left. Cells are
// square, but for panels that ask for wider ones (`cellWidth`, CSS pixels) to hold words.

export function layOutSharedRows(view, theme, size, widest) {
  const { data, panels } = view
  const gap = 26 * theme.scale
  const rowLabel = Math.min(widest(panels[0].rows) + 12, 170 * theme.scale)
  const fixed = (panel) => (panel.cellWidth ?? 0) * theme.scale * panel.columns.length
  const square = panels.filter((panel) => !panel.cellWidth)
  const taken = rowLabel + gap * (panels.length - 1) + panels.reduce((sum, panel) => sum + fixed(panel), 0) + 2
  const columns = square.reduce((sum, panel) => sum + panel.columns.length, 0) || 1
  const rows = Math.max(...panels.map((panel) => panel.rows.length))
  const cell = Math.max(4, Math.floor(Math.min((view.width - taken) / columns, data.maxCell ?? 56 * theme.scale)))
  const labelled = cell >= size * 1.02
  const columnLabel = Math.max(0, ...square.map((panel) => widest(panel.columns)))
  const flat = labelled && columnLabel <= cell - 4
  const titleSpace = panels.some((panel) => panel.title) ? size + 12 : 0
  const noteSpace = panels.some((panel) => panel.note) ? size + 7 : 0
  const axisSpace = data.rowAxis ? size + 6 : 0
  const columnSpace = !labelled ? 4 : flat ? size + 8 : Math.min(columnLabel * 0.72 + size, 130 * theme.scale)
  let x = rowLabel
  const lefts = panels.map((panel) => {
    const left = x
    x += (fixed(panel) || panel.columns.length * cell) + gap
    return left
  })
  return { size, perRow: panels.length, gap, rowLabel, cell, tall: cell, labelled, rowsLabelled: labelled, flat, columnSpace, titleSpace,
    noteSpace, axisSpace, lefts, panelHeight: titleSpace + noteSpace + axisSpace + columnSpace + rows * cell + 6 }
}
