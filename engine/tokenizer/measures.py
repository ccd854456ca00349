"""How well a tokenizer fits a text: bytes per token, tokens per word, and the same for every pair of texts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.tokenizer.bpe import BPETokenizer

_SENTENCE = re.compile(r"(?<=[.!?。！？।])\s*")
# Scripts that put no space between words: Thai, Lao, Burmese, Khmer, kana, and the characters of Chinese.
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True)
class Fit:
    """One tokenizer on one text."""

    n_tokens: int
    n_bytes: int

    @property
    def bytes_per_token(self) -> float:
        return self.n_bytes / self.n_tokens if self.n_tokens else 0.0


def fit(tokenizer: BPETokenizer, text: str) -> Fit:
    """How many tokens `tokenizer` makes of `text`.

    >>> fit(BPETokenizer.train("low lower", 258), "low slow").bytes_per_token
    2.0
    """
    return Fit(len(tokenizer.encode(text)), len(text.encode()))


def in_halves(text: str, name: str = "the text") -> tuple[str, str]:
    """The text in two: lines 2, 4, 6 ... to train on, lines 1, 3, 5 ... to judge on, without empty lines.

    A text of fewer than four lines is cut at the ends of its sentences instead. ValueError when it is a single one.

    >>> in_halves("one\\ntwo\\nthree\\nfour")
    ('two\\nfour\\n', 'one\\nthree\\n')
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 4:
        lines = [part for line in lines for part in _SENTENCE.split(line) if part.strip()]
    if len(lines) < 2:
        had = "is empty" if not lines else "has one"
        raise ValueError(
            f"{name} must have at least two lines or sentences, one to train on and one to judge on, and it {had}"
        )
    return "\n".join(lines[1::2]) + "\n", "\n".join(lines[::2]) + "\n"


def compare_fits(trained: Mapping[str, BPETokenizer], judged: Mapping[str, str]) -> dict[str, dict[str, Fit]]:
    """Every tokenizer on every text: {tokenizer: {text: Fit}}."""
    return {row: {column: fit(one, text) for column, text in judged.items()} for row, one in trained.items()}


def best_for(fits: Mapping[str, Mapping[str, Fit]], text: str) -> str:
    """The tokenizer that makes fewest tokens of a text; of equals the text's own, then the first."""
    return min(fits, key=lambda name: (fits[name][text].n_tokens, name != text))


def writes_spaces(text: str) -> bool:
    """Whether the text's script puts spaces between words: fewer than half of its letters are of one that does not.

    >>> writes_spaces("two words"), writes_spaces("今天阳光明媚。")
    (True, False)
    """
    letters = sum(sign.isalpha() for sign in text)
    return 2 * len(_NO_SPACES.findall(text)) < letters or not letters


def n_units(text: str) -> int:
    """What fertility is counted by: words between white space, or characters where the script has no such words."""
    return len(text.split()) if writes_spaces(text) else sum(not sign.isspace() for sign in text)


def fertility(n_tokens: int, text: str) -> float:
    """Tokens for each word; for each character where the script puts no spaces between words.

    Source: Rust et al. 2021, "How Good is Your Tokenizer?", section 4.1, there on words that were cut by other means.

    >>> fertility(6, "three small words")
    2.0
    """
    return n_tokens / max(1, n_units(text))
