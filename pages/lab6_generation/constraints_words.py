"""What the section on required and banned words says, from the numbers on screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.text import escape
from engine.decoding import Generation
from engine.decoding.word_forms import Wanted, banned_forms, held, stands
from pages.lab6_generation.beam_words import html_table, number, quoted
from pages.lab6_generation.constraints_study import SMALL_LENGTH, Phrase, SmallCase, Study
from pages.lab6_generation.prompt import Prompt

if TYPE_CHECKING:
    import pandas as pd

WHOLE = 600  # characters of a text
MOST_FORMS = 4


def alt(study: Study) -> str:
    """The search in words."""
    names = ", ".join(one.name for one in study.asked.wanted) or "nothing"
    return (
        f"Beam search with {study.settings.num_beams} beams in {study.search.needed + 1} banks; required: {names}. "
        f"Best text: {study.prompt.decode(study.winner.ids)!r}, sum of log-probabilities "
        f"{number(study.winner.log_prob)}; it takes up its first required token at step {study.first_climb}."
    )


def reading(study: Study) -> str:
    """One sentence on how to read the banks."""
    if not study.asked.wanted:
        return "Nothing is required, so there is one bank: this is beam search in which banned words cannot be written."
    return (
        "A card is a text, with its end, its sum of log-probabilities, and a letter for each required word (✓: in "
        "place). It stands in the bank of the required tokens that it holds; above, small, the texts of the step "
        "before. Orange: a text climbs into a higher bank. Each bank keeps its best texts, so one that has begun a "
        "rare word need not outdo those that have not."
    )


def missing(study: Study, text: Generation) -> list[Wanted]:
    """The wanted words that do not stand in a text, read off the text itself."""
    written = study.prompt.decode(text.ids)
    return [one for one in study.asked.wanted if not stands(written, one)]


def banned_in(study: Study, text: Generation) -> tuple[str, ...]:
    """The banned words that do stand in a text."""
    return held(study.prompt.decode(text.ids), study.asked.banned)


def beside(study: Study) -> str:
    """The constrained text and the plain one, as HTML."""
    rows = [
        _row(study, "with your words", study.winner),
        _row(study, "plain beam search", study.plain.texts[0]),
    ]
    return html_table(("", "Best text", "Sum&nbsp;of&nbsp;log&nbsp;p", "Tokens", "Lacks", "Holds, though banned"), rows)


def _row(study: Study, name: str, text: Generation) -> list[str]:
    lacks = ", ".join(one.name for one in missing(study, text))
    holds = ", ".join(banned_in(study, text))
    return [
        name.replace(" ", "&nbsp;"),
        quoted(study.prompt, text.ids, WHOLE),
        number(text.log_prob),
        str(len(text.ids)),
        escape(lacks) or "nothing",
        escape(holds) or "nothing",
    ]


def notice(study: Study) -> str:
    """The price of the constraints, and what the banks did."""
    plain, ours = study.plain.texts[0], study.winner
    if ours.ids == plain.ids:
        return "Plain beam search of the same width writes the very same text: these words cost nothing."
    price = f"The price of your words is {number(study.price)} in log-probability"
    if study.price > 0:
        price += (
            f": to the model this text is e<sup>{number(study.price, 1)}</sup> times less probable than the plain one"
        )
    else:
        price += ": the constraints led the search to a likelier text, which the plain beams had lost on the way"
    if len(ours.ids) != len(plain.ids):
        price += f" (of {len(ours.ids)} and {len(plain.ids)} tokens)"
    return f"{price}. {_filled(study)}"


def _filled(study: Study) -> str:
    if not study.asked.wanted:
        return ""
    words = len(study.asked.wanted)
    first = next(
        (
            step.step + 1
            for step in study.search.steps
            for one in step.candidates
            if one.status != "pruned" and one.bank >= study.search.needed
        ),
        None,
    )
    climbed = (
        f" Some text had them all after {first} tokens already; the winner began at token {study.first_climb}: the "
        "likeliest way to take words up is not the earliest."
        if first and first < study.first_climb
        else ""
    )
    tokens = f"{words} required {'word' if words == 1 else 'words'} can be held by {study.search.needed} tokens."
    return tokens + climbed + shared(study)


def shared(study: Study) -> str:
    """Where required phrases overlap, what that saves."""
    alone = sum(min(map(len, phrases)) * one.times for one, phrases in zip(study.asked.wanted, study.asked.items))
    saved = alone - study.search.needed
    if saved <= 0:
        return ""
    return f" One by one they have {alone}: they share {saved}, because one may stand in another or begin in its end."


def in_tokens(study: Study) -> str:
    """Each word with its forms in tokens, as HTML."""
    rows = [
        [f"<b>{escape(one.name)}</b>", "required", _cuts(study.prompt, phrases, " or ")]
        for one, phrases in zip(study.asked.wanted, study.asked.items, strict=True)
    ]
    for word in study.asked.banned:
        phrases = tuple(dict.fromkeys(tuple(study.prompt.tokenizer.encode(form)) for form in banned_forms(word)))
        rows.append([f"<b>{escape(word)}</b>", "banned", _cuts(study.prompt, phrases, ", ")])
    return html_table(("Word", "", "What the model has for it, in tokens"), rows)


def _cuts(found: Prompt, phrases: Sequence[Phrase], between: str) -> str:
    shown = [
        "<code>" + "</code> + <code>".join(escape(found.token(token)) for token in phrase) + "</code>"
        for phrase in phrases[:MOST_FORMS]
    ]
    more = f" and {len(phrases) - MOST_FORMS} more forms" if len(phrases) > MOST_FORMS else ""
    return between.join(shown) + more


def forms(study: Study) -> str:
    """Why a word has several forms, and what is done about them."""
    more = len(study.settings.banned) - len(study.asked.banned_phrases)
    extra = f" (here it took {more} such {'spelling' if more == 1 else 'spellings'})" if more else ""
    return (
        "To a model “dragon” after a space (·), without one, and with a capital are different tokens. "
        "<b>Required</b> means one of these forms; a word that is listed twice is required in its form with a space, "
        "at two places. <b>Banned</b> means all of them, in capitals too. Other tokens can spell a word as well, such "
        "as d + ra + gon: where the best text does that with a banned word, this spelling is banned too and the search "
        f"runs again{extra}. Words that begin with a banned one may go as well. Only new text counts, not the prompt; "
        "a required phrase may stand in its middle."
    )


def holds(study: Study) -> tuple[bool, str]:
    """Whether the text on screen keeps to the constraints, read off the text, and the sentence that says so."""
    lacks, bad = missing(study, study.winner), banned_in(study, study.winner)
    n_wanted, n_banned = len(study.asked.wanted), len(study.asked.banned)
    if lacks or bad:
        said = [f"lacks {one.name}" for one in lacks] + [f"holds the banned {word}" for word in bad]
        return False, f"read off the text, whatever its tokens: it {', '.join(said)}"
    return True, (
        f"read off the text, whatever its tokens: it holds {n_wanted} of {n_wanted} required words and 0 of {n_banned} "
        "banned ones"
    )


def small(study: Study, case: SmallCase, same: bool) -> tuple[bool, str]:
    """The claim about the small case: the texts of beam search are those of the enumeration."""
    n_texts, n_good = case.enumeration.n_texts, len(case.enumeration.best)
    tokens = " ".join(study.prompt.token(token) for token in case.tokens)
    words = "; ".join(one.name for one in case.wanted) or "no required word"
    best = "all of them" if len(case.wide) == n_good else f"the best {len(case.wide):,} of them"
    found = f"finds {best if same else 'others'}" if n_good else "finds none either"
    return same, (
        f"all {n_texts:,} texts of {SMALL_LENGTH} tokens out of {tokens} were written one by one: {n_good:,} hold "
        f"{words} and nothing banned; wide beam search {found}"
    )


def narrow(study: Study, case: SmallCase) -> str:
    """What as few beams as on screen find in the small case."""
    why = (
        "No library gives a second opinion: transformers 5 moved its constrained beam search to a repository whose "
        "code one would have to trust (trust_remote_code)."
    )
    if case.narrow is None:
        return why
    best, beams = case.enumeration.best[0][1], study.settings.num_beams
    width = f"{beams} beam{'s' if beams > 1 else ''}"
    if case.narrow.log_prob >= best - 1e-4:
        return f"{why} In this small case {width}, as on screen, find the best text too ({number(best)})."
    return (
        f"{why} In this small case the best text has {number(best)}, and {width}, as on screen, find one of "
        f"{number(case.narrow.log_prob)}: few beams promise a text with all words, not the likeliest one."
    )


def table(study: Study) -> "pd.DataFrame":
    """Every text that was kept or finished, with its bank."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "step": step.step + 1,
                "bank": one.bank,
                "token": study.prompt.token(one.token_id),
                "sum of log p": round(one.total_log_prob, 4),
                "words in place": sum(n >= want.times for n, want in zip(one.met, study.asked.wanted)),
                "what became of it": one.status,
                "node": one.node,
                "goes on from node": one.parent,
            }
            for step in study.search.steps
            for one in step.candidates
            if one.status != "pruned"
        ]
    )
