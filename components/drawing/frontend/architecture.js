// A transformer as a row of buttons: tokens, embedding and position, N blocks, output head. Each leads to its lab.
// data: { boxes: [{ place, lab, title, text, open }] }   event: { lab, click } (click counts, so that no two are equal)

import { add, make } from "./elements.js"
import { readTheme } from "./theme.js"

const STYLE = `
.architecture { container-type: inline-size; }
.flow { display: grid; grid-template-columns: 11.6fr 2em 12.4fr 2em 31fr 2em 16fr; align-items: stretch; padding: 2px; }
.frame { display: grid; grid-template-columns: 14fr 2.2em 13fr; grid-template-rows: auto 1fr; gap: .5em 0;
  border: 1px solid var(--line); border-radius: 12px; padding: .6em .9em .9em; background: var(--panel); }
.frame-title { grid-column: 1 / -1; color: var(--soft); display: flex; justify-content: space-between; gap: 1em; }
.frame-title b { color: var(--st-text-color); font-weight: 600; }
.heads { display: grid; grid-template-rows: 1fr 1fr; gap: .7em; }
.box { font: inherit; text-align: left; color: inherit; background: var(--st-background-color); cursor: pointer; margin: 0;
  border: 1px solid var(--line); border-radius: 8px; padding: .8em .9em; display: flex; flex-direction: column; gap: .25em; }
.box:hover { border-color: var(--st-primary-color); }
.box .title { font-size: 1.15em; font-weight: 600; line-height: 1.25; }
.box .text { color: var(--soft); line-height: 1.35; }
.box .tag { margin-top: auto; padding-top: .35em; color: var(--soft); }
.box svg { display: block; height: 4.6em; width: 100%; margin-bottom: .35em; color: var(--st-text-color); overflow: visible; }
.heads .box { display: grid; grid-template-columns: 3.2em 1fr; grid-template-rows: auto auto 1fr; column-gap: .9em; padding: .65em .8em; }
.heads .box svg { grid-row: 1 / -1; height: 100%; max-height: 4.4em; margin: 0; align-self: center; }
.box.open { border: 2px solid var(--st-primary-color); background: var(--tint); }
.box.open .tag { font-weight: 600; color: var(--link); }
.box.open:hover { background: var(--tint-strong); }
.arrow { align-self: center; justify-self: center; color: var(--soft); width: 1.7em; height: 1em; }
.again { display: flex; align-items: center; gap: .8em; color: var(--soft); margin: .5em 6.2em 0 4.2em; height: 1.5em; position: relative; }
.again::before { content: ""; position: absolute; inset: -.5em 0 .7em 0; border: 1.5px dashed var(--line); border-top: 0; border-radius: 0 0 10px 10px; }
.again span { margin: 0 auto; position: relative; top: .05em; background: var(--st-background-color); padding: 0 .8em; }
@container (max-width: 62em) {
  .flow { grid-template-columns: 1fr; gap: .4em; }
  .frame { grid-template-columns: 1fr; }
  .flow .arrow { transform: rotate(90deg); }
  .heads { grid-template-rows: none; grid-template-columns: 1fr 1fr; }
  .again { display: none; }
}`

export function create(host) {
  const root = Object.assign(document.createElement("div"), { className: "architecture" })
  root.setAttribute("role", "group")
  host.append(Object.assign(document.createElement("style"), { textContent: STYLE }), root)
  let shown = ""
  let clicks = 0
  return {
    update(data, send) {
      root.setAttribute("aria-label", data.alt)
      root.style.fontSize = `${13 * (data.scale ?? 1)}px`
      paintTones(root, data)
      // The buttons stay in place when nothing about them changed, so that the keyboard's focus stays too.
      const wanted = JSON.stringify(data.boxes)
      root.onclick = (event) => {
        const box = event.target.closest("button")
        if (!box) return
        if (box.dataset.open) send({ lab: Number(box.dataset.lab), click: `${Date.now()}-${++clicks}` })
        else showOnRoadmap(box.dataset.lab)
      }
      if (wanted === shown) return
      shown = wanted
      root.replaceChildren(flow(data.boxes), again())
    },
    destroy() {
      root.onclick = null
    },
  }
}

function paintTones(root, data) {
  const { roles } = readTheme(root, data)
  root.style.setProperty("--query", roles.query)
  root.style.setProperty("--key", roles.key)
  const tone = (share, of = "var(--st-text-color)") => `color-mix(in srgb, ${of} ${share}%, var(--st-background-color))`
  root.style.setProperty("--soft", tone(68))
  root.style.setProperty("--line", tone(24))
  root.style.setProperty("--panel", tone(3))
  root.style.setProperty("--tint", tone(8, "var(--st-primary-color)"))
  root.style.setProperty("--tint-strong", tone(15, "var(--st-primary-color)"))
  root.style.setProperty("--link", "var(--st-link-color)")
}

function flow(boxes) {
  const at = (place) => makeBox(boxes.find((box) => box.place === place))
  const title = make("div", "frame-title")
  title.append(make("b", "", "Block"), make("span", "", "× N, one after another"))
  const frame = make("div", "frame")
  frame.append(title, at("attention"), arrow(), at("block"))
  const heads = make("div", "heads")
  heads.append(at("label"), at("word"))
  const row = make("div", "flow")
  row.append(at("tokens"), arrow(), at("embedding"), arrow(), frame, arrow(), heads)
  return row
}

function again() {
  const line = make("div", "again")
  line.append(make("span", "", "to write a text, the new word is appended and the whole is run again"))
  return line
}

function makeBox(box) {
  const button = make("button", box.open ? "box open" : "box")
  button.type = "button"
  button.dataset.lab = String(box.lab)
  if (box.open) button.dataset.open = "1"
  const tag = `Lab ${box.lab}${box.open ? " · open it →" : " · not open yet"}`
  button.append(GLYPHS[box.place](), make("span", "title", box.title), make("span", "text", box.text), make("span", "tag", tag))
  return button
}

function showOnRoadmap(lab) {
  const card = document.getElementById(`lab-${lab}`)
  if (!card) return
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches
  card.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "center" })
  card.focus({ preventScroll: true })
}

// Glyphs: small drawings without words, in the text's colour; only attention carries the roles' colours.
const SVG = "http://www.w3.org/2000/svg"

function svg(width, height, shapes, className) {
  const root = document.createElementNS(SVG, "svg")
  root.setAttribute("viewBox", `0 0 ${width} ${height}`)
  root.setAttribute("aria-hidden", "true")
  root.setAttribute("preserveAspectRatio", "xMinYMid meet")
  if (className) root.setAttribute("class", className)
  for (const [name, attributes] of shapes) add(root, name, attributes)
  return root
}

const rect = (x, y, width, height, opacity, fill = "currentColor", rx = 2) => ["rect", { x, y, width, height, rx, fill, "fill-opacity": opacity }]
const line = (d, width, opacity, stroke = "currentColor") => ["path", { d, fill: "none", stroke, "stroke-width": width, "stroke-opacity": opacity, "stroke-linecap": "round", "stroke-linejoin": "round" }]
const dot = (cx, cy, r, fill, opacity = 1) => ["circle", { cx, cy, r, fill, "fill-opacity": opacity }]

function arrow() {
  return svg(26, 14, [line("M1 7 H24 M18 2 L24 7 L18 12", 1.6, 0.9)], "arrow")
}

const GLYPHS = {
  tokens() {
    const rows = [[22, 40, 16], [34, 14, 30], [18, 26, 28]]
    return svg(110, 60, rows.flatMap((widths, row) => {
      let x = 0
      return widths.map((width, i) => {
        const shape = rect(x, 4 + row * 19, width, 13, row === 1 && i === 1 ? 0.55 : 0.22, "currentColor", 4)
        x += width + 5
        return shape
      })
    }))
  },
  embedding() {
    const shades = [0.7, 0.2, 0.45, 0.12, 0.3, 0.6, 0.15, 0.5, 0.25, 0.4, 0.65, 0.18, 0.55, 0.3, 0.1, 0.45, 0.22, 0.35, 0.6, 0.14]
    const cells = shades.map((shade, i) => rect(Math.floor(i / 4) * 25, 2 + (i % 4) * 9.5, 14, 8, shade, "currentColor", 1.5))
    return svg(115, 60, [...cells, line("M0 50 C 14 36, 20 36, 28.5 50 S 43 64, 57 50 S 78 36, 85.5 50 S 106 64, 114 50", 1.8, 0.75)])
  },
  attention() {
    const rows = [8, 30, 52]
    const weights = [[0.5, 1.6, 4.2], [3.4, 0.6, 1], [0.8, 4.6, 0.6]]
    const lines = weights.flatMap((row, from) => row.map((width, to) => line(`M14 ${rows[from]} C 60 ${rows[from]}, 70 ${rows[to]}, 116 ${rows[to]}`, width, 0.2 + width / 6, "var(--query)")))
    return svg(130, 60, [...lines, ...rows.map((y) => dot(10, y, 6.5, "var(--query)")), ...rows.map((y) => dot(120, y, 6.5, "var(--key)"))])
  },
  block() {
    return svg(130, 60, [
      line("M2 38 H22 M108 38 H126", 2, 0.6),
      ["path", { d: "M22 30 L52 14 V62 L22 46 Z M108 30 L78 14 V62 L108 46 Z", fill: "currentColor", "fill-opacity": 0.2 }],
      rect(52, 14, 26, 48, 0.4, "currentColor", 0),
      line("M8 38 V10 C8 5, 11 3, 15 3 H115 C119 3, 122 5, 122 10 V38", 1.8, 0.6),
      dot(122, 38, 4, "currentColor", 0.8),
    ])
  },
  label() {
    return svg(44, 60, [rect(0, 6, 40, 13, 0.6), rect(0, 24, 14, 13, 0.25), rect(0, 42, 7, 13, 0.25)])
  },
  word() {
    return svg(44, 60, [46, 24, 15, 10, 6].map((height, i) => rect(i * 9, 56 - height, 6.5, height, i === 0 ? 0.65 : 0.25)))
  },
}
