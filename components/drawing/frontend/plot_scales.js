// From numbers to pixels and back, and where an axis is labelled.

// A scale from [low, high] to pixels [from, to].
export function makeScale([low, high], log, from, to) {
  const bend = log ? Math.log : (value) => value
  const [a, b] = [bend(low), bend(high)]
  const at = (value) => from + ((bend(value) - a) / (b - a || 1)) * (to - from)
  return { low, high, log, at }
}

// The range of an axis: as given, or from the numbers; `nice` rounds a linear one outwards to its ticks.
export function rangeOf(values, log, given, nice) {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (value == null || (log && value <= 0)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  if (low > high) [low, high] = log ? [0.1, 10] : [0, 1]
  if (nice) [low, high] = log ? widenLog(low, high) : widen(low, high)
  else if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 0.5, high + 0.5]
  low = given?.[0] ?? low
  high = given?.[1] ?? high
  return low < high ? [low, high] : log ? [low / 2, low * 2] : [low - 0.5, low + 0.5]
}

function widen(low, high) {
  if (low >= 0 && low < 0.4 * high) low = 0 // what is measured from nothing starts at nothing
  if (low === high) return low === 0 ? [0, 1] : [low - Math.abs(low) * 0.1, high + Math.abs(high) * 0.1]
  const step = niceStep((high - low) / 4)
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step]
}

function widenLog(low, high) {
  const room = Math.max(0.04 * Math.log10(high / low), low === high ? 0.5 : 0.02)
  return [low / 10 ** room, high * 10 ** room]
}

function niceStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 2.5, 5, 10].find((each) => raw <= each * power * 1.0001)
  return step * power
}

// [{ value, text }], about `count` of them.
export function ticksOf(scale, count, whole) {
  const values = scale.log ? logTicks(scale, count) : null
  if (values) return values.map((value) => ({ value, text: formatPower(value) }))
  let step = niceStep((scale.high - scale.low) / count)
  if (whole) step = Math.max(1, Math.round(step))
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9) + (/2\.?5/.test(String(step)) && step < 10 ? 1 : 0))
  const ticks = []
  for (let i = Math.ceil(scale.low / step - 1e-9); i * step <= scale.high + step * 1e-9; i++) {
    ticks.push({ value: i * step, text: formatTick(i * step, Math.min(digits, 8)) })
  }
  return ticks
}

// Powers of ten; 1, 2, 5 where there are few of them; null where even those are too few for an axis.
function logTicks({ low, high }, count) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))]
  const inside = (value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)
  const decades = Math.log10(high) - Math.log10(low)
  const every = [1, 2, 3, 5, 10, 20, 50, 100].find((each) => decades / each <= count) ?? 200
  const powers = []
  for (let power = Math.ceil(first / every) * every; power <= last; power += every) powers.push(10 ** power)
  const shown = powers.filter(inside)
  if (shown.length > 2) return shown
  const finer = []
  for (let power = first; power <= last; power++) finer.push(10 ** power, 2 * 10 ** power, 5 * 10 ** power)
  const fine = finer.filter(inside)
  return fine.length > 2 && fine.length <= count * 2 ? fine : shown.length > 1 ? shown : null
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" }

function raised(power) {
  return [...String(power)].map((sign) => RAISED[sign]).join("")
}

function formatPower(value) {
  const power = Math.floor(Math.log10(value) + 1e-9)
  if (power >= -3 && power <= 4) return plain(Number(value.toPrecision(3)))
  const lead = Math.round(value / 10 ** power)
  return `${lead === 1 ? "" : `${lead}·`}10${raised(power)}`
}

function formatTick(value, digits) {
  if (Math.abs(value) >= 1e6) return `${plain(Number((value / 1e6).toPrecision(3)))} M`
  if (value !== 0 && Math.abs(value) < 1e-4) return formatValue(value, 2)
  return plain(value, digits)
}

function plain(value, digits) {
  const options = digits == null ? { maximumFractionDigits: 6 } : { minimumFractionDigits: digits, maximumFractionDigits: digits }
  const shown = value.toLocaleString("en-US", options)
  return /[1-9]/.test(shown) ? shown.replace("-", "−") : shown.replace("-", "")
}

// A value as a reader wants it: four significant digits, powers of ten where it is very large or very small.
export function formatValue(value, significant = 4) {
  if (value == null) return "–"
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    const [lead, power] = value.toExponential(significant - 2).split("e")
    return `${lead.replace("-", "−")} × 10${raised(Number(power))}`
  }
  return plain(Number.isInteger(value) ? value : Number(value.toPrecision(significant)))
}
