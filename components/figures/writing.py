"""A text being written from another one: both as tiles, and the likeliest next tokens as bars."""

from collections.abc import Sequence

import streamlit as st

from components.text import escape

DARK = 0.55  # a share from which a tile's letter is white


def strip(
    source: Sequence[str], shares: Sequence[float], written: Sequence[str], *, n_places: int, verdict: str = ""
) -> None:
    """The source's tiles, shaded by how much each is looked at, and the written ones; the last of these is framed.

    shares: from 0 to 1, one for each token of the source. n_places: tiles of the whole answer, the missing ones empty.
    verdict: HTML behind the answer.
    """
    read = "".join(
        f'<span class="labs-tile{" labs-tile-dark" if share >= DARK else ""}" style="--share:{share:.0%}">'
        f"{escape(token)}</span>"
        for token, share in zip(source, shares, strict=True)
    )
    done = "".join(
        f'<span class="labs-tile{" labs-tile-now" if place == len(written) else ""}">{escape(token)}</span>'
        for place, token in enumerate(written, 1)
    )
    missing = '<span class="labs-tile labs-tile-empty"></span>' * (n_places - len(written))
    most = max(range(len(shares)), key=shares.__getitem__)
    alt = f"Reads {' '.join(source)}; has written {' '.join(written)}; looks most at {source[most]}, {shares[most]:.2f}"
    st.html(
        f'<div class="labs-strip" role="img" aria-label="{escape(alt)}">'
        f'<span class="labs-strip-name">reads</span><span>{read}</span>'
        f'<span class="labs-strip-name">writes</span><span>{done}{missing} {verdict}</span></div>'
    )


def candidates(title: str, shares: Sequence[tuple[str, float]]) -> None:
    """The likeliest next tokens with their probabilities, the first one chosen."""
    rows = "".join(
        f'<span class="labs-bar-name">{escape(token)}</span>'
        f'<span class="labs-bar{"" if place else " labs-bar-first"}" style="--share:{share:.1%}"></span>'
        f'<span class="labs-numbers">{share_words(share)}</span>'
        for place, (token, share) in enumerate(shares)
    )
    alt = ", ".join(f"{token} {share_words(share)}" for token, share in shares)
    st.html(
        f'<p class="labs-label labs-bars-title">{escape(title)}</p>'
        f'<div class="labs-bars" role="img" aria-label="{escape(alt)}">{rows}</div>'
    )


def share_words(share: float) -> str:
    """A probability in per cent; one too small for its two digits says so.

    >>> share_words(0.98765), share_words(0.00001)
    ('98.77%', 'under 0.01%')
    """
    return f"{share:.2%}" if share >= 0.0001 else "under 0.01%"
