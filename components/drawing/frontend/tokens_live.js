// A text that is typed, its tokens and their ids, below each other: pointing at any of the three lights up the others.
// The text lies over a copy of itself whose parts have the tokens' colours. What is typed is sent at once, and while an
// answer is on its way the newest text waits for it; until then the part that changed has no colour.
// data: { text, label, counters: [[name, value]], selectedId, ... } and the fields of token_strip.js
// events: { type: "text", text }, { type: "token", index, id }

import { make } from "./elements.js"
import { makeTip, readTheme } from "./theme.js"
import { changed, makeStrip, setTints, showTip, tintOf } from "./token_strip.js"

const PATIENCE = 2000 // milliseconds after which an answer is not waited for any longer
const HEIGHTS = [64, 172] // of the text, in pixels

export function create(host) {
  const view = { host, sent: null, asked: null, parts: [], elements: [], painted: "", ids: [], idKeys: [], lit: [] }
  const counters = make("div", "live-counters")
  const box = make("div", "live-box")
  const mirror = make("div", "live-mirror")
  mirror.setAttribute("aria-hidden", "true")
  const inner = make("div", "live-inner")
  mirror.append(inner)
  const area = make("textarea", "live-text")
  Object.assign(area, { spellcheck: false, autocomplete: "off" })
  for (const one of [inner, area]) one.dir = "auto"
  box.append(mirror, area)
  const strip = makeStrip()
  const chips = make("div", "live-scroll live-chips")
  chips.append(strip.box)
  const ids = make("div", "live-scroll live-ids")
  const left = make("p", "strip-left")
  const headings = ["Tokens", "Ids: all that a model gets"].map((text) => make("div", "live-heading", text))
  host.append(counters, box, headings[0], chips, left, headings[1], ids)
  Object.assign(view, { counters, box, mirror, inner, area, strip, chips, idBox: ids, left, headings, tip: makeTip(host) })
  listen(view)
  const watcher = new ResizeObserver(() => fit(view))
  watcher.observe(host)
  return {
    update: (data, send) => update(view, data, send),
    destroy() {
      watcher.disconnect()
      clearTimeout(view.timer)
    },
  }
}

function listen(view) {
  const { area, mirror, strip, idBox, host } = view
  area.oninput = () => {
    paintEdit(view)
    if (view.sent == null) tell(view)
  }
  area.onscroll = () => (mirror.scrollTop = area.scrollTop)
  area.onpointermove = (event) => {
    const under = host.getRootNode().elementsFromPoint(event.clientX, event.clientY)
    const place = view.elements.indexOf(under.find((element) => element.classList.contains("live-part")))
    const part = view.parts[place]
    light(view, part ? [part.first, part.last] : null)
    if (part) showTip(view.tip, host, view.data, part.first, event)
    else view.tip.hide()
  }
  area.onpointerleave = () => leave(view)
  strip.onHover = (index, event) => point(view, index, event)
  strip.onChoose = (index) => view.send({ type: "token", index, id: view.data.ids[index] })
  idBox.onpointermove = (event) => {
    const index = view.ids.indexOf(event.target)
    point(view, index < 0 ? null : index, event)
  }
  idBox.onpointerleave = () => leave(view)
  idBox.onclick = (event) => {
    const index = view.ids.indexOf(event.target)
    if (index >= 0) strip.onChoose(index)
  }
}

function point(view, index, event) {
  if (index == null) return leave(view)
  light(view, [index, index])
  showTip(view.tip, view.host, view.data, index, event)
}

function leave(view) {
  light(view, null)
  view.tip.hide()
}

// Lights up tokens first to last wherever they stand, and scrolls them into sight inside their own box.
function light(view, range) {
  const name = range ? range.join() : ""
  if (name === view.lightName) return
  view.lightName = name
  for (const element of view.lit) element.classList.remove("is-lit")
  view.lit = []
  if (!range) return
  for (let i = range[0]; i <= range[1]; i++) view.lit.push(...[view.strip.chips[i], view.ids[i]].filter(Boolean))
  const place = view.parts.findIndex((part) => part.first >= 0 && part.first <= range[0] && range[0] <= part.last)
  if (place >= 0) view.lit.push(view.elements[place])
  for (const element of view.lit) {
    element.classList.add("is-lit")
    reveal(element, element.closest(".live-scroll"))
  }
  if (place >= 0 && reveal(view.elements[place], view.mirror)) view.area.scrollTop = view.mirror.scrollTop
}

function reveal(element, box) {
  if (!box || box.scrollHeight <= box.clientHeight || box.matches(":hover")) return false
  const [own, frame] = [element.getBoundingClientRect(), box.getBoundingClientRect()]
  if (own.top < frame.top) box.scrollTop -= frame.top - own.top + 4
  else if (own.bottom > frame.bottom) box.scrollTop += own.bottom - frame.bottom + 4
  return true
}

function tell(view) {
  if (view.area.value === view.asked) return
  view.sent = view.asked = view.area.value
  clearTimeout(view.timer)
  view.timer = setTimeout(() => {
    view.sent = null
    tell(view)
  }, PATIENCE)
  view.send({ type: "text", text: view.sent })
}

function update(view, data, send) {
  const { area } = view
  Object.assign(view, { data, send })
  setTints(view.host, readTheme(view.host, data))
  leave(view)
  area.setAttribute("aria-label", data.label)
  const answered = view.sent != null && data.text === view.sent
  if (answered) {
    view.sent = null
    clearTimeout(view.timer)
  } else if (view.sent == null && area.value !== data.text) {
    area.value = data.text
    view.asked = data.text
  }
  view.strip.update(data)
  paintIds(view)
  view.left.textContent = data.left ? `and ${data.left.toLocaleString("en")} more tokens, which are counted and not drawn` : ""
  for (const one of view.headings) one.hidden = !data.ids.length
  view.counters.replaceChildren(...data.counters.map(([name, value]) => counter(name, value)))
  paintText(view, data.text, partsOf(data))
  if (area.value !== data.text) {
    paintEdit(view)
    if (view.sent == null) tell(view)
  }
  fit(view)
}

function counter(name, value) {
  const box = make("div")
  box.append(make("b", "", value), make("span", "", name))
  return box
}

// The text in parts: a token each, or the tokens that share a character; what belongs to no drawn token has first: -1.
function partsOf({ text, starts, ends }) {
  const unit = unitsOf(text)
  const parts = []
  for (let i = 0; i < starts.length; i++) {
    const [from, to] = [unit(starts[i]), unit(ends[i])]
    const before = parts[parts.length - 1]
    if (before && from < before.to) Object.assign(before, { to: Math.max(to, before.to), last: i })
    else parts.push({ from, to, first: i, last: i })
  }
  const end = parts[parts.length - 1]?.to ?? 0
  if (end < text.length) parts.push({ from: end, to: text.length, first: -1, last: -1 })
  return parts
}

// Python counts characters, JavaScript halves of the rare ones too: a function from the first to the second.
function unitsOf(text) {
  if (!/[\ud800-\udfff]/.test(text)) return (place) => place
  const places = []
  for (let at = 0; at < text.length; at += text.codePointAt(at) > 0xffff ? 2 : 1) places.push(at)
  places.push(text.length)
  return (place) => places[Math.min(place, places.length - 1)]
}

function paintText(view, text, parts) {
  const [before, now] = [view.parts.map((part) => part.text), parts.map((part) => text.slice(part.from, part.to))]
  parts.forEach((part, i) => (part.text = now[i]))
  const [from, to, end] = changed(before, now)
  for (const element of view.elements.slice(from, to)) element.remove()
  const fresh = now.slice(from, end).map((piece) => make("span", "", piece))
  const follower = view.elements[to] ?? view.inner.querySelector("br")
  for (const element of fresh) view.inner.insertBefore(element, follower)
  if (!follower) view.inner.append(make("br")) // an empty last line has its height
  view.elements = [...view.elements.slice(0, from), ...fresh, ...view.elements.slice(to)]
  view.elements.forEach((element, i) => {
    const { first } = parts[i]
    const chosen = first >= 0 && view.data.ids.slice(first, parts[i].last + 1).includes(view.data.selectedId)
    const name = first < 0 ? "" : `live-part ${tintOf(view.data, first)}${chosen ? " is-chosen" : ""}`
    if (element.className !== name) element.className = name
  })
  Object.assign(view, { parts, painted: text })
}

// After a keystroke: tokens before and after the change keep their colours, what lies between has none yet.
function paintEdit(view) {
  const [before, now] = [view.painted, view.area.value]
  let from = 0
  while (from < before.length && from < now.length && before[from] === now[from]) from++
  let same = 0
  while (same < before.length - from && same < now.length - from && before[before.length - 1 - same] === now[now.length - 1 - same]) same++
  const shift = now.length - before.length
  const head = view.parts.filter((part) => part.to <= from)
  const tail = view.parts.filter((part) => part.from >= before.length - same && part.from >= from)
  const start = head[head.length - 1]?.to ?? 0
  const end = tail.length ? tail[0].from + shift : now.length
  const moved = tail.map((part) => ({ ...part, from: part.from + shift, to: part.to + shift }))
  paintText(view, now, [...head, ...(end > start ? [{ from: start, to: end, first: -1, last: -1 }] : []), ...moved])
  fit(view)
}

function paintIds(view) {
  const { data, idBox } = view
  const keys = data.ids.map(String)
  const [from, to, end] = changed(view.idKeys, keys)
  for (const element of view.ids.slice(from, to)) element.remove()
  const fresh = keys.slice(from, end).map((key) => make("span", "", key))
  const follower = view.ids[to] ?? null
  for (const element of fresh) idBox.insertBefore(element, follower)
  view.ids = [...view.ids.slice(0, from), ...fresh, ...view.ids.slice(to)]
  view.ids.forEach((element, i) => {
    const name = data.ids[i] === data.selectedId ? "is-chosen" : ""
    if (element.className !== name) element.className = name
  })
  idBox.setAttribute("aria-label", `ids: ${keys.slice(0, 50).join(", ")}`)
  view.idKeys = keys
}

function fit(view) {
  const scale = view.data?.scale ?? 1
  const wanted = view.inner.offsetHeight + 2
  const height = Math.round(Math.max(HEIGHTS[0] * scale, Math.min(wanted, HEIGHTS[1] * scale)))
  if (height !== view.height) view.box.style.height = `${height}px`
  view.height = height
  view.mirror.scrollTop = view.area.scrollTop
}
