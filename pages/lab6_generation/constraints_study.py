"""What the section on constraints computes: the words in tokens, the search with and without them, and a small case."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import streamlit as st
import torch

from components import models, state
from engine.decoding import Generation, UnsatisfiableConstraint, beam_search
from engine.decoding.constraints import Constraints
from engine.decoding.exhaustive import Enumeration, TableModel, every_text
from engine.decoding.word_forms import (
    Wanted,
    banned_forms,
    held,
    read_banned,
    read_wanted,
    spelled,
    wanted_forms,
)
from pages.lab6_generation import prompt, searching
from pages.lab6_generation.searching import Search, Settings


@dataclass(frozen=True)
class Moment(state.Number):
    """A step of the search, or None: where the later winner takes up its first required token."""

    def format(self, value: int | None) -> str:
        return "" if value is None else str(value)

    def shown_instead(self) -> str:
        return "where the winner takes up its first required word"


WORDS = state.Text(
    "co_words", "dragon, castle", "Required words", help="Commas part what must stand in the text; a|b: one is enough"
)
BANNED = state.Text("co_banned", "Spot", "Banned words", help="Parted by commas")
BEAMS = state.Number("co_beams", 4, "Beams", low=1, high=8, help="Texts that are kept after each token")
LENGTH = state.Number("co_max", 24, "New tokens", low=4, high=48, help="At most so many, unless the story ends before")
STEP = Moment("co_step", None, "Step", low=0, high=48)

MOST_ROUNDS = 8  # of searches, each with one more spelling banned
LARGE = 10_000  # tokens in which whatever can be written at all can be written
SMALL_VOCABULARY, SMALL_LENGTH = 6, 5

Phrase = tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """What must and must not stand in the text, in words and in tokens; one item a wanted word, in the same order."""

    wanted: tuple[Wanted, ...]
    items: tuple[tuple[Phrase, ...], ...]  # for each wanted word the phrases of which one is enough
    banned: tuple[str, ...]
    banned_phrases: tuple[Phrase, ...]

    @property
    def must_include(self) -> tuple:
        """As engine.decoding.beam_search takes it: a word that is wanted several times is listed several times."""
        listed: list = []
        for one, phrases in zip(self.wanted, self.items, strict=True):
            listed += [phrases[0]] * one.times if one.times > 1 else [phrases]
        return tuple(listed)


@dataclass(frozen=True)
class Study:
    """The search with the constraints, and plain beam search of the same width."""

    prompt: prompt.Prompt
    settings: Settings
    asked: Asked
    search: Search
    plain: Search

    @property
    def winner(self) -> Generation:
        return self.search.texts[0]

    @property
    def step(self) -> int:
        """The step on screen."""
        wish = state.get(STEP)
        return min(len(self.search.steps), self.first_climb if wish is None else wish)

    @property
    def first_climb(self) -> int:
        """The step at which the winner takes up its first required token; the last one where there is none."""
        way = set(searching.path(self.search.steps, self.search.nodes[0]))
        for step in self.search.steps:
            if any(one.node in way and one.bank > 0 for one in step.candidates):
                return step.step + 1
        return len(self.search.steps)

    @property
    def price(self) -> float:
        """How much of the log-probability the constraints cost: what plain beam search has more."""
        return self.plain.texts[0].log_prob - self.winner.log_prob


def study() -> Study:
    """What the controls describe. Raises ValueError in a sentence for the learner, with words instead of ids."""
    found = prompt.read(state.get(LENGTH), any_model=True)
    asked = ask(found, read_wanted(state.get(WORDS)), read_banned(state.get(BANNED)))
    plain = Settings(state.get(BEAMS), state.get(LENGTH), eos_id=searching.end_ids(found, "story"))
    settings = replace(plain, must_include=asked.must_include, banned=asked.banned_phrases)
    try:
        settings, search = keep_to(found, asked, settings)
    except UnsatisfiableConstraint:
        raise ValueError(why_not(found, settings, asked)) from None
    return Study(found, settings, asked, search, searching.search(found, plain))


def ask(found: prompt.Prompt, wanted: Sequence[Wanted], banned: Sequence[str]) -> Asked:
    """Words in tokens: every form of each, as the tokenizer cuts it."""
    encode = found.tokenizer.encode
    kept: dict[frozenset[Phrase], tuple[Wanted, tuple[Phrase, ...]]] = {}
    for one in wanted:
        forms = [f" {one.words[0]}"] if one.times > 1 else [form for word in one.words for form in wanted_forms(word)]
        phrases = tuple(dict.fromkeys(tuple(encode(form)) for form in forms))
        kept.setdefault(frozenset(phrases), (one, phrases))  # "dog" and "Dog|dog" are one wish
    forbidden = {phrase for word in banned for phrase in _forms(found, word)}
    names, items = zip(*kept.values(), strict=True) if kept else ((), ())
    return Asked(tuple(names), tuple(items), tuple(banned), tuple(sorted(forbidden)))


def _forms(found: prompt.Prompt, word: str) -> set[Phrase]:
    return {tuple(found.tokenizer.encode(form)) for form in banned_forms(word)}


def keep_to(found: prompt.Prompt, asked: Asked, settings: Settings) -> tuple[Settings, Search]:
    """The search whose best text holds nothing that is banned, and the settings that gave it.

    A word can be spelled out of other tokens than the tokenizer's. There are too many ways to forbid them all from the
    start: where the best text spells a banned word in one of them, this way is banned too, and the search runs again.
    """
    for _ in range(MOST_ROUNDS):
        search = searching.search(found, settings)
        ids = search.texts[0].ids
        pieces = [b"" if one == found.eos_id else found.tokenizer.token_bytes(one) for one in ids]
        more = {run for word in held(found.decode(ids), asked.banned) for run in spelled(ids, pieces, word)}
        if not more:
            break
        settings = replace(settings, banned=tuple(sorted({*settings.banned, *more})))
    return settings, search


def machine(found: prompt.Prompt, settings: Settings, **others: object) -> Constraints:
    """The engine's machine for these constraints. others: what of them is different."""
    asked = {
        "must_include": settings.must_include,
        "banned": settings.banned,
        "max_new_tokens": settings.max_new_tokens,
    } | others
    return Constraints(vocab_size=found.tokenizer.vocab_size, eos_ids=settings.eos_id, **asked)


def why_not(found: prompt.Prompt, settings: Settings, asked: Asked) -> str:
    """Why the constraints cannot be met, in the learner's words."""
    for one, phrases in zip(asked.wanted, asked.items, strict=True):
        if not _possible(found, settings, must_include=(phrases,)):
            against = [word for word in asked.banned if _contradicts(phrases, _forms(found, word))]
            named = " and ".join(f"“{word}”" for word in against) or "what is banned"
            return f"“{one.name}” is required, and {named} is banned: take one of the two away"
    if not _possible(found, settings):
        return "The required words cannot all be written beside each other without what is banned: take a word away"
    needed = int(machine(found, settings, max_new_tokens=LARGE).needed)
    if needed > settings.max_new_tokens:
        return (
            f"The required words need at least {needed} tokens, and {settings.max_new_tokens} may be written: allow "
            f"more new tokens, or require less"
        )
    return "The model gives no probability to any text that holds what is required and nothing that is banned"


def _possible(found: prompt.Prompt, settings: Settings, **others: object) -> bool:
    try:
        machine(found, settings, max_new_tokens=LARGE, **others)
    except UnsatisfiableConstraint:
        return False
    return True


def _contradicts(phrases: Sequence[Phrase], banned: Collection[Phrase]) -> bool:
    """Whether one of the banned phrases stands inside each of the phrases."""
    return all(
        any(run == phrase[start : start + len(run)] for run in banned for start in range(len(phrase)))
        for phrase in phrases
    )


@dataclass(frozen=True)
class SmallCase:
    """A handful of tokens, every text of a few of them, and what beam search finds there."""

    tokens: tuple[int, ...]  # of the model's vocabulary; the first one has been written already
    wanted: tuple[Wanted, ...]  # those of the learner's words that fit
    enumeration: Enumeration
    wide: list[Generation]  # from as many beams as there are beginnings: nothing is lost
    narrow: Generation | None  # the best from as many beams as on screen


def small_case(now: Study) -> SmallCase:
    """The learner's constraints on a few tokens: short words, what is banned, and the model's own likeliest ones.

    What follows a token there is what the model says after the prompt and that token, however much stands between.
    """
    key = now.prompt.loaded.info.name, now.prompt.ids, now.settings
    return _small_case(*key, now.prompt, now.asked)


@st.cache_resource(max_entries=64, show_spinner=False)
def _small_case(name: str, ids: tuple[int, ...], settings: Settings, _found: prompt.Prompt, _asked: Asked) -> SmallCase:
    with models.DEVICE_IN_USE:
        reader = searching.remembering(_found, settings.max_new_tokens)
        likely = reader.next_logits([ids])[0].topk(SMALL_VOCABULARY + 1).indices.tolist()
        tokens, wanted, must_include = _small_vocabulary(_asked, [one for one in likely if one not in settings.eos_id])
        logits = reader.next_logits([[*ids, token] for token in tokens])[:, list(tokens)]
    place = {token: at for at, token in enumerate(tokens)}
    include = [[[place[token] for token in phrase] for phrase in item] for item in must_include]
    banned = [[place[token] for token in run] for run in settings.banned if set(run) <= set(place)]
    table = TableModel(logits)
    rules = {"must_include": include, "banned": banned}
    enumeration = every_text(table, 0, length=SMALL_LENGTH, **rules)
    # A phrase that is wanted twice is listed twice, as a phrase; only a choice is a list of phrases.
    rules["must_include"] = [item[0] if len(item) == 1 else item for item in include]
    search = {"max_new_tokens": SMALL_LENGTH, **rules}
    try:
        wide = beam_search(table, [0], num_beams=SMALL_VOCABULARY ** (SMALL_LENGTH - 1), **search)
        narrow = beam_search(table, [0], num_beams=settings.num_beams, **search)[0]
    except UnsatisfiableConstraint:
        wide, narrow = [], None
    return SmallCase(tokens, wanted, enumeration, wide, narrow)


def _small_vocabulary(
    asked: Asked, likely: Sequence[int]
) -> tuple[tuple[int, ...], tuple[Wanted, ...], list[list[Phrase]]]:
    """(tokens, the words that fit, for each place where one must stand its phrases), with room for what is banned."""
    tokens, wanted, items, length = [likely[0]], [], [], 0
    banned = [run for run in asked.banned_phrases if len(run) == 1 and run[0] != likely[0]]
    room = SMALL_VOCABULARY - bool(banned) - 1
    for one, phrases in zip(asked.wanted, asked.items, strict=True):
        possible = [phrase for phrase in phrases if not _contradicts([phrase], asked.banned_phrases)]
        shortest = min(possible, key=len)
        new = [token for token in dict.fromkeys(shortest) if token not in tokens]
        if len(tokens) + len(new) <= room and length + len(shortest) * one.times < SMALL_LENGTH:
            tokens, length = tokens + new, length + len(shortest) * one.times
            wanted.append(one)
            items.append((one, phrases))
    tokens += [run[0] for run in banned if run[0] not in tokens][:1]
    tokens += [token for token in likely if token not in tokens][: SMALL_VOCABULARY - len(tokens)]
    include = [
        [phrase for phrase in phrases if set(phrase) <= set(tokens)] for one, phrases in items for _ in range(one.times)
    ]
    return tuple(tokens), tuple(wanted), include


def same_texts(case: SmallCase) -> bool:
    """Whether the wide search found texts of the enumeration only, each once, and as many as it may return."""
    found = {tuple(text.ids) for text in case.wide}
    most = SMALL_VOCABULARY ** (SMALL_LENGTH - 1)
    return found <= {ids for ids, _ in case.enumeration.best} and len(found) == min(most, len(case.enumeration.best))


def differences(case: SmallCase) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Log-probabilities of the texts, best first: ours and the enumeration's."""
    ours = torch.tensor([text.log_prob for text in case.wide], dtype=torch.float64)
    theirs = torch.tensor([log_prob for _, log_prob in case.enumeration.best[: len(ours)]], dtype=torch.float64)
    return [(ours, theirs)]
