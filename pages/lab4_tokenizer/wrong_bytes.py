"""Cases below the level of letters: emoji, tokens that cut a character, and tokens that no text uses."""

from collections import Counter
from dataclasses import dataclass

from components.text import escape
from components.white_space import visible
from engine.tokenizer import BPETokenizer, faults
from engine.tokenizer.faults import Unused
from pages.lab4_tokenizer import chips
from pages.lab4_tokenizer.chips import quote
from pages.lab4_tokenizer.wrong_seen import Row, Seen

MOST_SIGNS = 6
MOST_CHARACTERS = 40  # of a text that is shown token by token
MOST_UNUSED = 60
SHORT = 6  # tokens of a row that leaves room for others beside it
ZERO_WIDTH_JOINER = "\u200d"
WHY = {
    "absent": "not in the text at all",
    "swallowed": "in the text only within other tokens",
    "partial": "parts of a character",
}
MAGIKARP = b" SolidGoldMagikarp"


def emoji(tokenizer: BPETokenizer, written: str) -> Seen:
    """Signs that look like one character, as code points, bytes and tokens."""
    signs = written.split()
    if not signs:
        raise ValueError("this case needs at least one emoji, and the field is empty")
    problems = [f"Only the first {MOST_SIGNS} signs are shown."] if len(signs) > MOST_SIGNS else []
    signs = [sign[:30] for sign in signs[:MOST_SIGNS]]
    rows = [Row(_sign(sign), chips.of_text(tokenizer, sign)) for sign in signs]
    longest = max(signs, key=lambda sign: len(tokenizer.encode(sign)))
    n_tokens = len(tokenizer.encode(longest))
    joined = longest.count(ZERO_WIDTH_JOINER)
    glue = f", {joined} of them an invisible joiner (U+200D)" if joined else ""
    partial = sum(faults.is_partial(tokenizer.token_bytes(number)) for number in tokenizer.encode(longest))
    return Seen(
        _lines(rows),
        "Each sign you typed, with spaces between, and its tokens. Between ⟨ and ⟩ stand bytes that are only a "
        "part of a character.",
        f"{_sign(longest)} is one sign on screen, {len(longest)} code point{_s(longest)}{glue}, "
        f"{len(longest.encode())} bytes and {n_tokens} token{'' if n_tokens == 1 else 's'}; {partial} of them hold no "
        "whole character.",
        "A code point beyond the most common ones takes four bytes in UTF-8, and a family or a flag is several code "
        "points joined together. Merges put bytes together only where training met them often enough.",
        "Nothing is lost: 256 single bytes can write any sign, which is why byte-level tokenizers have no “unknown” "
        "token. It costs length. Training on text with emoji buys it back, and a limit in tokens should not be "
        "explained to people as one in signs.",
        [
            {"sign": sign, "code points": " ".join(f"U+{ord(point):04X}" for point in sign)}
            | {"bytes": len(sign.encode()), "tokens": len(tokenizer.encode(sign))}
            for sign in signs
        ],
        signs,
        problems=problems,
    )


def half(tokenizer: BPETokenizer, written: str, cut_after: int) -> Seen:
    """A text that arrives token by token: what each token shows alone, and what a patient decoder shows."""
    text = written[:MOST_CHARACTERS]
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError("this case needs a text, and the field is empty")
    cut_after = min(cut_after, len(ids))
    steps = list(faults.stream(tokenizer, ids))
    halves = [place for place, step in enumerate(steps) if faults.is_partial(step.bytes)]
    start = tokenizer.decode(ids[:cut_after])
    broken = start.count("\ufffd")
    naive = "".join(step.alone for step in steps)
    problems = [f"Only the first {MOST_CHARACTERS} characters are used."] if len(written) > MOST_CHARACTERS else []
    said = (
        f"Of {len(ids)} tokens {len(halves)} hold no whole character. Decoded one by one and joined, the text has "
        f"{naive.count(chr(0xFFFD))} signs � that nobody wrote. "
        if halves
        else f"All {len(ids)} tokens hold whole characters here: the text can be cut after any of them. "
    )
    return Seen(
        [[Row("The text as tokens", chips.from_ids(tokenizer, ids, marked=halves))]],
        "Marked: tokens that cut a character; their bytes are shown. The table: what appears while the tokens "
        "arrive one by one.",
        said
        + f"The first {cut_after} token{'' if cut_after == 1 else 's'} decode to {quote(start)}"
        + (f", with {broken} � where bytes stand without the rest of their character." if broken else "."),
        "A token is a row of bytes, and merges do not ask where a character ends. The rest of it comes with the next "
        "token; decoded too early, half a character can only be shown as U+FFFD, the sign for unreadable bytes.",
        "Decode the whole text again at each step, or keep back the bytes of an unfinished character, as the last "
        "column does. Count and cut in tokens, but never show a text cut at a token without that care.",
        [
            {"step": place, "id": step.id, "bytes": _hex(step.bytes), "alone": step.alone}
            | {"shown for certain": step.shown, "held back": _hex(step.waiting)}
            for place, step in enumerate(steps, start=1)
        ],
        [text],
        below=_stream_table(steps, halves),
        problems=problems,
    )


def _stream_table(steps: list[faults.StreamStep], halves: list[int]) -> str:
    """The steps round the first characters that are cut."""
    first = max(halves[0] - 1, 0) if halves else 0
    head = "".join(f"<th>{name}</th>" for name in ("token", "its bytes", "decoded alone", "held back", "shown"))
    rows = "".join(
        f"<tr><td>{place}</td><td>{_hex(step.bytes)}</td><td>{quote(step.alone)}</td>"
        f"<td>{_hex(step.waiting) or '–'}</td><td>{quote(step.shown) if step.shown else 'waits'}</td></tr>"
        for place, step in list(enumerate(steps, start=1))[first : first + 8]
    )
    return f"<table class='labs-small-table'><tr>{head}</tr>{rows}</table>"


@dataclass(frozen=True)
class Reading:
    """How a corpus uses a vocabulary; made once for a tokenizer and a corpus."""

    counts: Counter[int]
    unused: list[Unused]
    n_rows_untrained: int  # what torch found: rows of the embedding without a gradient


def glitch(tokenizer: BPETokenizer, found: Reading, corpus: str, why: str) -> Seen:
    """Tokens of the vocabulary that a model trained on this corpus never meets."""
    kinds = Counter(token.why for token in found.unused)
    chosen = [token for token in found.unused if token.why == why]
    shown = sorted(chosen, key=lambda token: (-len(token.bytes), token.id))[:MOST_UNUSED]
    n_vocab = len(tokenizer.vocab)
    more = f"; the longest of {len(chosen):,}" if len(chosen) > len(shown) else ""
    parts = ", ".join(f"{kinds[kind]:,} are {said}" for kind, said in WHY.items() if kinds[kind])
    n_read = found.counts.total()
    return Seen(
        [[Row(f"Never used: {WHY[why]}{more}", chips.from_ids(tokenizer, [token.id for token in shown]))]],
        f"Tokens of this vocabulary that do not occur once when “{escape(corpus)}” is encoded.",
        f"{len(found.unused):,} of {n_vocab:,} tokens, {len(found.unused) / n_vocab:.0%}, never occur among the "
        f"{n_read:,} tokens of this text: {parts}. A model that learns from it alone never changes their "
        f"{len(found.unused):,} vectors on the way in: they stay as they were drawn at the start."
        + _about_magikarp(tokenizer, found),
        "A vocabulary is learned once, often from another text than the model. And a merge that another merge builds "
        "on can lose all its own places: the longer token swallows it, and it stays in the vocabulary.",
        "Learn the vocabulary from a sample of the model’s own training text, count every token afterwards, and take "
        "out or guard those that never occur. Keep all 256 bytes: they write what nobody foresaw.",
        [
            {"id": token.id, "token": _written(token), "why": WHY[token.why], "bytes": _hex(token.bytes)}
            for token in found.unused
        ],
    )


def _about_magikarp(tokenizer: BPETokenizer, found: Reading) -> str:
    number = tokenizer.vocab.get(MAGIKARP)
    if number is None:
        return ""
    here = "does not occur here either" if not found.counts[number] else "occurs here"
    return (
        f" This text is far smaller than GPT-2’s, so most of them are merely rare. But {quote(MAGIKARP)}, id "
        f"{number:,}, which {here}, is one that GPT-2 and GPT-3 could not repeat (Rumbelow and Watkins 2023)."
    )


def _written(token: Unused) -> str:
    return visible(token.bytes.decode("utf-8", "backslashreplace"))


def _hex(token: bytes) -> str:
    return token.hex(" ").upper()


def _sign(sign: str) -> str:
    return f"<span style='font-size: 1.3em; unicode-bidi: isolate'>{escape(sign)}</span>"


def _s(things) -> str:
    return "" if len(things) == 1 else "s"


def _lines(rows: list[Row]) -> list[list[Row]]:
    """Short rows side by side, long ones alone."""
    lines: list[list[Row]] = []
    for row in rows:
        room = len(row.chips) <= SHORT
        if lines and room and len(lines[-1]) < 3 and all(len(other.chips) <= SHORT for other in lines[-1]):
            lines[-1].append(row)
        else:
            lines.append([row])
    return lines
