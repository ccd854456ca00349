// The next token's distribution after every filter: rows are tokens, columns are stages, and a dart below.
// data: { tokens, columns: [{ title, setting, on, probabilities (null: not there), rest, rest_kept, n_kept, kept_mass,
//         entropy }], full (probability of a full bar), nRest, drawn (row or null),
//         dart: { title, share, pieces: [[token, probability]], hit } }, see components/figures/distribution.py

import { make } from "./elements.js"
import { readTheme } from "./theme.js"

export function create(host) {
  const frame = make("div", "dist")
  host.append(frame)
  return {
    update(data) {
      const theme = readTheme(host, data)
      host.style.setProperty("--scale", theme.scale)
      for (const [role, colour] of Object.entries(theme.roles)) host.style.setProperty(`--role-${role}`, colour)
      frame.setAttribute("role", "img")
      frame.setAttribute("aria-label", data.alt)
      frame.replaceChildren(table(data), dart(data.dart))
    },
  }
}

function table(data) {
  const grid = make("div", "dist-grid")
  const widths = data.columns.map((column) => (column.on ? "minmax(0, 1fr)" : "calc(50px * var(--scale, 1))"))
  grid.style.gridTemplateColumns = `minmax(calc(106px * var(--scale, 1)), max-content) ${widths.join(" ")}`
  heads(grid, data.columns)
  data.tokens.forEach((token, row) => tokenRow(grid, data, token, row))
  if (data.nRest) restRows(grid, data)
  grid.append(make("div", "dist-scale", `A full bar is a probability of ${data.full}. ▨ ✕: dropped here.`))
  return grid
}

function heads(grid, columns) {
  const line = (className, label, write) => {
    grid.append(make("div", `dist-label ${className}`, label))
    for (const column of columns) grid.append(make("div", `${className}${column.on ? "" : " is-off"}`, write(column)))
  }
  line("dist-title", "", (column) => column.title)
  line("dist-setting", "", (column) => column.setting)
  line("dist-stat", "tokens left", (column) => (column.on ? column.n_kept.toLocaleString("en") : ""))
  line("dist-stat", "kept mass", (column) => (column.on ? column.kept_mass.toFixed(3) : ""))
  line("dist-stat is-last", "entropy, nats", (column) => (column.on ? column.entropy.toFixed(2) : ""))
}

function tokenRow(grid, data, token, row) {
  const { columns } = data
  const gone = columns.at(-1).probabilities[row] == null
  const label = make("div", `dist-label dist-token${gone ? " is-gone" : ""}${row === data.drawn ? " is-drawn" : ""}`)
  label.append(make("span", "", token))
  grid.append(label)
  columns.forEach((column, place) => {
    const before = place ? columns[place - 1].probabilities[row] : null
    const cell = bar(column, column.probabilities[row], before, data.full)
    if (row === data.drawn) cell.classList.add("is-drawn")
    grid.append(cell)
  })
}

// One cell: a bar and its number; hatched where the token is dropped here; a thin line where the filter is off.
function bar(column, probability, before, full) {
  const cell = make("div", "dist-cell")
  if (!column.on) {
    cell.classList.add("is-off")
    if (probability != null) cell.append(make("hr"))
    return cell
  }
  const dropped = probability == null && before != null
  if (probability == null && !dropped) return cell
  const track = make("span", dropped ? "dist-track is-dropped" : "dist-track")
  const fill = make("i")
  fill.style.width = `${Math.min(100, (100 * (dropped ? before : probability)) / full)}%`
  track.append(fill)
  cell.append(track, make("span", dropped ? "dist-number is-dropped" : "dist-number", dropped ? "✕" : written(probability)))
  return cell
}

function restRows(grid, data) {
  const few = data.nRest === 1
  grid.append(make("div", "dist-label dist-rest", `${data.nRest.toLocaleString("en")} other${few ? "" : "s"}`))
  data.columns.forEach((column, place) => {
    const before = place && data.columns[place - 1].rest_kept ? data.columns[place - 1].rest : null
    const cell = bar(column, column.rest_kept ? column.rest : null, before, data.full)
    cell.classList.add("dist-rest")
    grid.append(cell)
  })
  grid.append(make("div", "dist-label dist-stat", "of them left"))
  for (const column of data.columns) grid.append(make("div", "dist-stat", column.on ? column.rest_kept.toLocaleString("en") : ""))
}

function written(probability) {
  return probability > 0 && probability < 0.0005 ? "<0.001" : probability.toFixed(3)
}

function dart(data) {
  const part = make("div", "dist-dart")
  const line = make("div", "dist-line")
  data.pieces.forEach(([token, probability], place) => {
    const fits = probability > 0.011 * token.length + 0.005
    const piece = make("span", place === data.hit ? "dist-piece is-hit" : "dist-piece", fits ? token : "")
    piece.style.flexGrow = String(probability)
    line.append(piece)
  })
  const mark = make("b", "dist-mark", "▼")
  mark.style.left = `${100 * data.share}%`
  const ruler = make("div", "dist-ruler")
  ruler.append(mark)
  const ends = make("div", "dist-ends")
  ends.append(make("span", "", "0"), make("span", "", "1"))
  part.append(make("div", "dist-says", data.title), ruler, line, ends)
  return part
}
