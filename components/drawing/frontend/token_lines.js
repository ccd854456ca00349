// Token lines as a drawing: rows of tokens on both sides, and between them the lines of one head. Used by lines.js,
// model.js, neuron.js and grid.js. A `spec` is { queryRows, keyRows, shares (queries x keys), queryName?, keyName? }.

import { formatNumber, mix, readableOn } from "./theme.js"

const MOST_ROWS = 44 // on one side; above it neighbouring tokens share a row
const FAINTEST = 0.012 // a reading below this is not drawn unless its token is pointed at
const QUERY_NAME = "query: reads"

export function blockFor(count, most = MOST_ROWS) {
  return Math.ceil(count / most)
}

// Rows of one side. A row stands for one token, or for a block of neighbours in a long text; the block that holds
// token `open` is shown token by token. hidden: a list of booleans, tokens that are not shown.
export function tokenRows(tokens, { hidden = null, open = null, block = 1 } = {}) {
  const rows = []
  for (let start = 0; start < tokens.length; start += block) {
    const end = Math.min(start + block, tokens.length)
    const members = []
    for (let i = start; i < end; i++) if (!hidden?.[i]) members.push(i)
    if (!members.length) continue
    const single = members.length === 1 || (open != null && open >= start && open < end)
    if (single) for (const i of members) rows.push({ members: [i], place: String(i + 1), text: tokens[i] })
    else {
      const [first, last] = [members[0], members[members.length - 1]]
      rows.push({ members, place: `${first + 1}–${last + 1}`, text: members.map((i) => tokens[i]).join(" ") })
    }
  }
  return rows
}

// How much each query row reads from each key row: summed over the keys of a row, averaged over its queries, so that
// what a row reads still adds up to what its tokens read. values: row-major, times `unit`; wide: keys in a full row.
export function sharesBetween(values, unit, wide, queryRows, keyRows) {
  const shares = new Float32Array(queryRows.length * keyRows.length)
  queryRows.forEach((queryRow, q) => {
    const factor = unit / queryRow.members.length
    keyRows.forEach((keyRow, k) => {
      let sum = 0
      for (const i of queryRow.members) for (const j of keyRow.members) sum += values[i * wide + j]
      shares[q * keyRows.length + k] = sum * factor
    })
  })
  return shares
}

export function rowsOf(spec, side) {
  return side === "query" ? spec.queryRows : spec.keyRows
}

// Where a token is kept: {side, index} of a token to {side, row} of its row, or null.
export function rowOf(spec, kept) {
  if (!kept || kept.index == null) return null
  const row = rowsOf(spec, kept.side).findIndex((one) => one.members.includes(kept.index))
  return row < 0 ? null : { side: kept.side, row }
}

export function headingHeight(theme) {
  return 28 * theme.scale
}

// Geometry inside `box`: numbers and tokens of both sides, and the room for lines between them.
// slim: no weights at the left and no bars, for a narrow box.
export function layLines(pen, theme, spec, box, { slim = false } = {}) {
  const rows = Math.max(spec.queryRows.length, spec.keyRows.length)
  const top = box.y + headingHeight(theme)
  const rowHeight = Math.min((box.height - headingHeight(theme)) / rows, 32 * theme.scale)
  const size = (rowHeight >= 20 * theme.scale ? 15 : rowHeight >= 15.5 * theme.scale ? 13.5 : 12) * theme.scale
  const small = Math.min(size, 12.5 * theme.scale)
  pen.font = `${small}px ${theme.font}`
  const number = pen.measureText("0.000").width + 6 * theme.scale
  const widestPlace = (side) => Math.max(...side.map((row) => pen.measureText(row.place).width))
  const places = { query: widestPlace(spec.queryRows), key: widestPlace(spec.keyRows) }
  pen.font = `${size}px ${theme.font}`
  const blocks = [...spec.queryRows, ...spec.keyRows].some((row) => row.members.length > 1)
  const most = box.width * (blocks ? 0.15 : 0.24) // a block's words only hint at it: the lines need the room
  const widest = (side) => Math.min(most, Math.max(...side.map((row) => pen.measureText(row.text).width)))
  const pad = 8 * theme.scale
  const [ownQueryText, keyText] = [widest(spec.queryRows), widest(spec.keyRows)]
  pen.font = `600 ${13 * theme.scale}px ${theme.font}`
  const heading = pen.measureText(spec.queryName ?? QUERY_NAME).width
  const queryText = Math.max(ownQueryText, heading - places.query - pad) // short tokens leave room for the heading
  const left = (slim ? 0 : number) + pad + places.query + pad + queryText + pad
  const bar = slim ? 0 : Math.max(24 * theme.scale, Math.min(80 * theme.scale, box.width * 0.12))
  const right = pad + places.key + pad + keyText + pad + number + bar
  const y = (side, row) => top + (row + 0.5) * rowHeight
  return { ...box, top, rowHeight, size, small, number, places, pad, bar, y, rows, spec,
    from: box.x + left, to: box.x + box.width - right, textWidth: { query: queryText, key: keyText } }
}

// focus: {side, row} pointed at or kept, or null for all lines; pair: the row on the other side to stress.
export function paintLines(pen, theme, place, spec, focus, { pair = null, muted = false } = {}) {
  pen.textBaseline = "middle"
  pen.direction = "ltr"
  paintHeadings(pen, theme, place, spec)
  pen.globalAlpha = muted ? 0.3 : 1 // a head that is switched off still reads; nobody listens
  if (focus) paintFocused(pen, theme, place, spec, focus, pair)
  else paintAll(pen, theme, place, spec)
  pen.globalAlpha = 1
  for (const side of ["query", "key"]) {
    rowsOf(spec, side).forEach((row, index) => paintToken(pen, theme, place, spec, { side, row: index }, focus, pair))
  }
}

function paintHeadings(pen, theme, place, spec) {
  const y = place.top - 16 * theme.scale
  pen.font = `600 ${13 * theme.scale}px ${theme.font}`
  pen.fillStyle = inkOf(theme, "query")
  pen.textAlign = "right"
  pen.fillText(spec.queryName ?? QUERY_NAME, place.from - place.pad, y)
  pen.fillStyle = inkOf(theme, "key")
  pen.textAlign = "left"
  pen.fillText(spec.keyName ?? "key: is read", place.to + place.pad, y)
}

// A role's colour dark enough to be read as text on the page.
export function inkOf(theme, role) {
  return theme.dark ? theme.roles[role] : mix(theme.roles[role], "#000000", role === "key" ? 0.35 : 0.1)
}

function strokeOf(pen, theme, place) {
  const colour = pen.createLinearGradient(place.from, 0, place.to, 0)
  // Held at both ends, so that the grey between blue and orange is short.
  colour.addColorStop(0.25, theme.roles.query)
  colour.addColorStop(0.75, theme.roles.key)
  return colour
}

function curve(pen, place, q, k) {
  const [from, to] = [place.y("query", q), place.y("key", k)]
  const middle = (place.from + place.to) / 2
  pen.moveTo(place.from, from)
  pen.bezierCurveTo(middle, from, middle, to, place.to, to)
}

// All lines at once, in twelve strengths: a stroke for each strength is far quicker than one for each line.
function paintAll(pen, theme, place, spec) {
  const wide = spec.keyRows.length
  const levels = Array.from({ length: 12 }, () => [])
  spec.shares.forEach((share, at) => {
    if (share >= FAINTEST) levels[Math.min(11, Math.floor(share * 12))].push(at)
  })
  const alpha = pen.globalAlpha
  pen.strokeStyle = strokeOf(pen, theme, place)
  levels.forEach((lines, level) => {
    if (!lines.length) return
    const share = (level + 0.6) / 12
    pen.globalAlpha = alpha * Math.min(1, 0.1 + 0.9 * share)
    pen.lineWidth = (0.7 + 5.5 * share) * theme.scale * thin(theme, place)
    pen.beginPath()
    for (const at of lines) curve(pen, place, Math.floor(at / wide), at % wide)
    pen.stroke()
  })
  pen.globalAlpha = alpha
}

function thin(theme, place) {
  return Math.max(0.35, Math.min(1, place.rowHeight / (22 * theme.scale)))
}

function paintFocused(pen, theme, place, spec, focus, pair) {
  const alpha = pen.globalAlpha
  pen.strokeStyle = strokeOf(pen, theme, place)
  rowsOf(spec, focus.side === "query" ? "key" : "query").forEach((_, other) => {
    const share = shareAt(spec, focus, other)
    if (share < 0.004 && other !== pair) return
    pen.globalAlpha = alpha * Math.min(1, 0.18 + 0.82 * Math.sqrt(share))
    pen.lineWidth = (0.8 + 9 * share) * theme.scale
    pen.beginPath()
    if (focus.side === "query") curve(pen, place, focus.row, other)
    else curve(pen, place, other, focus.row)
    pen.stroke()
  })
  pen.globalAlpha = alpha
}

export function shareAt(spec, focus, other) {
  const wide = spec.keyRows.length
  return focus.side === "query" ? spec.shares[focus.row * wide + other] : spec.shares[other * wide + focus.row]
}

function paintToken(pen, theme, place, spec, one, focus, pair) {
  const { side } = one
  const row = rowsOf(spec, side)[one.row]
  const y = place.y(side, one.row)
  const chosen = focus && focus.side === side && focus.row === one.row
  const share = focus && focus.side !== side ? shareAt(spec, focus, one.row) : null
  const text = shorten(pen, row.text, place.textWidth[side], `${place.size}px ${theme.font}`)
  const width = place.places[side] + place.pad + place.textWidth[side] + place.pad
  const left = side === "query" ? place.from - place.pad / 2 - width : place.to + place.pad / 2
  const inner = Math.min(place.rowHeight - 1, place.size * 1.6)
  const background = chosen ? theme.roles[side] : share != null ? mix(theme.background, theme.roles[side], 0.75 * Math.sqrt(Math.max(0, share))) : null
  if (background && (chosen || share > 0.01)) {
    pen.fillStyle = background
    pen.beginPath()
    pen.roundRect(left, y - inner / 2, width, inner, 4 * theme.scale)
    pen.fill()
  }
  if (pair === one.row && share != null) {
    pen.strokeStyle = theme.text
    pen.lineWidth = 1.5 * theme.scale
    pen.beginPath()
    pen.roundRect(left, y - inner / 2, width, inner, 4 * theme.scale)
    pen.stroke()
  }
  const dim = focus && focus.side === side && !chosen
  const ink = background && (chosen || share > 0.01) ? readableOn(background, theme) : dim ? theme.soft : theme.text
  const atLeft = side === "query"
  pen.fillStyle = ink
  pen.font = `${chosen ? "600 " : ""}${place.size}px ${theme.font}`
  pen.textAlign = atLeft ? "right" : "left"
  const textX = atLeft ? left + width - place.pad / 2 : left + place.pad / 2 + place.places[side] + place.pad
  pen.fillText(text, textX, y + 1)
  pen.font = `${place.small}px ${theme.font}`
  pen.textAlign = "right"
  pen.fillStyle = chosen || (background && share > 0.01) ? ink : theme.soft
  const placeX = atLeft ? left + place.pad / 2 + place.places[side] : left + place.pad / 2 + place.places[side]
  pen.fillText(row.place, placeX, y + 1)
  if (share != null) paintShare(pen, theme, place, side, share, y, atLeft ? left : left + width, one.row === pair)
}

function paintShare(pen, theme, place, side, share, y, edge, stressed) {
  const strong = share >= 0.1 || stressed
  pen.font = `${strong ? "600 " : ""}${place.small}px ${theme.font}`
  pen.fillStyle = strong ? theme.text : theme.soft
  pen.textAlign = "right"
  const number = formatNumber(share, 3)
  if (side === "query") return pen.fillText(number, edge - place.pad / 2, y + 1)
  pen.fillText(number, edge + place.number, y + 1)
  if (!place.bar) return
  pen.fillStyle = theme.roles.key
  pen.fillRect(edge + place.number + place.pad, y - place.rowHeight * 0.22, (place.bar - place.pad * 1.5) * Math.min(1, share), place.rowHeight * 0.44)
}

export function lineRowAt(place, x, y) {
  if (!place) return null
  const row = Math.floor((y - place.top) / place.rowHeight)
  const side = x < place.from + 4 ? "query" : x > place.to - 4 ? "key" : null
  if (!side || row < 0 || x < place.x || x > place.x + place.width) return null
  return row < rowsOf(place.spec, side).length ? { side, row } : null
}

// What the lines of one row say, for a screen reader.
export function spokenLines(spec, focus) {
  if (!focus) return "no token chosen"
  const others = rowsOf(spec, focus.side === "query" ? "key" : "query")
  const mine = rowsOf(spec, focus.side)[focus.row]
  const ranked = others.map((row, i) => [shareAt(spec, focus, i), row]).sort((a, b) => b[0] - a[0]).slice(0, 3)
  const list = ranked.map(([share, row]) => `${row.place} ${row.text} ${formatNumber(share, 2)}`).join(", ")
  return `${mine.place} ${mine.text} ${focus.side === "query" ? "reads" : "is read by"} ${list}`
}

const shortened = new Map()

export function shorten(pen, text, room, font) {
  const name = `${font}|${Math.round(room)}|${text}`
  if (shortened.has(name)) return shortened.get(name)
  if (shortened.size > 4000) shortened.clear()
  if (font) pen.font = font
  let shown = text
  if (pen.measureText(text).width > room + 0.5) {
    const letters = [...text].slice(0, 80)
    while (letters.length > 1 && pen.measureText(letters.join("") + "…").width > room) letters.pop()
    shown = letters.join("") + "…"
  }
  shortened.set(name, shown)
  return shown
}
