// A button that puts the page's address on the clipboard; where the browser forbids that, it shows the address.

export function create(host) {
  const button = Object.assign(document.createElement("button"), { className: "plain-button", type: "button" })
  button.textContent = "Copy link"
  host.append(button)
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(window.location.href)
      button.textContent = "Copied"
    } catch {
      window.prompt("The link to what is on screen:", window.location.href)
    }
    setTimeout(() => (button.textContent = "Copy link"), 1600)
  }
  return { update() {} }
}
