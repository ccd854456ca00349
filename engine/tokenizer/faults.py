"""Where a byte-level tokenizer makes trouble, measured: lost boundaries, digits, half characters, unused tokens."""

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.tokenizer.bpe import BPETokenizer
from engine.tokenizer.pieces import splitter


@dataclass(frozen=True)
class Boundary:
    """A prompt and its continuation, encoded as one text and as two."""

    together: list[int]
    prompt: list[int]
    continuation: list[int]
    kept: int  # tokens of the prompt that the whole text begins with as well

    @property
    def holds(self) -> bool:
        """Whether the whole text begins with the prompt's tokens: what was written first is then what training saw."""
        return self.kept == len(self.prompt)


def boundary(tokenizer: BPETokenizer, prompt: str, continuation: str) -> Boundary:
    """Does a text begin with the tokens of its first part? It does not where a token reaches across the seam.

    >>> tokenizer = BPETokenizer.train("so so so", 258)
    >>> boundary(tokenizer, "so ", "so").holds, boundary(tokenizer, "so", " so").holds
    (False, True)
    """
    together, first = tokenizer.encode(prompt + continuation), tokenizer.encode(prompt)
    kept = next((place for place, (one, other) in enumerate(zip(together, first)) if one != other), None)
    kept = min(len(together), len(first)) if kept is None else kept
    return Boundary(together, first, tokenizer.encode(continuation), kept)


def digit_groups(tokenizer: BPETokenizer, number: str) -> tuple[int, ...]:
    """How many digits each token of a number holds, as it stands after a space.

    >>> digit_groups(BPETokenizer.train("19 19 1999 1999", 258), "1999")
    (2, 1, 1)
    """
    groups = [sum(48 <= byte <= 57 for byte in token.bytes) for token in tokenizer.tokens(" " + number)]
    return tuple(size for size in groups if size)


def digit_groupings(tokenizer: BPETokenizer, n_digits: int = 4) -> Counter[tuple[int, ...]]:
    """How often each way to cut occurs among all numbers of `n_digits` digits. ValueError for more than 5."""
    if not 1 <= n_digits <= 5:
        raise ValueError(f"n_digits must lie between 1 and 5, got {n_digits!r}")
    first = 10 ** (n_digits - 1)
    return Counter(digit_groups(tokenizer, str(number)) for number in range(first, 10 * first))


def is_partial(token: bytes) -> bool:
    """Whether these bytes are no whole characters: alone they decode to U+FFFD.

    >>> is_partial("é".encode()), is_partial("é".encode()[:1])
    (False, True)
    """
    try:
        token.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


@dataclass(frozen=True)
class StreamStep:
    """One token of a text as it arrives from a model."""

    id: int
    bytes: bytes
    alone: str  # this token decoded on its own: U+FFFD where it holds a part of a character
    shown: str  # what can be shown for certain now that it is here
    waiting: bytes  # held back until the rest of the character arrives


def stream(tokenizer: BPETokenizer, ids: Iterable[int]) -> Iterator[StreamStep]:
    """Decodes token by token without ever showing half a character: bytes wait until their character is whole.

    >>> tokenizer = BPETokenizer.train("", 256)
    >>> [step.shown for step in stream(tokenizer, tokenizer.encode("né"))]
    ['n', '', 'é']
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for number in ids:
        arrived = tokenizer.token_bytes(number)
        shown = decoder.decode(arrived)
        yield StreamStep(number, arrived, arrived.decode("utf-8", "replace"), shown, decoder.getstate()[0])


@dataclass(frozen=True)
class Unused:
    """A token of the vocabulary that a text never uses."""

    id: int
    bytes: bytes
    why: str  # partial: no whole character; swallowed: its places belong to other tokens; absent: is not in the text


def unused_tokens(tokenizer: BPETokenizer, text: str, counts: Counter[int]) -> list[Unused]:
    """The ordinary tokens that a text never uses, in the order of their ids. counts: of the ids of that text.

    A model that learns from this text alone never sees them: the vector of each stays as it was drawn at the start.
    Land and Bartolo 2024 (arXiv:2405.05417) look for such tokens in trained models.
    """
    pieces = b"\xff".join({piece.encode() for piece in splitter(tokenizer.pattern)(text)})  # FF is in no text
    found = []
    for token, number in sorted(tokenizer.vocab.items(), key=lambda entry: entry[1]):
        if not counts[number]:
            why = "partial" if is_partial(token) else "swallowed" if token in pieces else "absent"
            found.append(Unused(number, token, why))
    return found


def rows_without_gradient(ids: Sequence[int], n_rows: int) -> int:
    """How many rows of torch's embedding table get no gradient from a text: those vectors are never trained."""
    import torch

    embedding = torch.nn.Embedding(n_rows, 2, sparse=False)
    torch.nn.init.ones_(embedding.weight)
    embedding(torch.tensor(ids, dtype=torch.long)).sum().backward()
    return int((embedding.weight.grad == 0).all(dim=1).sum())
