// Two texts that grow token by token, and for the chosen token the distribution it was chosen from.
// data: { name, beginning, token, partsAt, sides: [{ title, rule, tokens, markedFrom, repeats, role, ended,
//         choices: [[rows: [[label, probability, filtered, rank]], taken, nKept, keptMass, draw]] }] },
//         see components/figures/duel.py
// event: { type: "token", token }  after a pause

import { choicePanel } from "./duel_choice.js"
import { make } from "./elements.js"
import { readTheme } from "./theme.js"

const TELL_AFTER = 400 // milliseconds of rest
const PACE = 110 // milliseconds a token

export function create(host) {
  const view = { host, at: 0, told: null, name: null, playing: false, sides: [] }
  build(view)
  return {
    update: (data, send) => take(view, data, send),
    destroy() {
      clearTimeout(view.teller)
      clearTimeout(view.player)
    },
  }
}

function build(view) {
  const box = (view.box = make("div", "duel"))
  box.setAttribute("role", "group")
  view.play = Object.assign(make("button", "plain-button played-play", "Play"), { type: "button", title: "Let both texts grow" })
  view.play.onclick = () => (view.playing ? rest(view) : play(view))
  view.slider = Object.assign(make("input"), { type: "range", min: "1", step: "1" })
  view.slider.setAttribute("aria-label", "Token")
  view.slider.oninput = () => choose(view, Number(view.slider.value))
  const scrub = make("div", "played-scrub")
  scrub.append(view.slider)
  view.place = make("span", "played-place")
  const bar = make("div", "played-bar")
  bar.append(view.play, scrub, view.place)
  view.columns = make("div", "duel-sides")
  box.append(bar, view.columns)
  view.host.append(box)
}

function take(view, data, send) {
  Object.assign(view, { data, send })
  const theme = readTheme(view.host, data)
  view.host.style.setProperty("--scale", theme.scale)
  for (const role of ["query", "negative"]) view.host.style.setProperty(`--${role}`, theme.roles[role])
  view.box.setAttribute("aria-label", data.alt)
  view.length = Math.max(...data.sides.map((side) => side.tokens.length))
  view.slider.max = String(view.length)
  if (data.name !== view.name) {
    rest(view, false)
    view.sides = data.sides.map((side) => column(view, side))
    view.columns.replaceChildren(...view.sides.map((side) => side.box))
  }
  view.sides.forEach((side, i) => side.box.style.setProperty("--role", theme.roles[data.sides[i].role]))
  if (data.name !== view.name || data.token !== view.told) {
    rest(view, false)
    view.at = view.told = data.token
  }
  view.name = data.name
  fill(view)
}

function column(view, side) {
  const one = { box: make("div", "duel-side"), text: make("div", "duel-text"), repeats: make("b", "duel-repeats"), panel: choicePanel() }
  const head = make("div", "duel-head")
  const title = make("span")
  title.append(make("b", "", side.title), make("span", "duel-rule", side.rule))
  head.append(title, one.repeats)
  one.tokens = side.tokens.map((token, place) => {
    const part = make("span", "duel-token", token)
    part.onclick = () => choose(view, place + 1)
    return part
  })
  one.text.append(make("span", "duel-beginning", view.data.beginning), ...one.tokens)
  one.box.append(head, one.text, one.panel.box)
  return one
}

function fill(view) {
  const { data, at } = view
  view.slider.value = String(at)
  view.slider.setAttribute("aria-valuetext", `${at} of ${view.length}`)
  view.place.textContent = `token ${at} of ${view.length}`
  view.sides.forEach((one, i) => {
    const side = data.sides[i]
    const last = Math.min(at, side.tokens.length) - 1
    one.tokens.forEach((part, place) => {
      const name = [
        "duel-token",
        place > last ? "is-later" : "",
        place === last ? "is-chosen" : "",
        side.markedFrom[place] != null && side.markedFrom[place] <= last ? "is-repeated" : "",
        place === data.partsAt && i > 0 ? "is-parting" : "",
      ].filter(Boolean).join(" ")
      if (part.className !== name) part.className = name
    })
    one.repeats.textContent = `repeats ${Math.round(100 * side.repeats[last])} %`
    one.panel.fill(side, last, at > side.tokens.length)
  })
}

// Each place the learner comes to rest at goes to Python once.
function choose(view, token, byPlaying = false) {
  if (!byPlaying) rest(view, false)
  view.at = Math.max(1, Math.min(token, view.length))
  fill(view)
  clearTimeout(view.teller)
  if (!view.playing) view.teller = setTimeout(() => tell(view), TELL_AFTER)
}

function tell(view) {
  if (view.at === view.told) return
  view.told = view.at
  view.send({ type: "token", token: view.at })
}

function play(view) {
  view.playing = true
  view.play.textContent = "Pause"
  if (view.at >= view.length) choose(view, 1, true)
  const step = () => {
    if (view.at >= view.length) return rest(view)
    choose(view, view.at + 1, true)
    view.player = setTimeout(step, PACE)
  }
  view.player = setTimeout(step, PACE)
}

function rest(view, telling = true) {
  view.playing = false
  view.play.textContent = "Play"
  clearTimeout(view.player)
  if (telling) tell(view)
}
