// Small matrices as real tables. Given numbers are inputs, results are buttons; a click on a result lights up the
// cells it was made from and writes its arithmetic below, all in the browser.
// data: { blocks: [[[matrix | null]]], hint, selected, problems, acknowledged, maxTyped }, see components/figures/numbers.py
// event: { edits: [{ id, cell, text }], selected }  (the last edits are repeated, so that none is lost)

import { make } from "./elements.js"
import { mix, readableOn, readTheme } from "./theme.js"

const TELL_AFTER = 500 // milliseconds after which Python learns which cell is chosen, for the link

export function create(host) {
  const flow = make("div", "numbers")
  const sentence = make("div", "numbers-says")
  sentence.setAttribute("aria-live", "polite")
  host.append(flow, sentence)
  const view = { host, flow, sentence, cells: new Map(), edits: [], selected: "", timer: 0 }
  const watcher = new ResizeObserver(() => view.data && fit(view))
  watcher.observe(host)
  return {
    update(data, send) {
      view.send = send
      if (!view.data || data.selected !== view.data.selected) view.selected = data.selected
      view.data = data
      view.theme = readTheme(host, data)
      const shape = shapeOf(data)
      if (shape !== view.shape) build(view)
      view.shape = shape
      patch(view)
      fit(view)
      explain(view)
    },
    destroy() {
      watcher.disconnect()
      clearTimeout(view.timer)
    },
  }
}

const matricesOf = (data) => data.blocks.flat(2).filter(Boolean)

// Everything that decides which elements exist: while it stays the same, elements stay and keep focus and caret.
function shapeOf(data) {
  const one = (m) =>
    m && [m.code, m.rows, m.columns, m.cells.map((row) => row.map((cell) => [cell.kind === "result" ? 1 : 0, cell.span ?? 1]))]
  return JSON.stringify(data.blocks.map((block) => block.map((line) => line.map(one))))
}

function build(view) {
  const before = view.host.getRootNode().activeElement
  const id = before?.dataset?.cell
  view.cells.clear()
  view.flow.replaceChildren(...view.data.blocks.map((block) => buildBlock(view, block)))
  const after = view.cells.get(id)?.focus
  if (!after) return
  if (after.tagName === "INPUT" && before.value !== before.dataset.sent) Object.assign(after, { value: before.value }).dataset.sent = before.dataset.sent
  after.focus({ preventScroll: true })
}

function buildBlock(view, block) {
  const box = make("div", block.length > 1 ? "numbers-grid" : "numbers-line")
  if (block.length > 1) box.style.gridTemplateColumns = `repeat(${Math.max(...block.map((l) => l.length))}, max-content)`
  for (const line of block) for (const matrix of line) box.append(matrix ? buildMatrix(view, matrix) : make("div"))
  return box
}

function buildMatrix(view, matrix) {
  const box = make("div", "numbers-matrix")
  box.style.setProperty("--cell", `calc(var(--unit) * ${matrix.wide ?? 1})`)
  box.style.setProperty("--label", `${matrix.labelRoom}px`)
  if (matrix.labelRoom > 58) box.style.setProperty("--label-least", `${matrix.labelRoom - 9}px`) // so that tables align
  const head = make("div", "numbers-head")
  head.append(subscripted("b", matrix.title), subscripted("span", matrix.formula))
  head.style.setProperty("--role", view.theme.roles[matrix.role])
  const table = make("table")
  table.setAttribute("aria-label", `${matrix.title}: ${matrix.formula}`)
  if (matrix.columns) {
    const row = table.createTHead().insertRow()
    if (matrix.rows) row.append(make("td"))
    row.append(...matrix.columns.map((label) => header(label, "col")))
  }
  const body = table.createTBody()
  matrix.cells.forEach((cells, r) => {
    const row = body.insertRow()
    if (matrix.rows) row.append(header(matrix.rows[r], "row"))
    cells.forEach((cell) => row.append(buildCell(view, matrix, cell)))
  })
  box.append(head, table)
  return box
}

// "W_Q" as W with a lowered Q. Only for names that the page gives, never for what a learner typed.
function subscripted(tag, name) {
  const element = make(tag)
  name.split(/_(\w)/).forEach((part, i) => element.append(i % 2 ? make("sub", "", part) : part))
  return element
}

function header(label, scope) {
  const th = make("th", "", label)
  th.scope = scope
  th.title = label
  return th
}

function buildCell(view, matrix, cell) {
  const td = make("td")
  td.colSpan = cell.span ?? 1
  const typed = cell.kind !== "result"
  const focus = make(typed ? "input" : "button")
  focus.dataset.cell = cell.id
  if (typed) {
    focus.type = "text"
    focus.inputMode = "decimal"
    focus.autocomplete = "off"
    focus.spellcheck = false
    focus.maxLength = view.data.maxTyped
    focus.onblur = () => commit(view, cell.id, focus)
    focus.onfocus = () => choose(view, cell.id)
  } else {
    focus.type = "button"
    focus.onclick = () => choose(view, cell.id)
    focus.onfocus = () => focus.matches(":focus-visible") && choose(view, cell.id)
  }
  focus.onkeydown = (event) => onKey(view, cell.id, event)
  td.append(focus)
  view.cells.set(cell.id, { td, focus, matrix: matrix.code })
  return td
}

function patch(view) {
  const { data, theme } = view
  view.facts = new Map()
  view.edits = view.edits.filter((edit) => edit.id > data.acknowledged)
  for (const matrix of matricesOf(data)) {
    const role = theme.roles[matrix.role]
    matrix.cells.forEach((row, r) =>
      row.forEach((cell, c) => {
        view.facts.set(cell.id, { ...cell, matrix })
        const { td, focus } = view.cells.get(cell.id)
        td.className = [cell.kind, cell.mark, cell.masked ? "masked" : ""].filter(Boolean).join(" ")
        td.style.setProperty("--role", role)
        const fill = cell.share == null ? mix(theme.background, role, 0.1) : mix(theme.background, role, cell.share)
        td.style.setProperty("--fill", fill)
        td.style.setProperty("--ink", cell.share == null || cell.masked ? theme.text : readableOn(fill, theme))
        if (cell.kind === "result") focus.textContent = cell.text
        else patchInput(view, cell, focus)
        focus.setAttribute("aria-label", cell.kind === "result" ? `${cell.label}: ${cell.text}` : cell.label)
        if (cell.kind === "result") focus.tabIndex = r === 0 && c === 0 ? 0 : -1
        focus.toggleAttribute("aria-invalid", cell.mark === "bad")
      }),
    )
  }
}

function patchInput(view, cell, input) {
  const waiting = view.edits.some((edit) => edit.cell === cell.id)
  const typing = view.host.getRootNode().activeElement === input && input.value !== input.dataset.sent
  if (!waiting && !typing) input.value = cell.text
  if (!waiting) input.dataset.sent = typing ? input.dataset.sent : cell.text
  input.placeholder = cell.kind === "covered" ? "?" : ""
}

// In cells: how wide a matrix is. Its rows may hold cells that span several columns.
const widthOf = (m) => (m ? Math.max(...m.cells.map((row) => row.reduce((sum, cell) => sum + (cell.span ?? 1), 0))) : 0)

// Cells are as wide as the page allows, and never too narrow for their numbers.
function fit(view) {
  const { scale } = view.theme
  const width = view.host.clientWidth
  if (!width) return
  const columns = (line) => line.reduce((sum, m) => sum + widthOf(m) * (m?.wide ?? 1), 0)
  let cell = 58 * scale
  for (const block of view.data.blocks) {
    const most = Math.max(...block.map(columns))
    const labels = Math.max(...block.map((line) => line.reduce((sum, m) => sum + (m?.rows ? m.labelRoom - 2 : 0), 0))) * scale
    const gaps = (Math.max(...block.map((line) => line.length)) - 1) * 22 * scale
    cell = Math.min(cell, (width - labels - gaps - 2) / most - 2) // 2: the space between cells
  }
  cell = Math.max(34 * scale, Math.floor(cell))
  view.flow.style.setProperty("--unit", `${cell}px`)
  view.flow.style.setProperty("--digits", `${Math.max(13 * scale, Math.min(14.5 * scale, cell * 0.3))}px`)
  view.host.style.setProperty("--scale", scale)
}

function choose(view, id) {
  if (view.selected === id) return
  view.selected = id
  explain(view)
  clearTimeout(view.timer)
  view.timer = setTimeout(() => tell(view), TELL_AFTER)
}

function tell(view) {
  clearTimeout(view.timer)
  view.send({ edits: view.edits.slice(-40), selected: view.selected })
}

function commit(view, id, input) {
  // An element that was replaced while it had the focus also reports that it lost it: that is no edit.
  if (view.cells.get(id)?.focus !== input || input.value === input.dataset.sent) return
  input.dataset.sent = input.value
  const last = view.edits.at(-1)?.id ?? 0
  view.edits.push({ id: Math.max(last + 1, Date.now()), cell: id, text: input.value })
  tell(view)
}

function explain(view) {
  for (const { td } of view.cells.values()) td.classList.remove("chosen", "read")
  const cell = view.facts.get(view.selected)
  if (cell) {
    view.cells.get(cell.id).td.classList.add("chosen")
    for (const id of cell.reads ?? []) view.cells.get(id)?.td.classList.add("read")
  }
  view.sentence.replaceChildren(...view.data.problems.map((text) => Object.assign(make("p", "problem", text), { role: "alert" })))
  if (!cell || !(cell.where || cell.says || cell.verdict)) {
    if (!view.data.problems.length) view.sentence.append(make("p", "where", view.data.hint))
    return
  }
  const title = make("p", "where")
  title.append(make("b", "", cell.label), make("span", "", cell.where ?? ""))
  view.sentence.append(title)
  if (cell.says) view.sentence.append(written(view, cell.says))
  if (cell.verdict && cell.mark !== "bad") view.sentence.append(make("p", `verdict ${cell.mark ?? ""}`, cell.verdict))
}

function written(view, pieces) {
  const line = make("p", "written")
  for (const [text, role, raised] of pieces) {
    const piece = make(raised ? "sup" : "span", "", text)
    if (role) piece.style.color = inkOf(view.theme, role)
    line.append(piece)
  }
  return line
}

// A role's colour is made for areas; as ink it moves a little towards the text to stay readable.
const inkOf = (theme, role) => mix(theme.roles[role], theme.text, theme.dark ? 0 : role === "key" || role === "output" ? 0.35 : 0.1)

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }

function onKey(view, id, event) {
  const input = event.currentTarget.tagName === "INPUT" ? event.currentTarget : null
  if (input && event.key === "Enter") commit(view, id, input)
  if (input && event.key === "Escape") {
    input.value = view.facts.get(id).good ?? input.dataset.sent ?? ""
    commit(view, id, input)
  }
  const step = STEPS[event.key]
  if (!step || (input && step[1] && input.value !== "")) return // in a number, left and right move the caret
  const [, code, row, column] = id.match(/^([a-z]+)(\d)(\d)$/)
  const next = view.cells.get(`${code}${Number(row) + step[0]}${Number(column) + step[1]}`)
  if (!next) return
  event.preventDefault()
  next.focus.focus()
  next.focus.select?.()
  choose(view, `${code}${Number(row) + step[0]}${Number(column) + step[1]}`)
}
