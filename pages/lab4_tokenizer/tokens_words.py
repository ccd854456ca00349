"""Section 4 in words: the counts, the chosen token, and what encoding is not, made from the learner's own text."""

import itertools
import re
from collections.abc import Sequence

from components.figures.token_tree import written
from components.text import escape
from components.white_space import visible
from engine.tokenizer import BPETokenizer, Token
from engine.tokenizer.anatomy import Cut, Line, Part, Uses, cut_differently
from engine.tokenizer.pieces import splitter

LONGEST = "He paddled past the platform with cabbages and a short tail of floating fields."
BYTES = "naïve café, żółw, 東京, 🦤 and 👩‍🚀"
CODE = "def total(prices):\n    for price in prices:\n\tif price > 0:\n            yield price"

JUDGED = 20_000  # characters of a text whose pieces are cut twice
SHOWN_CUTS = 2
AROUND = 46  # characters of a line on each side of the token
WORD = re.compile(r"(?<= )[^\W\d_]{2,}")


def counters(text: str, n_tokens: int) -> list[tuple[str, str]]:
    """The four numbers above the text."""
    n_bytes = len(text.encode())
    return [
        ("characters", f"{len(text):,}"),
        ("bytes", f"{n_bytes:,}"),
        ("tokens", f"{n_tokens:,}"),
        ("bytes per token", f"{n_bytes / n_tokens:.2f}" if n_tokens else "–"),
    ]


def alt(tokens: Sequence[Token]) -> str:
    """The figure for those who do not see it."""
    first = ", ".join(f"{written(token.bytes)} {token.id}" for token in tokens[:12])
    return f"{len(tokens):,} tokens with their ids: {first}{' and more' if len(tokens) > 12 else ''}"


def quote(token: bytes) -> str:
    """A token within a sentence."""
    return f"<code style='unicode-bidi: isolate'>{escape(written(token), 60)}</code>"


def title(tokenizer: BPETokenizer, parts: Sequence[Part]) -> str:
    """The chosen token: its id, its rank and its bytes."""
    whole = parts[-1]
    n = len(whole.bytes)
    hexes = whole.bytes[:24].hex(" ").upper() + (" …" if n > 24 else "")
    said = f"<b>{quote(whole.bytes)}, id {whole.id:,}</b>. "
    if whole.id in tokenizer.special_tokens.values():
        said += "A special token: it was added, no merge makes it, and no text that is typed becomes it."
    elif whole.parts is None and n == 1:
        said += "A single byte: all 256 of them were there before the first merge."
    elif whole.parts is None:
        said += "In the vocabulary, and no merge makes it."
    else:
        left, right = (quote(parts[place].bytes) for place in whole.parts)
        said += f"Merge {whole.rank + 1:,} of {len(tokenizer.merges):,} joined {left} and {right}."
    return f"{said} {n} byte{'' if n == 1 else 's'}: <span class='labs-numbers'>{hexes}</span>."


def uses(found: Uses, whole: Part, n_texts: int) -> str:
    """How often the token was and is used in the text that it was learned from."""
    corpus = "the corpus" if n_texts == 1 else f"the {n_texts} texts of the corpus"
    if found.learned is None:
        return f"Cut into tokens, {corpus} use{'s' if n_texts == 1 else ''} it {_times(found.used)}."
    said = f"When it was learned it stood {_times(found.learned)} in {corpus}. "
    gone = found.learned - found.used
    if gone <= 0:
        said += "Every one of them is a token of it still: no later merge took any."
    elif found.used:
        said += f"It is a token {_times(found.used)} now: at {gone:,} places later merges took it into a longer one."
    else:
        said += "Later merges took it into longer tokens at every place: <b>now the corpus never uses it.</b>"
    most = ", ".join(f"{quote(piece.encode())} {n:,}" for piece, n in found.pieces[:4])
    return f"{said} It was made in {most}{' …' if len(found.pieces) > 4 else ''}."


def _times(n: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(n, f"{n:,} times")


def lines(found: Sequence[tuple[str, Line]]) -> str:
    """Lines of the corpus with the token marked, as HTML."""
    rows = "".join(
        f"<tr><td style='white-space: nowrap; opacity: .75'>{escape(title, 24)}, {line.number:,}</td>"
        f"<td dir='auto'>{_around(line)}</td></tr>"
        for title, line in found
    )
    return rows and f"<table class='labs-small-table'>{rows}</table>"


def _around(line: Line) -> str:
    before, after = line.text[: line.start], line.text[line.end :]
    left = ("…" if len(before) > AROUND else "") + before[-AROUND:]
    right = after[:AROUND] + ("…" if len(after) > AROUND else "")
    token = escape(visible(line.text[line.start : line.end]))
    return (
        f"{escape(left)}<b style='background: color-mix(in srgb, #0072B2 24%, transparent)'>{token}</b>{escape(right)}"
    )


def no_corpus(title: str, gpt2: bool, problem: str | None) -> str:
    """Why the corpus cannot be looked at."""
    if problem:
        return escape(f"The text it was learned from cannot be shown: {problem}", 400)
    if gpt2:
        return (
            "GPT-2’s merges were learned from WebText, 40 GB of pages that were never published: nobody outside can "
            "look up what made this token. With a tokenizer trained here you see the lines."
        )
    return f"What {escape(title, 60)} was learned from is not written in its file, so its lines cannot be shown."


def space(tokenizer: BPETokenizer, text: str) -> str:
    """That a word and the same word after a space are different tokens, for a word of the text."""
    found = [match.group() for match in itertools.islice(WORD.finditer(text), 200)]
    single = [word for word in found if len(tokenizer.encode(f" {word}")) == 1]
    word = (single or found or ["the"])[0]
    after, alone = tokenizer.encode(f" {word}"), tokenizer.encode(word)
    whose = "" if found else " (your text has no word after a space)"
    return (
        f"<b>{quote(f' {word}'.encode())} and {quote(word.encode())} are not one token.</b> After a space the word is "
        f"{_ids(tokenizer, after)}; at the start of a line it is {_ids(tokenizer, alone)}{whose}. "
        "Nothing tells the model that they are the same word."
    )


def _ids(tokenizer: BPETokenizer, ids: Sequence[int]) -> str:
    if len(ids) == 1:
        return f"the token {ids[0]:,}"
    return f"{len(ids)} tokens, {_bars([tokenizer.token_bytes(number) for number in ids])}"


def _bars(tokens: Sequence[bytes]) -> str:
    shown = "<span style='opacity: .45'>|</span>".join(escape(written(token), 40) for token in tokens[:14])
    wrap = "nowrap" if sum(map(len, tokens[:14])) < 40 else "normal"
    return f"<code style='unicode-bidi: isolate; white-space: {wrap}'>{shown}{' …' if len(tokens) > 14 else ''}</code>"


def longest_match(tokenizer: BPETokenizer, text: str) -> str:
    """Where taking the longest token that fits would cut the text otherwise."""
    judged = text[:JUDGED]
    n_pieces = len(set(splitter(tokenizer.pattern)(judged)))
    cuts = list(cut_differently(tokenizer, judged))
    if not n_pieces:
        return ""
    if not cuts:
        return (
            f"<b>Encoding applies the merges in the order they were learned; it does not look for the longest "
            f"token.</b> Of the {n_pieces:,} different pieces here the longest match would cut none otherwise: the "
            "first button below has some that it would."
        )
    some = "; ".join(_cut(cut) for cut in cuts[:SHOWN_CUTS])
    return (
        "<b>Encoding does not take the longest token that fits</b>, it applies the merges in the order they were "
        f"learned: {some}. Of {n_pieces:,} different pieces here {len(cuts):,} would be cut otherwise."
    )


def _cut(cut: Cut) -> str:
    return f"{_bars(cut.by_merges)}, where the longest match takes {_bars(cut.by_length)}"


def agreement(ours: Sequence[int], theirs: Sequence[int], on: str) -> str:
    """The audit line's words."""
    if list(ours) == list(theirs):
        return f"ours and tokenizers agree: the same {len(ours):,} ids for {on}"
    place = next(
        (i for i, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other),
        min(len(ours), len(theirs)),
    )
    return (
        f"ours and tokenizers differ from token {place + 1:,} on: ours {list(ours[place : place + 3])}, "
        f"theirs {list(theirs[place : place + 3])}, for {on}"
    )


def table(tokens: Sequence[Token]) -> list[dict]:
    """The tokens as rows."""
    return [
        {
            "token": written(token.bytes),
            "id": token.id,
            "bytes": token.bytes.hex(" ").upper(),
            "characters": f"{token.start + 1}–{token.end}" if token.end - token.start > 1 else f"{token.end}",
        }
        for token in tokens[:5_000]
    ]
