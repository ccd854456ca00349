"""What "Merge by merge" says about a history, each number read from it."""

from components.figures.merges import shown
from components.text import escape
from engine.tokenizer.history import NEVER, History

SEVERAL_BYTES = "東京タワーは東京にある\nпривет, привет, мир\n🙂🙂 naïve café"


def size(history: History) -> str:
    """How large the text is."""
    corpus = "".join(history.pieces[piece] for piece in history.order)
    n_bytes = len(corpus.encode())
    n_pieces, n_different = len(history.order), len(history.pieces)
    return f"{_many(len(corpus), 'character')}, {_many(n_bytes, 'byte')}, in {_many(n_pieces, 'piece')}" + (
        f", {n_different:,} of them different." if n_different < n_pieces else "."
    )


def notice(history: History) -> str:
    """What the whole training did to the text. HTML."""
    if not history.merges:
        return "Nothing stands side by side inside a piece here, so there is nothing to learn: each byte stays a token."
    pieces = [_first_whole(history), _twins(history)] if len(history.pieces) > 1 else [_across(history)]
    sentences = [_counts_fall(history), *pieces, _shorter(history)]
    return " ".join(filter(None, sentences))


def _counts_fall(history: History) -> str:
    first, last = history.merges[0], history.merges[-1]
    n_ties = sum(moment.n_tied > 1 for moment in history.moments[:-1])
    ties = f" {n_ties} of the {len(history.merges)} merges were chosen among ties." if n_ties else ""
    if first.count == last.count:
        return f"Every pair that is merged here stands {_times(first.count)}.{ties}"
    return (
        f"The most frequent pair goes first: merge 1 joins a pair that stands {_times(first.count)}, merge "
        f"{len(history.merges)} one that stands {_times(last.count)}.{ties}"
    )


def _first_whole(history: History) -> str:
    """The first piece of two letters or more that becomes one token."""
    whole = [
        (max(taken), place)
        for place, taken in enumerate(history.taken)
        if len(history.pieces[place].strip()) > 1 and NEVER not in taken
    ]
    if not whole:
        return "No word has become a single token yet."
    rank, place = min(whole)
    count = history.order.count(place)
    return (
        f"The first word to become one token is {_quote(history.pieces[place].encode())}, after merge {rank}; "
        f"the text has it {_times(count)}. Nobody told the algorithm what a word is."
    )


def _twins(history: History) -> str:
    """A word that is met with and without the space before it."""
    pieces = set(history.pieces)
    twin = next((piece for piece in history.pieces if len(piece) > 1 and " " + piece in pieces), None)
    if twin is None:
        return ""
    return (
        f"{_quote(twin.encode())} and {_quote(b' ' + twin.encode())} share no count as wholes: with and without its "
        "space a word is two different pieces, and each grows its own tokens."
    )


def _across(history: History) -> str:
    """Where the text is one piece: the first token that reaches over the end of a word."""
    for rank, merge in enumerate(history.merges, 1):
        token = history.tokens[merge.new_id]
        if b" " in token.strip() or (token.endswith(b" ") and token.strip()):
            return (
                f"The text is one piece, so merges cross spaces: {_quote(token)}, from merge {rank}, holds the space "
                "after a word’s end."
            )
    return ""


def _shorter(history: History) -> str:
    start, end = history.moments[0].n_tokens, history.moments[-1].n_tokens
    n_learned = len(history.tokens) - 256
    entries = _many(n_learned, "entry", "entries")
    return f"{start:,} bytes have become {_many(end, 'token')}, at the price of {entries} more in the vocabulary."


def _quote(token: bytes) -> str:
    return f"<code style='unicode-bidi: isolate'>{escape(shown(token))}</code>"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _many(count: int, one: str, several: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"
