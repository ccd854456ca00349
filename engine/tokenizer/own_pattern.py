"""A split pattern that somebody wrote: tried on a short text before a corpus is cut with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import regex
import tokenizers

from engine.tokenizer.pieces import splitter

MAX_SAMPLE = 300  # characters
SECONDS = 0.5


def try_pattern(pattern: str, sample: str) -> list[str]:
    """The pieces into which `pattern` cuts the first 300 characters of `sample`.

    Raises ValueError for a pattern that is empty, no regular expression, needs more than half a second for that little
    text, or is read in another way by `tokenizers`, whose files the tokenizer will be kept in.

    >>> try_pattern(r"\\w+| ", "two words")
    ['two', ' ', 'words']
    """
    if not pattern:
        raise ValueError("pattern must be a regular expression, and it is empty")
    cut, sample = splitter(pattern), sample[:MAX_SAMPLE]
    try:
        for _ in regex.finditer(pattern, sample, timeout=SECONDS):
            pass
    except TimeoutError:
        raise ValueError(
            f"pattern must be quick, and it needs more than {SECONDS} s for {len(sample)} characters: one repetition "
            "inside another lets it try too many ways"
        ) from None
    pieces = cut(sample)
    theirs = _their_pieces(pattern, sample)
    if theirs != pieces:
        place = next((at for at, pair in enumerate(zip(pieces, theirs)) if pair[0] != pair[1]), len(theirs))
        other = repr(theirs[place][:40]) if place < len(theirs) else "nothing"
        raise ValueError(
            f"pattern must mean the same in the tokenizers library, and piece {place + 1} is "
            f"{pieces[place][:40] if place < len(pieces) else ''!r} here and {other} there"
        )
    return pieces


def _their_pieces(pattern: str, sample: str) -> list[str]:
    with library_errors():
        split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
        return [piece for piece, _ in split.pre_tokenize_str(sample)]


@contextmanager
def library_errors() -> Iterator[None]:
    """What the tokenizers library says of a pattern that it cannot read, or gives up on, as a ValueError."""
    try:
        yield
    except BaseException as error:  # it raises a bare Exception, or panics, which is no Exception at all
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise ValueError(
                f"pattern must be one that the tokenizers library can use too, and it says: {str(error)[:120]}"
            ) from None
        raise
