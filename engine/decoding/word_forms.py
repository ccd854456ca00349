"""Words as a learner types them, and the token sequences that a constraint needs for them.

A language model has several tokens for one word: " dragon" inside a sentence, "Dragon" at its start. And what one token
says, several shorter ones can say as well: whoever bans " dragon" may have to ban " dra" + "gon" too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_WANTED, MOST_BANNED = 5, 8  # each wanted word doubles what the machine of the constraints has to know
MOST_CHARACTERS = 40  # of one word or phrase


@dataclass(frozen=True)
class Wanted:
    """One thing that must stand in the text: one of `words`, at `times` different places."""

    words: tuple[str, ...]
    times: int = 1

    @property
    def name(self) -> str:
        """As a learner reads it: "castle or tower", "dog, 2 times"."""
        return " or ".join(self.words) + (f", {self.times} times" if self.times > 1 else "")


def read_wanted(typed: str, name: str = "Required words") -> tuple[Wanted, ...]:
    """The list that was typed: commas part what must stand there, "|" parts words of which one is enough.

    Raises ValueError, naming the field as `name`, for too many or too long entries, and for a choice listed twice.

    >>> [wanted.name for wanted in read_wanted("dragon, castle|tower, dog, dog")]
    ['dragon', 'castle or tower', 'dog, 2 times']
    """
    counted: dict[tuple[str, ...], int] = {}
    for entry in _entries(typed, name, MOST_WANTED):
        words = tuple(dict.fromkeys(word.strip() for word in entry.split("|") if word.strip()))
        if words:
            counted[words] = counted.get(words, 0) + 1
    for words, times in counted.items():
        if len(words) > 1 and times > 1:
            raise ValueError(f"{name} must list a choice once, got “{'|'.join(words)}” {times} times")
    return tuple(Wanted(words, times) for words, times in counted.items())


def read_banned(typed: str, name: str = "Banned words") -> tuple[str, ...]:
    """The words that were typed, parted by commas; errors as in read_wanted.

    >>> read_banned("sad, very happy,")
    ('sad', 'very happy')
    """
    return tuple(
        dict.fromkeys(
            word.strip() for entry in _entries(typed, name, MOST_BANNED) for word in entry.split("|") if word.strip()
        )
    )


def _entries(typed: str, name: str, most: int) -> list[str]:
    entries = [entry.strip() for entry in typed.split(",") if entry.strip()]
    if len(entries) > most:
        raise ValueError(f"{name} must be at most {most} words or phrases, got {len(entries)}")
    for entry in entries:
        if longest := next((word for word in entry.split("|") if len(word.strip()) > MOST_CHARACTERS), None):
            raise ValueError(f"{name} must have at most {MOST_CHARACTERS} characters each, got {len(longest.strip())}")
    return entries


def wanted_forms(word: str) -> tuple[str, ...]:
    """The forms of which one is enough: after a space or not, as typed or with a capital.

    >>> wanted_forms("dog")
    (' dog', 'dog', ' Dog', 'Dog')
    """
    written = dict.fromkeys((word, word[:1].upper() + word[1:]))
    return tuple(space + one for one in written for space in (" ", ""))


def banned_forms(word: str) -> tuple[str, ...]:
    """The forms that must all stay away: those of wanted_forms, in small letters and in capitals too."""
    written = dict.fromkeys((word, word.lower(), word[:1].upper() + word[1:], word.upper()))
    return tuple(space + one for one in written for space in (" ", ""))


def stands(text: str, wanted: Wanted) -> bool:
    """Whether a text holds what is wanted, at as many places: read off the text, whatever its tokens are.

    >>> stands("A dog saw a dog.", Wanted(("dog",), 2)), stands("The dogs.", Wanted(("dog",), 2))
    (True, False)
    """
    # One that is wanted several times is wanted as a word with a space before it; see the page on constraints.
    forms = (
        {f" {wanted.words[0]}"}
        if wanted.times > 1
        else {form.strip() for w in wanted.words for form in wanted_forms(w)}
    )
    places = {found.start() for form in forms for found in re.finditer(f"(?={re.escape(form)})", f" {text}")}
    return len(places) >= wanted.times


def held(text: str, banned: Sequence[str]) -> tuple[str, ...]:
    """Which of the banned words stand in a text as whole words, in one of their forms.

    >>> held("Part of the ART.", ["art", "of a"])
    ('art',)
    """
    return tuple(
        word
        for word in banned
        if any(re.search(rf"(?<!\w){re.escape(form.strip())}(?!\w)", text) for form in banned_forms(word))
    )


def spelled(ids: Sequence[int], pieces: Sequence[bytes], word: str) -> list[tuple[int, ...]]:
    """How a text spells a banned word, wherever it stands in it as a whole word: the tokens that it touches.

    ids: the text's tokens; pieces: the bytes of each.

    >>> spelled([7, 8, 9], [b"my d", b"og", b"!"], "dog")
    [(7, 8)]
    """
    text, found = b"".join(pieces), set()
    ends = [len(b"".join(pieces[: place + 1])) for place in range(len(pieces))]
    for form in {form.strip() for form in banned_forms(word)}:
        for match in re.finditer(rf"(?<!\w){re.escape(form)}(?!\w)", text.decode("utf-8", "surrogateescape")):
            start = len(match.string[: match.start()].encode("utf-8", "surrogateescape"))
            end = start + len(form.encode())
            found.add(
                tuple(one for one, stop, piece in zip(ids, ends, pieces) if stop > start and stop - len(piece) < end)
            )
    return sorted(found)
