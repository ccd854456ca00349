"""White space that can be seen, the same signs in every lab."""

SIGNS = {" ": "·", "\u00a0": "⍽", "\t": "→", "\n": "⏎", "\r": "␍"}  # also in drawing/frontend/white_space.js
_TABLE = str.maketrans(SIGNS)


def visible(text: str) -> str:
    r"""`text` with signs for its white space. It is data, to be escaped like any text.

    >>> visible(" the\n")
    '·the⏎'
    """
    return text.translate(_TABLE)
