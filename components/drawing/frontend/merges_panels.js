// Beside the text of merges.js: the counts of pairs before the next merge, the tokens learned so far, and how often each
// merge's pair stood, over the slider.

import { make } from "./elements.js"
import { mix, sizeCanvas } from "./theme.js"

export function chip(data, id, className = "") {
  const shown = make("code", `played-chip ${className} ${id < 256 ? "is-byte" : ""}`, data.tokens[id])
  shown.title = `id ${id}, ${bytes(data.sizes[id])}`
  return shown
}

export const bytes = (n) => `${n.toLocaleString("en")} byte${n === 1 ? "" : "s"}`
export const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${n.toLocaleString("en")} times`)

// Bars of the most frequent pairs; the winner first, those that tie with it marked.
export function fillPairs(list, data, rank) {
  const [nPairs, , , candidates] = data.moments[rank]
  const most = Math.max(1, ...candidates.map(([, , count]) => count))
  list.head.textContent = nPairs
    ? `Pairs side by side now: ${nPairs.toLocaleString("en")} different` + (nPairs > candidates.length ? `, the first ${candidates.length}` : "")
    : "Pairs side by side now: none"
  list.body.replaceChildren(
    ...candidates.map(([first, second, count], place) => {
      const row = make("div", place ? "played-pair" : "played-pair is-next")
      const pair = make("span", "played-two")
      pair.append(chip(data, first), chip(data, second))
      const ids = make("small", "", `ids ${first}, ${second}`)
      const track = make("span", "played-track")
      const bar = make("i")
      bar.style.width = `${(100 * count) / most}%`
      track.append(bar)
      const tied = count === candidates[0][2]
      const word = place === 0 ? (rank < data.merges.length ? "next" : "") : tied ? "tie" : ""
      row.append(pair, ids, track, make("b", "", count.toLocaleString("en")), make("em", "", word))
      return row
    }),
  )
}

// One row a merge, made once; those that are still to come are hidden. A click goes to the merge.
export function buildLadder(list, data, go) {
  list.rows = data.merges.map(([first, second, id, count], place) => {
    const row = make("button", "played-rung")
    row.type = "button"
    row.append(make("small", "", `${place + 1}`), chip(data, id), make("span", "played-from"), make("small", "", bytes(data.sizes[id])))
    row.children[2].append(make("span", "", "="), chip(data, first, "is-plain"), chip(data, second, "is-plain"))
    row.setAttribute("aria-label", `merge ${place + 1}: ${data.tokens[id]}, id ${id}, from ${data.tokens[first]} and ${data.tokens[second]}, which stood ${times(count)}`)
    row.onclick = () => go(place + 1)
    row.hidden = true
    return row
  })
  list.shown = 0
  const ground = make("p", "played-ground", `Of the 256 bytes this text uses ${data.used.length}: `)
  ground.append(...data.used.flatMap((id) => [chip(data, id), " "]))
  list.body.replaceChildren(...list.rows.toReversed(), ground)
}

export function fillLadder(list, data, rank) {
  for (let place = Math.min(rank, list.shown); place < Math.max(rank, list.shown); place++) list.rows[place].hidden = place >= rank
  if (list.shown !== rank) list.body.scrollTop = 0
  list.rows[list.shown - 1]?.classList.remove("is-new")
  list.rows[rank - 1]?.classList.add("is-new")
  list.shown = rank
  const size = data.merges.slice(0, rank).reduce((most, [, , id]) => Math.max(most, id + 1), 256)
  list.head.textContent = rank ? `Vocabulary, newest first: 256 + ${size - 256} = ${size}` : "Vocabulary: 256 bytes, nothing learned yet"
}

// A bar a merge, at the place of the slider's thumb for it.
export function paintCounts(canvas, data, theme, rank, width) {
  const height = 30 * theme.scale
  const pen = sizeCanvas(canvas, width, height)
  pen.clearRect(0, 0, width, height)
  const n = data.merges.length
  if (!n) return
  const step = (width - THUMB) / n
  const most = Math.max(...data.merges.map((merge) => merge[3]))
  data.merges.forEach(([, , , count], place) => {
    const tall = Math.max(1.5, (count / most) * (height - 2))
    const now = place + 1 === rank
    pen.fillStyle = now ? theme.roles.query : place + 1 === rank + 1 ? theme.roles.key : place < rank ? mix(theme.background, theme.roles.query, 0.42) : theme.faint
    const wide = Math.max(1, Math.min(14, step - 1.5))
    pen.fillRect(THUMB / 2 + (place + 1) * step - wide / 2, height - tall, wide, tall)
  })
}

export const THUMB = 16 // pixels: the slider's thumb, as drawing.css has it
