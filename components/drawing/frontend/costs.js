// What a model costs: a tower whose boxes are as large as their parameters, and each cost with formula and terms.
// data: { ground: [box], stacks: [{ title, below: [box], layer: [box], n_layers, above: [box] }], top: [box],
//         costs: [{ name, text, note, formula, worked, rows: [{ name, part, formula, worked, text, share }] }] }
// box: { name, part, value, text }. A part that is pointed at stands out in the tower and in every cost.

import { tower } from "./costs_tower.js"
import { make } from "./elements.js"
import { makeTip, mix, readTheme } from "./theme.js"

const STYLE = `
.costs { display: grid; grid-template-columns: minmax(190px, 27%) 1fr; gap: 1.6em; font-variant-numeric: tabular-nums; line-height: 1.35; }
.costs-tower { position: relative; }
.costs-tower svg { display: block; width: 100%; }
.costs-list { min-width: 0; }
.cost { border-top: 1px solid var(--line); padding: .45em 0 .6em; }
.cost:first-child { border-top: 0; padding-top: 0; }
.cost-head { all: unset; box-sizing: border-box; width: 100%; cursor: pointer; display: flex; align-items: baseline; gap: .7em; }
.cost-head:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.cost-head b { font-size: 1.1em; font-weight: 650; white-space: nowrap; }
.cost-head .sum { font-size: 1.25em; font-weight: 650; margin-left: auto; white-space: nowrap; }
.cost-head .note { color: var(--soft); }
.cost-head .open { color: var(--soft); width: .7em; font-size: 1.25em; line-height: 1; } .cost-head:hover b { text-decoration: underline; }
.cost-bar { display: flex; height: .6em; margin: .25em 0 .4em; border-radius: 3px; overflow: hidden; background: var(--panel); }
.cost-bar i { display: block; min-width: 0; border-right: 1px solid var(--st-background-color); box-sizing: border-box; }
.cost-line { overflow-wrap: anywhere; font-size: .97em; }
.cost-line.worked { color: var(--soft); }
.cost-rows { width: 100%; border-collapse: collapse; margin-top: .5em; }
.cost-rows td { padding: .16em .8em .16em 0; vertical-align: top; }
.cost-rows td:first-child { white-space: nowrap; } .cost-rows td.value { text-align: right; white-space: nowrap; padding-right: 0; }
.cost-rows .worked { color: var(--soft); display: block; }
.swatch { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .5em; }
.costs .dim { opacity: .25; }
.costs [data-part] { transition: opacity .12s; }
@container (max-width: 40em) { .costs { grid-template-columns: 1fr; } }`

// Which role's colour a part has, and how strongly.
const COLOURS = {
  embedding: ["key", 1], positions: ["key", 0.55], attention: ["query", 1], scores: ["query", 0.62], mixing: ["query", 0.38],
  cross: ["output", 1], feed: ["value", 1], norms: ["plain", 0.75], masks: ["plain", 0.45], head: ["key", 0.8], keys: ["query", 1], values: ["query", 0.55],
}

export function create(host) {
  const root = make("div", "costs")
  const picture = make("div", "costs-tower")
  const list = make("div", "costs-list")
  root.append(picture, list)
  root.setAttribute("role", "group")
  host.style.containerType = "inline-size"
  host.append(Object.assign(document.createElement("style"), { textContent: STYLE }), root)
  const view = { root, picture, list, tip: makeTip(picture), open: new Set(["Parameters"]), width: 0 }
  const watcher = new ResizeObserver(() => {
    if (view.data && picture.clientWidth !== view.width) paintTower(view)
  })
  watcher.observe(picture)
  root.onpointerover = (event) => light(view, event.target.closest("[data-part]"), event)
  root.onpointerleave = () => light(view, null)
  list.onclick = (event) => toggle(view, event.target.closest(".cost-head"))
  return {
    update(data) {
      view.data = data
      view.theme = readTheme(root, data)
      root.setAttribute("aria-label", data.alt)
      root.style.fontSize = `${13 * (data.scale ?? 1)}px`
      root.style.setProperty("--soft", mix(view.theme.background, view.theme.text, 0.68))
      root.style.setProperty("--line", mix(view.theme.background, view.theme.text, 0.16))
      root.style.setProperty("--panel", mix(view.theme.background, view.theme.text, 0.07))
      const focused = root.getRootNode().activeElement?.dataset?.cost
      list.replaceChildren(...data.costs.map((cost) => card(view, cost)))
      if (focused) [...list.querySelectorAll(".cost-head")].find((head) => head.dataset.cost === focused)?.focus()
      paintTower(view)
    },
    destroy() {
      watcher.disconnect()
    },
  }
}

function paintTower(view) {
  view.width = view.picture.clientWidth
  const drawn = tower(view.data, view.width, (part) => colour(view, part), view.theme)
  view.picture.querySelector("svg")?.remove()
  view.picture.prepend(drawn)
}

export function colour(view, part) {
  const [role, share] = COLOURS[part] ?? ["plain", 0.6]
  return mix(view.theme.background, view.theme.roles[role], share)
}

function card(view, cost) {
  const open = view.open.has(cost.name)
  const box = make("div", "cost")
  const head = make("button", "cost-head")
  head.type = "button"
  head.dataset.cost = cost.name
  head.setAttribute("aria-expanded", String(open))
  head.append(make("span", "open", open ? "▾" : "▸"), make("b", "", cost.name), make("span", "note", cost.note), make("span", "sum", cost.text))
  box.append(head)
  if (!cost.rows.length) return box
  const bar = make("div", "cost-bar")
  for (const row of cost.rows) {
    const piece = part(make("i"), row)
    piece.style.flex = `${row.share} 1 0`
    piece.style.background = colour(view, row.part)
    bar.append(piece)
  }
  box.append(bar, make("div", "cost-line", `= ${cost.formula}`), make("div", "cost-line worked", `= ${cost.worked}`))
  if (open) box.append(table(view, cost))
  return box
}

function table(view, cost) {
  const rows = make("table", "cost-rows")
  for (const row of cost.rows) {
    const line = part(make("tr"), row)
    const name = make("td", "", row.name)
    const swatch = make("span", "swatch")
    swatch.style.background = colour(view, row.part)
    name.prepend(swatch)
    const formula = make("td", "", row.formula)
    formula.append(make("span", "worked", row.worked))
    line.append(name, formula, make("td", "value", row.text))
    rows.append(line)
  }
  return rows
}

function toggle(view, head) {
  if (!head) return
  const name = head.dataset.cost
  if (!view.open.delete(name)) view.open.add(name)
  const cost = view.data.costs.find((one) => one.name === name)
  const box = card(view, cost)
  head.parentElement.replaceWith(box)
  box.querySelector("button").focus()
}

// Everything that belongs to the part under the pointer stays; the rest fades.
function light(view, target, event) {
  const wanted = target?.dataset.part
  for (const piece of view.root.querySelectorAll("[data-part]")) piece.classList.toggle("dim", Boolean(wanted) && piece.dataset.part !== wanted)
  if (target?.dataset.tip && view.picture.contains(target)) {
    const at = view.picture.getBoundingClientRect()
    view.tip.show(event.clientX - at.left, event.clientY - at.top, [target.dataset.tip])
  } else view.tip.hide()
}

function part(piece, row) {
  piece.dataset.part = row.part
  return piece
}
