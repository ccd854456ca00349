"""Tokenizers in use on the same sentences in twelve languages: bars, words, table and audit line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
import torch

from components import audit, section, text, tokenizers
from components.text import escape
from engine.corpora import language_texts
from engine.tokenizer import measures
from pages.lab4_tokenizer.second_opinion import library

if TYPE_CHECKING:
    import pandas as pd

SHORT = {tokenizers.GPT2: "GPT-2", tokenizers.BERT: "BERT’s WordPiece", tokenizers.BUNDLED: "Bundled"}
YOURS = "Your text"
CLASSES = {tokenizers.GPT2: "query", tokenizers.BERT: "key"}  # whose colour; the chosen tokenizer's is "value"


@dataclass(frozen=True)
class Real:
    """One tokenizer that is in use, on one text."""

    n_tokens: int
    fertility: float
    unknown: float  # share of its tokens that stand for "I have no pieces for this"


@dataclass(frozen=True)
class Bars:
    """Everything that the bars, their words and their table show."""

    names: tuple[str, ...]  # tokenizers
    texts: dict[str, str]
    found: dict[tuple[str, str], Real]  # (tokenizer, text)
    total: bool  # tokens of the same sentences, instead of tokens for each word

    def value(self, name: str, language: str) -> float:
        one = self.found[name, language]
        return one.n_tokens if self.total else one.fertility

    def languages(self, spaces: bool) -> list[str]:
        return [name for name, one in self.texts.items() if measures.writes_spaces(one) == spaces]


def make(chosen: str, own: str, count: str) -> Bars:
    """GPT-2's where its files are, BERT's, and the chosen tokenizer on every language and the learner's text."""
    there = [tokenizers.GPT2] if tokenizers.has_gpt2() else []
    names = tuple(dict.fromkeys([*there, tokenizers.BERT, chosen]))
    total = count == "all"
    texts = language_texts() | ({YOURS: own} if own.strip() and not total else {})
    found = {(name, language): _measure(name, one) for name in names for language, one in texts.items()}
    return Bars(names, texts, found, total)


@st.cache_data(max_entries=512, show_spinner=False)
def _measure(name: str, one: str) -> Real:
    if name == tokenizers.BERT:
        found = tokenizers.word_piece().encode(one, add_special_tokens=False)
        n_tokens, unknown = len(found.ids), found.tokens.count("[UNK]")
    else:
        n_tokens, unknown = len(tokenizers.get(name).encode(one)), 0
    return Real(n_tokens, measures.fertility(n_tokens, one), unknown / max(1, n_tokens))


def figure(bars: Bars) -> None:
    """Rows of bars: one row a language, one column a tokenizer."""
    groups = [("", list(bars.texts))]
    if not bars.total:
        groups = [
            ("Tokens for each word", bars.languages(True)),
            ("Tokens for each character: no spaces between words", bars.languages(False)),
        ]
    heads = "".join(f"<b>{escape(_title(name))}</b>" for name in bars.names)
    rows = [f"<div class='labs-bar-table labs-numbers' style='--n:{len(bars.names)}' role='img' "]
    rows.append(f"aria-label='{escape(alt(bars), 500)}'><span></span>{heads}")
    for title, languages in groups:
        if title and languages:
            rows.append(f"<span class='labs-bar-group'>{title}</span>")
        most = max((bars.value(name, language) for name in bars.names for language in languages), default=1)
        rows += [_row(bars, language, most) for language in languages]
    st.html("".join(rows) + "</div>")
    what = "all 25 sentences together" if bars.total else "an average word, or character, of the 25 sentences"
    section.reading(
        f"Each bar: the tokens of {what}, which say the same in every language; shorter is better. In red "
        "letters: the share of tokens that are [UNK], where a tokenizer has no pieces and what was written is lost."
    )


def _row(bars: Bars, language: str, most: float) -> str:
    cells = [f"<span class='labs-bar-name'>{escape(language)}</span>"]
    for name in bars.names:
        value, unknown = bars.value(name, language), bars.found[name, language].unknown
        shown = f"{value:,.0f}" if bars.total else f"{value:.2f}"
        lost = f" <i>{unknown:.0%} [UNK]</i>" if unknown >= 0.005 else ""
        role, width = CLASSES.get(name, "value"), 58 * value / max(most, 1e-9)
        cells.append(
            f"<span class='labs-bar-cell'><span class='labs-bar-{role}' style='width:{width:.1f}%'></span>"
            f"{shown}{lost}</span>"
        )
    return "".join(cells)


def _title(name: str) -> str:
    return SHORT.get(name) or tokenizers.title(name)


def alt(bars: Bars) -> str:
    """The bars in a sentence: for each tokenizer its shortest and its longest."""
    unit = "tokens" if bars.total else "tokens a word"
    languages = bars.languages(True) if not bars.total else list(bars.texts)
    parts = []
    for name in bars.names:
        few = min(languages, key=lambda one: bars.value(name, one))
        many = max(languages, key=lambda one: bars.value(name, one))
        low, high = bars.value(name, few), bars.value(name, many)
        parts.append(f"{_title(name)}: {low:.4g} {unit} in {few}, {high:.4g} in {many}")
    return "; ".join(parts)


def below(bars: Bars) -> None:
    section.notice(notice(bars))
    text.prose(_caveats(bars))
    name = bars.names[-1] if bars.names[-1] != tokenizers.BERT else bars.names[0]
    if name != tokenizers.BERT:
        audit.show(
            _second_opinion(name, tuple(bars.texts.values())),
            library="tokenizers",
            tolerance=0,
            what=f"{_title(name)}, tokens of {len(bars.texts)} texts",
            on="the texts on screen",
        )
    audit.measured("BERT’s WordPiece is counted by tokenizers itself, with the tokenizer.json of all-MiniLM-L6-v2.")


def notice(bars: Bars) -> str:
    """What each tokenizer charges the dearest language, measured by English."""
    said = []
    for name in bars.names:
        counts = {one: bars.found[name, one].n_tokens for one in bars.texts if one != YOURS}
        dear = max(counts, key=counts.get)
        said.append(
            f"{escape(_title(name))}: {counts['English']:,} tokens in English, {counts[dear]:,} in {dear}, "
            f"{counts[dear] / counts['English']:.1f} times as many"
        )
    return "The same sentences do not cost the same. " + "; ".join(said) + "."


def _caveats(bars: Bars) -> str:
    lost = max(bars.texts, key=lambda one: bars.found[tokenizers.BERT, one].unknown)
    share = bars.found[tokenizers.BERT, lost].unknown
    said = []
    if share:
        said.append(
            f"<b>A short bar can be a loss.</b> {share:.0%} of WordPiece’s tokens for {escape(lost)} are [UNK]: few "
            "tokens, because the text is gone. It also lowers capitals and strips accents. Byte-level "
            "tokenizers lose nothing."
        )
    if tokenizers.BUNDLED in bars.names:
        said.append("The bundled tokenizer was trained on these very sentences among others.")
    return " ".join(said)


@st.cache_data(max_entries=32, show_spinner=False)
def _second_opinion(name: str, texts: tuple[str, ...]) -> audit.Difference:
    ours = tokenizers.get(name)
    theirs = library(name, ours, specials_are_text=True)
    counts = [[len(ours.encode(one)), len(theirs.encode(one).ids)] for one in texts]
    left, right = torch.tensor(counts).T
    return audit.find_difference([(left, right)])


def as_table(bars: Bars) -> "pd.DataFrame":
    import pandas as pd

    rows = []
    for language, one in bars.texts.items():
        row = {"text": language, "counted by": "word" if measures.writes_spaces(one) else "character"}
        for name in bars.names:
            found = bars.found[name, language]
            row |= {f"{_title(name)}, tokens": found.n_tokens, f"{_title(name)}, for each": round(found.fertility, 3)}
        rows.append(row | {"[UNK] of WordPiece": round(bars.found[tokenizers.BERT, language].unknown, 3)})
    return pd.DataFrame(rows)
