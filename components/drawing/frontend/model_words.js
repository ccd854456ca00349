// The words of the real model's figure: the open head's title, the legend, and what a small map says when pointed at.

import { SIGNS } from "./birdseye.js"
import { FULL } from "./model_numbers.js"
import { formatNumber } from "./theme.js"

export function fillTitle(view) {
  const { data, choice } = view
  const { layer, head } = choice
  const off = choice.mute.includes(`${layer}.${head}`) ? ", muted" : ""
  const strong = Object.assign(document.createElement("b"), { textContent: `Layer ${layer + 1}, head ${head + 1}${off}` })
  const words = Object.assign(document.createElement("span"), { textContent: headWords(data, layer, head) })
  view.title.replaceChildren(strong, words)
}

function headWords(data, layer, head) {
  const label = data.labels[layer][head]
  const score = formatNumber(data.scores[layer][head], 2)
  if (label === "mixed") return `no simple pattern (nearest: ${data.words[data.best[layer][head]]}, ${score})`
  return `${SIGNS[label]} ${data.words[label]}, ${score}`
}

export function fillLegend(view) {
  const { words } = view.data
  const entries = Object.entries(SIGNS).map(([name, sign]) => {
    const entry = document.createElement("span")
    entry.append(Object.assign(document.createElement("b"), { textContent: sign }), ` ${words[name]}`)
    return entry
  })
  const rest = ["no sign: mixed", "point at a map for its pattern and score"]
  view.legend.replaceChildren(...entries, ...rest.map((textContent) => Object.assign(document.createElement("span"), { textContent })))
}

export function tipLines(view, { layer, head }) {
  const { data, choice } = view
  const lines = [`Layer ${layer + 1}, head ${head + 1}${choice.mute.includes(`${layer}.${head}`) ? ", muted" : ""}`, headWords(data, layer, head)]
  const n = data.tokens.length
  if (choice.token >= 0 && !data.pooled) {
    const row = view.maps.subarray(((layer * data.heads + head) * n + choice.token) * n).subarray(0, n)
    let best = -1
    row.forEach((value, i) => {
      if (!(data.show.hide && data.special[i]) && (best < 0 || value > row[best])) best = i
    })
    if (best >= 0) lines.push(`${choice.token + 1} ${data.tokens[choice.token]} reads ${best + 1} ${data.tokens[best]} most, ${formatNumber(row[best] / FULL, 2)}`)
  }
  return lines
}
