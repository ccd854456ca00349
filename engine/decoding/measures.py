"""What a written text is like, in numbers: how varied, how repetitive, how alike several texts are.

Every measure works on tokens of any kind: ids or words.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

Tokens = Sequence[Hashable]


def distinct(texts: Sequence[Tokens], n: int) -> float:
    """Distinct-n: of all runs of n tokens in the texts, the share that are different ones (Li et al. 2016).

    1 when no run stands twice; 0 where no text has n tokens.

    >>> distinct([["a", "b", "a", "b", "a"]], 2)
    0.5
    """
    counted = sum((ngrams(text, n) for text in texts), Counter())
    return len(counted) / counted.total() if counted else 0.0


def repeated(text: Tokens, n: int = 4) -> float:
    """The share of a text's runs of n tokens that stood in it before: seq-rep-n of Welleck et al. 2020, section 6.1."""
    return 1.0 - distinct([text], n) if len(text) >= n else 0.0


@dataclass(frozen=True)
class Loop:
    """A phrase that a text repeats at its end: from token `start` on, `length` tokens, `times` times in full."""

    start: int
    length: int
    times: int


def ending_loop(text: Tokens, *, least_length: int = 2, least_times: int = 3) -> Loop | None:
    """The loop that a text ends in, or None: a phrase of two tokens or more, three times or more in a row.

    Source: Holtzman et al. 2020, section 5.3, who call a text with one a repetition. The shortest phrase is taken; the
    last repeat may be broken off.

    >>> ending_loop(list("so it goes it goes it goes it"))
    Loop(start=2, length=8, times=3)
    """
    text = list(text)
    for length in range(least_length, len(text) // least_times + 1):
        same = 0  # tokens from the end on that equal the one `length` places before
        while same < len(text) - length and text[-1 - same] == text[-1 - same - length]:
            same += 1
        start = len(text) - same - length
        times = (len(text) - start) // length
        if times >= least_times:
            return Loop(start, length, times)
    return None


def bleu(text: Tokens, references: Sequence[Tokens], n: int = 4) -> float:
    """How much of a text's runs of 1 to n tokens stand in the references too, from 0 to 1 (Papineni et al. 2002).

    The geometric mean of the clipped shares times the brevity penalty. A share of 0 counts as half an occurrence, so
    that one missing length does not make everything 0 (Lin & Och 2004, smoothing 1 in spirit).
    """
    text = list(text)
    if not text or not references:
        return 0.0
    logs = []
    for size in range(1, n + 1):
        own = ngrams(text, size)
        if not own:
            continue
        most: Counter = Counter()
        for reference in references:
            most |= ngrams(reference, size)
        matched = sum((own & most).values())
        logs.append(math.log((matched or 0.5) / own.total()))
    nearest = min((len(reference) for reference in references), key=lambda size: (abs(size - len(text)), size))
    brevity = min(0.0, 1 - nearest / len(text))
    return math.exp(sum(logs) / len(logs) + brevity)


def self_bleu(texts: Sequence[Tokens], n: int = 4) -> float:
    """How alike several texts are: the mean BLEU of each against all others (Zhu et al. 2018). Lower is more varied."""
    if len(texts) < 2:
        return 0.0
    scores = [bleu(text, [*texts[:place], *texts[place + 1 :]], n) for place, text in enumerate(texts)]
    return sum(scores) / len(scores)


def ngrams(text: Tokens, n: int) -> Counter:
    """The runs of n tokens, counted.

    >>> ngrams("abab", 2) == {("a", "b"): 2, ("b", "a"): 1}
    True
    """
    text = list(text)
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
