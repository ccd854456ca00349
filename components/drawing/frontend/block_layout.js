// Where everything in the picture of a block stands, in CSS pixels; y grows downwards, the vector walks upwards.

const HEAD = 58 // words above the stack and above the block
const FOOT = 20 // the axis under the stack
const ROW = 61 // one stop's box
const BAR = 43 // a norm that lies across the stream
const GAP = 9
const END = 22 // what stands below the first layer and above the last
const BODY = 464 // high enough for either order of the norms

// The stack on the left: one row a layer, and the path of the stream's norm through the rows.
export function placeTower(data, width, scale) {
  const height = (HEAD + BODY + FOOT) * scale
  const [top, bottom] = [HEAD * scale, (HEAD + BODY) * scale]
  const [left, right] = [78 * scale, Math.max(190 * scale, Math.min(width - 520 * scale, 360 * scale))]
  const end = END * scale
  const room = bottom - top - (data.shown.end === null ? 1 : 2) * end
  const each = Math.min(room / data.nLayers, 110 * scale)
  const most = limit(data)
  const share = (norm) => left + 8 + ((right - left - 16) * norm) / most
  const base = bottom - end
  const roof = base - data.nLayers * each
  const rows = Array.from({ length: data.nLayers }, (_, i) => ({ top: base - (i + 1) * each, bottom: base - i * each }))
  const ends = { embedding: { top: base, bottom }, end: data.shown.end === null ? null : { top: roof - end, bottom: roof } }
  const path = ({ path: steps, end: last }) => {
    const inLayer = (steps.length - 1) / data.nLayers // every layer has as many stops on the stream
    const places = steps.map(([, norm], i) => [share(norm), base - (i / inLayer) * each])
    places.unshift([places[0][0], bottom - 2])
    if (last !== null && data.shown.end !== null) places.push([share(last), roof - 0.8 * end])
    return "M" + places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join(" L")
  }
  const step = tickStep(most, (right - left) / (52 * scale))
  const ticks = []
  for (let value = 0; value <= most; value += step) ticks.push({ value, x: share(value) })
  return { height, top: ends.end?.top ?? roof, bottom, left, right, rows, ...ends, ticks, shown: path(data.shown), other: path(data.other) }
}

function limit(data) {
  return 1.06 * Math.max(1e-6, ...data.shown.path.map((step) => step[1]), ...data.other.path.map((step) => step[1]))
}

function tickStep(most, places) {
  const rough = most / Math.max(1, places)
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 5, 10].find((factor) => factor * power >= rough) * power
}

// The block on the right: stops on the stream to the left of it, parts to the right, and how they are joined.
export function placeStops(data, width, scale, tower) {
  const panel = { left: tower.right + 26 * scale, right: width - 2, top: HEAD * scale, bottom: (HEAD + BODY) * scale }
  const inner = { left: panel.left + 12 * scale, right: panel.right - 12 * scale }
  const lane = inner.left + 27 * scale + (inner.right - inner.left - 61 * scale) * 0.43
  const columns = { card: [inner.left, lane - 27 * scale], part: [lane + 34 * scale, inner.right], bar: [inner.left, inner.right] }
  const place = (column, bottom, high, over = false) => ({ left: columns[column][0], right: columns[column][1], top: bottom - high * scale, bottom, column, over })
  const made = (data.normFirst ? before : after)(place, panel, scale)
  const largest = Math.max(...data.stops.map((stop) => stop.size))
  const unit = (columns.part[1] - columns.part[0]) / largest
  const norms = Object.fromEntries(data.stops.map((stop) => [stop.name, stop.norm]))
  const most = limit(data)
  const thick = (norm) => Math.max(3, (40 * norm) / most) * scale
  const stream = made.stream.map(([name, bottom, top]) => ({ width: thick(norms[name]), bottom, top }))
  const lines = made.branches.flatMap((branch) => joined(branch, lane, columns.part, scale))
  return { panel, lane, boxes: made.boxes, stream, lines, pluses: made.pluses, unit }
}

// Pre-LN: a norm opens each branch, the stream runs through untouched.
function before(place, panel, scale) {
  const [row, gap] = [ROW * scale, GAP * scale]
  const first = panel.bottom - 26 * scale
  const second = first - 2 * row - gap - 44 * scale
  const boxes = {
    input: place("card", panel.bottom - 8 * scale, ROW),
    attention_norm: place("part", first, ROW),
    attention: place("part", first - row - gap, ROW),
    feed_forward_norm: place("part", second, ROW),
    hidden: place("part", second - row - gap, ROW),
    feed_forward: place("part", second - 2 * row - 2 * gap, ROW),
  }
  const joins = [boxes.attention.top - 15 * scale, boxes.feed_forward.top - 15 * scale]
  boxes.attention_sum = place("card", joins[0] + row / 2, ROW)
  boxes.feed_forward_sum = place("card", joins[1] + row / 2, ROW)
  const forks = [first + 13 * scale, second + 12 * scale]
  const top = panel.top - 2
  return {
    boxes,
    pluses: joins,
    stream: [["input", panel.bottom, joins[0]], ["attention_sum", joins[0], joins[1]], ["feed_forward_sum", joins[1], top]],
    branches: [
      { fork: forks[0], join: joins[0], chain: [boxes.attention_norm, boxes.attention] },
      { fork: forks[1], join: joins[1], chain: [boxes.feed_forward_norm, boxes.hidden, boxes.feed_forward] },
    ],
  }
}

// Post-LN: the branches hold the parts alone, and each sum must pass a norm that lies across the stream.
function after(place, panel, scale) {
  const [row, gap, bar] = [ROW * scale, GAP * scale, BAR * scale]
  const boxes = { input: place("card", panel.bottom - 8 * scale, ROW) }
  boxes.attention = place("part", boxes.input.top - 2 * scale + row * 0.42, ROW)
  boxes.attention_sum = place("card", boxes.input.top - 2 * gap, ROW)
  const joins = [(boxes.attention_sum.top + boxes.attention_sum.bottom) / 2 - 6 * scale]
  boxes.attention_norm = place("bar", boxes.attention_sum.top - 1.2 * gap, BAR, true)
  const second = boxes.attention_norm.top - 26 * scale
  boxes.hidden = place("part", second, ROW)
  boxes.feed_forward = place("part", second - row - gap, ROW)
  joins.push(boxes.feed_forward.top - 15 * scale)
  boxes.feed_forward_norm = place("bar", panel.top + 10 * scale + bar, BAR, true)
  boxes.feed_forward_sum = place("card", boxes.feed_forward_norm.bottom + 1.2 * gap + row, ROW)
  boxes.attention = { ...boxes.attention, bottom: joins[0] + 15 * scale + row, top: joins[0] + 15 * scale }
  const [lower, upper] = [boxes.attention_norm, boxes.feed_forward_norm]
  return {
    boxes,
    pluses: joins,
    stream: [
      ["input", panel.bottom, joins[0]],
      ["attention_sum", joins[0], lower.bottom],
      ["attention_norm", lower.top, joins[1]],
      ["feed_forward_sum", joins[1], upper.bottom],
      ["feed_forward_norm", upper.top, panel.top - 2],
    ],
    branches: [
      { fork: boxes.attention.bottom + 15 * scale, join: joins[0], chain: [boxes.attention] },
      { fork: second + 13 * scale, join: joins[1], chain: [boxes.hidden, boxes.feed_forward] },
    ],
  }
}

// A branch leaves the stream at `fork`, passes its boxes upwards and comes back at `join`.
function joined({ fork, join, chain }, lane, [left, right], scale) {
  const x = (left + right) / 2
  const head = (y) => `M${x - 4 * scale} ${y + 6 * scale} L${x} ${y} L${x + 4 * scale} ${y + 6 * scale} Z`
  const lines = [{ d: `M${lane} ${fork} H${x} V${chain[0].bottom}`, arrow: head(chain[0].bottom), dot: [lane, fork] }]
  chain.slice(1).forEach((box, i) => lines.push({ d: `M${x} ${chain[i].top} V${box.bottom}`, arrow: head(box.bottom) }))
  const end = lane + 10 * scale
  const back = `M${end + 7 * scale} ${join - 4 * scale} L${end} ${join} L${end + 7 * scale} ${join + 4 * scale} Z`
  lines.push({ d: `M${x} ${chain.at(-1).top} V${join} H${end}`, arrow: back })
  return lines
}
