"""Section 9 in words: what the deleted lines did to the merges and to the sample, made from both lists."""

from typing import TYPE_CHECKING

from components.figures import token_strip
from components.text import escape
from components.white_space import visible
from pages.lab4_tokenizer import chips

if TYPE_CHECKING:
    from engine.tokenizer.compare import CountedMerge
    from pages.lab4_tokenizer.without import Study

MOST_NAMED = 4


def plain(token: bytes) -> str:
    """A token as text with visible white space; the bytes in hexadecimal when it is no whole character."""
    return visible(token_strip.readable(token))


def title_without(study: "Study") -> str:
    numbers = sorted(study.gone)
    if not numbers:
        return "With every line, again"
    if len(numbers) > 3:
        return f"Without {len(numbers)} lines"
    return f"Without line{'s' if len(numbers) > 1 else ''} {', '.join(str(number + 1) for number in numbers)}"


def alt(study: "Study") -> str:
    found = study.comparison
    return (
        f"{title_without(study)}: of {len(study.before)} merges {len(found.vanished)} vanish, {len(found.new)} are "
        f"new, {len(found.moved)} move"
    )


def notice(study: "Study") -> str:
    """What vanished and what came, the largest move, how far the lists are the same, and the sample."""
    if not study.gone:
        return "Nothing is deleted, so both lists are the same. Click a line of the corpus."
    found, n = study.comparison, len(study.before)
    if not found.vanished and not found.new and not found.moved:
        return f"{title_without(study)} all {n} merges are the same, only their counts fall. {_sample(study)}"
    said = [
        f"{title_without(study)}, <b>{len(found.vanished)} of {n} merges vanish</b>"
        + _named([study.before[place] for place in found.vanished])
        + f", {len(found.new)} {'is' if len(found.new) == 1 else 'are'} new"
        + _named([study.after[place] for place in found.new])
        + f" and {len(found.moved)} move."
    ]
    if found.moved:
        before, after = max(found.moved, key=lambda pair: abs(pair[0] - pair[1]))
        merge = study.before[before]
        said.append(
            f"{_pair(merge)} moves farthest, from place {before + 1} to {after + 1}: "
            f"{_why_moved(study.after[after].count, merge.count)}."
        )
    same = next((place for place in range(n) if (place, place) not in set(found.kept)), n)
    if same:
        said.append(f"The first {same} stay{'s' if same == 1 else ''} as {'it was' if same == 1 else 'they were'}.")
    return " ".join([*said, _sample(study)])


def _why_moved(now: int, then: int) -> str:
    if now == then:
        return f"its count is still {now}, but those of others have changed"
    return f"its count is {now} instead of {then}"


def _named(merges: list["CountedMerge"]) -> str:
    if not merges:
        return ""
    more = f" and {len(merges) - MOST_NAMED} more" if len(merges) > MOST_NAMED else ""
    return f" ({', '.join(_pair(merge) for merge in merges[:MOST_NAMED])}{more})"


def _pair(merge: "CountedMerge") -> str:
    return f"{chips.quote(merge.first)} + {chips.quote(merge.second)}"


def _sample(study: "Study") -> str:
    from pages.lab4_tokenizer.without import as_tokenizer

    if not study.sample.strip():
        return ""
    cuts = [[token.bytes for token in as_tokenizer(merges).tokens(study.sample)] for merges in _both(study)]
    shown = f"“{escape(study.sample, 60)}”"
    if cuts[0] == cuts[1]:
        return f"{shown} is cut into the same {len(cuts[0])} tokens."
    if len(cuts[0]) == len(cuts[1]):
        return f"{shown} has {len(cuts[0])} tokens either way, but other ones."
    return f"{shown} has {len(cuts[1])} tokens instead of {len(cuts[0])}."


def _both(study: "Study") -> tuple[list["CountedMerge"], list["CountedMerge"]]:
    return study.before, study.after


def not_neutral(study: "Study") -> str:
    """Against the belief that a tokenizer is given: what the lines of this corpus are worth, from least to most."""
    sizes = [len(change.vanished) for change in study.influence]
    if len(sizes) < 2:
        return ""
    most, least = (max if pick else min for pick in (True, False))
    line = escape(study.lines[sizes.index(most(sizes))], 70)
    none = sum(1 for change in study.influence if not change.n_changed)
    spread = (
        f"Each line alone decides between {least(sizes)} and {most(sizes)} of the {len(study.before)} merges; "
        f"line {sizes.index(most(sizes)) + 1} (“{line}”) decides most."
    )
    quiet = f" {none} of {len(sizes)} lines change nothing." if none else " No line is without effect on the order."
    return (
        f"<b>“A tokenizer is neutral.”</b> {spread}{quiet} Those whose texts are in the corpus get short encodings; "
        "everyone else pays in tokens. In a large corpus one line moves little, one language or one web site much."
    )


def agreement(study: "Study") -> str:
    n_first, n_second = len(study.before), len(study.after)
    return (
        f"ours and tokenizers’ BpeTrainer learn the same {n_first} merges with every line and the same {n_second} "
        f"on the right, in the same order"
    )
