// Every head of every block at one place of a text: what it reads, as a row of bars over the text so far.

import { decodeBytes, mix, sizeCanvas } from "./theme.js"

const LEAST = 24 // tokens that a row has room for; a longer text fills it
const FULL = 65_535 // a weight travels as a whole number of so many steps

export function readAttention(packed) {
  const { layers, heads, first, n, keys } = packed
  const steps = new Uint16Array(decodeBytes(packed.weights).buffer)
  const one = (layer, head, place) => {
    const from = ((layer * heads + head) * n + place - first) * keys
    return Array.from(steps.subarray(from, from + place + 1), (step) => step / FULL)
  }
  return {
    layers,
    heads,
    // How much of each token up to `place` is read. layer, head: counted from 1; 0 is the mean of all.
    row(layer, head, place) {
      if (layer && head) return one(layer - 1, head - 1, place)
      const chosen = layer ? [layer - 1] : Array.from({ length: layers }, (_, i) => i)
      const rows = chosen.flatMap((each) => Array.from({ length: heads }, (_, i) => one(each, i, place)))
      return rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / rows.length)
    },
  }
}

// Rows are blocks, columns heads; the last column is the mean of a block's heads, the last row that of all heads.
function lay(view) {
  const { theme, attention, width } = view
  const { scale } = theme
  const left = 62 * scale
  const top = 22 * scale
  const columns = attention.heads + 1
  const column = Math.min((width - left) / columns, 190 * scale)
  const row = Math.max(12, Math.min(33, 300 / (attention.layers + 1))) * Math.min(scale, 1.2) // a projector has the room for six blocks
  return { left, top, column, row, columns, height: top + (attention.layers + 1) * row + 4 }
}

export function paintHeads(view) {
  const { theme, attention, choice, data } = view
  const place = (view.headPlace = lay(view))
  const { scale } = theme
  const pen = sizeCanvas(view.heads, view.width, place.height)
  pen.clearRect(0, 0, view.width, place.height)
  view.heads.setAttribute("role", "img")
  view.heads.setAttribute("aria-label", `${data.alt}. Arrow keys choose a head.`)
  pen.textBaseline = "middle"
  const label = (text, x, y, align, strong) => {
    pen.font = `${strong ? 650 : 400} ${Math.min(13 * scale, place.row * 0.95)}px ${theme.font}`
    pen.fillStyle = strong ? theme.text : theme.soft
    pen.textAlign = align
    pen.fillText(text, x, y)
  }
  for (let head = 0; head < place.columns; head++) {
    const mean = head === attention.heads
    const chosen = mean ? choice.head === 0 || choice.layer === 0 : choice.layer > 0 && choice.head === head + 1
    label(mean ? "mean" : place.column > 56 * scale ? `head ${head + 1}` : `${head + 1}`, place.left + (head + 0.5) * place.column, place.top / 2, "center", chosen)
  }
  for (let layer = 0; layer <= attention.layers; layer++) {
    const all = layer === attention.layers
    const y = place.top + layer * place.row
    label(all ? "all" : `block ${layer + 1}`, place.left - 8 * scale, y + place.row / 2, "right", choice.layer === (all ? 0 : layer + 1))
    for (let head = all ? attention.heads : 0; head < place.columns; head++) {
      paintOne(pen, view, place.left + head * place.column, y, all ? 0 : layer + 1, head === attention.heads ? 0 : head + 1)
    }
  }
}

// Fuller and higher: read more. The bars stand in the order of the text, which grows to the right.
function paintOne(pen, view, x, y, layer, head) {
  const { theme, attention, choice, headPlace: place } = view
  const [wide, high] = [place.column - 6, place.row - 5]
  pen.fillStyle = mix(theme.background, theme.text, 0.05)
  pen.fillRect(x, y, wide, high)
  const row = attention.row(layer, head, choice.place)
  const step = wide / Math.max(LEAST, row.length)
  row.forEach((share, i) => {
    if (share < 0.01) return
    pen.fillStyle = mix(theme.background, theme.roles.key, 0.45 + 0.55 * share)
    pen.fillRect(x + i * step, y + high * (1 - share), Math.max(1.5, step - 0.7), high * share)
  })
  pen.fillStyle = mix(theme.background, theme.text, 0.35)
  pen.fillRect(x, y + high, step * row.length, 1)
  const chosen = layer === choice.layer && (layer === 0 || head === choice.head)
  if (!chosen) return
  pen.strokeStyle = theme.text
  pen.lineWidth = 2
  pen.strokeRect(x - 1, y - 1, wide + 2, high + 3)
}

export function headAt(view, x, y) {
  const { headPlace: place, attention } = view
  if (!place) return null
  const [column, row] = [Math.floor((x - place.left) / place.column), Math.floor((y - place.top) / place.row)]
  if (column < 0 || row < 0 || column >= place.columns || row > attention.layers) return null
  const mean = column === attention.heads
  if (row === attention.layers) return mean ? { layer: 0, head: 0 } : null
  return { layer: row + 1, head: mean ? 0 : column + 1 }
}

// The head that an arrow key leads to, or null.
export function moveHead(view, key) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key]
  if (!step) return null
  const { layers, heads } = view.attention
  const { choice } = view
  const row = Math.max(0, Math.min(layers, (choice.layer || layers + 1) - 1 + step[0]))
  const column = Math.max(0, Math.min(heads, (choice.head || heads + 1) - 1 + step[1]))
  if (row === layers) return { layer: 0, head: 0 }
  return { layer: row + 1, head: column === heads ? 0 : column + 1 }
}
