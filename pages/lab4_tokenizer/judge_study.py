"""What "Another text" compares: which texts there are, the tokenizers trained on half of each, and how they fit."""

from dataclasses import dataclass

import streamlit as st

from engine.corpora import LANGUAGES, corpora, corpus_text, language_texts
from engine.tokenizer import BPETokenizer, measures
from engine.tokenizer.measures import Fit

OWN = "own"
MOST_JUDGED = 60_000  # characters of each judged half
MOST_TRAINED = 300_000  # characters of each half that is trained on
_KINDS = ("stories", "dialogue", "code", "emoji-numbers")
_SOME_LANGUAGES = ("German", "Finnish", "Russian", "Chinese")

TITLES = (
    {corpus.name: corpus.title for corpus in corpora() if corpus.name in _KINDS}
    | {name.lower(): name for name in LANGUAGES}
    | {OWN: "Your text"}
)
VIEWS = {
    "kinds": (*_KINDS, *(name.lower() for name in _SOME_LANGUAGES)),
    "languages": tuple(name.lower() for name in LANGUAGES),
}


@dataclass(frozen=True)
class Table:
    """Every text's tokenizer on every text: everything that the matrix, its words and its table show."""

    names: tuple[str, ...]  # rows and columns
    halves: dict[str, tuple[str, str]]  # (trained on, judged on)
    trained: dict[str, BPETokenizer]
    fits: dict[str, dict[str, Fit]]  # {trained on: {judged on: Fit}}
    size: int

    def best(self, judged: str) -> str:
        return measures.best_for(self.fits, judged)

    def bytes_per_token(self, trained: str, judged: str) -> float:
        return self.fits[trained][judged].bytes_per_token


def text_of(name: str, own: str) -> str:
    """The whole text behind a name."""
    if name == OWN:
        return own
    return language_texts()[name.title()] if name.title() in LANGUAGES else corpus_text(name)


def halves_of(name: str, own: str) -> tuple[str, str]:
    """The half that is trained on and the half that is judged on. ValueError for a text that cannot be halved."""
    training, judged = measures.in_halves(text_of(name, own), "Your text" if name == OWN else name)
    return training[:MOST_TRAINED], judged[:MOST_JUDGED]


def make_table(view: str, size: int, own: str) -> Table:
    """The matrix of a view; the learner's own text takes part when it can be halved."""
    return compare(VIEWS[view] + ((OWN,) if can_be_halved(own) else ()), size, own)


def compare(names: tuple[str, ...], size: int, own: str, judged: tuple[str, ...] | None = None) -> Table:
    """The named texts' tokenizers on the same texts, or on those in `judged`."""
    halves = {name: halves_of(name, own) for name in dict.fromkeys((*names, *(judged or ())))}
    trained = {name: train(halves[name][0], size) for name in names}
    columns = judged or names
    fits = {row: {column: _fit(halves[row][0], size, halves[column][1]) for column in columns} for row in names}
    return Table(names, halves, trained, fits, size)


def can_be_halved(own: str) -> bool:
    try:
        halves_of(OWN, own)
    except ValueError:
        return False
    return True


@st.cache_resource(max_entries=128, show_spinner=False)
def train(training: str, size: int) -> BPETokenizer:
    """A tokenizer of at most `size` entries; fewer when its text has no two neighbours left to merge."""
    return BPETokenizer.train(training, size, processes=1)


@st.cache_data(max_entries=4096, show_spinner=False)
def _fit(training: str, size: int, judged: str) -> Fit:
    return measures.fit(train(training, size), judged)
