// Tokens as chips in reading order, wrapping lines, with ids beneath and white space that can be seen.
// data: { texts, ids, starts, ends, roles_of, notes, raws, shares, left, selectable, selected, showIds, showSpace,
// shareName }, see components/figures/token_strip.py. event: { type: "token", index }
// tokens_live.js uses the same chips below a text that is being typed, lens.js above what a model makes of a text.

import { make } from "./elements.js"
import { formatNumber, makeTip, mix, readTheme } from "./theme.js"
import { SIGNS } from "./white_space.js"

export const TINTS = ["query", "key", "value", "output"]
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/
const INVISIBLE = { "\u200b": "ZWSP", "\u200c": "ZWNJ", "\u200d": "ZWJ", "\u2060": "WJ", "\ufeff": "BOM", "\ufe0e": "VS15", "\ufe0f": "VS16", "\u00ad": "SHY" }

export function create(host) {
  const strip = makeStrip(host)
  const left = make("p", "strip-left")
  host.append(strip.box, left)
  const tip = makeTip(host)
  const view = { data: null, send: null }
  strip.onHover = (index, event) => (index == null ? tip.hide() : showTip(tip, host, view.data, index, event))
  strip.onChoose = (index) => view.send({ type: "token", index })
  return {
    update(data, send) {
      Object.assign(view, { data, send })
      tip.hide()
      setTints(host, readTheme(host, data))
      strip.update(data)
      left.textContent = data.left ? `and ${data.left.toLocaleString("en")} more tokens, which are not drawn` : ""
    },
  }
}

// The colours of the chips as CSS variables of the host, so that a theme's change repaints without new elements.
export function setTints(host, theme) {
  TINTS.forEach((role, i) => host.style.setProperty(`--tint-${i}`, mix(theme.background, theme.roles[role], theme.dark ? 0.34 : 0.22)))
  for (const [role, colour] of Object.entries(theme.roles)) host.style.setProperty(`--role-${role}`, colour)
  host.style.setProperty("--scale", theme.scale)
}

// A row of chips that keeps the elements of tokens that stay, so that a keystroke changes a few of them only.
export function makeStrip() {
  const box = make("div", "strip")
  const strip = { box, chips: [], keys: [], onHover() {}, onChoose() {}, at: 0 }
  const indexOf = (target) => strip.chips.indexOf(target.closest?.(".strip-chip"))
  box.onpointermove = (event) => {
    const index = indexOf(event.target)
    strip.onHover(index < 0 ? null : index, event)
  }
  box.onpointerleave = () => strip.onHover(null)
  box.onclick = (event) => {
    const index = indexOf(event.target)
    if (index >= 0 && strip.selectable) {
      rove(strip, index)
      strip.onChoose(index)
    }
  }
  box.onfocusin = (event) => {
    const index = indexOf(event.target)
    if (index >= 0 && event.target.matches(":focus-visible")) strip.onHover(index, event)
  }
  box.onfocusout = () => strip.onHover(null)
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    const index = indexOf(event.target)
    if (!step || index < 0) return
    const next = Math.max(0, Math.min(index + (box.dir === "rtl" ? -step : step), strip.chips.length - 1))
    rove(strip, next)
    strip.chips[next].focus()
    event.preventDefault()
  }
  strip.update = (data) => update(strip, data)
  return strip
}

function update(strip, data) {
  const { box } = strip
  const shared = data.shares?.length > 0
  const shape = `${data.selectable} ${data.showIds} ${data.showSpace} ${shared}`
  if (shape !== strip.shape) {
    box.replaceChildren()
    Object.assign(strip, { shape, chips: [], keys: [] })
  }
  strip.selectable = data.selectable
  box.setAttribute("role", data.selectable ? "group" : "img")
  box.setAttribute("aria-label", data.alt)
  box.dir = directionOf(data.text == null ? data.texts : [data.text])
  const keys = data.texts.map((text, i) => `${text}\u0000${data.ids[i]}\u0000${data.roles_of[i] ?? ""}`)
  const [from, to, end] = changed(strip.keys, keys)
  for (const chip of strip.chips.slice(from, to)) {
    chip.lineBreak?.remove()
    chip.remove()
  }
  const fresh = []
  const parts = document.createDocumentFragment()
  for (let i = from; i < end; i++) {
    const chip = makeChip(data, i)
    fresh.push(chip)
    parts.append(chip)
    if (data.texts[i].includes("\n")) parts.append((chip.lineBreak = make("i", "strip-break")))
  }
  box.insertBefore(parts, strip.chips[to] ?? null)
  strip.chips = [...strip.chips.slice(0, from), ...fresh, ...strip.chips.slice(to)]
  strip.keys = keys
  strip.chips.forEach((chip, i) => {
    const name = `strip-chip ${shared ? "is-shared " : ""}${tintOf(data, i)}${isChosen(data, i) ? " is-chosen" : ""}`
    if (chip.className !== name) chip.className = name
    if (shared) fill(chip, data.shares[i])
  })
  if (data.selectable && strip.chips.length) rove(strip, Math.min(data.selected ?? strip.at, strip.chips.length - 1))
}

// A chip's share: how far it is filled, and the number below; nothing where it has none.
function fill(chip, share) {
  chip.style.setProperty("--share", `${100 * Math.min(1, share ?? 0)}%`)
  chip.querySelector(".strip-share").textContent = share == null ? "\u00a0" : share < 0.005 ? "0" : formatNumber(share, 2)
}

// One place is chosen, or every place of one id.
function isChosen(data, i) {
  return i === data.selected || (data.selectedId != null && data.ids[i] === data.selectedId)
}

export function tintOf(data, i) {
  const role = data.roles_of[i]
  return role ? `role-${role}` : `tint-${i % TINTS.length}`
}

// Where two lists differ: [from, to) of the old one is replaced by [from, end) of the new one.
export function changed(before, now) {
  let from = 0
  while (from < before.length && from < now.length && before[from] === now[from]) from++
  let same = 0
  while (same < before.length - from && same < now.length - from && before[before.length - 1 - same] === now[now.length - 1 - same]) same++
  return [from, before.length - same, now.length - same]
}

function makeChip(data, i) {
  const chip = make(data.selectable ? "button" : "span", "strip-chip")
  if (data.selectable) Object.assign(chip, { type: "button", tabIndex: -1 })
  chip.append(written(data.texts[i], data.showSpace))
  if (data.showIds) chip.append(make("small", "", data.ids[i] ?? ""))
  if (data.shares?.length) chip.append(make("small", "strip-share"))
  return chip
}

// The token's text, its white space as signs in a fainter ink.
function written(text, showSpace) {
  const shown = make("span", "strip-text")
  shown.dir = "auto"
  if (text === "") shown.append(make("i", "", "empty"))
  if (!showSpace) {
    shown.textContent = text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "") || "\u00a0"
    return shown
  }
  for (const part of text.split(/([ \t\n\r\u00a0])/)) if (part) shown.append(SIGNS[part] ? make("i", "", SIGNS[part]) : named(part))
  return shown
}

// Signs that show nothing are named where they join no two others; those that turn the direction of text always are.
function named(part) {
  const alone = [...part].every((sign) => INVISIBLE[sign])
  if (alone) return make("i", "", [...part].map((sign) => INVISIBLE[sign]).join(" "))
  return part
    .replace(/^[\u200b-\u200d\u2060\ufeff\ufe0e\ufe0f\u00ad]+|[\u200b-\u200d\u2060\ufeff\u00ad]+(?=$|⟨)/g, (signs) => [...signs].map((sign) => INVISIBLE[sign]).join(" "))
    .replace(/[\u0000-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
    .replace(/\u007f/g, "␡")
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (sign) => `⟨${sign.charCodeAt(0).toString(16).toUpperCase()}⟩`)
}

// The text with its white space as signs, for one line.
export function visible(text) {
  const signs = [...text.replace(/[ \t\n\r\u00a0]/g, (sign) => SIGNS[sign])]
  const short = signs.length > 60 ? `${signs.slice(0, 59).join("")}…` : signs.join("")
  const shown = named(short)
  return typeof shown === "string" ? shown : shown.textContent
}

function directionOf(texts) {
  for (const text of texts) {
    const letter = text.replace(/⟨[0-9A-F\u202f]+⟩/g, "").match(/\p{L}/u)
    if (letter) return RIGHT_TO_LEFT.test(letter[0]) ? "rtl" : "ltr"
  }
  return "ltr"
}

function rove(strip, index) {
  const before = strip.chips[strip.at]
  if (before) before.tabIndex = -1
  strip.at = index
  strip.chips[index].tabIndex = 0
}

export function bytesOf(data, i) {
  if (data.raws[i]) return data.raws[i]
  const bytes = [...new TextEncoder().encode(data.texts[i])]
  return bytes.map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(" ")
}

export function tipLines(data, i) {
  const all = bytesOf(data, i).split(" ").filter(Boolean)
  const shown = all.length > 24 ? `${all.slice(0, 24).join(" ")} …` : all.join(" ")
  const lines = [`${visible(data.texts[i])}${data.ids[i] == null ? "" : `   id ${data.ids[i]}`}`]
  lines.push(`${all.length} ${all.length === 1 ? "byte" : "bytes"}: ${shown}`)
  if (data.shares?.[i] != null) lines.push(`${data.shareName} ${formatNumber(data.shares[i], 3)}`)
  if (data.notes[i]) lines.push(data.notes[i])
  return lines
}

export function showTip(tip, host, data, index, event) {
  const frame = host.getBoundingClientRect()
  const chip = event.target.getBoundingClientRect()
  const [x, y] = event.clientX == null ? [chip.left, chip.bottom] : [event.clientX, event.clientY]
  tip.show(x - frame.left, y - frame.top, tipLines(data, index))
}
