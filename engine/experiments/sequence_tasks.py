"""Small tasks with a right answer, for an encoder-decoder to learn: turn a word round, sort it, rewrite a date.

Each task says what an input may look like, knows the right answer, and makes as many inputs as training wants. A tenth
of all answers is held out: training never sees them, so whoever writes them has learned the rule and not the list.
"""

import re
import string
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SPECIAL = ("pad", "start", "end")  # the first ids of every vocabulary
PAD, START, END = range(len(SPECIAL))
HELD_OUT_SHARE = 10  # one answer in so many is never trained on

MONTHS = (
    ("january", 31),
    ("february", 28),
    ("march", 31),
    ("april", 30),
    ("may", 31),
    ("june", 30),
    ("july", 31),
    ("august", 31),
    ("september", 30),
    ("october", 31),
    ("november", 30),
    ("december", 31),
)
MONTH_NAMES = tuple(name for name, _ in MONTHS)
FIRST_YEAR, LAST_YEAR = 1900, 2099
DATE_FORMATS = ("{day} {name} {year}", "{name} {day}, {year}", "{day} {short} {year}", "{day}.{month}.{year}")
_DATES = (
    re.compile(r"(?P<day>\d{1,2}) (?P<name>[a-z]+) (?P<year>\d{4})"),
    re.compile(r"(?P<name>[a-z]+) (?P<day>\d{1,2}), (?P<year>\d{4})"),
    re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})"),
)


@dataclass(frozen=True)
class Task:
    """One task: its characters, its rule, and how inputs for it are made."""

    name: str
    rule: str  # what is asked for, in words
    allowed: str  # what an input may look like, in words
    characters: str  # of inputs and answers together; their order decides their ids
    min_len: int  # of an input, in characters
    max_len: int
    max_answer_len: int
    example: str  # the input whose alignment is watched while training; one that training never sees
    read: Callable[[str], str]  # a clean input to its right answer; ValueError when it is none
    make: Callable[[int, torch.Generator], list[str]]

    @property
    def vocab_size(self) -> int:
        """Characters and the three special tokens."""
        return len(SPECIAL) + len(self.characters)

    def clean(self, text: str) -> str:
        """`text` as the model gets it: lower case, no spaces around. ValueError says what this task allows.

        >>> TASKS["reverse"].clean(" Hello")
        'hello'
        """
        clean = text.strip().lower()
        unknown = [character for character in clean if character not in self.characters]
        if not clean or unknown:
            problem = f"{_shown(unknown[0])} is not among them" if unknown else "it is empty"
            raise ValueError(f"The input must be {self.allowed}: {problem}.")
        if not self.min_len <= len(clean) <= self.max_len:
            limits = f"{self.min_len} to {self.max_len} characters"
            raise ValueError(f"The input must have {limits}, because training had; this one has {len(clean)}.")
        self.read(clean)
        return clean

    def answer(self, text: str) -> str:
        """The right answer. ValueError for an input that this task does not allow.

        >>> TASKS["reverse"].answer("stressed"), TASKS["sort"].answer("b2a1"), TASKS["date"].answer("March 3, 2014")
        ('desserts', '12ab', '2014-03-03')
        """
        return self.read(self.clean(text))

    def held_out(self, text: str) -> bool:
        """Whether training never sees this input, nor any other with the same answer."""
        return zlib.crc32(self.read(text).encode()) % HELD_OUT_SHARE == 0

    def inputs(self, n: int, generator: torch.Generator, *, held_out: bool = False) -> list[str]:
        """n inputs from the generator: of those that training may see, or n different ones of those that it never sees.

        >>> TASKS["reverse"].inputs(3, torch.Generator().manual_seed(0))
        ['zrdzrrzyqvka', 'deb', 'mjebl']
        """
        found: list[str] = []
        while len(found) < n:
            drawn = self.make(n + n // 4 + 1, generator)
            found += [text for text in drawn if self.held_out(text) == held_out]
            if held_out:
                found = list(dict.fromkeys(found))
        return found[:n]

    def ids(self, text: str) -> list[int]:
        """The ids of the characters, and the end token after them.

        >>> TASKS["reverse"].ids("abc")
        [3, 4, 5, 2]
        """
        return [self.token_id(character) for character in text] + [END]

    def text(self, ids: Sequence[int]) -> str:
        """The characters that ids stand for, up to the first end token; a special token before it is shown as ?."""
        shown = ""
        for token in ids:
            if token == END:
                break
            shown += self.character(token) if token >= len(SPECIAL) else "?"
        return shown

    def token_id(self, token: str) -> int:
        """The id of one character, or of a special token's name."""
        return SPECIAL.index(token) if token in SPECIAL else len(SPECIAL) + self.characters.index(token)

    def character(self, token: int) -> str:
        """The character of one id; a special token's name."""
        return SPECIAL[token] if token < len(SPECIAL) else self.characters[token - len(SPECIAL)]


@dataclass(frozen=True)
class Batch:
    """Inputs and their right answers as a model is given them."""

    source_ids: Tensor  # (batch, source_len), each text ends with the end token
    source_mask: Tensor  # bool (batch, source_len), True = a real token
    target_ids: Tensor  # (batch, target_len), the start token and then the answer: what the decoder is given
    wanted_ids: Tensor  # (batch, target_len), the answer and then the end token: what it should say at each place


def batch_of(task: Task, texts: Sequence[str]) -> Batch:
    """Texts and their answers, padded to one length; target_ids is wanted_ids one place later (teacher forcing)."""
    source_ids = _padded([task.ids(text) for text in texts])  # (batch, source_len)
    wanted_ids = _padded([task.ids(task.read(text)) for text in texts])  # (batch, target_len)
    starts = torch.full((len(texts), 1), START)
    given = wanted_ids[:, :-1].masked_fill(wanted_ids[:, :-1] == END, PAD)
    target_ids = torch.cat([starts, given], dim=1)  # (batch, target_len)
    return Batch(source_ids, source_ids != PAD, target_ids, wanted_ids)


def _padded(rows: list[list[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])  # (batch, longest)


def _shown(character: str) -> str:
    return "a space" if character.isspace() else f"“{character}”"


def _random_word(characters: str, low: int, high: int) -> Callable[[int, torch.Generator], list[str]]:
    """Words of low to high characters, every length and every character equally likely."""

    def make(n: int, generator: torch.Generator) -> list[str]:
        lengths = torch.randint(low, high + 1, (n,), generator=generator).tolist()
        picks = torch.randint(len(characters), (n, high), generator=generator).tolist()
        rows = zip(lengths, picks, strict=True)
        return ["".join([characters[pick] for pick in row[:length]]) for length, row in rows]

    return make


def _random_dates(n: int, generator: torch.Generator) -> list[str]:
    """Dates from FIRST_YEAR to LAST_YEAR, each written in one of the formats."""
    years = torch.randint(FIRST_YEAR, LAST_YEAR + 1, (n,), generator=generator).tolist()
    months = torch.randint(len(MONTHS), (n,), generator=generator).tolist()
    shares = torch.rand(n, generator=generator).tolist()
    formats = torch.randint(len(DATE_FORMATS), (n,), generator=generator).tolist()
    texts = []
    for year, month, share, place in zip(years, months, shares, formats, strict=True):
        name, day = MONTH_NAMES[month], 1 + int(share * _days(month + 1, year))
        words = {"day": day, "month": month + 1, "year": year, "name": name, "short": name[:3]}
        texts.append(DATE_FORMATS[place].format(**words))
    return texts


def _days(month: int, year: int) -> int:
    """The days of a month counted from 1, by the Gregorian calendar."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return MONTHS[month - 1][1] + (month == 2 and leap)


def read_date(text: str) -> str:
    """A date in one of the formats as year-month-day. ValueError when it is none, or not in the calendar.

    >>> read_date("29 feb 2000")
    '2000-02-29'
    """
    found = next((match for pattern in _DATES if (match := pattern.fullmatch(text))), None)
    if found is None:
        raise ValueError(f"The input must be {TASKS['date'].allowed}.")
    parts = found.groupdict()
    year, day, month = int(parts["year"]), int(parts["day"]), _month(parts)
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"The year must lie between {FIRST_YEAR} and {LAST_YEAR}, because training had; got {year}.")
    if not 1 <= day <= _days(month, year):
        raise ValueError(f"{MONTH_NAMES[month - 1].title()} {year} has {_days(month, year)} days; got day {day}.")
    return f"{year}-{month:02d}-{day:02d}"


def _month(parts: dict[str, str]) -> int:
    if "month" in parts:
        month = int(parts["month"])
        if not 1 <= month <= len(MONTHS):
            raise ValueError(f"The month must lie between 1 and {len(MONTHS)}, got {month}.")
        return month
    name = parts["name"]
    for month, full in enumerate(MONTH_NAMES, start=1):
        if name in (full, full[:3]):
            return month
    raise ValueError(f"The month must be written in English, such as march or mar; got “{name}”.")


_LETTERS = string.ascii_lowercase
_SORTED = string.digits + string.ascii_lowercase

TASKS = {
    task.name: task
    for task in (
        Task(
            "reverse",
            "write the letters backwards",
            "2 to 12 letters from a to z",
            characters=_LETTERS,
            min_len=2,
            max_len=12,
            max_answer_len=12,
            example="transformer",
            read=lambda text: text[::-1],
            make=_random_word(_LETTERS, 2, 12),
        ),
        Task(
            "sort",
            "write the characters in order, digits before letters",
            "2 to 12 digits or letters from a to z",
            characters=_SORTED,
            min_len=2,
            max_len=12,
            max_answer_len=12,
            example="table49",
            read=lambda text: "".join(sorted(text)),
            make=_random_word(_SORTED, 2, 12),
        ),
        Task(
            "date",
            "write the date as year-month-day",
            "a date such as 3 march 2014, march 3, 2014, 3 mar 2014 or 3.3.2014",
            characters=string.digits + " ,.-" + "".join(sorted(set("".join(MONTH_NAMES)))),
            min_len=8,
            max_len=18,
            max_answer_len=10,
            example="june 18, 1956",
            read=read_date,
            make=_random_dates,
        ),
    )
}


def find_task(name: str) -> Task:
    """The task called `name`; ValueError when there is none."""
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
