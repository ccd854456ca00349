// The numbers of the real model's figure: unpacked once a text, cut out for the open head, summed up for its rows.

import { decodeBytes } from "./theme.js"
import { sharesBetween, tokenRows } from "./token_lines.js"

export const FULL = 65535 // the whole number that stands for weight 1

export function readNumbers(view) {
  const { data } = view
  view.trace = data.trace
  view.atlas = null
  const n = data.tokens.length
  view.size = data.pooled ? Math.ceil(n / data.block) : n
  view.maps = data.pooled ? decodeBytes(data.maps) : decodeSixteen(data.maps, false)
  view.queries = data.pooled ? null : decodeSixteen(data.queries, true)
  view.keys = data.pooled ? null : decodeSixteen(data.keys, true)
}

export function readOpen(open) {
  const { layer, head } = open
  return { layer, head, weights: decodeSixteen(open.weights, false), queries: decodeSixteen(open.queries, true), keys: decodeSixteen(open.keys, true) }
}

// The full numbers of the chosen head: weights (n x n), queries and keys (n x headDim); null while they are on the way.
function headNumbers(view) {
  const { data, choice } = view
  const n = data.tokens.length
  if (data.pooled) return view.open?.layer === choice.layer && view.open.head === choice.head ? view.open : null
  const at = choice.layer * data.heads + choice.head
  const part = (all, size) => all.subarray(at * size, (at + 1) * size)
  return { weights: part(view.maps, n * n), queries: part(view.queries, n * data.headDim), keys: part(view.keys, n * data.headDim) }
}

// The rows of both sides and the weights between them, for the chosen head.
export function readSpec(view) {
  const { data, choice } = view
  const hidden = data.show.hide ? data.special : null
  const numbers = headNumbers(view)
  view.numbers = numbers
  if (!numbers) {
    const rows = tokenRows(data.tokens, { block: data.block })
    const at = (choice.layer * data.heads + choice.head) * view.size ** 2
    const shares = Float32Array.from(view.maps.subarray(at, at + view.size ** 2), (value) => value / 255)
    return { queryRows: rows, keyRows: rows, shares }
  }
  const open = (index) => (index >= 0 ? index : null)
  const queryRows = tokenRows(data.tokens, { hidden, open: open(choice.token), block: data.block })
  const keyRows = tokenRows(data.tokens, { hidden, open: open(choice.read), block: data.block })
  return { queryRows, keyRows, shares: sharesBetween(numbers.weights, 1 / FULL, data.tokens.length, queryRows, keyRows) }
}

// Packed sixteen-bit numbers.
function decodeSixteen(base64, signed) {
  const bytes = decodeBytes(base64)
  return signed ? new Int16Array(bytes.buffer) : new Uint16Array(bytes.buffer)
}
