// A real model: every layer and head at a glance, and beside it one head as lines, as numbers, or as a matrix.
// Choosing heads and tokens happens here; Python is told 400 ms after the last change and follows with its words.
// data: { trace (a name for the numbers), tokens, special (0 or 1), layers, heads, headDim, block (tokens to a row),
//   pooled: false -> maps: base64 uint16 (layers, heads, n, n), queries, keys: base64 int16 (layers, heads, n, headDim)
//   pooled: true  -> maps: base64 uint8 (layers, heads, m, m), averaged in blocks, and the full numbers of one head in
//                    open: { layer, head, weights (uint16), queries, keys (int16) }
//   queryUnit, keyUnit (times the int16), labels, scores (layers, heads), best (layers, heads), words: label -> words,
//   choice: { layer, head, token, read, mute: ["layer.head"] } counted from 0, -1 for none, show: { view, hide } }
// event: { type: "choice", ...choice, time }

import { headAt, layBirdseye, paintAtlas, paintBirdseye } from "./birdseye.js"
import { cellAt, layGrid, named, paintGrid } from "./grid.js"
import { FULL, readNumbers, readOpen, readSpec } from "./model_numbers.js"
import { fillLegend, fillTitle, tipLines } from "./model_words.js"
import { paintNeuron } from "./neuron.js"
import { formatNumber, makeTip, readTheme, sizeCanvas } from "./theme.js"
import { headingHeight, layLines, lineRowAt, paintLines, rowOf, rowsOf, spokenLines } from "./token_lines.js"

const PAUSE = 400 // milliseconds before Python is told
const BIRD = 316 // the width of all heads together
const GAP = 34 // between them and the open head, as in drawing.css

export function create(host) {
  const view = { host, ...build(host), tip: makeTip(host), hover: null, hoverHead: null, muting: false, sent: new Set() }
  listen(view)
  const watcher = new ResizeObserver(() => {
    if (view.data && host.clientWidth !== view.width) redrawAll(view)
  })
  watcher.observe(host)
  return {
    update: (data, send) => update(view, data, send),
    destroy() {
      watcher.disconnect()
      clearTimeout(view.timer)
    },
  }
}

function build(host) {
  const make = (tag, className, parent) => {
    const element = Object.assign(document.createElement(tag), { className })
    parent.append(element)
    return element
  }
  const frame = make("div", "model", host)
  const left = make("div", "model-all", frame)
  const right = make("div", "model-one", frame)
  const bird = make("canvas", "model-bird", left)
  const legend = make("div", "model-legend", left)
  const mute = make("button", "chip", left)
  const title = make("div", "model-title", right)
  const main = make("canvas", "model-main", right)
  const spoken = make("div", "spoken", host)
  spoken.setAttribute("aria-live", "polite")
  for (const canvas of [bird, main]) {
    canvas.tabIndex = 0
    canvas.setAttribute("role", "img")
  }
  mute.type = "button"
  return { frame, left, right, bird, legend, mute, title, main, spoken }
}

function update(view, data, send) {
  view.data = data
  view.send = send
  if (data.trace !== view.trace) readNumbers(view)
  view.open = data.open ? readOpen(data.open) : null
  const told = JSON.stringify(data.choice)
  // What comes back is often only the echo of what was sent; the learner may have gone on since.
  if (told !== view.told && !view.sent.has(told)) {
    clearTimeout(view.timer)
    view.choice = structuredClone(data.choice)
    view.sent.clear()
  }
  view.sent.delete(told)
  view.told = told
  view.hover = null
  view.bird.setAttribute("aria-label", `All ${data.layers * data.heads} heads as small maps. Arrow keys choose one.`)
  view.main.setAttribute("aria-label", data.alt)
  fillLegend(view)
  redrawAll(view)
}

function redrawAll(view) {
  const { host, data } = view
  view.width = host.clientWidth
  if (!view.width || !data) return
  view.theme = readTheme(host, data)
  const { scale } = view.theme
  const paper = view.theme.background + view.theme.roles.query
  if (!view.atlas || view.paper !== paper) {
    const largest = data.pooled ? 255 : FULL
    view.atlas = paintAtlas(view.theme, { weights: view.maps, largest, size: view.size, layers: data.layers, heads: data.heads })
    view.paper = paper
  }
  view.birdPlace = layBirdseye(view.theme, { layers: data.layers, heads: data.heads, width: Math.min(BIRD * Math.min(scale, 1.3), view.width) })
  view.beside = view.width > view.birdPlace.width + GAP + 380 * scale
  view.frame.classList.toggle("is-stacked", !view.beside)
  view.left.style.width = `${view.birdPlace.width}px`
  view.mute.textContent = view.muting ? "A click now mutes a head: stop" : "Mute heads by clicking"
  view.mute.setAttribute("aria-pressed", String(view.muting))
  redrawBird(view)
  rearrange(view)
}

function redrawBird(view) {
  const { data, birdPlace: place } = view
  const pen = sizeCanvas(view.bird, place.width, place.height)
  paintBirdseye(pen, view.theme, place, {
    atlas: view.atlas,
    size: view.size,
    inner: innerOf(view),
    choice: view.choice,
    hover: view.hoverHead,
    muted: new Set(view.choice.mute),
    patterns: data.labels.map((row) => row.map((label) => ({ label }))),
    muting: view.muting,
  })
}

// Which places of a small map are shown: without [CLS] and [SEP] when these are hidden.
function innerOf(view) {
  const { data, size } = view
  if (!data.show.hide || data.pooled) return [0, size]
  const first = data.special.findIndex((one) => !one)
  const last = data.special.findLastIndex((one) => !one)
  return first < 0 ? [0, size] : [first, last + 1]
}

function rearrange(view) {
  view.spec = readSpec(view)
  view.hover = null
  fillTitle(view)
  redrawMain(view)
}

// What is in focus: the pointed-at row, else the kept token; and the row of the pair's other end.
function focusOf(view) {
  const { choice, hover, spec } = view
  const kept = choice.token >= 0 ? rowOf(spec, { side: "query", index: choice.token }) : choice.read >= 0 ? rowOf(spec, { side: "key", index: choice.read }) : null
  const focus = hover ?? kept
  const pairIndex = choice.token >= 0 && choice.read >= 0 ? rowOf(spec, { side: "key", index: choice.read })?.row ?? null : null
  return { focus, pair: focus && kept && focus.side === "query" && focus.row === kept.row ? pairIndex : null }
}

function redrawMain(view) {
  const { theme, spec, data } = view
  const mode = data.show.view
  const width = view.beside ? view.width - view.birdPlace.width - GAP : view.width
  const rows = Math.max(spec.queryRows.length, spec.keyRows.length)
  const least = mode === "neuron" ? headingHeight(theme) + (data.headDim * 13 + 100) * theme.scale : 0
  const needed = mode === "matrix" ? view.birdPlace.height + 60 * theme.scale : headingHeight(theme) + rows * 13.5 * theme.scale
  const height = Math.max(view.birdPlace.height, needed, least)
  const pen = sizeCanvas(view.main, width, height)
  pen.clearRect(0, 0, width, height)
  const muted = view.choice.mute.includes(`${view.choice.layer}.${view.choice.head}`)
  const box = { x: 0, y: 0, width: Math.min(width, 900 * theme.scale), height }
  view.place = view.grid = null
  if (mode === "matrix") drawGrid(view, pen, box, muted)
  else if (mode === "neuron") drawNeuron(view, pen, box, muted)
  else {
    const { focus, pair } = focusOf(view)
    view.place = layLines(pen, theme, spec, box)
    paintLines(pen, theme, view.place, spec, focus, { pair, muted })
  }
}

function drawGrid(view, pen, box, muted) {
  const { choice, spec } = view
  view.grid = layGrid(pen, view.theme, spec, box)
  const rowFor = (side, index) => (index >= 0 ? rowOf(spec, { side, index })?.row ?? null : null)
  paintGrid(pen, view.theme, view.grid, spec, { hover: view.hover, row: rowFor("query", choice.token), pair: rowFor("key", choice.read), muted })
}

function drawNeuron(view, pen, box, muted) {
  const { theme, spec, data, numbers } = view
  const share = Math.min(0.44, (300 * theme.scale) / box.width)
  const pair = neuronPair(view)
  view.place = layLines(pen, theme, spec, { ...box, width: box.width * share }, { slim: true })
  const focus = pair ? { side: "query", row: pair.queryRow } : null
  paintLines(pen, theme, view.place, spec, focus, { pair: pair?.keyRow ?? null, muted })
  if (!pair || !numbers) {
    pen.font = `${14 * theme.scale}px ${theme.font}`
    pen.fillStyle = theme.soft
    pen.textAlign = "left"
    pen.fillText(numbers ? "Choose a token on the left." : "One moment: this head's numbers are on the way.", box.width * share + 30, box.y + 60)
    return
  }
  const d = data.headDim
  const cut = (all, index, unit) => Array.from(all.subarray(index * d, (index + 1) * d), (value) => value * unit)
  paintNeuron(pen, theme, { x: box.width * share + 14 * theme.scale, y: box.y, width: Math.min(box.width * (1 - share) - 18 * theme.scale, 470 * theme.scale), height: box.height }, {
    query: cut(numbers.queries, pair.query, data.queryUnit),
    key: cut(numbers.keys, pair.key, data.keyUnit),
    queryToken: `${pair.query + 1} ${data.tokens[pair.query]}`,
    keyToken: `${pair.key + 1} ${data.tokens[pair.key]}`,
    weight: numbers.weights[pair.query * data.tokens.length + pair.key] / FULL,
    nKeys: data.tokens.length,
  })
}

// The pair of the neuron view: the pointed-at or kept query, and the pointed-at, kept or most read key.
function neuronPair(view) {
  const { choice, hover, spec, numbers } = view
  if (!numbers) return null
  const first = (row) => row.members[0]
  const queryRow = hover?.side === "query" ? hover.row : rowOf(spec, { side: "query", index: choice.token })?.row ?? 0
  const query = spec.queryRows[queryRow].members.includes(choice.token) ? choice.token : first(spec.queryRows[queryRow])
  let keyRow = hover?.side === "key" ? hover.row : rowOf(spec, { side: "key", index: choice.read })?.row
  if (hover?.side === "query" || keyRow == null || (choice.read < 0 && hover?.side !== "key")) {
    const wide = spec.keyRows.length
    const row = spec.shares.subarray(queryRow * wide, (queryRow + 1) * wide)
    keyRow = row.indexOf(Math.max(...row))
  }
  const members = spec.keyRows[keyRow].members
  const n = view.data.tokens.length
  const key = members.includes(choice.read) ? choice.read : members.reduce((best, one) => (numbers.weights[query * n + one] > numbers.weights[query * n + best] ? one : best))
  return { queryRow, keyRow, query, key }
}

// ---- what the learner does -----------------------------------------------------------------------------------------

function listen(view) {
  const { bird, main } = view
  bird.onpointermove = (event) => pointAtHead(view, headAt(view.birdPlace, event.offsetX, event.offsetY), event)
  bird.onpointerleave = () => pointAtHead(view, null)
  bird.onclick = (event) => {
    const found = headAt(view.birdPlace, event.offsetX, event.offsetY)
    if (found) view.muting ? flipMute(view, found) : choose(view, found)
  }
  bird.onkeydown = (event) => moveHead(view, event)
  main.onpointermove = (event) => pointAtToken(view, event)
  main.onpointerleave = () => pointAtNothing(view)
  main.onclick = () => view.hover && keep(view, view.hover)
  main.onkeydown = (event) => moveToken(view, event)
  view.mute.onclick = () => {
    view.muting = !view.muting
    redrawAll(view)
  }
}

function choose(view, patch) {
  const begun = performance.now()
  Object.assign(view.choice, patch)
  redrawBird(view)
  rearrange(view)
  view.host.dataset.switchMilliseconds = (performance.now() - begun).toFixed(2)
  if ("layer" in patch) view.spoken.textContent = tipLines(view, view.choice).join(", ")
  else view.spoken.textContent = spokenLines(view.spec, focusOf(view).focus)
  tell(view)
}

function tell(view) {
  clearTimeout(view.timer)
  view.timer = setTimeout(() => {
    const told = JSON.stringify(view.choice)
    if (told === view.told) return
    view.sent.add(told)
    // The time makes every event a new one: the same choice may come again after Python has chosen otherwise.
    view.send({ type: "choice", ...structuredClone(view.choice), time: Date.now() })
  }, PAUSE)
}

function flipMute(view, { layer, head }) {
  const name = `${layer}.${head}`
  const { mute } = view.choice
  choose(view, { mute: mute.includes(name) ? mute.filter((one) => one !== name) : sorted([...mute, name]) })
}

function sorted(names) {
  const rank = (name) => name.split(".").reduce((total, part) => total * 1000 + Number(part), 0)
  return names.sort((a, b) => rank(a) - rank(b))
}

function pointAtHead(view, found, event) {
  view.bird.style.cursor = found ? (view.muting ? "crosshair" : "pointer") : "default"
  if (!found) view.tip.hide()
  else view.tip.show(event.offsetX + view.bird.offsetLeft, event.offsetY + view.bird.offsetTop, tipLines(view, found))
  if (found?.layer === view.hoverHead?.layer && found?.head === view.hoverHead?.head) return
  view.hoverHead = found
  redrawBird(view)
}

function pointAtToken(view, event) {
  const begun = performance.now()
  const [x, y] = [event.offsetX, event.offsetY]
  const found = view.grid ? cellAt(view.grid, x, y) : lineRowAt(view.place, x, y)
  view.main.style.cursor = found ? "pointer" : "default"
  showTokenTip(view, found, x + view.main.offsetLeft, y + view.main.offsetTop)
  if (JSON.stringify(found) === JSON.stringify(view.hover)) return
  view.hover = found
  redrawMain(view)
  view.host.dataset.hoverMilliseconds = (performance.now() - begun).toFixed(2)
}

function showTokenTip(view, found, x, y) {
  const { spec } = view
  if (!found) return view.tip.hide()
  if (view.grid) {
    const [q, k] = [spec.queryRows[found.q], spec.keyRows[found.k]]
    return view.tip.show(x, y, [`${cut(named(q))} reads ${cut(named(k))}`, formatNumber(spec.shares[found.q * spec.keyRows.length + found.k], 3)])
  }
  const row = rowsOf(spec, found.side)[found.row]
  if (row.members.length > 1) view.tip.show(x, y, [cut(named(row)), "a click opens this row"])
  else view.tip.hide()
}

function cut(text, most = 60) {
  const letters = [...text]
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text
}

function pointAtNothing(view) {
  view.tip.hide()
  if (!view.hover) return
  view.hover = null
  redrawMain(view)
}

function keep(view, found) {
  const { choice, spec } = view
  if (view.grid) return choose(view, { token: spec.queryRows[found.q].members[0], read: spec.keyRows[found.k].members[0] })
  const row = rowsOf(spec, found.side)[found.row]
  if (found.side === "query") {
    const same = row.members.includes(choice.token)
    return choose(view, { token: same && view.data.show.view !== "neuron" ? -1 : row.members[0], read: -1 })
  }
  choose(view, { read: row.members.includes(choice.read) ? -1 : row.members[0] })
}

function moveHead(view, event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
  if (event.key === "Enter" && view.muting) return flipMute(view, view.choice)
  if (!step) return
  event.preventDefault()
  const { layers, heads } = view.data
  const layer = Math.max(0, Math.min(layers - 1, view.choice.layer + step[0]))
  const head = Math.max(0, Math.min(heads - 1, view.choice.head + step[1]))
  if (layer !== view.choice.layer || head !== view.choice.head) choose(view, { layer, head })
}

function moveToken(view, event) {
  const { choice, spec } = view
  if (event.key === "Escape") return choose(view, { token: -1, read: -1 })
  const side = { ArrowUp: "query", ArrowDown: "query", ArrowLeft: "key", ArrowRight: "key" }[event.key]
  if (!side) return
  event.preventDefault()
  const by = event.key === "ArrowDown" || event.key === "ArrowRight" ? 1 : -1
  const rows = rowsOf(spec, side)
  const now = rowOf(spec, { side, index: side === "query" ? choice.token : choice.read })?.row ?? (by > 0 ? -1 : rows.length)
  const index = rows[Math.max(0, Math.min(rows.length - 1, now + by))].members[0]
  choose(view, side === "query" ? { token: index, read: -1 } : { read: index })
}
