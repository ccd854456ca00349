"""Chat templates: special tokens that say who speaks, and what happens when the learner's text holds them too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.tokenizer.bpe import BPETokenizer
from engine.tokenizer.pieces import check_unicode

MOST_SPECIAL = 20
END = "<|end|>"
ROLES = {"<|system|>": "system", "<|user|>": "user", "<|assistant|>": "assistant"}


@dataclass(frozen=True)
class Part:
    """A stretch of a chat as a model reads it: written by the template, or by somebody else."""

    text: str
    template: bool


@dataclass(frozen=True)
class Turn:
    """What one side says, as the special tokens divide it. role "": text that stands outside any turn."""

    role: str
    text: str
    open: bool  # the end marker is missing: this side is speaking


def read_special_tokens(lines: str) -> list[str]:
    """The special tokens of a list with one a line, in its order. An empty list is allowed.

    Raises ValueError for an empty line, white space around a token, one that stands twice, and more than 20.

    >>> read_special_tokens("<|user|>\\n<|end|>")
    ['<|user|>', '<|end|>']
    """
    names = lines.replace("\r", "").rstrip("\n").split("\n") if lines.strip() else []
    for place, name in enumerate(names):
        if not name.strip():
            raise ValueError(f"special tokens must stand one a line, and line {place + 1} is empty")
        if name != name.strip():
            raise ValueError(f"special tokens must not begin or end with white space, and line {place + 1} is {name!r}")
        if name in names[:place]:
            raise ValueError(
                f"special tokens must differ, and {name[:60]!r} stands in lines {names.index(name) + 1} and {place + 1}"
            )
        check_unicode(name, f"special token {place + 1}")
    if len(names) > MOST_SPECIAL:
        raise ValueError(f"special tokens can be {MOST_SPECIAL} here, and there are {len(names)}")
    return names


def with_special_tokens(tokenizer: BPETokenizer, names: Sequence[str]) -> BPETokenizer:
    """The same tokenizer with these special tokens besides its own: the same merges, new ids after the last one.

    Special tokens that it has already keep their ids. Raises ValueError for a name that is an ordinary token: one text
    would then have two ids.
    """
    free = max([*tokenizer.vocab.values(), *tokenizer.special_tokens.values()]) + 1
    ids = dict(tokenizer.special_tokens)
    for name in names:
        if name.encode() in tokenizer.vocab:
            raise ValueError(f"special tokens must be new, and {name[:60]!r} is an ordinary token of this vocabulary")
        if name not in ids:
            ids[name], free = free, free + 1
    return BPETokenizer(tokenizer.vocab, tokenizer.merges, special_tokens=ids, pattern=tokenizer.pattern)


def chat_parts(system: str, user: str) -> list[Part]:
    """A chat of two messages as the template writes it, up to where the assistant is to speak.

    >>> "".join(part.text for part in chat_parts("Be kind.", "Hi!"))
    '<|system|>Be kind.<|end|><|user|>Hi!<|end|><|assistant|>'
    """
    return [
        Part("<|system|>", True),
        Part(system, False),
        Part(END, True),
        Part("<|user|>", True),
        Part(user, False),
        Part(END, True),
        Part("<|assistant|>", True),
    ]


def encode_by_parts(tokenizer: BPETokenizer, parts: Iterable[Part]) -> list[int]:
    """The safe way: special tokens are looked for in the template only; what people wrote is ordinary text."""
    ids: list[int] = []
    for part in parts:
        ids += tokenizer.encode(part.text, allowed_special="all" if part.template else ())
    return ids


def encode_pasted(tokenizer: BPETokenizer, parts: Iterable[Part], *, allowed: bool = True) -> list[int]:
    """One string, then one call: special tokens are looked for everywhere, or nowhere."""
    pasted = "".join(part.text for part in parts)
    return tokenizer.encode(pasted, allowed_special="all" if allowed else ())


def turns(tokenizer: BPETokenizer, ids: Iterable[int]) -> list[Turn]:
    """Who says what, read from the ids: a role's token opens a turn, the end token closes it.

    Only ids count here, as in a model: letters that spell a special token are part of what is said.
    """
    specials = {number: name for name, number in tokenizer.special_tokens.items()}
    found: list[Turn] = []
    role, said = "", []

    def close(is_open: bool) -> None:
        if role or said:
            found.append(Turn(role, tokenizer.decode(said), is_open))

    for number in ids:
        name = specials.get(number, "")
        if name in ROLES or name == END:
            close(False)
            role, said = ROLES.get(name, ""), []
        else:
            said.append(number)
    close(True)
    return found


def special_ids_from_people(tokenizer: BPETokenizer, parts: Iterable[Part]) -> list[int]:
    """The special ids that people's own text would become if it were encoded with all of them allowed."""
    specials = set(tokenizer.special_tokens.values())
    found: list[int] = []
    for part in parts:
        if not part.template:
            found += [number for number in tokenizer.encode(part.text, allowed_special="all") if number in specials]
    return found
