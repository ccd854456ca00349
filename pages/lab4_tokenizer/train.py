"""Lab 4, section 3, train it: a corpus, a vocabulary size, and a tokenizer that the learner keeps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, errors, runs, section, state, text
from components.figures import plots
from components.text import escape
from engine import jobs, kept_corpora
from engine.experiments import tokenizer_training, tokenizer_training_check
from engine.experiments.tokenizer_training import TokenizerTrainingConfig
from engine.tokenizer import GPT2_PATTERN, GPT4_PATTERN, learning
from engine.tokenizer.chat import read_special_tokens
from engine.tokenizer.own_pattern import try_pattern
from pages.lab4_tokenizer import train_corpus, train_keep
from pages.lab4_tokenizer import train_words as words
from pages.lab4_tokenizer.chips import quote

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What does a tokenizer learn from your text?"
STORED = "train-tokenizer-stories"
SIZES = (256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768)

SIZE = state.Choice(
    "t_size",
    "2048",
    "Vocabulary size",
    options=tuple(map(str, SIZES)),
    labels={str(size): f"{size:,}" for size in SIZES},
    help="256 bytes, the special tokens, and one more entry for each merge.",
)
PATTERN = state.Choice(
    "t_pattern",
    "gpt2",
    "Split pattern",
    options=("gpt2", "gpt4", "own"),
    labels={"gpt2": "GPT-2", "gpt4": "GPT-4", "own": "Own"},
    help="Cuts the text into pieces first: words with the space before them, numbers, signs. No merge crosses a cut.",
)
OWN = state.Text("t_own", r"\w+| ?[^\w\s]+|\s+", "Your regular expression")
TRY = state.Text("t_try", "It’s 2,048 tokens: don’t split here!", "Try it on")
MIN_COUNT = state.Number(
    "t_min", 1, "Least count of a pair", low=1, high=100, help="Training ends when no pair occurs this often."
)
SPECIAL = state.Text(
    "t_special", "", "Special tokens, one a line", help="They get ids of their own and are no part of any merge."
)
RUN = runs.run_id("t_run", "train-tokenizer")
PARAMS = [*train_corpus.PARAMS, SIZE, PATTERN, OWN, TRY, MIN_COUNT, SPECIAL, train_keep.NAME, RUN]


@dataclass(frozen=True)
class Wish:
    """What the controls ask for, or what is wrong with it, by the control where it is said."""

    config: TokenizerTrainingConfig | None = None
    corpus_problem: str | None = None
    pattern_problem: str | None = None
    special_problem: str | None = None
    problem: str | None = None


@section.live
def draw() -> None:
    """The run on screen (the learner's, else the stored one), and what can be done with its tokenizer."""
    wish = _wish()
    controls_column, figure_column = section.layout(QUESTION, controls_share=1.05)
    with figure_column:
        runs.follow(RUN, _figure, stored=_stored())
        section.let_it_paint()
    with controls_column:
        _controls(wish)
    with figure_column, errors.shown_as_a_sentence():
        _below(wish)


def _wish() -> Wish:
    corpus, corpus_problem = errors.attempt(train_corpus.chosen)
    pattern, pattern_problem = errors.attempt(_pattern)
    special, special_problem = errors.attempt(lambda: read_special_tokens(state.get(SPECIAL)))
    if corpus_problem or pattern_problem or special_problem:
        return Wish(None, corpus_problem, pattern_problem, special_problem)
    config, problem = errors.attempt(
        lambda: TokenizerTrainingConfig(corpus, int(state.get(SIZE)), pattern, state.get(MIN_COUNT), tuple(special))
    )
    return Wish(config, problem=problem)


def _pattern() -> str:
    if state.get(PATTERN) != "own":
        return {"gpt2": GPT2_PATTERN, "gpt4": GPT4_PATTERN}[state.get(PATTERN)]
    _tried(state.get(OWN), state.get(TRY))
    return state.get(OWN)


@st.cache_data(max_entries=32, show_spinner=False)
def _tried(pattern: str, sample: str) -> list[str]:
    return try_pattern(pattern, sample)


def _controls(wish: Wish) -> None:
    train_corpus.draw(wish.corpus_problem)
    controls.steps(SIZE)
    controls.choice(PATTERN)
    if state.get(PATTERN) == "own":
        controls.line(OWN)
        controls.line(TRY)
        text.problem(wish.pattern_problem)
        pieces, _ = errors.attempt(lambda: _tried(state.get(OWN), state.get(TRY)))
        if pieces:
            section.reading(f"{len(pieces)} pieces: " + " ".join(map(quote, pieces)))
    anything = wish.corpus_problem or wish.pattern_problem or wish.special_problem
    said = wish.problem or ("Train waits until what is marked is mended." if anything else None)
    runs.controls(RUN, wish.config, problem=said)
    with st.expander("More", expanded=bool(wish.special_problem)):
        controls.slider(MIN_COUNT)
        controls.area(SPECIAL, placeholder="<|endoftext|>", height=90)
        text.problem(wish.special_problem)
        train_keep.draw_upload()
    controls.reset_button(PARAMS)


def _stored() -> jobs.Record | None:
    return jobs.stored(STORED) if STORED in jobs.stored_names() else None


def _record() -> jobs.Record | None:
    """The run on screen."""
    now = runs.look(RUN)
    return jobs.record(now.run_id) if now else _stored()


def _figure(live: jobs.Record | None, status: "jobs.RunStatus | None") -> None:
    """Drawn again twice a second while a run goes on."""
    record = live or _stored()
    if record is None:
        text.prose("Press Train: the curves grow while it learns.")
        return
    text.prose(f"<b>{words.settings(record.config)}</b>. {words.progress(record)}")
    found = words.merges(record)
    behind = _stored() if live and _stored() and _stored().config != live.config else None
    plots.draw(
        [_counts_plot(record, found, behind), _bytes_plot(record, found, behind)],
        key="train.curves",
        per_row=2,
        height=300,
    )
    st.html(words.newest(record) or "<p></p>")
    section.reading(
        "Each merge joins the pair of tokens that stands side by side most often. Left: how often that was, merge by "
        "merge. Right: how many bytes of the text one token stands for. Both bottom axes count by factors."
    )


def _counts_plot(record: jobs.Record, found: list[dict], behind: jobs.Record | None) -> plots.Plot:
    def line(events: list[dict], faint: bool) -> plots.Series:
        events = [event for event in events if event["done"]]
        name = "stored run" if faint else "on screen"
        return plots.Series(
            name, [event["done"] for event in events], [event["count"] for event in events], "query", faint, faint
        )

    series = [*([line(words.merges(behind), True)] if behind else []), line(found, False)]
    wanted = max(2, found[-1]["of"] if found else record.config.vocab_size - 256)
    return plots.Plot(
        "How often the joined pair stood in the text",
        series,
        x_title="merge",
        log_x=True,
        log_y=True,
        x_range=(1, wanted),
        y_range=(1, None),
    )


def _bytes_plot(record: jobs.Record, found: list[dict], behind: jobs.Record | None) -> plots.Plot:
    def line(run: jobs.Record, events: list[dict], faint: bool) -> plots.Series:
        start = 256 + len(run.config.special_tokens)
        name = "stored run" if faint else "on screen"
        sizes, height = [start + event["done"] for event in events], [event["bytes_per_token"] for event in events]
        return plots.Series(name, sizes, height, "query", faint, faint)

    series = [*([line(behind, words.merges(behind), True)] if behind else []), line(record, found, False)]
    return plots.Plot(
        "Bytes per token",
        series,
        x_title="vocabulary size",
        log_x=True,
        x_range=(256, max(record.config.vocab_size, 300)),
        x_ticks=[size for size in (256, 512, 1024, 2048, 4096, 8192, 16384, 32768) if size <= record.config.vocab_size],
        y_range=(0, None),
    )


def _below(wish: Wish) -> None:
    record = _record()
    if record and words.merges(record):
        section.notice(words.notice(record))
    found = train_keep.trained(record)
    leave_run = {} if (now := runs.look(RUN)) and now.state in runs.UNDECIDED else {RUN: ""}
    bundled = {train_corpus.FROM: "bundled"} | leave_run
    section.try_this(
        [
            ("Code instead of stories", bundled | {train_corpus.CORPUS: "code"}),
            ("12 languages, 8,192", bundled | {train_corpus.CORPUS: "languages", SIZE: "8192"}),
            ("Only pairs met 20 times", {MIN_COUNT: 20} | leave_run),
        ],
        key="train",
    )
    if found:
        title = kept_corpora.corpus_title(record.config.corpus) if _is_here(record) else "Text"
        train_keep.draw(found, f"{title[:40]}, {len(found.tokenizer):,}", title, record.config.corpus)
        _audit(record, found)
    if record:
        how = f"Made again by: {record.command}" if record.stored else "Your run."
        took = f"{record.seconds:.1f} s of work" if record.seconds is not None else "still going on"
        audit.measured(f"{took}{f' on {record.machine}' if record.machine else ''}. {how}")
    section.code(learning.learn, learning._Queue, tokenizer_training.train)
    section.table(lambda: _table(record), key="train")
    section.sources(
        "Sennrich et al. 2016, [Neural Machine Translation of Rare Words with Subword Units]"
        "(https://arxiv.org/abs/1508.07909), algorithm 1: count the pairs, join the most frequent one, again.",
        "Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*: on bytes, within the pieces of a "
        "pattern. GPT-4’s pattern is the one published in tiktoken as cl100k_base.",
        "Of pairs that occur equally often the one with the smallest ids comes first, as in the tokenizers library. "
        "The bundled texts: assets/corpora/README.md.",
    )


def _is_here(record: jobs.Record) -> bool:
    return errors.attempt(lambda: kept_corpora.corpus_title(record.config.corpus))[1] is None


def _audit(record: jobs.Record, found: train_keep.Trained) -> None:
    if not _is_here(record):
        text.prose(escape("The text of this run is not kept here any more, so it cannot be compared."), "labs-audit")
        return
    compared = _compared(str(record.folder), found.complete, len(record.events), record.config, found)
    audit.claim(*words.audit(compared))


@st.cache_data(max_entries=16, show_spinner=False)
def _compared(
    folder: str, complete: bool, n_events: int, config: TokenizerTrainingConfig, _found: train_keep.Trained
) -> tokenizer_training_check.Comparison:
    corpus = kept_corpora.corpus_text(config.corpus)
    return tokenizer_training_check.compare(config, _found.tokenizer, corpus, complete=complete)


def _table(record: jobs.Record | None) -> "pd.DataFrame":
    import pandas as pd

    rows = [
        {
            "merge": event["done"],
            "pair occurred": event["count"],
            "tokens of the text": event["n_tokens"],
            "bytes per token": round(event["bytes_per_token"], 4),
            "newest token": "".join(event["newest"][-1][:2]) if event["newest"] else "",
        }
        for event in (words.merges(record) if record else [])
    ]
    return pd.DataFrame(rows)
