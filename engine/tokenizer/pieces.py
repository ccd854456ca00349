"""Cutting text into the pieces that merges never cross, with the published patterns or with one's own.

For the two published patterns there is a short cut. A piece never holds a space after something that is no white space,
so the text can be cut in front of such a space first, by a simpler and faster pattern; the segments repeat far more
often than not, and each distinct one is cut into its pieces only once.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

import regex

# GPT-2: the published encoder.py (Radford et al. 2019). GPT-4: tiktoken's cl100k_base.
GPT2_PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
GPT4_PATTERN = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"""
    r"""|\s+(?!\S)|\s+"""
)

# White space as Unicode and the patterns above have it; Python's own \s holds four control characters more.
_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SEGMENTS = {
    GPT2_PATTERN: re.compile(f"[{_SPACE}]*[^{_SPACE}]+|[{_SPACE}]+"),
    # Here line ends stick to the signs before them, so the text is not cut in front of them.
    GPT4_PATTERN: re.compile(f"[{_SPACE}]*(?:[^{_SPACE}]+(?:[\r\n][{_SPACE}]*)?)+|[{_SPACE}]+"),
}
MAX_SEGMENTS = 60_000  # distinct ones that are kept in memory; a large corpus has few pieces but ever new segments
_SAFE_CUT = re.compile(f"(?<=[^{_SPACE}])(?= )")


@lru_cache(maxsize=16)
def splitter(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a text into pieces. ValueError for a pattern that is no regular expression.

    What the pattern does not match stands between the pieces as a piece of its own, as in `tokenizers`.
    """
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"pattern must be a regular expression, and {pattern[:80]!r} is none: {error}") from None
    if pattern in _SEGMENTS:  # they match everything
        plain = re.compile(_for_ascii(pattern), re.ASCII)  # Python's own engine is twice as fast, but knows no \p
        return lambda text: plain.findall(text) if text.isascii() else compiled.findall(text)

    def cut(text: str) -> list[str]:
        found, end = [], 0
        for match in compiled.finditer(text):
            if match.start() > end:
                found.append(text[end : match.start()])
            if match.end() > match.start():
                found.append(match.group())
            end = match.end()
        if end < len(text):
            found.append(text[end:])
        return found

    return cut


def _for_ascii(pattern: str) -> str:
    """The pattern as it acts on ASCII text, without Unicode's classes of characters."""
    in_brackets = pattern.replace(r"\s\p{L}\p{N}]", r"\sA-Za-z0-9]").replace(r"\r\n\p{L}\p{N}]", r"\r\nA-Za-z0-9]")
    return in_brackets.replace(r"\p{L}", "[A-Za-z]").replace(r"\p{N}", "[0-9]")


def segments(pattern: str) -> Callable[[str], list[str]] | None:
    """The function that cuts a text into segments, each of which is cut into pieces alone; None if there is no such."""
    return _SEGMENTS[pattern].findall if pattern in _SEGMENTS else None


class PieceCounter:
    """Counts the pieces of texts: first their segments; each distinct one is cut into its pieces only now and then."""

    def __init__(self, pattern: str) -> None:
        self._cut, self._quick = splitter(pattern), segments(pattern)
        self._seen: Counter[str] = Counter()  # segments whose pieces are not counted yet
        self._counts: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Count the pieces of one more text."""
        if self._quick is None:
            self._counts.update(self._cut(text))
            return
        self._seen.update(self._quick(text))
        if len(self._seen) > MAX_SEGMENTS:
            self._count_seen()

    def pieces(self) -> Counter[str]:
        """How often each piece occurred so far."""
        self._count_seen()
        return self._counts

    def _count_seen(self) -> None:
        counts = self._counts
        for segment, count in self._seen.items():
            if segment.isascii() and (segment.isalpha() or (segment[0] == " " and segment[1:].isalpha())):
                counts[segment] += count  # most segments are a word with its space: one piece in both patterns
            else:
                for piece in self._cut(segment):
                    counts[piece] += count
        self._seen.clear()


def cut_at_spaces(text: str, size: int) -> Iterator[str]:
    """A text in parts of about `size` characters, cut where the published patterns cut in any case."""
    start = 0
    while len(text) - start > 2 * size and (found := _SAFE_CUT.search(text, start + size)):
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


def check_unicode(text: str, name: str = "text") -> None:
    """ValueError naming the position when the text holds half a surrogate pair, which is no character."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} must be valid Unicode, and the character at position {error.start} is half a surrogate pair "
            f"(U+{ord(text[error.start]):04X})"
        ) from None
