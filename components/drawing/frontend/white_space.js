// White space that can be seen; the same signs as in components/white_space.py.

export const SIGNS = { " ": "·", "\u00a0": "⍽", "\t": "→", "\n": "⏎", "\r": "␍" }
