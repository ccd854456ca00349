// A tokenizer's training, merge by merge. All of it is here: stepping, playing and scrubbing ask nobody.
// data: { name, rank, turn, pieces, order, taken (base64 uint8), tokens, sizes, merges: [[first, second, new, count]],
//         moments: [[nPairs, nTied, nTokens, [[first, second, count]]]], capped }, see components/figures/merges.py
// event: { type: "rank", rank, turn }  after a pause

import { make } from "./elements.js"
import { buildLadder, bytes, chip, fillLadder, fillPairs, paintCounts, times } from "./merges_panels.js"
import { layOut, paintText, readCorpus, tokenAt } from "./merges_text.js"
import { makeTip, readTheme } from "./theme.js"

const TELL_AFTER = 500 // milliseconds of rest
const GROWS = 280 // milliseconds in which a merge is seen to happen
const SPEEDS = [["1×", 1100], ["3×", 370], ["10×", 110]] // milliseconds a merge

export function create(host) {
  const view = { host, rank: 0, pause: SPEEDS[0][1], turn: 0, playing: false }
  build(view)
  const watcher = new ResizeObserver(() => view.data && arrange(view))
  watcher.observe(host)
  return {
    update: (data, send) => take(view, data, send),
    destroy() {
      watcher.disconnect()
      clearTimeout(view.teller)
      clearTimeout(view.player)
      cancelAnimationFrame(view.frame)
    },
  }
}

function take(view, data, send) {
  const another = data.name !== view.data?.name
  const answered = data.turn >= view.turn // not the answer to an earlier report
  Object.assign(view, { data, send, theme: readTheme(view.host, data) })
  view.theme.code = getComputedStyle(view.host).getPropertyValue("--st-code-font").trim() || "monospace"
  view.host.style.setProperty("--scale", view.theme.scale)
  for (const role of ["query", "key"]) view.host.style.setProperty(`--${role}`, view.theme.roles[role])
  view.box.setAttribute("aria-label", data.alt)
  if (another) {
    stop(view)
    clearTimeout(view.teller)
    view.corpus = readCorpus(data)
    view.slider.max = String(data.merges.length)
    view.slider.disabled = !data.merges.length
    buildLadder(view.ladder, data, (rank) => go(view, rank))
    view.rank = view.told = data.rank
  } else if (answered && data.rank !== view.told) {
    stop(view)
    view.rank = view.told = data.rank
  }
  arrange(view)
  fill(view)
}

function build(view) {
  const box = (view.box = make("div", "played"))
  box.setAttribute("role", "group")
  view.back = button("Back", "◀", "One merge back (left arrow)", () => go(view, view.rank - 1))
  view.play = button("Play", "Play", "Play or pause (space)", () => (view.playing ? rest(view) : play(view)))
  view.next = button("Step", "Step ▶", "One merge on (right arrow)", () => go(view, view.rank + 1, true))
  view.start = button("To the start", "⏮", "Back to single bytes (Home)", () => go(view, 0))
  view.play.classList.add("played-play")
  const speeds = make("span", "played-speeds")
  speeds.setAttribute("role", "group")
  speeds.setAttribute("aria-label", "Speed")
  view.speeds = SPEEDS.map(([label, pause]) => {
    const one = button(`${label} speed`, label, `Play at ${label} speed`, () => {
      view.pause = pause
      pressSpeed(view)
    })
    return [one, pause]
  })
  speeds.append(...view.speeds.map(([one]) => one))
  pressSpeed(view)
  const scrub = make("div", "played-scrub")
  view.counts = make("canvas")
  view.slider = Object.assign(make("input"), { type: "range", min: "0", max: "0", step: "1", value: "0" })
  view.slider.setAttribute("aria-label", "Merges done")
  view.slider.oninput = () => go(view, Number(view.slider.value))
  scrub.append(view.counts, view.slider)
  view.place = make("span", "played-place")
  const bar = make("div", "played-bar")
  bar.append(view.start, view.back, view.play, view.next, speeds, scrub, view.place)
  view.says = make("div", "played-says")
  view.says.setAttribute("aria-live", "polite")
  buildText(view)
  view.pairs = panel("played-pairs")
  view.ladder = panel("played-ladder")
  const panels = make("div", "played-panels")
  panels.append(view.pairs.box, view.ladder.box)
  box.append(bar, view.says, view.scroll, panels)
  box.addEventListener("keydown", (event) => onKey(view, event))
  view.host.append(box)
  view.tip = makeTip(view.host)
}

function buildText(view) {
  view.scroll = make("div", "played-text")
  view.tall = make("div")
  view.canvas = make("canvas")
  view.canvas.tabIndex = 0
  view.canvas.setAttribute("role", "img")
  view.tall.append(view.canvas)
  view.scroll.append(view.tall)
  view.scroll.onscroll = () => repaint(view)
  view.canvas.onpointermove = (event) => point(view, event)
  view.canvas.onpointerleave = () => view.tip.hide()
}

function button(name, text, title, act) {
  const one = Object.assign(make("button", "plain-button", text), { type: "button", title })
  one.setAttribute("aria-label", name)
  one.onclick = act
  return one
}

function panel(className) {
  const one = { box: make("div", className), head: make("p", "played-head"), body: make("div", "played-body") }
  one.box.append(one.head, one.body)
  return one
}

function pressSpeed(view) {
  for (const [one, pause] of view.speeds) one.setAttribute("aria-pressed", String(pause === view.pause))
}

// Steps that the learner takes by hand end the playing.
function go(view, rank, growing = false) {
  stop(view)
  move(view, rank, growing)
}

function move(view, rank, growing) {
  const to = Math.max(0, Math.min(view.data.merges.length, rank))
  if (to === view.rank) return fill(view)
  const begun = performance.now()
  view.rank = to
  view.grown = growing && !matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 1
  view.begun = begun
  keepInSight(view)
  fill(view)
  view.host.dataset.stepMilliseconds = (performance.now() - begun).toFixed(2)
  clearTimeout(view.teller)
  if (!view.playing) view.teller = setTimeout(() => tell(view), TELL_AFTER)
}

function tell(view) {
  if (view.rank === view.told) return
  view.told = view.rank
  view.turn = Date.now()
  view.send({ type: "rank", rank: view.rank, turn: view.turn })
}

function play(view) {
  if (view.rank === view.data.merges.length) move(view, 0)
  view.playing = true
  const next = () => {
    move(view, view.rank + 1, view.pause > GROWS)
    if (view.rank === view.data.merges.length) return rest(view)
    view.player = setTimeout(next, view.pause)
  }
  view.player = setTimeout(next, Math.min(view.pause, 350))
  fill(view)
}

function stop(view) {
  clearTimeout(view.player)
  view.playing = false
}

function rest(view) {
  stop(view)
  fill(view)
  clearTimeout(view.teller)
  view.teller = setTimeout(() => tell(view), TELL_AFTER)
}

function onKey(view, event) {
  const { rank } = view
  const keys = {
    ArrowRight: () => go(view, rank + 1, true),
    ArrowLeft: () => go(view, rank - 1),
    Home: () => go(view, 0),
    End: () => go(view, view.data.merges.length),
    " ": () => (view.playing ? rest(view) : play(view)),
  }
  const act = keys[event.key]
  if (!act || event.ctrlKey || event.altKey || event.metaKey) return
  if (event.key === " " && event.target.tagName === "BUTTON") return // the button's own key
  event.preventDefault()
  act()
}

function arrange(view) {
  view.width = view.scroll.clientWidth
  if (!view.width) return
  view.layout = layOut(view.corpus, view.width, view.theme.scale)
  view.tall.style.height = `${view.layout.lines * view.layout.height}px`
  view.scroll.style.height = `${view.layout.inSight * view.layout.height}px`
  keepInSight(view)
  repaint(view)
}

// A long text is scrolled to the first place where something happens, if there is none in sight.
function keepInSight(view) {
  const { layout, corpus, rank } = view
  if (!layout || layout.inSight === layout.lines) return
  const top = Math.floor(view.scroll.scrollTop / layout.height)
  const [start, end] = [layout.begins[top], layout.begins[Math.min(layout.lines, top + layout.inSight)]]
  for (let i = start; i < end; i++) if (corpus.joins[i] && (corpus.joins[i] === rank || corpus.joins[i] === rank + 1)) return
  const place = rank ? corpus.first[rank] : corpus.first[1]
  if (place >= 0) view.scroll.scrollTop = Math.floor(layout.cells[place] / layout.columns) * layout.height
}

// At most once a frame, however fast the slider moves.
function repaint(view) {
  if (view.frame) return
  view.frame = requestAnimationFrame((now) => {
    view.frame = 0
    if (!view.layout) return
    view.grown = view.grown < 1 ? Math.min(1, Math.max(0, now - view.begun) / GROWS) : 1
    const { rank, width, grown, theme, data } = view
    const begun = performance.now()
    paintText(view.canvas, view.corpus, view.layout, theme, { rank, last: data.merges.length, top: view.scroll.scrollTop, width, grown })
    paintCounts(view.counts, data, theme, rank, view.slider.clientWidth)
    view.host.dataset.paintTextMilliseconds = (performance.now() - begun).toFixed(2)
    if (grown < 1) repaint(view)
  })
}

function fill(view) {
  const { data, rank } = view
  const last = data.merges.length
  view.slider.value = String(rank)
  view.place.textContent = `merge ${rank} of ${last}`
  view.play.textContent = view.playing ? "Pause" : rank === last && last ? "Play again" : "Play"
  view.play.setAttribute("aria-label", view.play.textContent)
  view.play.disabled = !last
  view.back.disabled = view.start.disabled = rank === 0
  view.next.disabled = rank === last
  view.box.dataset.rank = String(rank)
  const done = doneLine(view)
  const next = nextLine(view)
  view.says.setAttribute("aria-live", view.playing ? "off" : "polite")
  view.says.replaceChildren(done, next)
  view.slider.setAttribute("aria-valuetext", `${rank} of ${last} merges. ${next.textContent}`)
  view.canvas.setAttribute("aria-label", `${done.textContent} ${next.textContent}`)
  fillPairs(view.pairs, data, rank)
  fillLadder(view.ladder, data, rank)
  repaint(view)
}

function sentence(className, ...parts) {
  const line = make("p", className)
  line.append(...parts)
  return line
}

function doneLine({ data, rank, corpus }) {
  const [, , nTokens] = data.moments[rank]
  if (!rank) return sentence("is-done", `Start: ${bytes(corpus.nBytes)}, each a token of its own.`)
  const [first, second, id, count] = data.merges[rank - 1]
  return sentence(
    "is-done", `Merge ${rank} joined `, chip(data, first), " + ", chip(data, second), " into ", chip(data, id, "is-made"),
    `, ${times(count)}. The ${bytes(corpus.nBytes)} are ${nTokens.toLocaleString("en")} tokens now.`,
  )
}

function nextLine({ data, rank }) {
  if (rank === data.merges.length) {
    if (data.capped) return sentence("is-last", `The history ends here, at ${rank} merges; more pairs are left.`)
    return sentence("is-last", rank ? "No pair is left: every piece of the text is one token." : "There is no pair: no piece of this text has two bytes.")
  }
  const [first, second, , count] = data.merges[rank]
  const tied = data.moments[rank][1]
  const why = tied > 1 ? `, as ${tied - 1 === 1 ? "one other pair does" : `${tied - 1} other pairs do`}; of equals, the smallest ids go first.` : ", more often than any other pair."
  return sentence("is-next", "Next: ", chip(data, first, "is-next"), " + ", chip(data, second, "is-next"), ` side by side ${times(count)}${why}`)
}

function point(view, event) {
  const token = tokenAt(view.corpus, view.layout, view.rank, event.offsetX, event.offsetY + view.scroll.scrollTop)
  if (!token) return view.tip.hide()
  const frame = view.host.getBoundingClientRect()
  const { data } = view
  const made = token.made ? data.merges[token.made - 1] : null
  const lines = made
    ? [`${data.tokens[made[2]]}  id ${made[2]}, ${bytes(data.sizes[made[2]])}`, `made by merge ${token.made}: ${data.tokens[made[0]]} + ${data.tokens[made[1]]}`]
    : [`byte ${view.corpus.bytes[token.start]}, a token from the start`]
  view.tip.show(event.clientX - frame.left, event.clientY - frame.top, lines)
}
