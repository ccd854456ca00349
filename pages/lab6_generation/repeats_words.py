""" "Why it repeats" in words: what the texts on screen do, and what a hundred of them do, from their numbers."""

import math
from statistics import fmean

from components.text import escape
from engine.experiments.repetition import HUMAN
from pages.lab6_generation import repeats_texts as texts
from pages.lab6_generation.repeats_params import WAYS
from pages.lab6_generation.repeats_texts import Study, Told

DRAWN = ("temperature", "top-k", "top-p", "sampling")


def strategy(study: Study, strength: str) -> str:
    """The other text's title: its way and how strong it is."""
    return WAYS[study.way] + (f" {strength}" if strength else "")


def text_note(told: Told) -> str:
    """The line above one text."""
    n = len(told.ids)
    end = "ended by itself" if told.finished else "cut off"
    return f"{n:,} token{'s' if n != 1 else ''}, {end}; {told.said_again:.0%} of its runs of 4 tokens came before"


def notice(study: Study) -> str:
    """The loop, how its probability grew, and what the other way makes of the same prompt."""
    return " ".join(filter(None, (_loop(study), _ended(study), _other(study))))


def _loop(study: Study) -> str:
    loop, rows = study.greedy.longest, study.loop_rows()
    if loop is None:
        return (
            "Greedy says no phrase three times in a row here. More new tokens, or a sad or a polite prompt, may do it."
        )
    first, last = fmean(rows[0]), fmean(rows[-1])
    said = (
        f"Greedy says <b>“{escape(texts.phrase(study.greedy, loop, study.found), limit=80)}”</b> {loop.times} times in "
        f"a row. The first time its tokens have a mean probability of {first:.2f}, the last time {last:.2f}: "
    )
    if last <= first:
        return said + "here the repetition did not make them likelier."
    left = loop.end < len(study.greedy.ids)
    return (
        said
        + "what stands there already is the likeliest to follow, and greedy takes the likeliest"
        + (f" (it finds a way out after {loop.end:,} tokens)." if left else ".")
    )


def _ended(study: Study) -> str:
    told = study.greedy
    if study.free or told.would_end is None:
        return ""
    loop = told.longest
    late = loop is not None and loop.start >= told.would_end - 1
    return f"Left free, it would have ended its story at token {told.would_end:,}" + (
        ", before the loop: it has nothing left to tell." if late else "."
    )


def _other(study: Study) -> str:
    other, name = study.other, WAYS[study.way].lower()
    if other.longest:
        times = other.longest.times
        phrase = escape(texts.phrase(other, other.longest, study.found), limit=60)
        return f"With {name} a phrase still comes {times} times in a row: “{phrase}”."
    return (
        f"With {name} no phrase comes three times in a row, and {other.said_again:.0%} of its runs of 4 tokens came "
        f"before; greedy’s share is {study.greedy.said_again:.0%}."
    )


def forced(study: Study) -> str:
    """What saying a sentence again and again does to its probability."""
    if study.forced is None:
        return ""
    means = study.forced.means
    best = max(range(len(means)), key=means.__getitem__)
    return (
        f"<b>It needs no loop of its own.</b> Your sentence, only read: its tokens have a mean probability of "
        f"{means[0]:.2f} the first time, {means[1]:.2f} the second and {means[-1]:.2f} the {len(means)}th"
        f"; the highest is {means[best]:.2f}, at time {best + 1}."
    )


def percent(share: float) -> str:
    """A share as the tables write it.

    >>> percent(0.135), percent(0.0), percent(1.0)
    ('13.5%', '0%', '100%')
    """
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def hundred(forced: dict[str, dict], free: dict[str, dict], names: dict[str, str]) -> str:
    """What the rows of a study say about the order of the paper, on both measures, and what ending changes."""
    parts = []
    if said := order(forced, "ends_in_loop", names):
        parts.append(f"<b>Texts that end in a loop</b>, the end token never chosen: {said}.")
    if said := order(forced, "said_again", names):
        parts.append(f"<b>Runs of 4 tokens that came before</b>: {said}.")
    if "greedy" in forced and "greedy" in free:
        parts.append(_free_to_end(forced["greedy"], free["greedy"]))
    return " ".join(parts) or "Nothing has been measured yet."


def _free_to_end(forced: dict, free: dict) -> str:
    said = (
        f"<b>Free to end</b>, {percent(free['ended'])} of greedy’s stories end within the length and "
        f"{percent(free['ends_in_loop'])} end in a loop"
    )
    if free["ends_in_loop"] < forced["ends_in_loop"]:
        return f"{said}, fewer than the {percent(forced['ends_in_loop'])} that must go on: the end token is a way out."
    return f"{said}; of those that must go on it is {percent(forced['ends_in_loop'])}."


def order(rows: dict[str, dict], name: str, names: dict[str, str]) -> str:
    """Whether the order of the paper holds on one measure of these rows: greedy, then beam search, then all that draw.

    rows: by strategy; name: of the measure; names: the strategies in words. "" while one of them is missing.
    """
    drawn = [one for one in DRAWN if one in rows]
    if "greedy" not in rows or "beam" not in rows or not drawn:
        return ""
    value = {one: row[name] for one, row in rows.items()}
    most = max(drawn, key=value.__getitem__)
    told = (
        f"greedy {percent(value['greedy'])}, beam search {percent(value['beam'])}, of those that draw at most "
        f"{percent(value[most])} ({names[most].lower()})"
    )
    told += f", human {percent(value[HUMAN])}" if HUMAN in value else ""
    close = _by_chance(rows["greedy"], rows["beam"], name)
    return f"{_verdict(value['greedy'], value['beam'], value[most], close)}: {told}"


def _by_chance(first: dict, second: dict, name: str) -> bool:
    """Whether two shares of texts are nearer than two standard errors of their difference."""
    if name not in ("ends_in_loop", "has_loop"):
        return False  # no share of texts: a mean over them, whose error the rows do not hold
    variance = sum(row[name] * (1 - row[name]) / row["texts"] for row in (first, second))
    return abs(first[name] - second[name]) <= 2 * math.sqrt(variance)


def _verdict(greedy: float, beam: float, drawn: float, close: bool) -> str:
    if greedy <= drawn:
        return "the paper’s order does not hold, greedy does not stand above all that draw"
    if beam <= drawn:
        return "only half of the paper’s order holds, beam search does not stand above all that draw"
    if close:
        return "as in the paper both stand above all that draw, but which of the two repeats more is within chance"
    if greedy > beam:
        return "the paper’s order holds"
    return "both stand above all that draw, but unlike in the paper beam search repeats more than greedy"
