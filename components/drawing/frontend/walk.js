// Being the decoder: the chosen tokens on top, what could come next on the left, others' texts and the forks on the right.
// data: { prompt, chosen: [{ text, probability, entropy, rank }], choices: [{ id, text, probability }],
//         rows: [{ name, text, log_prob, mean, role }], forks: [{ shared, own, n_tokens, log_prob, mean }], active, over },
//         see components/figures/walk.py
// event: { type: "take", id } | { type: "fork", place } | { type: "switch", index } | { type: "drop", index } | { type: "back" }

import { make } from "./elements.js"
import { formatNumber, readTheme } from "./theme.js"

export function create(host) {
  const frame = make("div", "walk")
  host.append(frame)
  const view = { frame, send: null }
  frame.onkeydown = (event) => moveByKey(view, event)
  return {
    update(data, send) {
      const theme = readTheme(host, data)
      host.style.setProperty("--scale", theme.scale)
      for (const [role, colour] of Object.entries(theme.roles)) host.style.setProperty(`--role-${role}`, colour)
      view.send = send
      // The part that had the keyboard keeps it: a learner who takes one token after the other stays in the list.
      const held = frame.contains(document.activeElement) || frame.getRootNode().activeElement?.closest(".walk-choice")
      frame.setAttribute("role", "group")
      frame.setAttribute("aria-label", data.alt)
      const right = make("div", "walk-right")
      right.append(rivals(data), forks(data, view))
      const halves = make("div", "walk-halves")
      halves.append(choices(data, view), right)
      frame.replaceChildren(text(data, view), halves)
      if (held) frame.querySelector(".walk-choice")?.focus()
    },
  }
}

function button(className, label, act) {
  const element = make("button", className)
  element.type = "button"
  element.setAttribute("aria-label", label)
  element.title = label
  element.onclick = act
  return element
}

function text(data, view) {
  const part = make("div", "walk-text")
  part.append(make("span", "walk-prompt", data.prompt))
  data.chosen.forEach((one, place) => {
    const said = `${one.text}: probability ${one.probability.toPrecision(3)}, rank ${one.rank}, entropy ${one.entropy.toFixed(2)}. Fork before it.`
    const chip = button("walk-token", said, () => view.send({ type: "fork", place }))
    chip.style.setProperty("--share", `${100 * one.probability}%`)
    chip.append(make("b", "", one.text), make("small", "", `p ${short(one.probability)}`), make("small", "", `H ${one.entropy.toFixed(2)}`))
    part.append(chip)
  })
  part.scrollTop = part.scrollHeight
  requestAnimationFrame(() => (part.scrollTop = part.scrollHeight))
  return part
}

function choices(data, view) {
  const part = make("div", "walk-left")
  part.append(make("div", "walk-head", "What could come next"))
  if (data.over) {
    part.append(make("p", "walk-over", data.over))
    return part
  }
  const list = make("div", "walk-choices")
  const full = Math.max(...data.choices.map((one) => one.probability))
  for (const one of data.choices) {
    const line = button("walk-choice", `Take ${one.text}, probability ${one.probability.toPrecision(3)}`, () =>
      view.send({ type: "take", id: one.id }),
    )
    const track = make("span", "walk-track")
    const fill = make("i")
    fill.style.width = `${(100 * one.probability) / full}%`
    track.append(fill)
    line.append(make("span", "walk-name", one.text), track, make("span", "walk-number", short(one.probability)))
    list.append(line)
  }
  part.append(list)
  return part
}

function rivals(data) {
  const part = make("div", "walk-rivals")
  const n = data.chosen.length
  const tokens = `${n} token${n === 1 ? "" : "s"}`
  part.append(make("div", "walk-head", n ? `Log-probability of ${tokens}: a shorter bar is likelier` : "Take a token to compare it"))
  const longest = Math.max(...data.rows.map((row) => -row.log_prob), 1e-9)
  for (const row of data.rows) {
    const line = make("div", "walk-row")
    const track = make("span", "walk-track")
    const fill = make("i")
    fill.style.width = `${(-100 * row.log_prob) / longest}%`
    fill.style.background = `var(--role-${row.role})`
    track.append(fill)
    line.append(
      make("b", "", row.name),
      track,
      make("span", "walk-number", formatNumber(row.log_prob)),
      make("span", "walk-number walk-mean", `${formatNumber(row.mean)} a token`),
      make("span", "walk-said", row.text),
    )
    part.append(line)
  }
  return part
}

function forks(data, view) {
  const part = make("div", "walk-forks")
  part.append(make("div", "walk-head", `Your fork${data.forks.length === 1 ? "" : "s"}`))
  data.forks.forEach((fork, index) => {
    const line = make("div", index === data.active ? "walk-fork is-active" : "walk-fork")
    const sum = fork.n_tokens ? `${fork.n_tokens} · ${formatNumber(fork.log_prob)} · ${formatNumber(fork.mean)} a token` : "empty"
    const open = button("walk-open", `Go on with fork ${index + 1}: ${fork.shared}${fork.own}, ${sum}`, () => view.send({ type: "switch", index }))
    open.setAttribute("aria-pressed", String(index === data.active))
    const words = make("span", "walk-said")
    words.append(make("span", "walk-shared", fork.shared), make("span", "", fork.own || (fork.shared ? "" : "(nothing yet)")))
    open.append(make("b", "", String(index + 1)), words, make("span", "walk-number", sum))
    line.append(open)
    if (data.forks.length > 1) {
      const cross = button("walk-drop", `Remove fork ${index + 1}`, () => view.send({ type: "drop", index }))
      cross.textContent = "×"
      line.append(cross)
    }
    part.append(line)
  })
  return part
}

function moveByKey(view, event) {
  const choice = event.target.closest(".walk-choice")
  if (!choice) return
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key]
  if (step) choice[step]?.focus()
  else if (event.key === "Backspace" || event.key === "ArrowLeft") view.send({ type: "back" })
  else if (event.key === "ArrowRight") choice.click()
  else return
  event.preventDefault()
}

function short(probability) {
  return probability < 0.0005 ? "<0.001" : probability.toFixed(3)
}
