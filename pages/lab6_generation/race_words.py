"""What section “race” says, made from the texts on screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components import text
from engine.decoding import measures
from engine.decoding.race import Text, partings
from pages.lab6_generation.prompt import Prompt
from pages.lab6_generation.race_settings import TITLES, Wish

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    ("log p", "The sum of the log probabilities that the model gives these tokens: the nearer to 0, the likelier"),
    ("entropy", "Mean entropy in nats: how undecided the model was; 0 when one token had all the probability"),
    ("distinct-1", "Distinct-1: different tokens, as a share of all tokens"),
    ("distinct-2", "Distinct-2: different pairs of neighbours, as a share of all pairs"),
    ("repeats", "Runs of four tokens that stood in the text before"),
    ("tokens", "How many tokens were written"),
    ("per s", "Tokens a second of this lane alone, at its median step"),
)
READING = (
    "One lane a strategy; all write one token in turn. Pale: what every lane wrote. Underlined: the first token where "
    "not all agree. ▶ in bold: where a lane leaves the first lane’s text. <b>log p</b>: the logarithm of the text’s "
    "probability; nearer to 0 is likelier. <b>entropy</b>: how undecided the model was at each token, on average, in "
    "nats. <b>distinct</b>: the share of different tokens, and of different pairs. <b>repeats</b>: the share of runs "
    "of four tokens that stood before."
)
BEAM_NOTE = " A beam lane shows the text that is best at this step; a later step may prefer another."
ENDS = {"end token": "ended by itself", "stop string": "stop string reached", "length": "", "problem": ""}
STRATEGIES = {
    "greedy": "always takes the likeliest token.",
    "beam": "keeps several texts and lets the likeliest ones grow; in the end it gives the likeliest of them.",
    "sample": "draws a token by its probability. The temperature divides the scores first: below 1 the likely tokens "
    "become likelier, at 0 only the likeliest is left, above 1 all come nearer to each other.",
    "top-k": "draws among the k likeliest tokens only.",
    "top-p": "draws among the likeliest tokens that together hold a share p of the probability, however many they are.",
    "min-p": "draws among the tokens that have at least this share of the likeliest one’s probability.",
    "typical": "draws among the tokens whose surprise is nearest to the one to be expected (the entropy), until they "
    "hold this share.",
    "word": "is beam search that must bring one word into its text before it may end.",
}


def tokens(found: Prompt, ids: Sequence[int]) -> list[str]:
    """Each token as the lanes show it: a line end as its sign, so that a lane stays a few lines high."""
    return [found.word(one).replace("\n", "⏎ ") for one in ids]


def numbers(one: Text) -> list[str]:
    """The numbers of a lane, one a column of COLUMNS; a dash for what is not known yet."""
    if not one.ids:
        return ["–"] * len(COLUMNS)
    return [
        f"{one.log_prob:.1f}".replace("-", "−"),
        f"{sum(one.entropies) / len(one.entropies):.2f}" if one.entropies else "–",
        f"{measures.distinct([one.ids], 1):.2f}",
        f"{measures.distinct([one.ids], 2):.2f}" if len(one.ids) > 1 else "–",
        f"{measures.repeated(one.ids):.0%}",
        f"{len(one.ids)}",
        f"{one.tokens_per_second:.0f}",
    ]


def note(one: Text) -> str:
    """Why a lane's text ends where it does; "" where it just came to its length, or goes on."""
    return one.problem or (ENDS[one.ended] if one.ended else "")


def alt(wish: Wish, texts: Sequence[Text]) -> str:
    """The lanes in a sentence."""
    _, first = partings(texts)
    parts = [
        f"{TITLES[name]}: {len(one.ids)} tokens, log probability {one.log_prob:.1f}"
        for name, one in zip(wish.names, texts)
    ]
    split = "All lanes agree so far" if first is None else f"Not all lanes agree from token {first + 1} on"
    return f"{split}. {'; '.join(parts)}."


def status(state: str, texts: Sequence[Text], wanted: int, seconds: float) -> str:
    """Where the race is, as HTML."""
    done = max((len(one.ids) for one in texts), default=0)
    if state == "waiting":
        return "Waiting for other visitors’ races. It starts by itself."
    if state == "running":
        return (
            f'<span class="labs-run-bar" style="--share:{done / wanted:.0%}"></span>Writing, token {done} of {wanted}'
        )
    if state == "stopped":
        return f"Stopped at token {done}. What was written stays; Run starts from the beginning."
    if state == "failed":
        return "The race broke off. Press Run to try it again."
    total = sum(len(one.ids) for one in texts)
    return f"Finished: {total:,} tokens in {seconds:.1f} s, one forward at a time."


def stop_sentence(stop: Sequence[str], texts: Sequence[Text]) -> str:
    """Whether the stop string came; "" without one. HTML."""
    if not stop:
        return ""
    came = sum(one.ended == "stop string" for one in texts)
    shown = text.escape(stop[0], limit=60)
    if not came:
        return f"The stop string “{shown}” never came: the lanes went on to their end."
    return f"The stop string “{shown}” ended {came} of {len(texts)} lanes."


def notice(wish: Wish, texts: Sequence[Text]) -> str:
    """What to see in the race on screen, as HTML."""
    said = [_parting(wish, texts), _likely_and_repeating(wish, texts)]
    if {"greedy", "beam", "word"} & set(wish.names):
        said.append("Another seed changes every lane that draws, and neither greedy nor beam search.")
    return " ".join(filter(None, said))


def _parting(wish: Wish, texts: Sequence[Text]) -> str:
    found, first = partings(texts)
    if len(texts) == 1:
        return "One lane runs alone: choose a second one to see where they part."
    if first is None:
        return f"All {len(texts)} lanes write the same text."
    away = [_bold(name) for name, place in zip(wish.names, found) if place == first]
    same = [_bold(name) for name, place in list(zip(wish.names, found))[1:] if place is None]
    leave = "leaves" if len(away) == 1 else "leave"
    stay = f" {_list(same)} {'stays' if len(same) == 1 else 'stay'} with it to the end." if same else ""
    return f"The lanes part at token {first + 1}: {_list(away)} {leave} {_bold(wish.names[0])}.{stay}"


def _likely_and_repeating(wish: Wish, texts: Sequence[Text]) -> str:
    whole = [(name, one) for name, one in zip(wish.names, texts) if len(one.ids) >= 4]
    if len(whole) < 2:
        return ""
    least, *_, likeliest = sorted(whole, key=lambda pair: pair[1].log_prob / len(pair[1].ids))
    often, rarely = (measures.repeated(pair[1].ids) for pair in (likeliest, least))
    said = (
        f"A token, the model finds {_bold(likeliest[0])} likeliest ({_per_token(likeliest[1])}) and "
        f"{_bold(least[0])} least likely ({_per_token(least[1])}); of their runs of four tokens {often:.0%} and "
        f"{rarely:.0%} stood before."
    )
    return f"{said} The likelier text is the one that repeats itself more." if often > rarely else said


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _bold(name: str) -> str:
    return f"<b>{TITLES[name]}</b>"


def _per_token(one: Text) -> str:
    return f"{one.log_prob / len(one.ids):.2f}".replace("-", "−")


def table(wish: Wish, texts: Sequence[Text]) -> "pd.DataFrame":
    """The lanes as a data frame, with their whole texts."""
    import pandas as pd

    found, _ = partings(texts)
    rows = []
    for name, setting, one, place in zip(wish.names, wish.settings, texts, found):
        said = dict(zip([heading for heading, _ in COLUMNS], numbers(one)))
        parts = "" if place is None else str(place + 1)
        whole = wish.prompt.decode(list(one.ids))
        rows.append({"strategy": f"{TITLES[name]} {setting}".strip(), "parts at token": parts, **said, "text": whole})
    return pd.DataFrame(rows)
