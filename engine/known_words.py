"""Words that the story model can know: those that stand at least three times in the stories it was trained on.

    python -m engine.known_words $LABS_DATA/stories/tinystories_train.txt

writes the list, assets/corpora/known-words.txt. With it a made-up word can be told from a word.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FILE = Path(__file__).parents[1] / "assets" / "corpora" / "known-words.txt"
LEAST_TIMES = 3
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # letters, and apostrophes between them


def find_words(text: str) -> list[str]:
    """The words of a text in lower case, with straight apostrophes.

    >>> find_words("Tom’s dog said: “Woof!” 3 times.")
    ["tom's", 'dog', 'said', 'woof', 'times']
    """
    return [found.group().lower().replace("’", "'") for found in WORD.finditer(text)]


@cache
def known_words() -> frozenset[str]:
    """The list."""
    return frozenset(FILE.read_text(encoding="utf-8").split())


def count_known(text: str) -> tuple[int, int]:
    """(known words, words) of a text.

    >>> count_known("The dog blorfed.")
    (2, 3)
    """
    words = find_words(text)
    return sum(word in known_words() for word in words), len(words)


def collect(texts: Iterable[str], least_times: int = LEAST_TIMES) -> list[str]:
    """The words that stand at least so often in the texts, in alphabetical order."""
    counted: Counter[str] = Counter()
    for text in texts:
        counted.update(find_words(text))
    return sorted(word for word, times in counted.items() if times >= least_times)


def main(*files: str) -> int:
    """Write the list from the stories in `files`."""
    from engine.pretraining.data import read_stories

    found = collect(read_stories(files))
    FILE.write_text("\n".join(found) + "\n", encoding="utf-8")
    sys.stdout.write(f"{FILE}: {len(found):,} words\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
