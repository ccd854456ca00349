// The bar of a figure that grows step by step: back, play, on, and a slider. It asks nobody; a pause tells Python.
// makeStepper({ label, change }) -> { bar, step, go, take, stop }; `change` is called whenever `step` is another one.
// take({ last, step, turn, send }): what Python says; send(step, turn) is called after a rest.

const TELL_AFTER = 500 // milliseconds of rest
const PAUSE = 900 // milliseconds a step while it plays

export function makeStepper({ label, change }) {
  const bar = document.createElement("div")
  bar.className = "played-bar"
  const view = { bar, label, change, step: 0, last: 0, told: -1, turn: 0, playing: false }
  view.start = button("To the start", "|◀", () => go(view, 0))
  view.back = button("Back", "◀", () => go(view, view.step - 1))
  view.play = button("Play", "Play", () => (view.playing ? rest(view) : play(view)))
  view.play.classList.add("played-play")
  view.next = button("Step", "Step ▶", () => go(view, view.step + 1))
  const scrub = document.createElement("div")
  scrub.className = "played-scrub"
  view.slider = Object.assign(document.createElement("input"), { type: "range", min: "0", max: "0", step: "1" })
  view.slider.setAttribute("aria-label", label)
  view.slider.oninput = () => go(view, Number(view.slider.value))
  scrub.append(view.slider)
  view.place = document.createElement("span")
  view.place.className = "played-place"
  bar.append(view.start, view.back, view.play, view.next, scrub, view.place)
  return {
    bar,
    get step() {
      return view.step
    },
    go: (step) => go(view, step),
    take: (said) => take(view, said),
    stop() {
      halt(view)
      clearTimeout(view.teller)
    },
  }
}

function button(name, text, act) {
  const one = Object.assign(document.createElement("button"), { type: "button", className: "plain-button", textContent: text, title: name })
  one.setAttribute("aria-label", name)
  one.onclick = act
  return one
}

function take(view, { last, step, turn, send }) {
  const answered = turn >= view.turn // not the answer to an earlier report
  const another = last !== view.last
  Object.assign(view, { last, send })
  view.slider.max = String(last)
  if (another || (answered && step !== view.told)) {
    halt(view)
    clearTimeout(view.teller)
    view.step = view.told = Math.min(step, last)
  }
  show(view)
}

function move(view, step) {
  const to = Math.max(0, Math.min(view.last, step))
  if (to !== view.step) {
    view.step = to
    view.change()
  }
  show(view)
  clearTimeout(view.teller)
  if (!view.playing) view.teller = setTimeout(() => tell(view), TELL_AFTER)
}

// Steps that the learner takes by hand end the playing.
function go(view, step) {
  halt(view)
  move(view, step)
}

function tell(view) {
  if (view.step === view.told) return
  view.told = view.step
  view.turn = Date.now()
  view.send(view.step, view.turn)
}

function play(view) {
  view.playing = true
  if (view.step === view.last) move(view, 0)
  const next = () => {
    move(view, view.step + 1)
    if (view.step === view.last) return rest(view)
    view.player = setTimeout(next, PAUSE)
  }
  view.player = setTimeout(next, 350)
  show(view)
}

function halt(view) {
  clearTimeout(view.player)
  view.playing = false
}

function rest(view) {
  halt(view)
  show(view)
  clearTimeout(view.teller)
  view.teller = setTimeout(() => tell(view), TELL_AFTER)
}

function show(view) {
  const { step, last, playing } = view
  view.slider.value = String(step)
  view.slider.setAttribute("aria-valuetext", `${view.label} ${step} of ${last}`)
  view.place.textContent = `${view.label.toLowerCase()} ${step} of ${last}`
  view.play.textContent = playing ? "Pause" : step === last && last ? "Play again" : "Play"
  view.play.setAttribute("aria-label", view.play.textContent)
  view.play.disabled = !last
  view.back.disabled = view.start.disabled = step === 0
  view.next.disabled = step === last
}
