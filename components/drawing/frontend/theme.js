// The page's theme as a canvas can use it: Streamlit's CSS variables, the roles' colours, and scales between them.

export function readTheme(host, data) {
  const css = getComputedStyle(host)
  const background = css.getPropertyValue("--st-background-color").trim() || "#ffffff"
  const text = css.getPropertyValue("--st-text-color").trim() || "#1b2530"
  const dark = luminance(rgb(background)) < 0.4
  const font = css.getPropertyValue("--st-font").trim() || "sans-serif"
  const roles = Object.fromEntries(data.roles.map(([name, ...pair]) => [name, pair[dark ? 1 : 0]]))
  return { background, text, dark, font, roles, scale: data.scale ?? 1, faint: mix(background, text, 0.14), soft: mix(background, text, 0.62) }
}

const parsed = new Map()
const probe = document.createElement("canvas").getContext("2d")

// [red, green, blue] of any colour that CSS knows.
export function rgb(colour) {
  if (parsed.has(colour)) return parsed.get(colour)
  probe.fillStyle = colour
  const plain = probe.fillStyle // the canvas answers "#rrggbb", or "rgba(...)" for a translucent colour
  const parts = plain.startsWith("#")
    ? [1, 3, 5].map((start) => parseInt(plain.slice(start, start + 2), 16))
    : plain.match(/[\d.]+/g).slice(0, 3).map(Number)
  if (parsed.size > 5000) parsed.clear()
  parsed.set(colour, parts)
  return parts
}

export function mix(from, to, share) {
  const a = rgb(from)
  const b = rgb(to)
  return `rgb(${a.map((part, i) => Math.round(part + (b[i] - part) * share)).join(",")})`
}

export function luminance([r, g, b]) {
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255
}

// 256 colours from the background to the role's, through it when the scale is signed: CSS colours, and their bytes.
// Kept by their ends, because many panels of a figure, and many figures in a row, share one scale.
const ramps = new Map()

export function ramp(theme, role, signed) {
  const high = theme.roles[role] ?? theme.roles.query
  const name = `${theme.background} ${signed ? "signed" : high} ${theme.roles.query}`
  if (!ramps.has(name)) {
    const colours = signed
      ? Array.from({ length: 256 }, (_, i) =>
          i < 128
            ? mix(theme.background, theme.roles.negative, (128 - i) / 128)
            : mix(theme.background, theme.roles.query, (i - 128) / 127),
        )
      : Array.from({ length: 256 }, (_, i) => mix(theme.background, high, i / 255))
    colours.bytes = Uint8Array.from(colours.flatMap(rgb))
    ramps.set(name, colours)
  }
  return ramps.get(name)
}

export function readableOn(colour, theme) {
  return luminance(rgb(colour)) > 0.55 ? "#10161c" : "#ffffff"
}

export function decodeFloats(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
  return new Float32Array(bytes.buffer)
}

export function decodeBytes(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
}

// A canvas of `width` by `height` CSS pixels, sharp on every screen.
export function sizeCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)]
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w
    canvas.height = h
    canvas.style.width = `${width}px`
    canvas.style.height = `${height}px`
  }
  const pen = canvas.getContext("2d")
  pen.setTransform(ratio, 0, 0, ratio, 0, 0)
  return pen
}

export function formatNumber(value, digits = 2) {
  if (Number.isNaN(value)) return "NaN"
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞"
  if (value !== 0 && Math.abs(value) >= 100000) return value.toExponential(1).replace("-", "−")
  const shown = value.toFixed(digits)
  return Number(shown) === 0 ? shown.replace("-", "") : shown.replace("-", "−") // nothing is "minus zero"
}

// One small box that follows the pointer and holds plain text lines.
export function makeTip(host) {
  const tip = document.createElement("div")
  tip.className = "tip"
  tip.hidden = true
  host.append(tip)
  return {
    show(x, y, lines) {
      tip.replaceChildren(...lines.map((line) => Object.assign(document.createElement("div"), { textContent: line })))
      tip.hidden = false
      const limit = host.clientWidth - tip.offsetWidth - 4
      tip.style.left = `${Math.max(0, Math.min(x + 14, limit))}px`
      tip.style.top = `${y + 16}px`
    },
    hide() {
      tip.hidden = true
    },
  }
}
