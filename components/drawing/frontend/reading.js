// One sentence, one reader: the words stand in a line, and arcs lead from the reading word to the words it reads.
// data: { tokens, weights (base64 float32, query_len x key_len), reader }
// events: { type: "reader", index }

import { decodeFloats, formatNumber, readTheme } from "./theme.js"

const SVG = "http://www.w3.org/2000/svg"

export function create(host) {
  const box = Object.assign(document.createElement("div"), { className: "reading" })
  const arcs = document.createElementNS(SVG, "svg")
  arcs.classList.add("reading-arcs")
  arcs.setAttribute("aria-hidden", "true")
  const line = Object.assign(document.createElement("div"), { className: "reading-line" })
  line.setAttribute("role", "group")
  box.append(arcs, line)
  host.append(box)
  const view = { host, box, arcs, line, hover: null }
  const watcher = new ResizeObserver(() => {
    if (!view.data) return
    fitOnOneLine(line)
    drawArcs(view)
  })
  watcher.observe(host)
  return {
    update(data, send) {
      view.data = data
      view.send = send
      view.weights = decodeFloats(data.weights)
      view.theme = readTheme(host, data)
      if (view.drawnReader !== data.reader) view.reader = view.drawnReader = data.reader
      line.setAttribute("aria-label", data.alt)
      fillLine(view)
      drawArcs(view)
    },
    destroy() {
      watcher.disconnect()
    },
  }
}

function fillLine(view) {
  const { line, data, theme } = view
  line.replaceChildren(
    ...data.tokens.map((token, index) => {
      const word = Object.assign(document.createElement("button"), { type: "button", className: "reading-word" })
      const text = Object.assign(document.createElement("span"), { textContent: token })
      const share = Object.assign(document.createElement("small"), {})
      word.append(text, share)
      word.onclick = () => {
        view.reader = view.drawnReader = index
        paintWords(view)
        drawArcs(view)
        view.send({ type: "reader", index })
      }
      word.onpointerenter = () => {
        view.hover = index
        drawArcs(view)
      }
      word.onpointerleave = () => {
        view.hover = null
        drawArcs(view)
      }
      return word
    }),
  )
  line.style.setProperty("--query", theme.roles.query)
  line.style.setProperty("--key", theme.roles.key)
  paintWords(view)
  fitOnOneLine(line)
}

// The largest type at which the sentence stays on one line; a long sentence wraps at a comfortable size instead.
function fitOnOneLine(line) {
  for (const size of [1.15, 1.05, 0.95, 0.88]) {
    line.style.fontSize = `${size}rem`
    if (line.lastChild.offsetTop === line.firstChild.offsetTop) return
  }
  line.style.fontSize = "1rem"
}

function weightOf(view, index) {
  return view.weights[view.reader * view.data.tokens.length + index]
}

function paintWords(view) {
  ;[...view.line.children].forEach((word, index) => {
    const weight = weightOf(view, index)
    word.classList.toggle("is-reader", index === view.reader)
    word.style.setProperty("--share", `${(weight * 100).toFixed(1)}%`)
    word.lastChild.textContent = formatNumber(weight)
    word.setAttribute("aria-pressed", String(index === view.reader))
    word.setAttribute("aria-label", `${view.data.tokens[index]}, read with weight ${formatNumber(weight)}`)
  })
}

function drawArcs(view) {
  const { arcs, line, box, theme } = view
  const frame = box.getBoundingClientRect()
  if (!frame.width) return
  const places = [...line.children].map((word) => {
    const r = word.getBoundingClientRect()
    return { x: r.left - frame.left + r.width / 2, y: r.top - frame.top }
  })
  arcs.setAttribute("width", frame.width)
  arcs.setAttribute("height", frame.height)
  const from = places[view.reader]
  arcs.replaceChildren(
    ...places.flatMap((to, index) => {
      const weight = weightOf(view, index)
      if (index === view.reader || weight < 0.005) return []
      const path = document.createElementNS(SVG, "path")
      // Words on one line are joined by an arch over it, words on different lines by a straight stroke.
      const lift = Math.abs(to.y - from.y) < 4 ? Math.min(24 + Math.abs(to.x - from.x) * 0.32, from.y - 6) : 10
      path.setAttribute("d", `M${from.x},${from.y} C${from.x},${from.y - lift} ${to.x},${to.y - lift} ${to.x},${to.y}`)
      path.setAttribute("fill", "none")
      path.setAttribute("stroke", theme.roles.key)
      path.setAttribute("stroke-width", Math.max(1, weight * 14))
      path.setAttribute("stroke-linecap", "round")
      path.setAttribute("opacity", view.hover == null || view.hover === index || view.hover === view.reader ? 0.25 + 0.7 * weight : 0.08)
      return [path]
    }),
  )
}
