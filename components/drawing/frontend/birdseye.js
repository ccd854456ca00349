// The bird's-eye view: one small map for each head, layers from left to right, heads from top to bottom.
// The maps are painted once into an atlas; choosing a head only draws frames over it.

import { mix, rgb } from "./theme.js"

export const SIGNS = { previous: "←", next: "→", "same token": "=", "separator sink": "]", broad: "∗" }
const GAMMA = 0.7 // weak readings stay visible in a map of few pixels; the large views are linear

// weights: typed array, (layers x heads, size x size) row-major; largest: the number that stands for weight 1.
export function paintAtlas(theme, { weights, largest, size, layers, heads }) {
  const atlas = document.createElement("canvas")
  atlas.width = layers * size
  atlas.height = heads * size
  const pen = atlas.getContext("2d")
  const picture = pen.createImageData(atlas.width, atlas.height)
  const pixels = new Uint32Array(picture.data.buffer)
  const colours = strengths(theme)
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const from = (layer * heads + head) * size * size
      for (let q = 0; q < size; q++) {
        const to = (head * size + q) * atlas.width + layer * size
        for (let k = 0; k < size; k++) {
          pixels[to + k] = colours[Math.min(255, Math.round((weights[from + q * size + k] / largest) * 255))]
        }
      }
    }
  }
  pen.putImageData(picture, 0, 0)
  return atlas
}

function strengths(theme) {
  const ground = mix(theme.background, theme.text, 0.05)
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const [r, g, b] = rgb(mix(ground, theme.roles.query, (i / 255) ** GAMMA))
    return (255 << 24) | (b << 16) | (g << 8) | r
  })
}

export function layBirdseye(theme, { layers, heads, width }) {
  const { scale } = theme
  const left = 21 * scale
  const top = 40 * scale
  const column = (width - left) / layers
  const sign = 13 * scale
  const side = Math.floor(Math.min(column - sign - 4 * scale, 36 * scale))
  const row = side + 6 * scale
  return { left, top, column, row, side, sign, layers, heads, width, height: top + heads * row }
}

// choice: {layer, head}; hover the same or null; muted: set of "layer.head"; inner: [first, last + 1] of shown places.
export function paintBirdseye(pen, theme, place, { atlas, size, inner, choice, hover, muted, patterns, muting }) {
  const { scale } = theme
  pen.clearRect(0, 0, place.width, place.height)
  paintAxes(pen, theme, place, choice)
  pen.imageSmoothingEnabled = inner[1] - inner[0] > place.side * (window.devicePixelRatio || 1)
  for (let layer = 0; layer < place.layers; layer++) {
    for (let head = 0; head < place.heads; head++) {
      const [x, y] = corner(place, layer, head)
      const off = muted.has(`${layer}.${head}`)
      pen.globalAlpha = off ? 0.25 : 1
      const shown = inner[1] - inner[0]
      pen.drawImage(atlas, layer * size + inner[0], head * size + inner[0], shown, shown, x, y, place.side, place.side)
      pen.globalAlpha = 1
      if (off) strike(pen, theme, x, y, place.side)
      paintSign(pen, theme, place, patterns[layer][head].label, x, y)
    }
  }
  if (hover) frame(pen, place, hover, muting ? theme.roles.negative : theme.soft, 2 * scale)
  frame(pen, place, choice, theme.roles.key, 3 * scale)
}

function paintAxes(pen, theme, place, choice) {
  const size = 12.5 * theme.scale
  pen.textBaseline = "middle"
  pen.textAlign = "center"
  pen.font = `600 ${size}px ${theme.font}`
  pen.fillStyle = theme.soft
  pen.textAlign = "left"
  pen.fillText("head ↓   layer →", 0, 9 * theme.scale)
  pen.textAlign = "center"
  for (let layer = 0; layer < place.layers; layer++) {
    label(pen, theme, size, String(layer + 1), corner(place, layer, 0)[0] + place.side / 2, place.top - 11 * theme.scale, layer === choice.layer)
  }
  for (let head = 0; head < place.heads; head++) {
    label(pen, theme, size, String(head + 1), place.left - 13 * theme.scale, corner(place, 0, head)[1] + place.side / 2, head === choice.head)
  }
}

function label(pen, theme, size, text, x, y, open) {
  pen.font = `${open ? "700 " : ""}${size}px ${theme.font}`
  pen.fillStyle = open ? theme.text : theme.soft
  pen.fillText(text, x, y)
}

function paintSign(pen, theme, place, name, x, y) {
  if (!SIGNS[name]) return
  // Most heads are broad or rest on the separators: their signs step back, the rarer ones stand out.
  const common = name === "separator sink" || name === "broad"
  pen.fillStyle = common ? theme.soft : theme.text
  pen.font = `${common ? "" : "700 "}${13 * theme.scale}px ${theme.font}`
  pen.textAlign = "center"
  pen.fillText(SIGNS[name], x + place.side + place.sign / 2 + 1, y + place.side / 2)
}

function strike(pen, theme, x, y, side) {
  pen.strokeStyle = theme.roles.negative
  pen.lineWidth = 1.5 * theme.scale
  pen.beginPath()
  pen.moveTo(x + 3, y + side - 3)
  pen.lineTo(x + side - 3, y + 3)
  pen.moveTo(x + 3, y + 3)
  pen.lineTo(x + side - 3, y + side - 3)
  pen.stroke()
}

function frame(pen, place, { layer, head }, colour, width) {
  const [x, y] = corner(place, layer, head)
  pen.strokeStyle = colour
  pen.lineWidth = width
  pen.strokeRect(x - 1.5, y - 1.5, place.side + 3, place.side + 3)
}

function corner(place, layer, head) {
  return [Math.round(place.left + layer * place.column), Math.round(place.top + head * place.row)]
}

export function headAt(place, x, y) {
  if (!place) return null
  const layer = Math.floor((x - place.left) / place.column)
  const head = Math.floor((y - place.top) / place.row)
  return layer >= 0 && head >= 0 && layer < place.layers && head < place.heads ? { layer, head } : null
}
