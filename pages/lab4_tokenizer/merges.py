"""Lab 4, section 2, merge by merge: a training on the learner's own text, to be played, stepped and scrubbed."""

import hashlib

import streamlit as st

from components import audit, controls, drawing, errors, section, state, text
from components.figures import merges as figure
from components.figures.merges import shown
from engine.tokenizer import GPT2_PATTERN, GPT4_PATTERN
from engine.tokenizer.history import MOST_MERGES, History, build_history
from engine.tokenizer.learning import learn
from engine.tokenizer.plain import count_pairs, join, learn_plainly
from pages.lab4_tokenizer import merges_opinion as opinion
from pages.lab4_tokenizer import merges_words as words

QUESTION = "How do words grow out of letters?"
KEY = "merges.history"
MOST_CHARACTERS = 20_000

FOUR_LINES = """the low tower is lower than the new tower
the new tower is the newest and the widest
the slow river grows wider and slower below
now the lowest window is wider than the newest"""
WHOLE = r"[\s\S]+"
SPACES = r" ?\S+|\s+(?!\S)|\s+"
PATTERNS = {"gpt2": GPT2_PATTERN, "gpt4": GPT4_PATTERN, "spaces": SPACES, "none": WHOLE}

CORPUS = state.Text("g_text", FOUR_LINES, "Text to learn from")
SPLIT = state.Choice(
    "g_split",
    "gpt2",
    "Cut first into pieces",
    options=tuple(PATTERNS),
    labels={"gpt2": "as GPT-2", "gpt4": "as GPT-4", "spaces": "at spaces only", "none": "not at all"},
    help="Merges never cross from one piece to the next. GPT-2 and GPT-4 cut at spaces, signs and numbers.",
)
RANK = state.Number("g_rank", 0, "Merges done", low=0, high=MOST_MERGES)
PARAMS = [CORPUS, SPLIT, RANK]


@section.live
def draw() -> None:
    """The text after some merges, the pairs that could be next, and the vocabulary so far."""
    history, problem = errors.attempt(_history)
    controls_column, figure_column = section.layout(QUESTION, figure_share=3.2)
    if history:
        with figure_column, errors.shown_as_a_sentence():
            _figure(history)
            section.let_it_paint()
    with controls_column:
        _controls(history, problem)
    if history:
        with figure_column, errors.shown_as_a_sentence():
            section.notice(words.notice(history))
            _try_this(history)
            _audit(history)
        _folded(history)


def _used() -> str:
    return state.get(CORPUS)[:MOST_CHARACTERS]


def _history() -> History:
    if not _used():
        raise ValueError("Type a few words: without text there are no pairs to count.")
    return _computed(_used(), PATTERNS[state.get(SPLIT)])


@st.cache_resource(max_entries=32, show_spinner=False)
def _computed(corpus: str, pattern: str) -> History:
    return build_history(corpus, pattern)


def _figure(history: History) -> None:
    event = drawing.result(KEY) or {}
    corpus = f"{state.get(SPLIT)} {_used()}".encode()
    figure.draw(
        history,
        controls.fitted(RANK, len(history.merges)),
        key=KEY,
        name=hashlib.sha256(corpus).hexdigest()[:16],
        most_merges=MOST_MERGES,
        turn=int(event.get("turn", 0)),
        on_change=_take,
    )
    section.reading(
        "A box is a token. Orange frame: the pair that is joined next, everywhere at once. Full blue: what the last "
        "merge made; pale blue: made earlier. A · is a space. Above the slider: how often each merge’s pair stood."
    )


def _take() -> None:
    """The figure came to rest at another merge: it goes into the link."""
    event = drawing.result(KEY)
    if event and event.get("type") == "rank":
        state.set_value(RANK, max(0, min(int(event["rank"]), MOST_MERGES)))


def _controls(history: History | None, problem: str | None) -> None:
    controls.area(CORPUS, height=225)
    text.problem(problem)
    n_characters = len(state.get(CORPUS))
    if n_characters > MOST_CHARACTERS:
        text.problem(f"Only the first {MOST_CHARACTERS:,} of {n_characters:,} characters are learned from.")
    if history:
        section.reading(words.size(history))
        if len(history.merges) == MOST_MERGES and history.moments[-1].candidates:
            section.reading(f"The history is kept for {MOST_MERGES} merges. “Train it” goes on to thousands.")
        last = len(history.merges)
        if (wish := state.get(RANK)) > last:
            text.problem(f"This text ends after {last} merges; merge {wish} comes back with a longer one.")
    text.problem(state.problem(RANK))
    with st.expander("More"):
        controls.choice(SPLIT, compact=True)
    section.reading("In the figure: arrow keys step, the space bar plays.")
    controls.reset_button(PARAMS)


def _try_this(history: History) -> None:
    section.try_this(
        [
            ("To the last merge", {RANK: len(history.merges)}),
            ("Let merges cross spaces", {CORPUS: FOUR_LINES, SPLIT: "none", RANK: 12}),
            ("Nothing but ties", {CORPUS: "bad cab fed gig", SPLIT: "gpt2", RANK: 0}),
            ("Letters of several bytes", {CORPUS: words.SEVERAL_BYTES, SPLIT: "gpt2", RANK: 0}),
        ],
        key="merges",
    )


def _audit(history: History) -> None:
    n_merges, n_tokens, same_merges, same_tokens = _second_opinion(_used(), state.get(SPLIT))
    last = len(history.merges)
    found = f"ours has {last} merges and {history.moments[-1].n_tokens:,} tokens"
    if same_merges and same_tokens:
        said = (
            f"ours and tokenizers’ BpeTrainer learn the same {n_merges} merges in the same order and cut your text "
            f"into the same {n_tokens:,} tokens, computed on your text"
        )
    else:
        said = f"ours and tokenizers’ BpeTrainer differ: {found}, theirs {n_merges} and {n_tokens:,}"
    audit.claim(same_merges and same_tokens, said)


@st.cache_data(max_entries=32, show_spinner=False)
def _second_opinion(corpus: str, split: str) -> tuple[int, int, bool, bool]:
    """How many merges and tokens `tokenizers` finds, and whether each is the same as ours."""
    history = _computed(corpus, PATTERNS[split])
    size = len(history.tokens)
    theirs = opinion.train(corpus, size, None if split == "none" else PATTERNS[split])
    merges, tokens = opinion.merges(theirs), opinion.tokens(theirs, corpus)
    ours = [(history.tokens[a], history.tokens[b]) for a, b in (merge.pair for merge in history.merges)]
    return len(merges), len(tokens), merges == ours, tokens == history.corpus(len(ours))


def _folded(history: History) -> None:
    title = "The algorithm, and the code that ran: the same merges, faster"
    section.code(learn_plainly, count_pairs, join, build_history, learn, title=title)
    section.table(lambda: _table(history), key="merges")
    section.sources(
        "Sennrich, Haddow and Birch 2016, [Neural Machine Translation of Rare Words with Subword Units]"
        "(https://arxiv.org/abs/1508.07909), algorithm 1: byte-pair encoding for words; Gage 1994, A New Algorithm for "
        "Data Compression, had it for files.",
        "Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.2, and the published "
        "encoder.py of GPT-2: bytes as the alphabet, and the pattern that cuts a text into pieces first.",
        "The rule for ties is the one of [tokenizers](https://github.com/huggingface/tokenizers)’ BpeTrainer. Other "
        "programs take the pair that came first in the text, and learn other merges from the same counts.",
    )


def _table(history: History) -> list[dict]:
    return [
        {
            "merge": rank,
            "first": shown(history.tokens[merge.pair[0]]),
            "second": shown(history.tokens[merge.pair[1]]),
            "token": shown(history.tokens[merge.new_id]),
            "id": merge.new_id,
            "stood": merge.count,
            "pairs as frequent": history.moments[rank - 1].n_tied,
            "tokens of the text after it": history.moments[rank].n_tokens,
        }
        for rank, merge in enumerate(history.merges, 1)
    ]
