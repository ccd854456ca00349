// Beneath each text of duel.js: the tokens that could have come as bars, the chosen one marked, what the filter left out
// hatched; and, where a random number chose, the kept shares laid end to end with the place where it fell.

import { make } from "./elements.js"

export function choicePanel() {
  const box = make("div", "duel-choice")
  return { box, fill: (side, place, over) => box.replaceChildren(...parts(side, place, over)) }
}

function parts(side, place, over) {
  const [rows, taken, nKept, keptMass, draw] = side.choices[place]
  const title = over ? `It ended with token ${place + 1}, chosen from` : `Token ${place + 1} was chosen from`
  const bars = make("div", "duel-bars")
  for (const row of rows.map((row, index) => bar(row, index === taken))) bars.append(...row)
  return [make("div", "duel-caption", title), bars, kept(rows, nKept, keptMass, draw), draw == null ? noDraw() : strip(rows, taken, draw)]
}

function bar([label, probability, filtered, rank], taken) {
  const out = filtered === 0 ? " is-out" : ""
  const name = make("span", `duel-name${taken ? " is-taken" : ""}${out}`, label)
  const track = make("span", "duel-track")
  const fill = make("i", `${taken ? "is-taken" : ""}${out}`)
  fill.style.width = `${100 * probability}%`
  track.append(fill)
  const said = make("span", `duel-percent${taken ? " is-taken" : ""}${out}`, percent(probability))
  const mark = make("span", "duel-mark", taken ? (rank > 7 ? `◀ taken, ${rank + 1}th` : "◀ taken") : out ? "out" : "")
  return [name, track, said, mark]
}

function percent(share) {
  return share >= 0.0995 ? `${Math.round(100 * share)} %` : share >= 0.001 ? `${(100 * share).toFixed(1)} %` : "< 0.1 %"
}

function kept(rows, nKept, keptMass, draw) {
  if (draw == null) return make("div", "duel-kept", "The longest bar wins, always.")
  const words = nKept === 1 ? "1 token" : `${nKept.toLocaleString("en")} tokens`
  return make("div", "duel-kept", `In the nucleus: ${words}, ${percent(keptMass)} of the probability.`)
}

function noDraw() {
  return make("div", "duel-strip-none", "No random number is drawn, so no seed matters.")
}

// The kept shares in the order in which they are drawn from, likeliest first; behind the last row all others.
function strip(rows, taken, draw) {
  const box = make("div", "duel-strip")
  const line = make("div", "duel-line")
  let shown = 0
  rows.forEach(([label, , filtered, rank], index) => {
    if (!filtered || (index === taken && rank > index)) return // a row from further down has no place of its own here
    const part = make("span", index === taken ? "duel-part is-taken" : "duel-part", filtered > 0.09 ? label : "")
    part.style.width = `${100 * filtered}%`
    line.append(part)
    shown += filtered
  })
  if (shown < 0.9995) {
    const rest = make("span", `duel-part is-rest${rows[taken][3] > taken ? " is-taken" : ""}`, 1 - shown > 0.16 ? "all others" : "")
    rest.style.width = `${100 * (1 - shown)}%`
    line.append(rest)
  }
  const pin = make("span", "duel-pin", "▲")
  pin.style.left = `${100 * draw}%`
  const said = make("div", "duel-said", `The random number ${draw.toFixed(3)} fell here: ▲`)
  box.append(line, pin, said)
  return box
}
