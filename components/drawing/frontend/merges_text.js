// The corpus of merges.js on a canvas: every byte has a place of its own that never moves, and tokens are the boxes
// around them. So a merge is seen as two boxes that become one. Only the lines in sight are painted.

import { mix, readableOn, sizeCanvas } from "./theme.js"
import { SIGNS } from "./white_space.js"

const NARROWEST = 13 // pixels a byte, where each is a letter
const NARROWEST_HEX = 17 // where some are two hexadecimal digits
const WIDEST = 21
const LINES = 5 // in sight; more are reached by scrolling
const INVISIBLE = /[\p{C}\p{Z}]/u
const UNITS = /\n|[^\S\n]*[^\s]+|[^\S\n]+/g // what is kept on one line: a word with the space before it

// Characters, and for each byte the merge that joined it to the byte before it (0: none does).
export function readCorpus(data) {
  const packed = Uint8Array.from(atob(data.taken), (sign) => sign.charCodeAt(0))
  const encoder = new TextEncoder()
  let from = 0
  const taken = data.pieces.map((piece) => {
    const length = encoder.encode(piece).length
    const own = packed.subarray(from, from + length - 1)
    from += length - 1
    return own
  })
  const text = data.order.map((piece) => data.pieces[piece]).join("")
  const nBytes = encoder.encode(text).length
  const joins = new Uint8Array(nBytes)
  let place = 0
  for (const piece of data.order) {
    joins.set(taken[piece], place + 1)
    place += taken[piece].length + 1
  }
  const first = new Int32Array(data.merges.length + 2).fill(-1) // where each merge is met first
  for (let i = nBytes - 1; i >= 0; i--) first[joins[i]] = i
  return { text, joins, nBytes, first, ...charactersOf(text, encoder) }
}

function charactersOf(text, encoder) {
  const characters = []
  const starts = []
  const hex = []
  let place = 0
  for (const character of text) {
    const bytes = encoder.encode(character)
    characters.push(SIGNS[character] ?? (INVISIBLE.test(character) ? null : character))
    starts.push(place)
    for (const byte of bytes) hex.push(byte)
    place += bytes.length
  }
  starts.push(place)
  return { characters, starts, bytes: hex }
}

// A cell for each byte: `cells[i]` counts along the lines, `columns` of them a line.
export function layOut(corpus, width, scale) {
  const widest = Math.max(1, ...corpus.text.split("\n").map((line) => Math.min(400, new Blob([line]).size + 1)))
  const narrowest = corpus.characters.length < corpus.nBytes || corpus.characters.includes(null) ? NARROWEST_HEX : NARROWEST
  const cell = Math.max(narrowest * scale, Math.min(WIDEST * scale, Math.floor(width / widest)))
  const columns = Math.max(4, Math.floor(width / cell))
  const cells = new Int32Array(corpus.nBytes)
  let [at, character] = [0, 0]
  const roomLeft = () => columns - (at % columns)
  for (const [unit] of corpus.text.matchAll(UNITS)) {
    const n = [...unit].length
    const size = corpus.starts[character + n] - corpus.starts[character]
    if (size > roomLeft() && size <= columns && unit !== "\n") at += roomLeft()
    for (const end = character + n; character < end; character++) {
      const [start, stop] = [corpus.starts[character], corpus.starts[character + 1]]
      if (stop - start > roomLeft()) at += roomLeft()
      for (let i = start; i < stop; i++) cells[i] = at++
    }
    if (unit === "\n" && at % columns) at += roomLeft()
  }
  const lines = Math.max(1, Math.ceil(at / columns))
  const begins = new Int32Array(lines + 1).fill(corpus.nBytes)
  for (let i = corpus.nBytes - 1; i >= 0; i--) begins[Math.floor(cells[i] / columns)] = i
  for (let line = lines - 1; line >= 0; line--) begins[line] = Math.min(begins[line], begins[line + 1])
  const height = Math.round(Math.max(30 * scale, cell * 1.75))
  return { cell, columns, cells, lines, begins, height, inSight: Math.min(lines, LINES) }
}

// Paints the lines in sight after `rank` merges. `grown`: from 0 to 1, how far the last merge has come.
export function paintText(canvas, corpus, layout, theme, { rank, last, top, width, grown }) {
  const height = layout.inSight * layout.height
  const pen = sizeCanvas(canvas, width, height)
  pen.clearRect(0, 0, width, height)
  pen.translate(0, -top)
  const lines = [Math.floor(top / layout.height), Math.min(layout.lines - 1, Math.floor((top + height) / layout.height))]
  const range = [layout.begins[lines[0]], layout.begins[lines[1] + 1]]
  const before = grown < 1 ? rank - 1 : rank
  const tokens = tokensIn(corpus, range, before)
  const look = looks(theme, grown)
  for (const token of tokens) box(pen, layout, token, token.made && token.made === rank && grown === 1 ? look.made : token.made ? look.old : look.byte, corpus, theme)
  if (grown < 1) {
    for (const token of tokensIn(corpus, range, rank)) if (token.made === rank) box(pen, layout, token, look.growing, corpus, theme)
  } else if (rank < last) {
    outlineNext(pen, corpus, layout, theme, tokens, rank + 1)
  }
}

// The tokens that have a byte in [start, end), each with the merge that made it (0 for a single byte).
function tokensIn({ joins, nBytes }, [start, end], rank) {
  const tokens = []
  const whole = (i) => joins[i] !== 0 && joins[i] <= rank
  let i = start
  while (i > 0 && whole(i)) i--
  while (i < end) {
    let [stop, made] = [i + 1, 0]
    while (stop < nBytes && whole(stop)) made = Math.max(made, joins[stop++])
    tokens.push({ start: i, stop, made })
    i = stop
  }
  return tokens
}

export function tokenAt(corpus, layout, rank, x, y) {
  const line = Math.floor(y / layout.height)
  const cell = line * layout.columns + Math.floor(x / layout.cell)
  if (line < 0 || line >= layout.lines || x >= layout.columns * layout.cell) return null
  const range = [layout.begins[line], layout.begins[line + 1]]
  for (const token of tokensIn(corpus, range, rank))
    for (let i = token.start; i < token.stop; i++) if (layout.cells[i] === cell) return token
  return null
}

function looks(theme, grown) {
  const blue = theme.roles.query
  return {
    byte: { fill: null, line: mix(theme.background, theme.text, 0.22), ink: theme.text },
    old: { fill: mix(theme.background, blue, theme.dark ? 0.34 : 0.2), line: null, ink: theme.text },
    growing: { fill: blue, line: null, ink: grown > 0.5 ? readableOn(blue, theme) : theme.text, alpha: grown },
    made: { fill: blue, line: null, ink: readableOn(blue, theme) },
  }
}

// The stretches of cells that a run of bytes fills, one a line: [x, y, width].
function* stretches(layout, start, stop) {
  let from = start
  for (let i = start + 1; i <= stop; i++) {
    if (i < stop && layout.cells[i] === layout.cells[i - 1] + 1 && layout.cells[i] % layout.columns) continue
    const [column, line] = [layout.cells[from] % layout.columns, Math.floor(layout.cells[from] / layout.columns)]
    yield [column * layout.cell, line * layout.height, (i - from) * layout.cell]
    from = i
  }
}

function box(pen, layout, { start, stop }, look, corpus, theme) {
  for (const [x, y, width] of stretches(layout, start, stop)) {
    pen.beginPath()
    pen.roundRect(x + 1.5, y + 3.5, width - 3, layout.height - 7, 5)
    if (look.fill) {
      pen.globalAlpha = look.alpha ?? 1
      pen.fillStyle = look.fill
      pen.fill()
      pen.globalAlpha = 1
    }
    if (look.line) {
      pen.strokeStyle = look.line
      pen.lineWidth = 1
      pen.stroke()
    }
  }
  write(pen, layout, start, stop, look.ink, corpus, theme)
}

// Whole characters over their bytes; a byte of a character that this token holds only a part of, in hexadecimal.
function write(pen, layout, start, stop, ink, corpus, theme) {
  const { starts, characters, bytes } = corpus
  pen.textAlign = "center"
  pen.textBaseline = "middle"
  pen.fillStyle = ink
  const mono = theme.code
  let character = upTo(starts, start)
  for (let i = start; i < stop; ) {
    const end = starts[character + 1]
    const whole = starts[character] === i && end <= stop && characters[character] !== null
    const sign = whole ? characters[character] : bytes[i].toString(16).toUpperCase().padStart(2, "0")
    const next = whole ? end : i + 1
    const y = Math.floor(layout.cells[i] / layout.columns) * layout.height + layout.height / 2
    const x = ((layout.cells[i] % layout.columns) + (next - i) / 2) * layout.cell
    const white = whole && "·⏎→␍".includes(sign)
    pen.font = `${whole ? Math.min(19 * theme.scale, layout.cell * 1.05) : layout.cell * 0.66}px ${mono}`
    if (white) pen.globalAlpha *= 0.55
    pen.fillText(sign, x, y + 1)
    if (white) pen.globalAlpha /= 0.55
    i = next
    if (i >= end) character++
  }
}

function upTo(starts, place) {
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle] <= place) low = middle
    else high = middle - 1
  }
  return low
}

// A frame around each pair that the next merge joins: its second part begins where that merge takes the boundary.
function outlineNext(pen, corpus, layout, theme, tokens, merge) {
  pen.strokeStyle = theme.roles.key
  pen.lineWidth = 2.5
  tokens.forEach((token, place) => {
    if (corpus.joins[token.start] !== merge || !place) return
    for (const [x, y, width] of stretches(layout, tokens[place - 1].start, token.stop)) {
      pen.beginPath()
      pen.roundRect(x + 1, y + 2, width - 2, layout.height - 4, 6)
      pen.stroke()
    }
  })
}
