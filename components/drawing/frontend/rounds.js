// Speculative decoding: the text, its tokens coloured by who wrote them, and the rounds that made it.
// data: { prompt, reads, rounds: [{ proposed: [{ text, chance (null: not checked), kept }], own (null: the text ended) }] }
// Pointing at a round, or stepping to it by keyboard, lights up its tokens in the text, and the other way round.

import { make } from "./elements.js"
import { makeTip, readTheme } from "./theme.js"
import { visible } from "./token_strip.js"
import { SIGNS } from "./white_space.js"

const STYLE = `
.rounds { font-size: calc(14.5px * var(--scale)); font-variant-numeric: tabular-nums; }
.rounds-text { line-height: 2.05; padding-bottom: .5em; margin-bottom: .6em; border-bottom: 1px solid var(--st-border-color); overflow-wrap: anywhere; }
.rounds-text > span:first-child { opacity: .7; white-space: pre-wrap; }
.rounds-list { list-style: none; margin: 0; padding: 0; columns: calc(340px * var(--scale)); column-gap: calc(26px * var(--scale)); }
.rounds-list li { margin: 0; break-inside: avoid; display: flex; align-items: center; flex-wrap: wrap; gap: 2px 5px; padding: 3px 5px; border-radius: 6px; min-height: calc(30px * var(--scale)); }
.rounds-list li > b { font-weight: 400; opacity: .7; min-width: 1.7em; text-align: right; margin-right: .3em; font-size: .9em; }
.rounds-list li.lit, .rounds-list li:focus-visible { background: color-mix(in srgb, var(--st-text-color) 8%, transparent); outline: none; }
.rounds-token { font-family: var(--st-code-font, monospace); font-size: .95em; white-space: pre; unicode-bidi: isolate; padding: .12em .34em; border-radius: 5px; border: 1.5px solid transparent; }
.rounds-token.kept { background: color-mix(in srgb, var(--role-value) 22%, transparent); }
.rounds-token.lost { border-color: var(--role-negative); text-decoration: line-through 1.5px var(--role-negative); }
.rounds-token.idle { border: 1.5px dashed color-mix(in srgb, var(--st-text-color) 35%, transparent); color: color-mix(in srgb, var(--st-text-color) 60%, var(--st-background-color)); }
.rounds-token.own { background: color-mix(in srgb, var(--role-query) 24%, transparent); font-weight: 650; }
.rounds-text .rounds-token { display: inline-block; line-height: 1.35; padding: .04em .1em; margin-right: 1px; font-family: inherit; }
.rounds-token.lit { box-shadow: 0 0 0 2px var(--st-text-color); }
.rounds-legend { display: flex; flex-wrap: wrap; gap: .2em 1.4em; margin-bottom: .5em; font-size: calc(13px * var(--scale)); }
.rounds-arrow { opacity: .6; }`

export function create(host) {
  const root = make("div", "rounds")
  root.setAttribute("role", "group")
  host.append(Object.assign(document.createElement("style"), { textContent: STYLE }), root)
  const view = { host, root, tip: makeTip(host) }
  root.onpointerover = (event) => light(view, event.target, event)
  root.onpointerleave = () => light(view, null)
  root.onfocusin = (event) => light(view, event.target)
  root.onfocusout = () => light(view, null)
  root.onkeydown = (event) => step(root, event)
  return { update: (data) => update(view, data) }
}

function update(view, data) {
  const { root } = view
  const theme = readTheme(root, data)
  for (const [role, colour] of Object.entries(theme.roles)) root.style.setProperty(`--role-${role}`, colour)
  root.style.setProperty("--scale", theme.scale)
  root.setAttribute("aria-label", data.alt)
  const written = make("div", "rounds-text")
  written.append(make("span", "", data.prompt))
  const list = make("ol", "rounds-list")
  data.rounds.forEach((round, number) => {
    for (const one of round.proposed) if (one.kept) written.append(token(spaced(one.text), "kept", number))
    if (round.own != null) written.append(token(spaced(round.own), "own", number))
    list.append(row(round, number))
  })
  root.replaceChildren(legend(data), written, list)
  if (list.firstChild) list.firstChild.tabIndex = 0
  view.tip.hide()
}

function legend(data) {
  const box = make("div", "rounds-legend")
  for (const [look, sample, words] of [
    ["kept", "✓", "drafted and kept"],
    ["lost", "✗", "drafted, not kept"],
    ["idle", "…", "drafted in vain, not looked at"],
    ["own", "→", `from the ${data.reads}`],
  ]) {
    const entry = make("span")
    entry.append(make("span", `rounds-token ${look}`, sample), ` ${words}`)
    box.append(entry)
  }
  return box
}

function row(round, number) {
  const line = make("li")
  line.dataset.round = number
  line.tabIndex = -1
  line.append(make("b", "", number + 1))
  for (const one of round.proposed) {
    const look = one.kept ? "kept" : one.chance == null ? "idle" : "lost"
    const chip = token(visible(one.text), look, number)
    chip.dataset.tip = one.chance == null ? "not looked at: a token before it was not kept" : `${one.kept ? "kept" : "not kept"}; the chance to be kept was ${one.chance.toFixed(2)}`
    line.append(chip)
  }
  if (round.own != null) {
    const chip = token(visible(round.own), "own", number)
    const corrects = round.proposed.some((one) => one.chance != null && !one.kept)
    chip.dataset.tip = corrects ? "put in its place by the large model" : round.proposed.length ? "all were kept: one more comes with the same reading" : "written without a draft"
    line.append(make("span", "rounds-arrow", "→"), chip)
  }
  return line
}

// In running text a space is a space; in the rounds it is a sign, so that it can be seen where a token begins.
function spaced(text) {
  return text.replaceAll("\n", SIGNS["\n"])
}

function token(text, look, number) {
  const chip = make("span", `rounds-token ${look}`, text)
  chip.dataset.round = number
  return chip
}

// What belongs to one round stands out in the list and in the text.
function light({ host, root, tip }, target, event) {
  const round = target?.closest?.("[data-round]")?.dataset.round
  for (const one of root.querySelectorAll(".rounds-text [data-round], li")) one.classList.toggle("lit", round != null && one.dataset.round === round)
  const said = target?.closest?.("[data-tip]")?.dataset.tip
  if (!said || !event) return tip.hide()
  const at = host.getBoundingClientRect()
  tip.show(event.clientX - at.left, event.clientY - at.top, [said])
}

function step(root, event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  const line = event.target.closest("li")
  const next = by && (by > 0 ? line?.nextElementSibling : line?.previousElementSibling)
  if (!next) return
  event.preventDefault()
  line.tabIndex = -1
  next.tabIndex = 0
  next.focus()
}
