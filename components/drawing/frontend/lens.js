// What a language model makes of a text: its tokens on top, and under them, for the chosen place, what its heads read
// or what it would say after each block. The place, and the head, are chosen here; Python is told 400 ms later.
// data: { texts, ids, ... (see token_strip.js), nPrompt (tokens that were given), fades (tokens after the place are not
//   there yet), view: "attention" | "grid" | "layers" | "probability", places: [first, last] that can be chosen,
//   choice: { place, layer, head }: a place is the last token that is read, counted from 0; layer and head are counted
//   from 1, and 0 is the mean of all; words: [text], wordIds, lens: { first, n, layers, top (int32), p, target p, rank, entropy },
//   attention: { layers, heads, first, n (places), keys, weights (base64 uint16) } | null }
// event: { type: "choice", place, layer, head }

import { make } from "./elements.js"
import { moveHead, headAt, paintHeads, readAttention } from "./lens_heads.js"
import { cellTip, paintGrid, paintLayers, paintNext, readLens } from "./lens_panels.js"
import { formatNumber, makeTip, readTheme } from "./theme.js"
import { makeStrip, setTints, visible } from "./token_strip.js"

const PAUSE = 400 // milliseconds before Python is told
const BEAT = 700 // milliseconds a token, while it plays

export function create(host) {
  const view = { host, ...build(host), tip: makeTip(host), sent: new Set(), choice: null }
  listen(view)
  const watcher = new ResizeObserver(() => view.data && host.clientWidth !== view.width && redraw(view))
  watcher.observe(host)
  return {
    update: (data, send) => update(view, data, send),
    destroy() {
      watcher.disconnect()
      clearTimeout(view.timer)
      clearInterval(view.beat)
    },
  }
}

function build(host) {
  const button = (text, name) => Object.assign(make("button", `plain-button ${name}`, text), { type: "button" })
  const frame = make("div", "lens")
  const bar = make("div", "lens-bar")
  const back = button("‹", "lens-back")
  const play = button("Play", "lens-play")
  const on = button("›", "lens-on")
  const range = Object.assign(make("input"), { type: "range", step: 1 })
  const says = make("div", "lens-says")
  back.setAttribute("aria-label", "One token back")
  on.setAttribute("aria-label", "One token on")
  says.setAttribute("aria-live", "polite")
  bar.append(back, play, on, range, says)
  const strip = makeStrip()
  const panel = make("div", "lens-panel")
  const heads = make("canvas", "lens-heads")
  heads.tabIndex = 0
  frame.append(bar, strip.box, panel, heads)
  host.append(frame)
  return { frame, back, play, on, range, says, strip, panel, heads }
}

function update(view, data, send) {
  view.data = data
  view.send = send
  view.lens = readLens(data)
  view.attention = data.attention ? readAttention(data.attention) : null
  const told = JSON.stringify(data.choice)
  // What comes back is often only the echo of what was sent; the learner may have gone on since.
  if (!view.choice || (told !== view.told && !view.sent.has(told)) || outside(view, view.choice.place)) {
    clearTimeout(view.timer)
    stop(view)
    view.choice = { ...data.choice }
    view.sent.clear()
  }
  view.sent.delete(told)
  if (told === JSON.stringify(view.choice)) view.sent.clear() // Streamlit may have skipped some that were sent before
  view.told = told
  const [first, last] = data.places
  Object.assign(view.range, { min: first, max: last })
  view.range.setAttribute("aria-label", data.fades ? "Token being written" : "Place in the text")
  view.play.hidden = !data.fades
  redraw(view)
}

function outside(view, place) {
  return place < view.data.places[0] || place > view.data.places[1]
}

function redraw(view) {
  const { host, data, choice } = view
  view.width = host.clientWidth
  if (!view.width || !data) return
  view.tip.hide()
  view.theme = readTheme(host, data)
  setTints(host, view.theme)
  const [first, last] = data.places
  Object.assign(view.range, { value: choice.place })
  view.range.setAttribute("aria-valuetext", `${choice.place - first + 1} of ${last - first + 1}: ${visible(data.texts[choice.place + 1])}`)
  view.back.disabled = choice.place <= first
  view.on.disabled = choice.place >= last
  drawStrip(view)
  saySo(view)
  const reading = data.view === "attention" && view.attention
  view.heads.hidden = !reading
  view.panel.hidden = Boolean(reading)
  if (reading) paintHeads(view)
  else view.panel.replaceChildren(...{ grid: paintGrid, layers: paintLayers, probability: paintNext }[data.view](view))
}

// The tokens, filled by what the view is about: how much of each is read, or how likely it was.
function drawStrip(view) {
  const { data, choice, strip } = view
  const shares = sharesOf(view)
  strip.update({ ...data, shares, selectable: true, selected: choice.place + 1, roles_of: data.texts.map(() => (data.view === "attention" ? "key" : "query")) })
  strip.chips.forEach((chip, i) => {
    chip.classList.toggle("is-own", i >= data.nPrompt)
    chip.classList.toggle("is-reader", i === choice.place)
    chip.classList.toggle("is-next", i === choice.place + 1)
    chip.classList.toggle("is-later", data.fades && data.view !== "probability" && i > choice.place + 1)
    chip.disabled = outside(view, i - 1)
  })
}

function sharesOf(view) {
  const { data, choice, lens, attention } = view
  if (data.view === "attention" && attention) {
    const row = attention.row(choice.layer, choice.head, choice.place)
    return data.texts.map((_, i) => (i < row.length ? row[i] : null))
  }
  if (data.view !== "probability") return []
  return data.texts.map((_, i) => (i <= data.places[0] ? null : lens.target(lens.layers, i - 1).p))
}

function saySo(view) {
  const { data, choice, lens, says } = view
  const [first, last] = data.places
  const { p } = lens.target(lens.layers, choice.place)
  const [reads, next] = [choice.place, choice.place + 1].map((i) => make("b", "", visible(data.texts[i])))
  const count = data.fades ? `${choice.place - first + 1} of ${last - first + 1}: after ` : "after "
  const verb = data.fades ? " it writes " : choice.place === last ? " it says " : " comes "
  says.replaceChildren(make("span", "", count), reads, make("span", "", verb), next, make("span", "", ` (probability ${formatNumber(p, 2)})`))
}

// ---- what the learner does -----------------------------------------------------------------------------------------

function listen(view) {
  const { strip, heads, panel } = view
  view.back.onclick = () => goTo(view, view.choice.place - 1)
  view.on.onclick = () => goTo(view, view.choice.place + 1)
  view.range.oninput = () => goTo(view, Number(view.range.value))
  view.play.onclick = () => (view.beat ? stop(view) : play(view))
  strip.onChoose = (index) => goTo(view, index - 1)
  strip.onHover = (index, event) => (index == null ? view.tip.hide() : pointAtToken(view, index, event))
  heads.onpointermove = (event) => pointAtHead(view, event)
  heads.onpointerleave = () => view.tip.hide()
  heads.onclick = (event) => chooseHead(view, headAt(view, event.offsetX, event.offsetY))
  heads.onkeydown = (event) => {
    const found = moveHead(view, event.key)
    if (!found) return
    event.preventDefault()
    chooseHead(view, found)
  }
  panel.onpointermove = (event) => {
    const cell = event.target.closest?.("[data-place]")
    if (!cell) return view.tip.hide()
    const frame = view.host.getBoundingClientRect()
    view.tip.show(event.clientX - frame.left, event.clientY - frame.top, cellTip(view, Number(cell.dataset.place), Number(cell.dataset.depth)))
  }
  panel.onpointerleave = () => view.tip.hide()
  panel.onclick = (event) => {
    const cell = event.target.closest?.("[data-place]")
    if (cell) goTo(view, Number(cell.dataset.place))
  }
}

function pointAtToken(view, index, event) {
  const { data } = view
  const share = sharesOf(view)[index]
  const lines = [`${visible(data.texts[index])}${data.ids[index] == null ? "" : `   id ${data.ids[index]}`}`]
  if (share != null) lines.push(data.view === "attention" ? `is read with weight ${formatNumber(share, 3)}` : `probability ${formatNumber(share, 3)}`)
  if (data.notes[index]) lines.push(data.notes[index])
  const frame = view.host.getBoundingClientRect()
  const chip = event.target.getBoundingClientRect()
  const [x, y] = event.clientX == null ? [chip.left, chip.bottom] : [event.clientX, event.clientY]
  view.tip.show(x - frame.left, y - frame.top, lines)
}

function goTo(view, place) {
  if (outside(view, place) || place === view.choice.place) return
  stop(view)
  choose(view, { place })
}

function choose(view, patch) {
  const begun = performance.now()
  Object.assign(view.choice, patch)
  redraw(view)
  view.host.dataset.switchMilliseconds = (performance.now() - begun).toFixed(2)
  tell(view)
}

function chooseHead(view, found) {
  if (found) choose(view, found)
}

function pointAtHead(view, event) {
  const found = headAt(view, event.offsetX, event.offsetY)
  view.heads.style.cursor = found ? "pointer" : "default"
  if (!found) return view.tip.hide()
  const row = view.attention.row(found.layer, found.head, view.choice.place)
  const best = row.indexOf(Math.max(...row))
  const name = found.layer ? `Block ${found.layer}, ${found.head ? `head ${found.head}` : "mean of its heads"}` : "Mean of all heads"
  view.tip.show(event.offsetX + view.heads.offsetLeft, event.offsetY + view.heads.offsetTop, [name, `reads ${visible(view.data.texts[best])} most: ${formatNumber(row[best], 2)}`])
}

// From the chosen token to the last one, a token a beat; from the first where it is the last already.
function play(view) {
  const [first, last] = view.data.places
  if (view.choice.place >= last) choose(view, { place: first })
  view.play.textContent = "Stop"
  view.beat = setInterval(() => {
    if (view.choice.place >= last) return stop(view)
    choose(view, { place: view.choice.place + 1 })
  }, BEAT)
}

function stop(view) {
  clearInterval(view.beat)
  view.beat = null
  view.play.textContent = "Play"
}

function tell(view) {
  clearTimeout(view.timer)
  view.timer = setTimeout(() => {
    const told = JSON.stringify(view.choice)
    if (told === view.told) return
    view.sent.add(told)
    view.send({ type: "choice", ...view.choice })
  }, PAUSE)
}
