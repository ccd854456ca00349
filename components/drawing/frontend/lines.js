// Token lines: who reads (query) on the left, who is read (key) on the right, a line for every reading, thicker and
// fuller for more. Point at a token on either side to see only its lines with their weights; click keeps it.
// data: { queries, keys (token lists), weights (base64 float32, heads x queries x keys), heads: [names], head,
//         queryName, keyName, selected?: {side, index} }
// event, 400 ms after the last change: { type: "select", head, side, index, time }   (side and index null: nothing kept)
// The drawing itself is token_lines.js, which other figures use too.

import { decodeFloats, makeTip, readTheme, sizeCanvas } from "./theme.js"
import {
  blockFor,
  headingHeight,
  layLines,
  lineRowAt,
  paintLines,
  rowOf,
  rowsOf,
  sharesBetween,
  spokenLines,
  tokenRows,
} from "./token_lines.js"

const PAUSE = 400 // milliseconds before Python is told, so that trying things out stays in the browser

export function create(host) {
  const heads = Object.assign(document.createElement("div"), { className: "chips" })
  const canvas = document.createElement("canvas")
  canvas.tabIndex = 0
  const spoken = Object.assign(document.createElement("div"), { className: "spoken" })
  spoken.setAttribute("aria-live", "polite")
  host.append(heads, canvas, spoken)
  const view = { host, heads, canvas, spoken, tip: makeTip(host), hover: null, kept: null, head: 0 }
  canvas.onpointermove = (event) => point(view, event)
  canvas.onpointerleave = () => leave(view)
  canvas.onclick = () => keep(view, view.hover)
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
  if (data.weights !== view.packed) view.values = decodeFloats(data.weights)
  view.packed = data.weights
  const told = JSON.stringify([data.head, data.selected])
  if (told !== view.told && told !== view.sent) {
    view.head = Math.min(data.head ?? 0, data.heads.length - 1)
    view.kept = data.selected ?? null
  }
  view.told = told
  view.hover = null
  view.canvas.setAttribute("role", "img")
  view.canvas.setAttribute("aria-label", data.alt)
  fillHeads(view)
  arrange(view)
}

function fillHeads(view) {
  const names = view.data.heads
  view.heads.hidden = names.length < 2
  view.heads.replaceChildren(
    ...names.map((name, index) => {
      const chip = Object.assign(document.createElement("button"), { className: "chip", textContent: name })
      chip.setAttribute("aria-pressed", String(index === view.head))
      chip.onclick = () => {
        view.head = index
        fillHeads(view)
        arrange(view)
        tell(view)
      }
      return chip
    }),
  )
}

// The rows of both sides and the weights between them; done again when a row of many tokens is opened.
function arrange(view) {
  const { queries, keys } = view.data
  const kept = view.kept
  const open = (side) => (kept?.side === side ? kept.index : null)
  const queryRows = tokenRows(queries, { open: open("query"), block: blockFor(queries.length) })
  const keyRows = tokenRows(keys, { open: open("key"), block: blockFor(keys.length) })
  const size = queries.length * keys.length
  const values = view.values.subarray(view.head * size, (view.head + 1) * size)
  view.spec = {
    queryRows,
    keyRows,
    shares: sharesBetween(values, 1, keys.length, queryRows, keyRows),
    queryName: view.data.queryName,
    keyName: view.data.keyName,
  }
  redraw(view)
}

function redraw(view) {
  view.width = view.host.clientWidth
  if (!view.width || !view.spec) return
  const theme = readTheme(view.host, view.data)
  const rows = Math.max(view.spec.queryRows.length, view.spec.keyRows.length)
  const rowHeight = Math.max(16, Math.min(30, 520 / rows)) * theme.scale
  const height = rows * rowHeight + headingHeight(theme)
  const pen = sizeCanvas(view.canvas, view.width, height)
  pen.clearRect(0, 0, view.width, height)
  view.place = layLines(pen, theme, view.spec, { x: 0, y: 0, width: Math.min(view.width, 860 * theme.scale), height })
  paintLines(pen, theme, view.place, view.spec, view.hover ?? rowOf(view.spec, view.kept))
}

function point(view, event) {
  const found = lineRowAt(view.place, event.offsetX, event.offsetY)
  view.canvas.style.cursor = found ? "pointer" : "default"
  if (found?.side !== view.hover?.side || found?.row !== view.hover?.row) {
    view.hover = found
    redraw(view)
  }
  const row = found && rowsOf(view.spec, found.side)[found.row]
  if (row && row.members.length > 1) view.tip.show(event.offsetX, event.offsetY + view.canvas.offsetTop, [row.text])
  else view.tip.hide()
}

function leave(view) {
  view.tip.hide()
  if (!view.hover) return
  view.hover = null
  redraw(view)
}

function keep(view, found) {
  const index = found ? rowsOf(view.spec, found.side)[found.row].members[0] : null
  const same = found && view.kept?.side === found.side && view.kept.index === index
  view.kept = !found || same ? null : { side: found.side, index }
  view.hover = null
  arrange(view)
  view.spoken.textContent = spokenLines(view.spec, rowOf(view.spec, view.kept))
  tell(view)
}

function tell(view) {
  clearTimeout(view.timer)
  view.timer = setTimeout(() => {
    const selected = view.kept
    view.sent = JSON.stringify([view.head, selected])
    view.send({ type: "select", head: view.head, side: selected?.side ?? null, index: selected?.index ?? null, time: Date.now() })
  }, PAUSE)
}

function moveByKey(view, event) {
  const now = rowOf(view.spec, view.kept) ?? { side: "query", row: -1 }
  const side = event.key === "ArrowLeft" ? "query" : event.key === "ArrowRight" ? "key" : now.side
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0
  if (event.key === "Escape") return keep(view, null)
  if (!step && side === now.side) return
  event.preventDefault()
  const row = Math.max(0, Math.min(rowsOf(view.spec, side).length - 1, now.row + step))
  if (row !== now.row || side !== now.side) keep(view, { side, row })
}
