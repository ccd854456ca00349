"""Lab 4, section 4, see tokens: a text while it is typed, its tokens and ids, and any token taken apart."""

from collections import Counter
from dataclasses import dataclass

import streamlit as st

from components import audit, controls, drawing, errors, section, state, text, tokenizers
from components.figures import token_strip, token_tree, tokens_live
from components.text import escape
from engine import kept_corpora
from engine.tokenizer import BPETokenizer, Token, anatomy
from engine.tokenizer.counting import count_corpus
from engine.tokenizer.merges import Merges
from pages.lab4_tokenizer import second_opinion
from pages.lab4_tokenizer import tokens_words as words
from pages.lab4_tokenizer.params import TEXT

QUESTION = "What does a model get instead of your text?"
KEY = "tokens.live"
MOST_CHARACTERS = 200_000
AUDITED = 20_000  # characters: the library needs as long for them as all else here together
MOST_IDS = 300_000  # larger than any vocabulary that is in use
MOST_LINES = 4


@dataclass(frozen=True)
class TokenId(state.Number):
    """An id, or None: the longest token of the text."""

    def format(self, value: int | None) -> str:
        return "" if value is None else str(value)

    def shown_instead(self) -> str:
        return "the longest token of your text"


TOKENIZER = tokenizers.tokenizer_choice("s_tokenizer")
SPACE = state.Flag("s_space", True, "Show white space", help="A space as ·, a tab as →, a line end as ⏎")
TOKEN = TokenId(
    "s_id", None, "Look into id", low=0, high=MOST_IDS, help="Any id of the vocabulary, or click a token or an id."
)
PARAMS = [TEXT, TOKENIZER, SPACE, TOKEN]


@dataclass(frozen=True)
class Study:
    """The text and its tokens. chosen: the id that is taken apart, None when there is nothing to take apart."""

    name: str  # of the tokenizer
    tokenizer: BPETokenizer
    text: str
    tokens: list[Token]
    chosen: int | None


@section.live
def draw() -> None:
    """The text area with tokens and ids below it, then the chosen token's merges and where it comes from."""
    study, problem = errors.attempt(_study)
    controls_column, figure_column = section.layout(QUESTION, figure_share=3.2)
    with figure_column, errors.shown_as_a_sentence():
        _live(study)
        text.problem(problem)
        if study and not study.text:
            section.reading("Type a text: each keystroke is cut into tokens.")
        elif study:
            section.reading(
                "Point at your text, a token or an id: the other two light up. Colours only tell neighbours apart. "
                "Click a token to take it apart."
            )
        section.let_it_paint()
    with controls_column:
        _controls(study)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            if study.chosen is not None:
                _apart(study)
            _below(study)


def _study() -> Study:
    written = _written()
    if len(written) > MOST_CHARACTERS:
        raise ValueError(
            f"The text must have at most {MOST_CHARACTERS:,} characters here, and it has {len(written):,}. To train on "
            "a longer one, upload it in “Train it”."
        )
    tokenizer = tokenizers.get(state.get(TOKENIZER))
    tokens = tokenizer.tokens(written)
    wish = state.get(TOKEN)
    if wish is None or wish not in _known_ids(tokenizer):
        wish = max(tokens, key=lambda token: len(token.bytes)).id if tokens else None
    return Study(state.get(TOKENIZER), tokenizer, written, tokens, wish)


def _written() -> str:
    """The text as a browser's text area holds it: every line end is one sign."""
    return state.get(TEXT).replace("\r\n", "\n").replace("\r", "\n")


@st.cache_resource(max_entries=8, show_spinner=False)
def _ids(_tokenizer: BPETokenizer, identity: int) -> frozenset[int]:
    return frozenset([*_tokenizer.vocab.values(), *_tokenizer.special_tokens.values()])


def _known_ids(tokenizer: BPETokenizer) -> frozenset[int]:
    return _ids(tokenizer, id(tokenizer))


def _controls(study: Study | None) -> None:
    tokenizers.control(TOKENIZER)
    if not tokenizers.has_gpt2():
        section.reading(escape(tokenizers.NO_GPT2, 300))
    controls.toggle(SPACE)
    wish = controls.number(TOKEN, placeholder="the longest one")
    if study and wish is not None and wish not in _known_ids(study.tokenizer):
        last = max(_known_ids(study.tokenizer))
        text.problem(f"This vocabulary’s ids go up to {last:,}; {wish:,} comes back with a larger one.")
    controls.reset_button(PARAMS)


def _live(study: Study | None) -> None:
    chips = token_strip.chips(study.tokens[: token_strip.MOST_CHIPS]) if study else []
    tokens_live.draw(
        _written().encode("utf-8", "replace").decode(),  # half a surrogate pair cannot be sent
        chips,
        words.counters(study.text, len(study.tokens)) if study else [],
        n_tokens=len(study.tokens) if study else 0,
        key=KEY,
        label="Your text",
        alt=words.alt(study.tokens) if study else "The text cannot be cut into tokens",
        selected_id=study.chosen if study else None,
        show_space=state.get(SPACE),
        on_change=_take,
    )


def _take() -> None:
    """What was typed, or the token that was clicked."""
    event = drawing.result(KEY) or {}
    if event.get("type") == "text":
        state.set_value(TEXT, str(event["text"]))
    elif event.get("type") == "token":
        state.set_value(TOKEN, int(event["id"]))


def _apart(study: Study) -> None:
    """The chosen token: its merges as a tree, beside it how often it is used and the lines it comes from."""
    parts = anatomy.merge_tree(study.tokenizer, study.chosen)
    text.prose(words.title(study.tokenizer, parts))
    tree, origin = st.columns([1, 1.15], gap="large")
    with tree:
        token_tree.draw(parts, key="tokens.tree")
    with origin:
        corpus, problem = errors.attempt(lambda: _corpus(study.name))
        if corpus:
            found, lines = _origin(study.name, study.chosen, study.tokenizer, corpus)
            text.prose(words.uses(found, parts[-1], len(corpus)))
            st.html(words.lines(lines))
        else:
            text.prose(words.no_corpus(tokenizers.title(study.name), study.name == tokenizers.GPT2, problem))


def _corpus(name: str) -> tuple[str, ...] | None:
    """The names of the texts that a tokenizer was trained on; None where that is not known."""
    if name == tokenizers.BUNDLED:
        return tokenizers.BUNDLED_CORPORA
    mine = next((one for one in tokenizers.saved() if tokenizers.MINE + one.id == name), None)
    if mine is None or not mine.corpus_name:
        return None
    kept_corpora.corpus_title(mine.corpus_name)  # says so when the text is not kept here
    return (mine.corpus_name,)


@st.cache_resource(max_entries=8, show_spinner=False)
def _pieces(name: str, corpus: tuple[str, ...], _tokenizer: BPETokenizer) -> Counter[str]:
    texts = [kept_corpora.corpus_text(one) for one in corpus]
    return count_corpus(texts, _tokenizer.pattern, special=list(_tokenizer.special_tokens), processes=1)


@st.cache_resource(max_entries=128, show_spinner=False)
def _origin(
    name: str, number: int, _tokenizer: BPETokenizer, corpus: tuple[str, ...]
) -> tuple[anatomy.Uses, list[tuple[str, anatomy.Line]]]:
    """How often a token is used in its corpus, and a few lines that hold it, with the title of their text."""
    found = anatomy.uses(_tokenizer, number, _pieces(name, corpus, _tokenizer))
    lines: list[tuple[str, anatomy.Line]] = []
    for one in corpus:
        held = anatomy.lines_with(_tokenizer, found, number, kept_corpora.corpus_text(one).split("\n"))
        title = kept_corpora.corpus_title(one)
        lines += [(title, line) for line, _ in zip(held, range(MOST_LINES - len(lines)), strict=False)]
        if len(lines) >= MOST_LINES:
            break
    return found, lines


def _below(study: Study) -> None:
    section.notice(f"{words.space(study.tokenizer, study.text)} {words.longest_match(study.tokenizer, study.text)}")
    section.try_this(
        [
            ("Where the longest match differs", {TEXT: words.LONGEST, TOKEN: None}),
            ("Signs of several bytes", {TEXT: words.BYTES, TOKEN: None}),
            ("Indented code", {TEXT: words.CODE, TOKEN: None}),
        ],
        key="tokens",
    )
    _audit(study)
    section.code(BPETokenizer.encode, Merges.apply_plainly, anatomy.merge_tree, anatomy.uses, anatomy.cut_differently)
    section.table(lambda: words.table(study.tokens), key="tokens")
    section.sources(
        "Sennrich et al. 2016, [Neural Machine Translation of Rare Words with Subword Units]"
        "(https://arxiv.org/abs/1508.07909), section 3.2: a text is cut by the merges in the order they were learned.",
        "Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*, section 2.2: merges on bytes, so "
        "that every text has tokens, and a pattern that keeps merges inside words with the space before them.",
    )


def _audit(study: Study) -> None:
    part = study.text[:AUDITED]
    theirs = second_opinion.library(study.name, study.tokenizer, specials_are_text=True).encode(part).ids
    ours = study.tokenizer.encode(part)
    on = "your text" if len(part) == len(study.text) else f"the first {AUDITED:,} characters of your text"
    audit.claim(ours == theirs, words.agreement(ours, theirs, on))
