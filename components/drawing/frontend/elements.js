// New elements in one line each.

const SVG = "http://www.w3.org/2000/svg"

export function make(tag, className, text) {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text != null) element.textContent = text
  return element
}

// The same for a drawing, in SVG.
export function shape(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  if (text != null) element.textContent = text
  return element
}

// A shape at the end of `parent`.
export function add(parent, tag, attributes, text) {
  const element = shape(tag, attributes, text)
  parent.append(element)
  return element
}
