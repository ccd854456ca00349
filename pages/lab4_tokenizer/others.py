"""Lab 4, section 10, the others: BPE, WordPiece and Unigram trained on one corpus, cutting one text."""

from dataclasses import dataclass

import streamlit as st
import tokenizers
from tokenizers import models, trainers

from components import audit, controls, section, state, text
from components.figures import cuts as cuts_figure
from components.figures import token_strip
from engine import corpora
from engine.tokenizer import BPETokenizer, others, wordpiece
from engine.tokenizer.others import Piece
from engine.tokenizer.pieces import GPT2_PATTERN, splitter
from pages.lab4_tokenizer import others_words as words
from pages.lab4_tokenizer.params import TEXT
from pages.lab4_tokenizer.without import library_merges

QUESTION = "Would another algorithm cut the same text in the same places?"
MOST_TEXT, MOST_WORD = 200, 40  # characters
MOST_CORPUS = 64_000  # characters of a corpus: trained in a moment, so the sliders answer at once

CORPUS = state.Choice(
    "o_corpus",
    "stories",
    "Corpus",
    options=("stories", "dialogue", "code", "languages", "emoji-numbers"),
    labels={one.name: one.title for one in corpora.corpora()},
)
VOCAB = state.Number("o_vocab", 800, "Vocabulary size", low=300, high=3000, step=100, help="Asked of all three.")
SCORE = state.Choice(
    "o_score",
    "count",
    "WordPiece joins the pair with",
    options=("count", "likelihood"),
    labels={"count": "the highest count", "likelihood": "the likelihood score"},
    help="tokenizers’ WordPieceTrainer counts, as BPE does. The papers describe the likelihood.",
)
WORD = state.Text(
    "o_word", "", "A word for the two rules", help="Empty: the first word of the corpus that they cut apart."
)
PARAMS = [TEXT, CORPUS, VOCAB, SCORE, WORD]

NAMES = ("BPE", "WordPiece", "Unigram")
ROLES = ("query", "key", "value")


@dataclass(frozen=True)
class Trained:
    """The three tokenizers of one corpus, and the words that BPE's merges and the longest match cut apart."""

    bpe: BPETokenizer
    wordpiece: tokenizers.Tokenizer
    unigram: tokenizers.Tokenizer
    apart: list[str]  # in the order of the corpus, with their space
    n_words: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        return len(self.bpe), self.wordpiece.get_vocab_size(), self.unigram.get_vocab_size()


@dataclass(frozen=True)
class Study:
    trained: Trained
    text: str
    found: list[list[Piece]]  # of BPE, WordPiece, Unigram
    cuts: list[set[int]]  # inside words
    n_inner: int
    likelihood: bool
    word: str
    by_merges: list[bytes]
    by_length: list[bytes]


@section.live
def draw() -> None:
    """The text three times, letter under letter; then one word under BPE's and WordPiece's rule of cutting."""
    section.in_order(QUESTION, _study, figure=_figure, controls=_controls, below=_below, figure_share=3.2)


def _below(study: Study) -> None:
    section.reading(
        "Letter under letter, a block is a token. Red left edge: only this row cuts the word there. · is a "
        "space within the token; BPE and Unigram (▁) keep it, WordPiece drops it and marks what goes on inside "
        "a word with ##. Hatched: unknown. A small figure: so many tokens for one character."
    )
    section.notice(words.notice(study))
    _rules(study)
    _try_this()
    words.algorithms()
    _audit(study)
    _folded(study)


def _study() -> Study:
    shown = state.get(TEXT)[:MOST_TEXT]
    if not shown.strip():
        raise ValueError("The text must hold at least one letter. Write one, or press Reset.")
    trained = _trained(state.get(CORPUS), state.get(VOCAB), state.get(SCORE) == "likelihood")
    found = [others.pieces(one, shown) for one in (trained.bpe, trained.wordpiece, trained.unigram)]
    inner = others.inner_places(shown)
    word = state.get(WORD)[:MOST_WORD].strip() or (trained.apart[0] if trained.apart else "")
    return Study(
        trained,
        shown,
        found,
        [others.cuts(pieces, inner) for pieces in found],
        len(inner),
        state.get(SCORE) == "likelihood",
        word,
        [token.bytes for token in trained.bpe.tokens(word)],
        by_longest_match(trained.bpe, word),
    )


def by_longest_match(bpe: BPETokenizer, text: str) -> list[bytes]:
    """The same pieces and the same vocabulary, cut by the longest match instead of by merges."""
    cut = splitter(GPT2_PATTERN)(text)
    return [token for piece in cut for token in wordpiece.longest_match(piece.encode(), bpe.vocab)]


def corpus_part(name: str) -> str:
    return corpora.corpus_text(name)[:MOST_CORPUS]


@st.cache_resource(max_entries=24, show_spinner=False)
def _trained(corpus: str, vocab_size: int, by_likelihood: bool) -> Trained:
    part = corpus_part(corpus)
    bpe = BPETokenizer.train(part, vocab_size, processes=1)
    pieces = list(dict.fromkeys(splitter(GPT2_PATTERN)(part)))
    apart = [
        piece
        for piece in pieces
        if [token.bytes for token in bpe.tokens(piece)] != wordpiece.longest_match(piece.encode(), bpe.vocab)
    ]
    return Trained(
        bpe,
        others.train_wordpiece(part, vocab_size, by_likelihood=by_likelihood),
        others.train_unigram(part, vocab_size),
        apart,
        len(pieces),
    )


def _controls(_: Study | None, problem: str | None) -> None:
    controls.area(TEXT, height=100)
    text.problem(problem)
    if len(state.get(TEXT)) > MOST_TEXT:
        text.problem(f"Only the first {MOST_TEXT} characters are cut here, so that every token can be seen.")
    controls.choice(CORPUS, compact=True)
    if len(corpora.corpus_text(state.get(CORPUS))) > MOST_CORPUS:
        section.reading(f"Its first {MOST_CORPUS:,} characters.")
    controls.slider(VOCAB)
    controls.choice(SCORE, wrap=True)
    controls.line(WORD, placeholder="chosen from the corpus")
    if len(state.get(WORD)) > MOST_WORD:
        text.problem(f"Only the first {MOST_WORD} characters are cut here.")
    controls.reset_button(PARAMS)


def _figure(study: Study) -> None:
    rows = []
    for number, name in enumerate(NAMES):
        rest = set().union(*(cuts for other, cuts in enumerate(study.cuts) if other != number))
        blocks = _blocks(study.found[number], study.text, study.cuts[number] - rest)
        rows.append(cuts_figure.CutRow(name, words.detail(study, number), ROLES[number], blocks))
    cuts_figure.draw(study.text, rows, key="others.cuts", alt=words.alt(study))


def _blocks(found: list[Piece], shown: str, alone: set[int]) -> list[cuts_figure.Block]:
    """Tokens that share a character are one block."""
    groups: list[list[Piece]] = []
    for piece in found:
        if groups and piece.start < groups[-1][-1].end:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return [
        cuts_figure.Block(
            group[0].start,
            group[-1].end,
            _prefix(group[0].written),
            ", ".join(f"{piece.written.replace(' ', '·')} (id {piece.id})" for piece in group),
            len(group),
            group[0].start in alone,
            any(piece.unknown for piece in group),
        )
        for group in groups
    ]


def _prefix(written: str) -> str:
    return next((sign for sign in (wordpiece.INSIDE, others.SPACE) if written.startswith(sign) and written != sign), "")


def _rules(study: Study) -> None:
    if not study.word:
        return
    text.prose(words.rules(study))
    both = ("By merges, as BPE does", study.by_merges), ("By the longest match, as WordPiece does", study.by_length)
    for column, (title, tokens) in zip(st.columns(2), both, strict=True):
        with column:
            st.html(f"<b>{title}</b>{words.count(len(tokens))}")
            chips = [
                token_strip.Chip(token_strip.readable(token), study.trained.bpe.vocab[token], raw=token)
                for token in tokens
            ]
            token_strip.draw(chips, key=f"others.strip.{title[3:9]}")


def _try_this() -> None:
    start = {TEXT: TEXT.default, CORPUS: "stories", VOCAB: 800, SCORE: "count"}
    section.try_this(
        [
            ("Letters nobody trained on", start | {TEXT: "The café in Zürich sells 東京 tea 🍵."}),
            ("WordPiece by likelihood", start | {SCORE: "likelihood"}),
            ("A vocabulary of 3,000", start | {VOCAB: 3000}),
        ],
        key="others",
    )


def _audit(study: Study) -> None:
    corpus, vocab_size = state.get(CORPUS), state.get(VOCAB)
    same = study.trained.bpe.merges == library_merges((corpus_part(corpus),), vocab_size - 256)
    n = len(study.trained.bpe.merges)
    audit.claim(
        same,
        f"BPE: ours and tokenizers’ BpeTrainer {'learn the same' if same else 'do not learn the same'} {n:,} merges",
    )
    if not study.likelihood:
        own, counted = set(study.trained.wordpiece.get_vocab()), _counted(corpus, vocab_size)
        audit.claim(
            own == counted,
            f"tokenizers’ WordPieceTrainer against its own BpeTrainer with ## pieces: {len(own & counted):,} of "
            f"{len(own):,} entries are the same",
        )
    theirs = f"tokenizers {tokenizers.__version__}’s own: there is nothing to compare with here."
    if study.likelihood:
        audit.measured(
            "WordPiece’s vocabulary is ours, because tokenizers has no trainer with this score; its cutting and "
            f"Unigram are {theirs}"
        )
    else:
        audit.measured(f"WordPiece and Unigram are {theirs}")


@st.cache_data(max_entries=24, show_spinner=False)
def _counted(corpus: str, vocab_size: int) -> set[str]:
    model = models.BPE(continuing_subword_prefix=wordpiece.INSIDE)
    return set(others.library_pieces(trainers.BpeTrainer, model, corpus_part(corpus), vocab_size))


def _folded(study: Study) -> None:
    section.code(wordpiece.train, wordpiece.by_likelihood, wordpiece.longest_match, others.train_unigram, others.shared)
    section.table(lambda: _table(study), key="others")
    section.sources(
        "BPE: Sennrich, Haddow and Birch 2016, [Neural Machine Translation of Rare Words with Subword Units]"
        "(https://arxiv.org/abs/1508.07909); on bytes: Radford et al. 2019, *Language Models are Unsupervised "
        "Multitask Learners*.",
        "WordPiece: Schuster and Nakajima 2012, *Japanese and Korean Voice Search*; Wu et al. 2016, [Google’s Neural "
        "Machine Translation System](https://arxiv.org/abs/1609.08144), section 4.1. BERT’s vocabulary was made so; "
        "that program was never published.",
        "Unigram: Kudo 2018, [Subword Regularization](https://arxiv.org/abs/1804.10959), section 3.2; ▁ for the space: "
        "Kudo and Richardson 2018, [SentencePiece](https://arxiv.org/abs/1808.06226).",
        "That tokenizers’ WordPiece trainer counts pairs: its source, models/wordpiece/trainer.rs, holds a BpeTrainer; "
        "its authors say so in [issue 144](https://github.com/huggingface/tokenizers/issues/144). It breaks ties "
        "differently at each run, so this page fixes the order of the letters first.",
    )


def _table(study: Study) -> list[dict]:
    return [
        {
            "algorithm": name,
            "token": piece.written,
            "id": piece.id,
            "from character": piece.start,
            "to": piece.end,
            "unknown": piece.unknown,
        }
        for name, found in zip(NAMES, study.found, strict=True)
        for piece in found
    ]
