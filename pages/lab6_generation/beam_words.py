"""What the section on beam search says, from the numbers on screen."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from components.text import escape
from engine.decoding.measures import repeated
from pages.lab6_generation.beam_study import Opinion, Study
from pages.lab6_generation.prompt import Prompt
from pages.lab6_generation.searching import Search

if TYPE_CHECKING:
    import pandas as pd

WHY_ENDED = {
    "full": "as many texts were finished as there are beams",
    "no better": "no text in the beam could still beat the worst of the finished ones held",
    "length": "the most new tokens were reached",
    "nothing left": "every continuation had finished",
}
LONGEST = 130  # characters of one text in a table


def number(value: float, digits: int = 2) -> str:
    """A number with a proper minus sign.

    >>> number(-1.234), number(-0.001)
    ('−1.23', '0.00')
    """
    shown = f"{value:,.{digits}f}"
    return shown.lstrip("-") if not float(shown.replace(",", "")) else shown.replace("-", "−")


def quoted(found: Prompt, ids: Sequence[int], limit: int = LONGEST) -> str:
    """New tokens as escaped text, line ends as signs."""
    return f"“{escape(found.decode(list(ids)).replace(chr(10), '⏎'), limit)}”"


def alt(study: Study) -> str:
    """The tree in words."""
    steps, winner = study.search.steps, study.winner
    counted = [one.status for step in steps for one in step.candidates]
    return (
        f"Beam search with {study.settings.num_beams} beams, {len(steps)} steps, {counted.count('finished')} finished "
        f"texts. Best: {study.prompt.decode(winner.ids)!r}, sum of log-probabilities {number(winner.log_prob)}, "
        f"score {number(winner.score, 3)}."
    )


def reading(study: Study) -> str:
    """One sentence on how to read the tree, and what of it is drawn."""
    drawn, n_steps = study.tree.n_columns, len(study.search.steps)
    cut = f"Drawn: the first {drawn} of {n_steps} tokens. " if drawn < n_steps else ""
    return (
        "Left to right: one token more. A box is a text that ends in its token; point at it for the whole text and its "
        f"sum of log-probabilities (0 would be certain). {cut}Of each step’s pruned texts only the likeliest few are "
        "drawn."
    )


def ended(study: Study) -> str:
    """After how many steps the search ended, and why."""
    return f"The search ended after {len(study.search.steps)} tokens: {WHY_ENDED[study.search.steps[-1].ended]}."


def texts_table(study: Study) -> str:
    """The texts that were found, best first, as HTML."""
    power = study.settings.length_penalty
    rows = [
        [
            str(place),
            quoted(study.prompt, text.ids) + ("" if text.finished else " <i>(cut off)</i>"),
            number(text.log_prob),
            str(len(text.ids)),
            f"{number(text.log_prob)}&nbsp;/&nbsp;{len(text.ids)}<sup>{number(power, 1)}</sup>&nbsp;=&nbsp;"
            f"<b>{score(text.score)}</b>",
        ]
        for place, text in enumerate(study.search.texts, start=1)
    ]
    return html_table(("", "Finished text", "Sum&nbsp;of&nbsp;log&nbsp;p", "Tokens", "Score"), rows, marked=0)


def score(value: float) -> str:
    """A score with as many digits as tell scores apart: they run from thousandths to thousands."""
    return number(value, 1 if abs(value) >= 100 else 4 if abs(value) < 0.1 else 3)


def penalties_table(study: Study, searches: dict[float, Search]) -> str:
    """The winner under each penalty, as HTML."""
    rows = [
        [
            number(penalty, 0),
            quoted(study.prompt, found.texts[0].ids),
            number(found.texts[0].log_prob),
            str(len(found.texts[0].ids)),
            str(len(found.steps)),
        ]
        for penalty, found in searches.items()
    ]
    at = next((place for place, one in enumerate(searches) if one == study.settings.length_penalty), None)
    return html_table(
        ("Penalty", "Winner", "Sum&nbsp;of&nbsp;log&nbsp;p", "Tokens", "Steps&nbsp;searched"), rows, marked=at
    )


def html_table(head: Iterable[str], rows: Iterable[Sequence[str]], *, marked: int | None = None) -> str:
    """A small table. Cells are HTML: learner's text inside must be escaped. marked: the row in bold."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = ""
    for place, row in enumerate(rows):
        cells = "".join(f"<td>{f'<b>{cell}</b>' if place == marked and cell else cell}</td>" for cell in row)
        body += f"<tr>{cells}</tr>"
    return f'<table class="labs-small-table"><tr>{top}</tr>{body}</table>'


def notice(study: Study, searches: dict[float, Search], shared: int) -> str:
    """What beam search found against greedy, and what the length penalty does."""
    return f"{against_greedy(study)} {penalty_words(searches, shared)}"


def against_greedy(study: Study) -> str:
    """The beam's likeliest text beside greedy's."""
    greedy, best = study.greedy, study.likeliest
    if best.ids == greedy.ids:
        return (
            f"Greedy decoding, which keeps one text, writes {quoted(study.prompt, greedy.ids)} with a sum of "
            f"{number(greedy.log_prob)}, and {_beams(study)} found nothing likelier."
        )
    gain = best.log_prob - greedy.log_prob
    verdict = (
        f"is e<sup>{number(gain, 1)}</sup> times as probable"
        if gain > 0
        else "is less probable: a beam is no guarantee"
    )
    length = (
        ""
        if len(best.ids) == len(greedy.ids)
        else f" (they have {len(best.ids)} and {len(greedy.ids)} tokens, and each token costs)"
    )
    return (
        f"Greedy decoding writes {quoted(study.prompt, greedy.ids)} with a sum of {number(greedy.log_prob)}. The "
        f"likeliest text of {_beams(study)}, {quoted(study.prompt, best.ids)}, has {number(best.log_prob)} and "
        f"{verdict}{length}."
    )


def _beams(study: Study) -> str:
    n = study.settings.num_beams
    return f"{n} beam{'s' if n > 1 else ''}"


def penalty_words(searches: dict[float, Search], shared: int) -> str:
    """What changes over the penalties of the table below."""
    winners = {tuple(found.texts[0].ids) for found in searches.values()}
    lengths = [len(found.texts[0].ids) for found in searches.values()]
    steps = sorted({len(found.steps) for found in searches.values()})
    many = len(winners) > 1
    changed = (
        f"{len(winners)} different texts win, of {min(lengths)} to {max(lengths)} tokens"
        if many
        else "the same text wins every time"
    )
    stops = f"the search ends after {steps[0]} to {steps[-1]} tokens" if len(steps) > 1 else "the search is as long"
    return (
        f"<b>The length penalty does not steer the search</b>: under six penalties from −2 to 3 the same beams are "
        f"kept in all steps that two of these searches share, up to {shared}. It only ranks what is finished, and by "
        f"that says when to stop: here {changed}, and {stops}."
    )


def likelier_is_not_better(study: Study) -> str:
    """What not to conclude, with a number where the text on screen gives one."""
    share = repeated(study.winner.ids, 2)
    loops = f" In the winner {share:.0%} of the token pairs are repetitions of an earlier pair." if share >= 0.2 else ""
    return (
        "<b>Likelier is not better.</b> The sum says how much this model expected a text, not how good it is: the "
        "most expected story is the one that everybody tells, and long likely texts repeat themselves "
        f"(Holtzman et al. 2020).{loops} Beam search is at home where the right answer is the likely one, as in "
        "translation."
    )


def agreement(study: Study, opinion: Opinion) -> str:
    """The part of the audit line that is about the texts themselves."""
    if study.settings.num_beams == 1:
        what = "with one beam transformers’ generate is greedy decoding; the ids of its text"
    else:
        what = f"the ids of all {opinion.n_texts} texts that transformers’ generate returns"
    return f"{what} are {'ours' if opinion.same else 'not ours'}, on your prompt and with your settings"


def table(study: Study) -> "pd.DataFrame":
    """Every candidate that the search looked at and the tree may draw."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "step": step.step + 1,
                "place": one.rank + 1,
                "token": study.prompt.token(one.token_id),
                "log p": round(one.log_prob, 4),
                "sum": round(one.total_log_prob, 4),
                "what became of it": one.status,
                "score": one.score,
                "node": one.node,
                "goes on from node": one.parent,
            }
            for step in study.search.steps
            for one in step.candidates
        ]
    )
