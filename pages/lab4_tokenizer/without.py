"""Lab 4, section 9, without a line: delete lines of a corpus and see which merges vanish, appear or move."""

import json
from dataclasses import dataclass

import streamlit as st

from components import audit, controls, drawing, section, state, text
from components.figures import merge_lists, token_strip
from engine import corpora
from engine.tokenizer import BPETokenizer
from engine.tokenizer import compare as comparing
from engine.tokenizer.alphabet import BYTES, from_visible
from engine.tokenizer.compare import Comparison, CountedMerge, Lines
from pages.lab4_tokenizer import chips
from pages.lab4_tokenizer import without_words as words

QUESTION = "What would the tokenizer be without this line?"
KEY = "without.merges"
MOST_LINES, MOST_CHARACTERS, MOST_SAMPLE = 60, 30_000, 120
EXCERPT_LINES = 30

TEN = """The west wind blew all night.
Every guest took the slow train west.
The lowest window faces the tower.
He knew the owner of the flower shop.
We will row the new boat tomorrow.
Snow fell slowly on the town below.
A wise widow showed him the widest road.
Mix water, flour, butter and sugar.
No one follows the yellow arrow now.
The newest show is the best of the rest."""


@dataclass(frozen=True)
class GoneLines(state.Param):
    """The numbers of the deleted lines, from 1, in order."""

    def parse(self, raw: str) -> tuple[int, ...]:
        try:
            numbers = sorted({int(part) for part in raw.split(",") if part})
        except ValueError:
            numbers = [0]
        if numbers and not 1 <= numbers[0] <= numbers[-1] <= MOST_LINES:
            raise ValueError(f"{self.name} must be line numbers from 1 to {MOST_LINES}; the link says {raw[:40]!r}")
        return tuple(numbers)

    def format(self, value: tuple[int, ...]) -> str:
        return ",".join(map(str, value))


GONE = GoneLines("c_gone", (1,), "Deleted lines")
CORPUS = state.Text("c_text", TEN, "Your corpus, a text a line")
MERGES = state.Number("c_merges", 24, "Merges", low=1, high=100, help="256 bytes and so many merges: the vocabulary.")
SAMPLE = state.Text("c_sample", "all the new windows", "Words to encode")
PARAMS = [CORPUS, MERGES, SAMPLE, GONE]


@dataclass(frozen=True)
class Study:
    """Two trainings that differ in the deleted lines, and what each line's deletion would do."""

    lines: tuple[str, ...]
    gone: frozenset[int]  # from 0
    n_merges: int
    before: list[CountedMerge]
    after: list[CountedMerge]
    comparison: Comparison
    influence: list[Comparison]  # of each line
    sample: str


@section.live
def draw() -> None:
    """The corpus with its lines' influence, both lists of merges, and the sample's tokens with each."""
    section.in_order(QUESTION, _study, figure=_figure, controls=_controls, below=_below, figure_share=3.6)


def _below(study: Study) -> None:
    _strips(study)
    section.reading(
        f"The first {study.n_merges} merges, from the top. <b>✗</b>: gone from the right list. <b>+</b>: only "
        "there. A slanted line: learned earlier (↑) or later (↓) by so many places. Bars: what deleting that "
        "line alone would do."
    )
    section.notice(words.notice(study))
    text.prose(words.not_neutral(study))
    _try_this(study)
    _audit(study)
    _folded(study)


def _study() -> Study:
    corpus, n_merges = state.get(CORPUS), state.get(MERGES)
    lines = split_lines(corpus)
    if not lines:
        raise ValueError("The corpus must hold at least one line of text. Write one, or press Reset.")
    gone = frozenset(number - 1 for number in state.get(GONE) if number <= len(lines))
    prepared = _prepared(lines)
    before, after = (prepared.train(n_merges, without) for without in ((), gone))
    return Study(
        lines,
        gone,
        n_merges,
        before,
        after,
        comparing.compare([merge.pair for merge in before], [merge.pair for merge in after]),
        _influence(lines, n_merges),
        state.get(SAMPLE)[:MOST_SAMPLE],
    )


def split_lines(corpus: str) -> tuple[str, ...]:
    """The lines that are trained on: those with text, so many as the figure can show."""
    return tuple([line for line in corpus[:MOST_CHARACTERS].splitlines() if line.strip()][:MOST_LINES])


@st.cache_resource(max_entries=16, show_spinner=False)
def _prepared(lines: tuple[str, ...]) -> Lines:
    return Lines(lines)


@st.cache_resource(max_entries=64, show_spinner=False)
def _influence(lines: tuple[str, ...], n_merges: int) -> list[Comparison]:
    return _prepared(lines).influence(n_merges)


def _controls(study: Study | None, problem: str | None) -> None:
    controls.area(CORPUS, height=230)
    text.problem(problem)
    if len(state.get(CORPUS)) > MOST_CHARACTERS or len(state.get(CORPUS).splitlines()) > MOST_LINES:
        text.problem(
            f"Used here: the first {MOST_CHARACTERS:,} characters and of them {MOST_LINES} lines at most, so that each "
            "line can be clicked."
        )
    controls.slider(MERGES)
    controls.line(SAMPLE)
    if len(state.get(SAMPLE)) > MOST_SAMPLE:
        text.problem(f"Only the first {MOST_SAMPLE} characters are encoded here.")
    text.problem(state.problem(GONE))
    if study and len(wish := state.get(GONE)) > len(study.gone):
        text.problem(f"The corpus has {len(study.lines)} lines; deleting line {wish[-1]} waits for a longer one.")
    st.button("Bring all lines back", on_click=state.set_value, args=(GONE, ()), disabled=not state.get(GONE))
    controls.reset_button(PARAMS)


def _figure(study: Study) -> None:
    lines = [
        merge_lists.Line(line, number in study.gone, len(change.vanished), len(change.moved))
        for number, (line, change) in enumerate(zip(study.lines, study.influence, strict=True))
    ]
    merge_lists.draw(
        lines,
        _rows(study.before),
        _rows(study.after),
        study.comparison.kept,
        key=KEY,
        alt=words.alt(study),
        titles=("With every line", words.title_without(study)),
        on_change=_take,
    )


def _rows(merges: list[CountedMerge]) -> list[merge_lists.Row]:
    shown = [[words.plain(token) for token in (merge.first, merge.second, merge.joined)] for merge in merges]
    return [merge_lists.Row(*three, merge.count) for three, merge in zip(shown, merges, strict=True)]


def _take() -> None:
    """A click on a line deletes it, another brings it back."""
    event = drawing.result(KEY)
    if event and event.get("type") == "line" and 0 <= int(event["index"]) < MOST_LINES:
        state.set_value(GONE, tuple(sorted(set(state.get(GONE)) ^ {int(event["index"]) + 1})))


def _strips(study: Study) -> None:
    for column, name, merges in zip(st.columns(2), ("with", "without"), (study.before, study.after), strict=True):
        with column:
            tokenizer = as_tokenizer(merges)
            ids = tokenizer.encode(study.sample)
            title = "With every line" if name == "with" else text.escape(words.title_without(study))
            st.html(f"<b>{title}</b>{chips.count(len(ids))}")
            token_strip.draw(chips.from_ids(tokenizer, ids), key=f"without.strip.{name}", show_ids=False)


def as_tokenizer(merges: list[CountedMerge]) -> BPETokenizer:
    """The tokenizer that a list of merges is."""
    tokens = dict.fromkeys([*BYTES, *(merge.joined for merge in merges)])
    return BPETokenizer({token: number for number, token in enumerate(tokens)}, [merge.pair for merge in merges])


def _try_this(study: Study) -> None:
    by_influence = sorted(range(len(study.lines)), key=lambda number: len(study.influence[number].vanished))
    excerpt = "\n".join([line for line in corpora.corpus_text("stories").splitlines() if line.strip()][:EXCERPT_LINES])
    section.try_this(
        [
            ("The line that costs most merges", {GONE: (by_influence[-1] + 1,)}),
            ("The line that costs fewest", {GONE: (by_influence[0] + 1,)}),
            ("A page of stories", {CORPUS: excerpt, GONE: (1,), MERGES: 30}),
        ],
        key="without",
    )


def _audit(study: Study) -> None:
    left = tuple(line for number, line in enumerate(study.lines) if number not in study.gone)
    theirs = [library_merges(lines, study.n_merges) for lines in (study.lines, left)]
    ours = [[merge.pair for merge in merges] for merges in (study.before, study.after)]
    if ours == theirs:
        audit.claim(True, words.agreement(study))
        return
    side = 0 if ours[0] != theirs[0] else 1
    place = next(
        (place for place, two in enumerate(zip(ours[side], theirs[side])) if two[0] != two[1]),
        min(len(ours[side]), len(theirs[side])),
    )
    audit.claim(False, f"ours and tokenizers’ BpeTrainer differ from merge {place + 1} on, list {side + 1}")


@st.cache_data(max_entries=64, show_spinner=False)
def library_merges(lines: tuple[str, ...], n_merges: int) -> list[tuple[bytes, bytes]]:
    """What `tokenizers` learns from the same lines."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(BYTES) + n_merges, min_frequency=0, show_progress=False, initial_alphabet=alphabet
    )
    theirs.train_from_iterator(lines, trainer)
    return [tuple(map(from_visible, pair)) for pair in json.loads(theirs.to_str())["model"]["merges"]]


def _folded(study: Study) -> None:
    section.code(Lines, comparing.compare, Comparison)
    section.table(lambda: _table(study), key="without")
    section.sources(
        "Sennrich, Haddow and Birch 2016, [Neural Machine Translation of Rare Words with Subword Units]"
        "(https://arxiv.org/abs/1508.07909), algorithm 1: the most frequent pair first. Of equal counts the pair with "
        "the smaller ids is taken, as `tokenizers` does.",
        "Leave-one-out influence is the simplest of its kind: Cook 1977, *Detection of Influential Observation in "
        "Linear Regression*. Here it is exact, because the training is run again for every line.",
        "Petrov et al. 2023, [Language Model Tokenizers Introduce Unfairness Between Languages]"
        "(https://arxiv.org/abs/2305.15425): what the choice of a corpus does to those who are not in it.",
    )


def _table(study: Study) -> list[dict]:
    place_after = dict(study.comparison.kept)
    before = [
        {
            "merge": f"{words.plain(merge.first)} + {words.plain(merge.second)}",
            "place with every line": str(place + 1),
            "count": merge.count,
            "place without": str(place_after[place] + 1) if place in place_after else "vanished",
        }
        for place, merge in enumerate(study.before)
    ]
    new = [
        {
            "merge": f"{words.plain(study.after[place].first)} + {words.plain(study.after[place].second)}",
            "place with every line": "new",
            "count": study.after[place].count,
            "place without": str(place + 1),
        }
        for place in study.comparison.new
    ]
    return before + new
