"""Lab 4, section 1, the idea: the same text as words, as tokens of byte-pair encoding and as characters or bytes."""

import streamlit as st
import tokenizers as library
from tokenizers import models, pre_tokenizers

from components import audit, controls, section, state, text, tokenizers
from components.figures import token_strip
from components.figures.token_strip import Chip
from engine.corpora import corpus_text
from engine.tokenizer import BPETokenizer, Token
from engine.tokenizer.sizes import truncated
from engine.tokenizer.units import (
    CHARACTER_PATTERN,
    UNKNOWN,
    WORD_PATTERN,
    FixedVocabulary,
    Unit,
    count_whole_words,
    embedding_parameters,
    is_one_token,
)
from pages.lab4_tokenizer import idea_words as words
from pages.lab4_tokenizer import second_opinion
from pages.lab4_tokenizer.idea_words import Row, Study
from pages.lab4_tokenizer.params import TEXT

QUESTION = "Why neither words nor characters?"
MOST_CHARACTERS = 200  # of the text: all three rows stay readable
MOST_WITH_IDS = 70  # pieces in a row: ids beneath make each line twice as high

SIZE = state.Number(
    "i_size",
    512,
    "Entries in the vocabulary",
    low=256,
    high=tokenizers.BUNDLED_SIZE,
    step=16,
    help="Of the words and of the tokens alike: each list keeps that many entries.",
)
SMALL = state.Choice(
    "i_small",
    "characters",
    "Smallest pieces",
    options=("characters", "bytes"),
    labels={"characters": "Characters", "bytes": "Bytes"},
    help="A byte is one of 256 values. UTF-8 writes a Latin letter as one byte, other characters as two to four.",
)
WIDTH = state.Number(
    "i_width",
    384,
    "Numbers per entry (d_model)",
    low=64,
    high=1024,
    step=64,
    help="A model keeps a row of that many numbers for each entry of its vocabulary: the embedding.",
)
PARAMS = [TEXT, SIZE, SMALL, WIDTH]


@section.live
def draw() -> None:
    """One text cut in three ways, and what each way costs."""
    section.in_order(QUESTION, _study, figure=_figure, controls=_controls, below=_below, figure_share=2.9)


def _below(study: Study) -> None:
    section.notice(words.notice(study))
    text.prose(words.tokens_are_no_words(study))
    text.prose(words.at_real_size())
    _try_this()
    _audit(study)
    _folded(study)


def _study() -> Study:
    shown = state.get(TEXT)[:MOST_CHARACTERS]
    if not shown.strip():
        raise ValueError("Text must hold at least one character that is no white space. Type a few words.")
    tokenizer = _first_merges(state.get(SIZE))
    tokens = tokenizer.tokens(shown)  # first: it refuses what is no Unicode, with its position
    known, letters = _vocabulary(WORD_PATTERN), _vocabulary(CHARACTER_PATTERN)
    kept = known.first(state.get(SIZE))
    as_words = Row("words", "Words", kept.units(shown), len(kept))
    if state.get(SMALL) == "bytes":
        smallest = Row("bytes", "Bytes", _first_merges(256).tokens(shown), 256)
    else:
        smallest = Row("characters", "Characters", letters.units(shown), len(letters))
    return Study(
        text=shown,
        rows=(as_words, Row("tokens", "Tokens", tokens, len(tokenizer)), smallest),
        tokenizer=tokenizer,
        kept=kept,
        known=known,
        width=state.get(WIDTH),
    )


@st.cache_resource(max_entries=2, show_spinner=False)
def _vocabulary(pattern: str) -> FixedVocabulary:
    """Every word, or every character, of the texts that the bundled tokenizer was trained on."""
    return FixedVocabulary.from_text("\n".join(map(corpus_text, tokenizers.BUNDLED_CORPORA)), pattern)


@st.cache_resource(max_entries=32, show_spinner=False)
def _first_merges(size: int) -> BPETokenizer:
    """The bundled tokenizer as it was when it had `size` entries."""
    return truncated(tokenizers.bundled(), size)


def _controls(study: Study | None, problem: str | None) -> None:
    controls.area(TEXT, height=92)
    text.problem(problem)
    if len(state.get(TEXT)) > MOST_CHARACTERS:
        text.problem(f"Only the first {MOST_CHARACTERS} characters are used here, so that every row can be read.")
    controls.slider(SIZE)
    controls.choice(SMALL)
    controls.slider(WIDTH)
    if study:
        section.reading(
            f"Words, tokens and characters all come from the same bundled texts: {len(study.known) - 1:,} different "
            "words, each counted. Only the most frequent stay in the vocabulary, the list of all pieces a model knows. "
            "Byte-pair encoding, what this lab builds, makes the tokens."
        )
    controls.reset_button(PARAMS)


def _figure(study: Study) -> None:
    for row in study.rows:
        text.prose(words.title(row))
        few = len(row.pieces) <= MOST_WITH_IDS
        token_strip.draw(_chips(row), key=f"idea.{row.name}", alt=words.alt(row), show_ids=few)
    st.html(words.prices(study))
    section.reading(
        "Each chip is one piece. The number beneath is its id, its place in the <b>vocabulary</b>: ids are all that a "
        "model gets. [unknown], id 0, stands for every piece that the vocabulary does not hold. Words are kept without "
        "the white space between them; · is a space."
    )


def _chips(row: Row) -> list[Chip]:
    if row.name in ("tokens", "bytes"):
        return token_strip.chips(row.pieces)
    return [_chip(piece) for piece in row.pieces]


def _chip(piece: Unit) -> Chip:
    if piece.id:
        return Chip(piece.text, piece.id, piece.start, piece.end)
    return Chip(UNKNOWN, 0, piece.start, piece.end, "marked", f"in the text: {piece.text}")


def _try_this() -> None:
    section.try_this(
        [
            ("Room for 2,048", {TEXT: TEXT.default, SIZE: 2048}),
            ("Words never met", {TEXT: "The unlucky astronaut googled her chatbot’s birthday.", SIZE: 2048}),
            (
                "Another script, as bytes",
                {TEXT: "השמש זורחת היום. 😀", SIZE: 2048, SMALL: "bytes"},
            ),
        ],
        key="idea",
    )


def _audit(study: Study) -> None:
    theirs = second_opinion.library(f"bundled, first {len(study.tokenizer)}", study.tokenizer)
    ours = [token.id for token in study.row("tokens").pieces]
    _agree(theirs.encode(study.text).ids == ours, "byte-pair encoding", len(ours))
    ours = [unit.id for unit in study.row("words").pieces]
    _agree(_word_level(len(study.kept)).encode(study.text).ids == ours, "words (WordLevel)", len(ours))


def _agree(same: bool, what: str, n_ids: int) -> None:
    answer = "give the same ids" if same else "give different ids"
    audit.claim(same, f"{what}: ours and tokenizers {answer}, {n_ids:,} of them, on your text")


@st.cache_resource(max_entries=8, show_spinner=False)
def _word_level(size: int) -> library.Tokenizer:
    kept = _vocabulary(WORD_PATTERN).first(size)
    theirs = library.Tokenizer(models.WordLevel(kept.ids, UNKNOWN))
    theirs.pre_tokenizer = pre_tokenizers.Split(library.Regex(WORD_PATTERN), "removed", invert=True)
    return theirs


def _folded(study: Study) -> None:
    section.code(FixedVocabulary, BPETokenizer.encode, embedding_parameters, is_one_token, count_whole_words)
    section.table(lambda: _table(study), key="idea")
    section.sources(
        "Sennrich, Haddow and Birch 2016, [Neural Machine Translation of Rare Words with Subword Units]"
        "(https://arxiv.org/abs/1508.07909): byte-pair encoding for words that a fixed vocabulary lacks.",
        "Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*, section 2.2: on bytes, so that "
        "any text can be written.",
        "Xue et al. 2022, [ByT5](https://arxiv.org/abs/2105.13626): a model that reads bytes, and what the longer "
        "sequences cost it.",
    )


def _table(study: Study) -> list[dict]:
    return [
        {
            "cut into": row.title,
            "place": place,
            "piece": token_strip.readable(piece.bytes) if isinstance(piece, Token) else piece.text,
            "id": piece.id,
            "from character": piece.start,
            "to": piece.end,
        }
        for row in study.rows
        for place, piece in enumerate(row.pieces, start=1)
    ]
