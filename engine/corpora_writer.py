"""Writes the bundled texts (assets/corpora/*.txt) out of their hand-written parts (assets/corpora/parts).

A file of parts holds lists: "= name", then one entry a line. An entry may say {list} for an entry of another list and
(one|two) for one of several words; " / " starts a new line. The list "plot" holds whole texts, and each is told again
and again with other words. Every place takes all its words once, in shuffled order, before one comes again.

    python -m engine.corpora_writer        writes them all anew; the same seed gives the same files, byte for byte
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "assets" / "corpora"
SEED = 4
SIZES = {"stories": 60_000, "dialogue": 20_000, "emoji-numbers": 5_000}  # bytes, rounded up to a whole text
BETWEEN = {"stories": "\n\n", "dialogue": "\n\n", "emoji-numbers": "\n"}

_PRONOUNS = {"she": ("she", "her", "her"), "he": ("he", "him", "his")}
_PLACE = re.compile(r"\{(\w+)\}|\(([^()]*\|[^()]*)\)")


class Writer:
    """Tells the plots of one file of parts, each time with other words.

    >>> writer = Writer({"plot": ["a {colour} (hat|egg)"], "colour": ["red", "orange"]}, seed=0)
    >>> sorted(writer.write() for _ in range(2))
    ['a red hat', 'an orange egg']
    """

    def __init__(self, parts: dict[str, list[str]], seed: int) -> None:
        self.parts = parts
        self._random = random.Random(seed)
        self._waiting: dict[tuple[str, ...], list[str]] = {}  # what each place has not yet used

    def write(self) -> str:
        """One text: a plot with all its places filled."""
        people = self._people() if "name" in self.parts else {}
        text = self._fill(self._next(self.parts["plot"]), people)
        return re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text).replace(" / ", "\n")

    def _people(self) -> dict[str, str]:
        hero, friend = (self._next(self.parts["name"]).split() for _ in range(2))
        known = {"hero": hero[0], "friend": friend[0]}
        for prefix, pronoun in (("", hero[1]), ("f_", friend[1])):
            known |= dict(zip((prefix + "they", prefix + "them", prefix + "their"), _PRONOUNS[pronoun], strict=True))
        return known

    def _fill(self, text: str, known: dict[str, str]) -> str:
        # A list keeps its entry through one text where the plot speaks of the same thing again (the animal, the food).
        kept = dict(known)

        def fill(found: re.Match) -> str:
            name, alternatives = found.groups()
            if alternatives is not None:
                return _PLACE.sub(fill, self._next(alternatives.split("|")))
            chosen = kept.get(name.lower())
            if chosen is None:
                chosen = _PLACE.sub(fill, self._next(self.parts[name.lower()]))
                if name.lower() in ("animal", "food", "relative"):
                    kept[name] = chosen
            return chosen if name.islower() else chosen[0].upper() + chosen[1:]

        return _PLACE.sub(fill, text)

    def _next(self, alternatives: Sequence[str]) -> str:
        waiting = self._waiting.setdefault(tuple(alternatives), [])
        if not waiting:
            waiting += self._random.sample(alternatives, len(alternatives))
        return waiting.pop()


def read_parts(path: Path) -> dict[str, list[str]]:
    """The lists of a file of parts. ValueError for a line that stands in no list."""
    parts: dict[str, list[str]] = {}
    entries = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("= "):
            entries = parts.setdefault(line[2:].strip(), [])
        elif line.strip():
            if entries is None:
                raise ValueError(f"{path} must begin with a line '= name', and line {number} stands in no list")
            entries.append(line.strip())
    return parts


def written(name: str) -> str:
    """The text of one corpus: plots told until it has its size."""
    writer = Writer(read_parts(FOLDER / "parts" / f"{name}.txt"), SEED)
    texts: list[str] = []
    size = 0
    while size < SIZES[name]:
        texts.append(writer.write())
        size += len((texts[-1] + BETWEEN[name]).encode())
    return BETWEEN[name].join(texts) + "\n"


def main() -> None:
    for name in SIZES:
        (FOLDER / f"{name}.txt").write_text(written(name), encoding="utf-8")


if __name__ == "__main__":
    main()
