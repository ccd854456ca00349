// The tower of a model: the area of each box is its number of parameters, in one scale for the whole picture.

import { shape } from "./elements.js"

const MOST_DRAWN = 120 // layers that are drawn one by one; more are one box of each part
const GAP = 2

export function tower(data, width, colour, theme) {
  const scale = data.scale ?? 1
  const size = 12.5 * scale
  const left = data.stacks.length > 1 ? 0 : 84 * scale // room for the words beside a single tower
  const gap = data.stacks.length > 1 ? 26 * scale : 0
  const wide = width - left - 2
  const each = (wide - gap) / data.stacks.length
  const title = 22 * scale
  const tall = 420 * scale
  const sum = (boxes) => boxes.reduce((all, box) => all + box.value, 0)
  const stackSum = (stack) => sum(stack.below) + sum(stack.above) + sum(stack.layer) * stack.n_layers
  // Pixels of height for one parameter: of a box as wide as one tower, and of one as wide as all of them.
  const highest = Math.max(...data.stacks.map(stackSum)) / each + (sum(data.ground) + sum(data.top)) / wide
  const perPixel = (tall - 70 * scale) / highest
  const svg = shape("svg", { role: "presentation" })
  const pen = { svg, colour, theme, size, scale }

  let floor = tall - 2
  for (const box of data.ground) floor = place(pen, box, left, floor, wide, (box.value / wide) * perPixel) - GAP * 2
  let roof = floor
  data.stacks.forEach((stack, at) => {
    const x = left + at * (each + gap)
    let y = floor - (data.stacks.length > 1 ? title : 0)
    if (data.stacks.length > 1) words(pen, x + each / 2, floor - title * 0.28, `${stack.title}, ${count(stack.n_layers)}`, "middle", true)
    for (const box of stack.below) y = place(pen, box, x, y, each, (box.value / each) * perPixel) - GAP
    const from = y
    y = layers(pen, stack, x, y, each, perPixel)
    if (data.stacks.length === 1) brace(pen, left - 8 * scale, y + GAP, from, count(stack.n_layers), stack)
    for (const box of stack.above) y = place(pen, box, x, y, each, (box.value / each) * perPixel) - GAP
    roof = Math.min(roof, y)
  })
  if (data.stacks.length > 1) arrow(pen, left + each, roof + (floor - roof) * 0.45, gap)
  roof -= GAP
  for (const box of data.top) roof = place(pen, box, left, roof, wide, (box.value / wide) * perPixel) - GAP
  const begin = Math.min(roof, tall - 40) - 2
  svg.setAttribute("viewBox", `0 ${begin} ${width} ${tall - begin}`)
  svg.setAttribute("height", tall - begin)
  return svg
}

function layers(pen, stack, x, floor, wide, perPixel) {
  const height = (stack.layer.reduce((all, box) => all + box.value, 0) / wide) * perPixel
  const one = stack.n_layers <= MOST_DRAWN
  const between = height > 8 ? GAP : height > 3 ? 0.8 : 0
  let y = floor
  for (let layer = 0; layer < (one ? stack.n_layers : 1); layer++) {
    for (const box of stack.layer) {
      const high = (box.value / wide) * perPixel * (one ? 1 : stack.n_layers)
      rect(pen, box, x, y - high, wide, high)
      y -= high
    }
    y -= between
  }
  return y - GAP
}

// A box whose name stands inside, where it fits, and one of no parameters as a dashed outline.
function place(pen, box, x, floor, wide, high) {
  const least = box.value ? 1 : 22 * pen.scale
  const tall = Math.max(high, least)
  rect(pen, box, x, floor - tall, wide, tall)
  if (tall >= 17 * pen.scale) {
    const short = tall < 36 * pen.scale
    const middle = floor - tall / 2 + pen.size * 0.35
    const ink = box.value ? "#10161c" : pen.theme.text
    words(pen, x + wide / 2, short ? middle : middle - pen.size * 0.6, box.name, "middle", true, ink)
    if (!short) words(pen, x + wide / 2, middle + pen.size * 0.7, box.text, "middle", false, ink)
  }
  return floor - tall
}

function rect(pen, box, x, y, width, height) {
  const made = shape("rect", { x, y, width, height: Math.max(height, 0.4), rx: height > 6 ? 3 : 0, "data-part": box.part, "data-tip": `${box.name}: ${box.text}` })
  if (box.value) made.setAttribute("fill", pen.colour(box.part))
  else {
    made.setAttribute("fill", pen.theme.background)
    made.setAttribute("stroke", pen.theme.soft)
    made.setAttribute("stroke-dasharray", "4 3")
  }
  pen.svg.append(made)
}

function brace(pen, x, top, bottom, text, stack) {
  const middle = (top + bottom) / 2
  const d = `M${x + 4} ${top} H${x} V${bottom} H${x + 4}`
  pen.svg.append(shape("path", { d, fill: "none", stroke: pen.theme.soft, "stroke-width": 1.2 }))
  words(pen, x - 6 * pen.scale, middle - pen.size * 0.15, text, "end", true)
  words(pen, x - 6 * pen.scale, middle + pen.size * 1.05, stack.title.toLowerCase(), "end", false)
}

function arrow(pen, x, y, gap) {
  const d = `M${x + 3} ${y} H${x + gap - 4} M${x + gap - 10} ${y - 5} L${x + gap - 4} ${y} L${x + gap - 10} ${y + 5}`
  pen.svg.append(shape("path", { d, fill: "none", stroke: pen.theme.text, "stroke-width": 1.6 }))
}

function words(pen, x, y, text, anchor, bold, fill) {
  const made = shape("text", { x, y, "text-anchor": anchor, "font-size": pen.size, "font-weight": bold ? 650 : 400, fill: fill ?? pen.theme.text, "pointer-events": "none" })
  made.textContent = text
  pen.svg.append(made)
}

const count = (n) => `${n.toLocaleString("en")} layer${n === 1 ? "" : "s"}`
