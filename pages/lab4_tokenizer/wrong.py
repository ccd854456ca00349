"""Lab 4, section 8, what goes wrong: seven cases, each computed on the chosen tokenizer and the learner's own input."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from components import audit, controls, errors, section, state, text, tokenizers
from components.figures import token_strip
from engine import corpora
from engine.tokenizer import BPETokenizer, faults
from pages.lab4_tokenizer import chips, second_opinion, wrong_bytes, wrong_spelling
from pages.lab4_tokenizer.wrong_bytes import Reading
from pages.lab4_tokenizer.wrong_seen import Row, Seen

QUESTION = "What goes wrong between a text and its tokens?"
MOST_CHARACTERS = 300

PROGRAM = """def total(prices):
    for price in prices:
        if price > 0:
            yield price"""

TOKENIZER = tokenizers.tokenizer_choice("x_tokenizer")
PROMPT = state.Text("x_prompt", "The old keeper opened", "Prompt")
WORD = state.Text("x_word", "the", "Next word")
NUMBERS = state.Text("x_numbers", "1999 2000 2137 12345 99999 1000000", "Numbers")
CAPITALS = state.Text("x_capitals", "hello", "Word")
EMOJI = state.Text("x_emoji", "🙂 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈", "Emoji, with spaces between")
CODE = state.Text("x_code", PROGRAM, "Program")
HALF = state.Text("x_half", "naïve 🦤 żółw ok", "Text")
CUT = state.Number("x_cut", 3, "Cut after token", low=1, high=60)
OWN = "own"
TITLES = {OWN: "The bundled tokenizer’s texts"} | {corpus.name: corpus.title for corpus in corpora.corpora()}
CORPUS = state.Choice("x_corpus", OWN, "The model learns from", options=tuple(TITLES), labels=TITLES)
UNUSED = state.Choice(
    "x_unused",
    "swallowed",
    "Never used because",
    options=("swallowed", "absent", "partial"),
    labels={"partial": "half a character"},
    help="Absent: its letters stand nowhere in the text. Swallowed: other tokens took all its places. "
    "Half a character: its bytes are no whole character.",
)


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong: its name, its controls, and what it computes."""

    label: str
    see: Callable[[BPETokenizer], Seen]
    controls: Callable[[], None]
    code: tuple


def _short(param: state.Text) -> str:
    return state.get(param)[:MOST_CHARACTERS]


CASES = {
    "spaces": Case(
        "spaces",
        lambda tokenizer: wrong_spelling.spaces(tokenizer, _short(PROMPT), _short(WORD)),
        lambda: (controls.line(PROMPT), controls.line(WORD)),
        (faults.boundary,),
    ),
    "numbers": Case(
        "numbers",
        lambda tokenizer: wrong_spelling.numbers(tokenizer, _short(NUMBERS)),
        lambda: controls.line(NUMBERS),
        (faults.digit_groups, faults.digit_groupings),
    ),
    "capitals": Case(
        "capitals",
        lambda tokenizer: wrong_spelling.capitals(tokenizer, _short(CAPITALS)),
        lambda: controls.line(CAPITALS),
        (BPETokenizer.encode,),
    ),
    "emoji": Case(
        "emoji",
        lambda tokenizer: wrong_bytes.emoji(tokenizer, _short(EMOJI)),
        lambda: controls.line(EMOJI),
        (faults.is_partial,),
    ),
    "indent": Case(
        "indentation",
        lambda tokenizer: wrong_spelling.indentation(tokenizer, _short(CODE)),
        lambda: controls.area(CODE, height=130),
        (wrong_spelling.reindent,),
    ),
    "half": Case(
        "half characters",
        lambda tokenizer: wrong_bytes.half(tokenizer, _short(HALF), state.get(CUT)),
        lambda: _half_controls(),
        (faults.stream, faults.is_partial),
    ),
    "glitch": Case(
        "glitch tokens",
        lambda tokenizer: wrong_bytes.glitch(tokenizer, _reading(), CORPUS.show(state.get(CORPUS)), state.get(UNUSED)),
        lambda: (controls.choice(CORPUS, compact=True), controls.choice(UNUSED, wrap=True)),
        (faults.unused_tokens, faults.rows_without_gradient),
    ),
}
CASE = state.Choice(
    "x_case", "spaces", "Case", options=tuple(CASES), labels={name: case.label for name, case in CASES.items()}
)
PARAMS = [TOKENIZER, CASE, PROMPT, WORD, NUMBERS, CAPITALS, EMOJI, CODE, HALF, CUT, CORPUS, UNUSED]


@section.live
def draw() -> None:
    """The chosen case as chips, with its number, its reason and what one does about it."""
    case = CASES[state.get(CASE)]
    seen, problem = errors.attempt(lambda: case.see(tokenizers.get(state.get(TOKENIZER))))
    controls_column, figure_column = section.layout(QUESTION, figure_share=2.7)
    if seen:
        with figure_column, errors.shown_as_a_sentence():
            _figure(seen)
            section.let_it_paint()
    with controls_column:
        _controls(case, seen, problem)
    if seen:
        with figure_column, errors.shown_as_a_sentence():
            section.notice(seen.notice)
            text.prose(f"<b>Why.</b> {seen.why}")
            text.prose(f"<b>What one does about it.</b> {seen.cure}")
            _try_this()
            _audit(seen)
            _folded(case, seen)


def _controls(case: Case, seen: Seen | None, problem: str | None) -> None:
    controls.choice(CASE, wrap=True)
    case.controls()
    text.problem(problem)
    for sentence in seen.problems if seen else ():
        text.problem(sentence)
    if any(len(state.get(param)) > MOST_CHARACTERS for param in _texts(case)):
        text.problem(f"Only the first {MOST_CHARACTERS} characters are used here.")
    tokenizers.control(TOKENIZER)
    controls.reset_button(PARAMS)


def _texts(case: Case) -> list[state.Text]:
    """The text fields of the case that is open."""
    held = {"spaces": [PROMPT, WORD], "numbers": [NUMBERS], "capitals": [CAPITALS], "emoji": [EMOJI]}
    held |= {"indent": [CODE], "half": [HALF]}
    return held.get(state.get(CASE), [])


def _half_controls() -> None:
    controls.line(HALF)
    tokenizer, _ = errors.attempt(lambda: tokenizers.get(state.get(TOKENIZER)))
    if tokenizer:
        n_tokens = len(tokenizer.encode(_short(HALF)[: wrong_bytes.MOST_CHARACTERS]))
        controls.slider(CUT, high=max(n_tokens, 1))


def _figure(seen: Seen) -> None:
    for number, line in enumerate(seen.lines):
        places = st.columns(len(line), gap="medium") if len(line) > 1 else [st.container()]
        for place, row in enumerate(line):
            with places[place]:
                _row(row, f"wrong.{state.get(CASE)}.{number}.{place}")
    if seen.below:
        st.html(seen.below)
    section.reading(seen.reading)


def _row(row: Row, key: str) -> None:
    text.prose(f"{row.title}{chips.count(len(row.chips))}")
    token_strip.draw(row.chips, key=key)


def _reading() -> Reading:
    return _read(state.get(TOKENIZER), state.get(CORPUS))


@st.cache_resource(max_entries=16, show_spinner=False)
def _read(name: str, corpus: str) -> Reading:
    tokenizer = tokenizers.get(name)
    names = tokenizers.BUNDLED_CORPORA if corpus == OWN else (corpus,)
    read = "\n\n".join(corpora.corpus_text(one) for one in names)
    ids = tokenizer.encode(read)
    counts = Counter(ids)
    n_rows = max(tokenizer.vocab.values()) + 1
    return Reading(counts, faults.unused_tokens(tokenizer, read, counts), faults.rows_without_gradient(ids, n_rows))


def _try_this() -> None:
    section.try_this(
        [
            ("The ones digit", {CASE: "numbers", NUMBERS: NUMBERS.default}),
            ("One family, many tokens", {CASE: "emoji", EMOJI: EMOJI.default}),
            ("A model that read only code", {CASE: "glitch", CORPUS: "code", UNUSED: "absent"}),
        ],
        key="wrong",
    )


def _audit(seen: Seen) -> None:
    name = state.get(TOKENIZER)
    tokenizer = tokenizers.get(name)
    if state.get(CASE) == "glitch":
        _audit_unused(tokenizer)
        return
    theirs = second_opinion.library(name, tokenizer)
    ours = [tokenizer.encode(one) for one in seen.texts]
    same = ours == [theirs.encode(one).ids for one in seen.texts]
    n_ids = sum(map(len, ours))
    how = "the same ids" if same else "different ids"
    audit.claim(same, f"ours and tokenizers give {how}: {n_ids} over {len(ours)} texts, computed on your input")
    if state.get(CASE) == "half":
        agree = second_opinion.streams_agree(theirs, list(faults.stream(tokenizer, ours[0])))
        verdict = "agree" if agree else "do not agree"
        audit.claim(agree, f"the text so far, wherever no byte waits: ours and tokenizers’ DecodeStream {verdict}")


def _audit_unused(tokenizer: BPETokenizer) -> None:
    found = _reading()
    no_token = max(tokenizer.vocab.values()) + 1 - len(tokenizer.vocab)  # rows of special tokens, in between
    same = found.n_rows_untrained == len(found.unused) + no_token
    audit.claim(
        same,
        f"torch: one backward pass over the text leaves {found.n_rows_untrained - no_token:,} rows of an embedding "
        f"table without any gradient, ours counts {len(found.unused):,} unused tokens",
    )


def _folded(case: Case, seen: Seen) -> None:
    section.code(*case.code)
    section.table(lambda: seen.table, key="wrong")
    section.sources(
        "Numbers: Singh and Strouse 2024, [Tokenization counts](https://arxiv.org/abs/2402.14903): with groups of "
        "three digits from the right instead of the left, GPT-3.5 and GPT-4 add better.",
        "Code: Chen et al. 2021, [Evaluating Large Language Models Trained on Code](https://arxiv.org/abs/2107.03374), "
        "on tokens for runs of white space.",
        "Glitch tokens: Rumbelow and Watkins 2023, [SolidGoldMagikarp]"
        "(https://www.greaterwrong.com/posts/aPeJE8bSo6rAFoLqg/); Land and Bartolo 2024, [Fishing for Magikarp]"
        "(https://arxiv.org/abs/2405.05417), who find such tokens in trained models by their vectors.",
        "UTF-8 and U+FFFD: The Unicode Standard, chapter 3. Bytes as alphabet and the space before a word: Radford et "
        "al. 2019 and the published encoder.py of GPT-2.",
    )
