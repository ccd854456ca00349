// Entry of the browser part: finds the module for data.kind, keeps one figure alive per place on the page.
// A module exports create(host) -> { update(data, send), destroy?() }. `send(event)` tells Python.

const figures = new WeakMap()

export default function (component) {
  const { data, parentElement, setStateValue } = component
  const host = parentElement.querySelector(".drawing")
  let figure = figures.get(parentElement)
  if (!figure || figure.kind !== data.kind) {
    figure?.view?.destroy?.()
    host.replaceChildren()
    figure = { kind: data.kind, view: null }
    figures.set(parentElement, figure)
    const mine = figure
    // The kind is named by our own Python, never by a learner; the pattern keeps it inside this folder all the same.
    if (!/^[a-z_]+$/.test(data.kind)) throw new Error(`no figure is called ${data.kind}`)
    figure.ready = import(`./${data.kind}.js`).then((module) => {
      if (figures.get(parentElement) === mine) mine.view = module.create(host)
    })
  }
  figure.data = data
  // The time keeps two like events apart: clicking the same cell again, after a control moved, must reach Python.
  figure.send = (event) => setStateValue("event", { ...event, time: Date.now() })
  figure.ready.then(() => paint(figure, host))
  return () => {
    figure.view?.destroy?.()
    figures.delete(parentElement)
  }
}

function paint(figure, host) {
  if (!figure.view) return
  const begun = performance.now()
  figure.view.update(figure.data, (event) => figure.send(event))
  // For benchmarks and tests: how often this figure was painted and how long the last paint took.
  host.dataset.paints = String(Number(host.dataset.paints ?? 0) + 1)
  host.dataset.paintMilliseconds = (performance.now() - begun).toFixed(2)
}
