// Output heads: the tokens of one text on top, under them each head's stages with their shapes, and its answer as bars.
// data: { tokens, chosen (index or null), caption, shape, heads: [{ title, stages: [[what, shape]], bars: [{ title, rows:
//         [{ label, value, text, role, marked, faint }], high, signed, compact }], foot: [line] }] }, see components/figures/heads.py
// event: { type: "select", index }

import { make } from "./elements.js"
import { readTheme } from "./theme.js"

export function create(host) {
  const frame = make("div", "heads")
  host.append(frame)
  return {
    update(data, send) {
      const theme = readTheme(host, data)
      host.style.setProperty("--scale", theme.scale)
      frame.setAttribute("role", "group")
      frame.setAttribute("aria-label", data.alt)
      const held = frame.contains(document.activeElement) ? document.activeElement.dataset.index : undefined
      const heads = make("div", "heads-all")
      heads.append(...data.heads.map((head) => column(head, theme)))
      frame.replaceChildren(strip(data, theme, send), heads)
      if (held !== undefined) frame.querySelector(`[data-index="${Number(held)}"]`)?.focus()
    },
  }
}

function strip(data, theme, send) {
  const part = make("div", "heads-strip")
  const words = make("div", "heads-words")
  data.tokens.forEach((token, index) => {
    const button = make("button", "heads-word", token)
    button.type = "button"
    button.dataset.index = String(index)
    button.disabled = index === 0 || index === data.tokens.length - 1
    button.setAttribute("aria-pressed", String(index === data.chosen))
    button.style.setProperty("--role", theme.roles.output)
    button.onclick = () => index !== data.chosen && send({ type: "select", index })
    words.append(button)
  })
  part.append(words, stage([data.caption, data.shape], "heads-stage heads-caption"))
  return part
}

function stage([what, shape], className = "heads-stage") {
  const line = make("div", className)
  line.append(make("span", "", what), make("code", "", shape))
  return line
}

function column(head, theme) {
  const part = make("div", "heads-one")
  part.append(make("b", "heads-title", head.title), ...head.stages.map((one) => stage(one)))
  for (const bars of head.bars) part.append(group(bars, theme))
  part.append(...head.foot.map((line) => make("div", "heads-foot", line)))
  return part
}

function group(bars, theme) {
  const part = make("div", bars.compact ? "heads-bars is-compact" : "heads-bars")
  part.append(make("div", "heads-bars-title", bars.title))
  for (const row of bars.rows) {
    const share = Math.min(1, Math.abs(row.value) / (bars.high || 1)) * (bars.signed ? 50 : 100)
    const label = make("span", row.marked ? "heads-label is-marked" : "heads-label", row.label)
    const track = make("span", bars.signed ? "heads-track is-signed" : "heads-track")
    const fill = make("i")
    fill.style.width = `${share}%`
    fill.style.background = theme.roles[row.role] ?? theme.roles.query
    if (bars.signed) fill.style.marginLeft = `${row.value < 0 ? 50 - share : 50}%`
    track.append(fill)
    const number = make("span", "heads-number", row.text)
    for (const cell of [label, track, number]) if (row.faint) cell.classList.add("is-faint")
    part.append(label, track, number)
  }
  return part
}
