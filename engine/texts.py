"""From a text to what a model reads: tokens, their ids, and where in the text each of them stands."""

from dataclasses import dataclass

from engine.models import LoadedModel

COUNT_UP_TO = 100_000  # characters; a longer text is not tokenized to its end only to count what is left out


@dataclass(frozen=True)
class EncodedText:
    """A text as the model reads it. The lists run in step: one entry a token, [CLS] and [SEP] included."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]  # first character and the one after the last; (0, 0) for [CLS] and [SEP]
    special: list[bool]  # True for the tokens that the model adds
    n_characters: int  # in the whole text
    n_characters_read: int  # up to here the model reads; the rest was cut
    cut: bool  # whether anything was left out
    n_dropped: int | None  # tokens left out; None when the text is too long to be worth counting

    def __len__(self) -> int:
        return len(self.ids)


def encode_text(loaded: LoadedModel, text: str, *, max_tokens: int | None = None) -> EncodedText:
    """Tokenize `text` for a loaded model, and cut it where the model stops reading.

    The cut keeps [CLS] and [SEP], so the model still sees a whole frame. max_tokens: what the model can read at once
    (512 for MiniLM) unless a smaller number is given.

    Raises ValueError for a text without any token, one with half a character (a lone surrogate), and a wrong
    max_tokens.
    """
    limit = loaded.info.max_len if max_tokens is None else max_tokens
    if not isinstance(limit, int) or not 3 <= limit <= loaded.info.max_len:
        raise ValueError(f"max_tokens must lie between 3 and {loaded.info.max_len}, got {max_tokens!r}")
    _check_text(text)
    body, complete = _tokenize_enough(loaded, text, wanted=limit)
    if not body:
        raise ValueError(f"text must hold at least one letter, digit or sign, got {text[:20]!r}")

    room = limit - 2  # [CLS] and [SEP] take two places
    kept = body[:room]
    tokenizer = loaded.tokenizer
    first, last = ("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))
    cut = not complete or len(body) > room
    return EncodedText(
        ids=[first[1], *(id for id, _, _ in kept), last[1]],
        tokens=[first[0], *(token for _, token, _ in kept), last[0]],
        offsets=[(0, 0), *(span for _, _, span in kept), (0, 0)],
        special=[True, *(False for _ in kept), True],
        n_characters=len(text),
        n_characters_read=kept[-1][2][1] if cut else len(text),
        cut=cut,
        n_dropped=max(len(body) - room, 0) if complete else None,
    )


def _tokenize_enough(loaded: LoadedModel, text: str, *, wanted: int) -> tuple[list[tuple], bool]:
    """(id, token, span) for the whole text, or for a beginning that surely holds `wanted` tokens.

    There is no fixed number of characters that is enough: a word of any length may become one [UNK], and blanks
    become nothing. So the beginning doubles until it is. Its last word may have been cut in two and is not counted.
    """
    read = min(len(text), COUNT_UP_TO)
    while True:
        encoding = loaded.tokenizer.encode(text[:read], add_special_tokens=False)
        body = list(zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True))
        if read == len(text):
            return body, True
        words = encoding.word_ids
        whole = [entry for entry, word in zip(body, words, strict=True) if word != words[-1]]
        if len(whole) >= wanted:
            return whole, False
        read = min(len(text), 2 * read)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, got {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text must be whole characters, but character {error.start} is half of one (a lone surrogate)"
        ) from None
