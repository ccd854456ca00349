"""The texts that a learner has decided on, as a value: several forks, one of them being written, in a compact code."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from components import state

MOST_FORKS = 6
MOST_TOKENS = 100  # of one fork
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WIDTH = 3  # digits a token: 64 ** 3 is more than any vocabulary here
MARK = 2  # digits that tell one model's forks from another's


@dataclass(frozen=True)
class Forks:
    """Texts as token ids behind one prompt. `mark` says whose tokens they are; see mark_of."""

    mark: str
    texts: tuple[tuple[int, ...], ...] = ((),)
    active: int = 0  # the one that is being written

    @property
    def ids(self) -> tuple[int, ...]:
        return self.texts[self.active]

    def take(self, ids: Sequence[int]) -> "Forks":
        """The active text goes on with these tokens, as many of them as there is room for."""
        return self._write((*self.ids, *ids)[:MOST_TOKENS])

    def back(self) -> "Forks":
        """The active text without its last token."""
        return self._write(self.ids[:-1])

    def empty(self) -> "Forks":
        """The active text from its beginning."""
        return self._write(())

    def fork(self, place: int | None = None) -> "Forks":
        """A new text that begins with the first `place` tokens of the active one (all of them by default)."""
        if len(self.texts) >= MOST_FORKS:
            raise ValueError(f"There is room for {MOST_FORKS} forks: remove one with its × before you fork again")
        return replace(self, texts=(*self.texts, self.ids[:place]), active=len(self.texts))

    def switch(self, number: int) -> "Forks":
        """Another text becomes the active one; a number that there is not changes nothing."""
        return replace(self, active=number) if 0 <= number < len(self.texts) else self

    def drop(self, number: int) -> "Forks":
        """Without the text `number`; the last one left cannot go."""
        if len(self.texts) == 1 or not 0 <= number < len(self.texts):
            return self
        texts = self.texts[:number] + self.texts[number + 1 :]
        return replace(self, texts=texts, active=min(self.active - (self.active > number), len(texts) - 1))

    def _write(self, ids: tuple[int, ...]) -> "Forks":
        return replace(self, texts=(*self.texts[: self.active], ids, *self.texts[self.active + 1 :]))


def mark_of(model_name: str) -> str:
    """Two digits from a model's name: the same ids are other words in another model."""
    return _digits(zlib.crc32(model_name.encode()) % 64**MARK, MARK)


@dataclass(frozen=True)
class ForksParam(state.Text):
    """The forks in the link; None, the default, is the opening example. Long ones are stored like a long text.

    >>> param = ForksParam("forks", None, "Forks")
    >>> param.format(Forks("ab", ((1, 2), ()), active=1))
    'ab1.AABAAC.'
    >>> param.parse("ab1.AABAAC.") == Forks("ab", ((1, 2), ()), active=1)
    True
    """

    def parse(self, raw: str) -> Forks | None:
        code = super().parse(raw)
        return _read(self.name, code) if code else None

    def format(self, value: Forks | None) -> str:
        if value is None:
            return ""
        texts = ("".join(_digits(one, WIDTH) for one in text) for text in value.texts)
        return super().format(f"{value.mark}{value.active}." + ".".join(texts))

    def shown_instead(self) -> str:
        return "the opening example"


def _read(name: str, code: str) -> Forks:
    wanted = f"{name} must be a code that this section has written"
    head, *texts = code.split(".")
    if len(head) != MARK + 1 or not set("".join([head, *texts])) <= set(DIGITS) or not head[MARK].isdigit():
        raise ValueError(f"{wanted}; the link says {code[:40]!r}")
    lengths = {len(text) for text in texts}
    if not 1 <= len(texts) <= MOST_FORKS or any(n % WIDTH or n > WIDTH * MOST_TOKENS for n in lengths):
        raise ValueError(
            f"{wanted}: 1 to {MOST_FORKS} texts of up to {MOST_TOKENS} tokens; the link says {code[:40]!r}"
        )
    if int(head[MARK]) >= len(texts):
        raise ValueError(f"{wanted}; it has {len(texts)} texts and names text {int(head[MARK]) + 1}")
    return Forks(head[:MARK], tuple(map(_tokens, texts)), int(head[MARK]))


def _tokens(text: str) -> tuple[int, ...]:
    return tuple(_number(text[place : place + WIDTH]) for place in range(0, len(text), WIDTH))


def _digits(number: int, width: int) -> str:
    return "".join(DIGITS[number // 64**place % 64] for place in reversed(range(width)))


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + DIGITS.index(digit)
    return value
