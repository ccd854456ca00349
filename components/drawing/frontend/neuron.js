// The neuron view: one query and one key, element by element: query x key = product, the sum, and the score.

import { inkOf, shorten } from "./token_lines.js"
import { formatNumber, mix, readableOn } from "./theme.js"

// pair: { query, key (arrays of head_dim numbers), queryToken, keyToken, weight, nKeys }
export function paintNeuron(pen, theme, box, pair) {
  const { scale } = theme
  const dims = pair.query.length
  const products = Array.from(pair.query, (value, i) => value * pair.key[i])
  const sum = products.reduce((total, one) => total + one, 0)
  const footer = 76 * scale
  const heading = 46 * scale
  const row = (box.height - heading - footer) / dims
  const size = Math.min(13 * scale, Math.max(12 * scale, row * 0.9))
  const cell = 46 * scale
  const between = 16 * scale
  const columns = { index: box.x + 18 * scale, query: box.x + 24 * scale }
  columns.key = columns.query + cell + between
  columns.product = columns.key + cell + between
  columns.number = box.x + box.width
  const place = { box, row, size, cell, columns, top: box.y + heading, heading }
  pen.textBaseline = "middle"
  paintHeading(pen, theme, place, pair)
  paintElements(pen, theme, place, pair, products)
  paintSum(pen, theme, place, pair, sum, box.y + box.height - footer)
}

function paintHeading(pen, theme, { box, cell, columns }, pair) {
  const size = 13 * theme.scale
  const y = box.y + 12 * theme.scale
  const write = (text, x, role, align = "center", width = cell * 1.5) => {
    pen.textAlign = align
    pen.fillStyle = role ? inkOf(theme, role) : theme.text
    const font = `600 ${size}px ${theme.font}`
    const shown = shorten(pen, text, width, font)
    pen.font = font
    pen.fillText(shown, x, y)
  }
  write("query", columns.query + cell / 2, "query")
  write("key", columns.key + cell / 2, "key")
  write("product", columns.product, null, "left", 200 * theme.scale)
  pen.font = `${size}px ${theme.font}`
  for (const [text, x] of [[pair.queryToken, columns.query + cell / 2], [pair.keyToken, columns.key + cell / 2]]) {
    const shown = shorten(pen, text, cell * 1.4, pen.font)
    pen.textAlign = "center"
    pen.fillStyle = theme.text
    pen.fillText(shown, x, y + 18 * theme.scale)
  }
}

function paintElements(pen, theme, place, pair, products) {
  const { box, row, size, cell, columns, top } = place
  const reach = Math.max(...pair.query.map(Math.abs), ...pair.key.map(Math.abs)) || 1
  const longest = Math.max(...products.map(Math.abs)) || 1
  const numberRoom = 44 * theme.scale
  const from = columns.product
  const width = columns.number - numberRoom - from
  const axis = from + width / 2
  pen.font = `${size}px ${theme.font}`
  products.forEach((product, i) => {
    const y = top + i * row
    const middle = y + row / 2 + 0.5
    pen.textAlign = "right"
    pen.fillStyle = theme.soft
    pen.fillText(String(i + 1), columns.index, middle)
    number(pen, theme, place, pair.query[i], reach, columns.query, y)
    number(pen, theme, place, pair.key[i], reach, columns.key, y)
    pen.fillStyle = theme.soft
    pen.textAlign = "center"
    pen.fillText("×", columns.query + cell + 8 * theme.scale, middle)
    pen.fillText("=", columns.key + cell + 8 * theme.scale, middle)
    const length = (Math.abs(product) / longest) * (width / 2)
    pen.fillStyle = product >= 0 ? theme.roles.query : theme.roles.negative
    pen.fillRect(product >= 0 ? axis : axis - length, y + row * 0.18, length, row * 0.64)
    pen.fillStyle = Math.abs(product) > longest * 0.3 ? theme.text : theme.soft
    pen.textAlign = "right"
    pen.fillText(formatNumber(product, 2), columns.number, middle)
  })
  pen.strokeStyle = mix(theme.background, theme.text, 0.35)
  pen.lineWidth = 1
  pen.beginPath()
  pen.moveTo(axis, top)
  pen.lineTo(axis, top + products.length * row)
  pen.stroke()
}

function number(pen, theme, { row, cell }, value, reach, x, y) {
  const share = Math.min(1, Math.abs(value) / reach)
  const colour = mix(theme.background, value >= 0 ? theme.roles.query : theme.roles.negative, share * 0.9)
  pen.fillStyle = colour
  pen.fillRect(x, y + 0.5, cell, row - 1)
  pen.fillStyle = readableOn(colour, theme)
  pen.textAlign = "center"
  pen.fillText(formatNumber(value, 2), x + cell / 2, y + row / 2 + 0.5)
}

function paintSum(pen, theme, { box, columns }, pair, sum, y) {
  const dims = pair.query.length
  const score = sum / Math.sqrt(dims)
  const lines = [
    [`sum of the ${dims} products`, formatNumber(sum, 2)],
    [`divided by √${dims} = ${formatNumber(Math.sqrt(dims), 2)}: the score`, formatNumber(score, 2)],
    [`softmax over ${pair.nKeys} keys: the weight`, formatNumber(pair.weight, 3)],
  ]
  const step = 22 * theme.scale
  pen.strokeStyle = theme.faint
  pen.beginPath()
  pen.moveTo(box.x, y + 5 * theme.scale)
  pen.lineTo(box.x + box.width, y + 5 * theme.scale)
  pen.stroke()
  lines.forEach(([words, value], i) => {
    const middle = y + 20 * theme.scale + i * step
    const last = i === lines.length - 1
    const font = `${last ? "700 " : ""}${13.5 * theme.scale}px ${theme.font}`
    pen.fillStyle = last ? theme.text : theme.soft
    pen.textAlign = "left"
    const shown = shorten(pen, words, box.width - 60 * theme.scale, font)
    pen.font = font
    pen.fillText(shown, box.x + 4 * theme.scale, middle)
    pen.fillStyle = theme.text
    pen.textAlign = "right"
    pen.fillText(value, columns.number, middle)
  })
}
