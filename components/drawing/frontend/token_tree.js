// How one token came to be: its bytes at the bottom, a merge above every two parts, the token at the top.
// data: { texts, ranks, heights, starts, ends, parts: [[left, right] | null], step }: `step` is the number shown for
// rank 0. The last part is the token.

import { add } from "./elements.js"
import { readTheme } from "./theme.js"

const TALL = 9 // levels from which there is no room for the merges' numbers
const MOST = 4000 // pixels of width; a longer token is drawn closer

export function create(host) {
  const box = document.createElement("div")
  box.className = "tree"
  host.append(box)
  const view = { data: null, width: 0 }
  const paint = () => {
    view.width = host.clientWidth
    box.replaceChildren(picture(view.data, readTheme(host, view.data), view.width))
  }
  const watcher = new ResizeObserver(() => view.data && host.clientWidth !== view.width && paint())
  watcher.observe(host)
  return {
    update(data) {
      view.data = data
      paint()
    },
    destroy: () => watcher.disconnect(),
  }
}

function picture(data, theme, room) {
  const { scale } = theme
  const n = data.ends[data.ends.length - 1]
  const levels = data.heights[data.heights.length - 1]
  const tall = levels >= TALL
  const pad = 34 * scale // a short token's number is wider than its bytes
  const column = Math.min(38 * scale, Math.max((room - 2 * pad) / n, 22 * scale), MOST / n)
  const row = Math.max(6, Math.min((tall ? 30 : 47) * scale, 900 / (levels + 1)))
  const [width, height] = [n * column + 2 * pad, levels * row + 34 * scale]
  const svg = add(document.createElement("div"), "svg", { width, height, role: "img", "aria-label": data.alt })
  const x = (i) => pad + ((data.starts[i] + data.ends[i]) / 2) * column
  const y = (i) => (levels - data.heights[i]) * row + 13 * scale
  data.parts.forEach((pair, i) => {
    for (const part of pair ?? []) {
      const [top, bottom] = [y(i) + (tall ? 10 : 27) * scale, y(part) - 11 * scale]
      const path = `M${x(i)},${top} C${x(i)},${(top + bottom) / 2} ${x(part)},${(top + bottom) / 2} ${x(part)},${bottom}`
      add(svg, "path", { d: path, fill: "none", stroke: theme.soft, "stroke-width": 1.3 * scale, opacity: 0.7 })
    }
  })
  data.texts.forEach((text, i) => paintPart(svg, data, theme, i, text, { x: x(i), y: y(i), tall, column }))
  return svg
}

function paintPart(svg, data, theme, i, text, place) {
  const { scale } = theme
  const single = data.ranks[i] == null
  const whole = i === data.texts.length - 1
  const size = (single ? 14 : 15) * scale
  const group = add(svg, "g", {})
  add(group, "title", {}, single ? `byte ${text}` : `${text}: merge ${(data.ranks[i] + data.step).toLocaleString("en")}`)
  const box = add(group, "rect", { rx: 5 * scale, height: 22 * scale, y: place.y - 11 * scale })
  box.setAttribute("fill", whole ? theme.roles.query : theme.background)
  box.setAttribute("stroke", whole ? theme.roles.query : theme.soft)
  box.setAttribute("fill-opacity", whole ? 0.16 : 1)
  const label = add(group, "text", { x: place.x, y: place.y + 5 * scale, "text-anchor": "middle" }, text)
  label.style.cssText = `font: ${whole ? 650 : 500} ${size}px ${theme.font}; fill: ${theme.text}; unicode-bidi: isolate`
  const width = Math.max(Math.min(place.column - 5 * scale, 24 * scale), [...text].length * size * 0.58 + 12 * scale)
  box.setAttribute("width", width)
  box.setAttribute("x", place.x - width / 2)
  if (single || place.tall) return
  const number = add(group, "text", { x: place.x, y: place.y + 23 * scale, "text-anchor": "middle" }, `${place.column < 32 * scale ? "" : "merge "}${(data.ranks[i] + data.step).toLocaleString("en")}`)
  number.style.cssText = `font: 400 ${12 * scale}px ${theme.font}; fill: ${theme.text}; opacity: 0.75; font-variant-numeric: tabular-nums; paint-order: stroke; stroke: ${theme.background}; stroke-width: 3px`
}
