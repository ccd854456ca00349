"""The text side of a causal language model: text to ids, ids to text, and the bytes of a single token.

Our own tokenizer reads the file where it can; a file that asks for more goes through the `tokenizers` library. Both are
byte-level BPE, and behind TextInterface nobody can tell which of the two it is.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.checkpoint_files import read_settings
from engine.tokenizer import BPETokenizer, Token
from engine.tokenizer.alphabet import from_visible
from engine.tokenizer.pieces import check_unicode

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Pieces(Protocol):
    """What TextInterface needs of a tokenizer."""

    special_tokens: dict[str, int]

    def encode(self, text: str) -> list[int]:
        """The ids of a text in which nothing is a special token."""

    def token_bytes(self, number: int) -> bytes:
        """The bytes of one token. ValueError for an id that the vocabulary does not have."""

    def __len__(self) -> int:
        """Ids in the vocabulary, special ones included."""


class TextInterface:
    """How a text becomes what one language model reads, and back.

    >>> tokenizer = BPETokenizer.train("low lower", 259, special_tokens=["<|end|>"])
    >>> text = TextInterface(tokenizer, eos_id=258, start_ids=[258], context=8)
    >>> text.decode([*text.start_ids, *text.encode("low")])
    '<|end|>low'
    >>> 258 in text.encode("<|end|>")
    False
    """

    def __init__(self, tokenizer: Pieces, *, eos_id: int | None, start_ids: Sequence[int], context: int) -> None:
        """eos_id: ends a text, None: nothing does. start_ids: stand before every text that begins."""
        self._tokenizer = tokenizer
        self.eos_id = eos_id
        self.start_ids = list(start_ids)
        self.context = context  # tokens that the model reads at once, start_ids included
        for number in [*start_ids, *([] if eos_id is None else [eos_id])]:
            tokenizer.token_bytes(number)  # a ValueError for one that is not in the vocabulary

    @property
    def vocab_size(self) -> int:
        """Ids there are, special ones included."""
        return len(self._tokenizer)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The ids that no text typed by anybody becomes, by what stands for them."""
        return dict(self._tokenizer.special_tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without start_ids. What reads like a special token is ordinary text.

        Raises ValueError for half a surrogate pair, naming its position.
        """
        check_unicode(text)
        return self._tokenizer.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; bytes that are no whole character become U+FFFD. ValueError for an id that there is not."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", "replace")

    def token_bytes(self, number: int) -> bytes:
        """The bytes of one token, which may be a part of a character. ValueError for an id that there is not."""
        return self._tokenizer.token_bytes(int(number))

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text with their bytes and the characters that they stand for."""
        character_of = [place for place, sign in enumerate(text) for _ in sign.encode("utf-8", "surrogatepass")]
        found, start = [], 0
        for number in self.encode(text):
            token = self.token_bytes(number)
            end = start + len(token)
            found.append(Token(number, token, character_of[start], character_of[end - 1] + 1))
            start = end
        return found


class LibraryPieces:
    """A byte-level tokenizer.json as the `tokenizers` library reads it, for what ours does not do."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        """Raises ValueError for a vocabulary that is not written in the byte alphabet."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # a learner who types "<|endoftext|>" means these characters
        self._tokenizer = tokenizer
        self.special_tokens = {token.content: number for number, token in tokenizer.get_added_tokens_decoder().items()}
        self._bytes_of = {number: text.encode() for text, number in self.special_tokens.items()}
        for written, number in tokenizer.get_vocab(with_added_tokens=False).items():
            if number not in self._bytes_of:
                self._bytes_of[number] = from_visible(written)

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def token_bytes(self, number: int) -> bytes:
        if number not in self._bytes_of:
            raise ValueError(f"ids must be ids of this vocabulary of {len(self):,} tokens, got {number!r}")
        return self._bytes_of[number]

    def __len__(self) -> int:
        return len(self._bytes_of)


def open_text(folder: Path, *, context: int) -> TextInterface:
    """The text side of the model in a folder with tokenizer.json and config.json.

    config.json names the end token and the token that starts a text. Raises ValueError, in one sentence, for files that
    are missing, broken, or of a tokenizer that is not byte-level.
    """
    settings = read_settings(folder / "config.json")
    eos_id, start = _an_id(settings, "eos_token_id"), _an_id(settings, "bos_token_id")
    start_ids = [] if start is None else [start]
    return TextInterface(_open_pieces(folder / "tokenizer.json"), eos_id=eos_id, start_ids=start_ids, context=context)


def _open_pieces(path: Path) -> Pieces:
    if not path.is_file():
        raise ValueError(f"{path.parent} must hold tokenizer.json, and it does not")
    try:
        return BPETokenizer.load(path)
    except ValueError:  # it asks for something that ours does not do, or it is broken: the library says which
        return _open_by_library(path)


def _open_by_library(path: Path) -> LibraryPieces:
    from tokenizers import Tokenizer  # here: most models do not need it

    try:
        return LibraryPieces(Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises plain Exception
        raise ValueError(f"{path} must be the tokenizer.json of a byte-level tokenizer: {error}") from None


def _an_id(settings: dict, name: str) -> int | None:
    found = settings.get(name)
    if found is not None and (not isinstance(found, int) or isinstance(found, bool)):
        raise ValueError(f"{name} must be one id in config.json, got {found!r}")
    return found
