// Tensors as bricks: a button each, with name, shape and a picture in which every number is one cell.
// data: { lines: [[brick | null]], labels, legend, selected, wrongLabel, pictureHeight }, brick: { name, title, shape, axes, owners (base64 uint8),
//         wrong? (base64 uint8), code, comment, role }, see components/figures/bricks.py
// event: { type: "select", name }

import { make } from "./elements.js"
import { decodeBytes, mix, readTheme, sizeCanvas } from "./theme.js"

const NOBODY = 255
const STOPS = ["#0072b2", "#009e73", "#f0e442"] // blue, green, yellow: told apart by lightness alone

export function create(host) {
  const grid = make("div", "bricks")
  const line = make("div", "bricks-line")
  line.setAttribute("aria-live", "polite")
  host.append(grid, line)
  const view = { host, grid, line, bricks: new Map() }
  const watcher = new ResizeObserver(() => view.data && paintAll(view))
  watcher.observe(host)
  return {
    update(data, send) {
      const shape = JSON.stringify(data.lines.map((row) => row.map((brick) => brick && brick.name)))
      view.send = send
      view.selected = data.selected
      view.data = data
      view.theme = readTheme(host, data)
      host.style.setProperty("--scale", view.theme.scale)
      grid.setAttribute("role", "group")
      grid.setAttribute("aria-label", data.alt)
      if (shape !== view.shape) build(view)
      view.shape = shape
      patch(view)
      paintAll(view)
      explain(view)
    },
    destroy() {
      watcher.disconnect()
    },
  }
}

function build(view) {
  const { lines } = view.data
  view.bricks.clear()
  view.grid.style.gridTemplateColumns = `repeat(${Math.max(...lines.map((row) => row.length))}, minmax(0, 1fr))`
  view.legend = make("div", "bricks-legend")
  view.grid.replaceChildren(view.legend)
  lines.forEach((row, r) =>
    row.forEach((brick, c) => {
      if (brick) place(view.grid.appendChild(buildBrick(view, brick.name)), r, c)
    }),
  )
  // The legend takes the first rows whose first place is free.
  const free = lines.findIndex((row) => !row[0])
  place(view.legend, free < 0 ? lines.length : free, 0)
  view.legend.style.gridRowEnd = `span ${Math.max(1, lines.filter((row) => !row[0]).length)}`
}

function place(element, row, column) {
  element.style.gridRowStart = row + 1
  element.style.gridColumnStart = column + 1
}

function buildBrick(view, name) {
  const button = make("button", "brick")
  button.type = "button"
  const parts = { button, title: make("b"), shape: make("span"), canvas: make("canvas") }
  button.append(parts.title, parts.shape, parts.canvas)
  button.onclick = () => {
    if (view.selected === name) return
    view.selected = name
    patch(view)
    explain(view)
    view.send({ type: "select", name })
  }
  view.bricks.set(name, parts)
  return button
}

const all = (view) => view.data.lines.flat().filter(Boolean)

function patch(view) {
  for (const brick of all(view)) {
    const parts = view.bricks.get(brick.name)
    parts.title.textContent = brick.title
    parts.title.style.borderColor = view.theme.roles[brick.role]
    const axes = brick.axes.map((axis, i) => `${axis}\u00a0${brick.shape[i]}`)
    parts.shape.textContent = axes.length > 3 ? `${axes.slice(0, 2).join(" · ")}\n${axes.slice(2).join(" · ")}` : `${axes[0]}\n${axes.slice(1).join(" · ")}`
    parts.button.setAttribute("aria-pressed", String(brick.name === view.selected))
    parts.button.setAttribute("aria-label", `${brick.title}: ${axes.join(", ")}`)
  }
  const { theme } = view
  const swatches = view.data.labels.map((label, i) => {
    const item = make("div")
    const swatch = make("i")
    swatch.style.background = colourOf(theme, i, view.data.labels.length)
    item.append(swatch, label)
    return item
  })
  if (all(view).some((brick) => brick.wrong)) {
    const item = make("div")
    const swatch = make("i")
    swatch.style.background = theme.roles.negative
    item.append(swatch, view.data.wrongLabel)
    swatches.push(item)
  }
  view.legend.replaceChildren(make("b", "", view.data.legend), ...swatches)
}

function colourOf(theme, index, count) {
  const place = count > 1 ? (index / (count - 1)) * (STOPS.length - 1) : 0
  const low = Math.min(Math.floor(place), STOPS.length - 2)
  return mix(STOPS[low], STOPS[low + 1], place - low)
}

function paintAll(view) {
  for (const brick of all(view)) paint(view, brick, view.bricks.get(brick.name).canvas)
}

// The rule: the axis before the last two makes blocks, then rows, then columns. Blocks break into lines where one line
// would make the cells smaller.
function paint(view, brick, canvas) {
  const { theme } = view
  const width = canvas.parentElement.clientWidth - 14
  if (width <= 0) return
  const height = view.data.pictureHeight * theme.scale
  const [blocks, rows, columns] = brick.shape.length === 4 ? brick.shape.slice(1) : [1, ...brick.shape.slice(1)]
  const gap = 4
  let best = { cell: 0 }
  for (let across = 1; across <= blocks; across++) {
    const down = Math.ceil(blocks / across)
    const cell = Math.min((width - (across - 1) * gap) / (across * columns), (height - (down - 1) * gap) / (down * rows), (view.data.pictureHeight / 6) * theme.scale)
    if (cell > best.cell) best = { cell, across }
  }
  // Whole device pixels keep the cells even.
  const ratio = window.devicePixelRatio || 1
  const cell = best.cell >= 2 ? Math.floor(best.cell * ratio) / ratio : best.cell
  const pen = sizeCanvas(canvas, width, height)
  pen.clearRect(0, 0, width, height)
  const owners = decodeBytes(brick.owners)
  const wrong = brick.wrong ? decodeBytes(brick.wrong) : null
  const count = view.data.labels.length
  const side = cell >= 4 ? cell - 1 : cell
  const nobody = mix(theme.background, theme.text, 0.25)
  for (let i = 0; i < owners.length; i++) {
    const block = Math.floor(i / (rows * columns))
    const row = Math.floor(i / columns) % rows
    const x = (block % best.across) * (columns * cell + gap) + (i % columns) * cell
    const y = Math.floor(block / best.across) * (rows * cell + gap) + row * cell
    pen.fillStyle = wrong?.[i] ? theme.roles.negative : owners[i] === NOBODY ? nobody : colourOf(theme, owners[i], count)
    pen.fillRect(x, y, side, side)
  }
}

function explain(view) {
  const brick = all(view).find((one) => one.name === view.selected)
  if (!brick) return view.line.replaceChildren()
  view.line.replaceChildren(make("b", "", brick.title), make("code", "", brick.code), make("span", "", brick.comment))
}
