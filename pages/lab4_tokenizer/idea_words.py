"""What "The idea" says about one text in three cuts, each number computed when it is said."""

import functools
from dataclasses import dataclass

from components.figures.token_strip import readable
from components.text import escape
from engine import published
from engine.tokenizer import BPETokenizer, Token
from engine.tokenizer.units import (
    FixedVocabulary,
    Unit,
    count_whole_words,
    embedding_parameters,
    is_one_token,
    pieces_of,
)

MOST_NAMED = 4  # words in a sentence


@dataclass(frozen=True)
class Row:
    """The text cut in one way."""

    name: str  # words, tokens, characters or bytes
    title: str
    pieces: list[Unit] | list[Token]
    vocab_size: int

    @property
    def unknown(self) -> list[Unit]:
        return [piece for piece in self.pieces if isinstance(piece, Unit) and not piece.id]


@dataclass(frozen=True)
class Study:
    """Everything that the figure, the words and the table show."""

    text: str
    rows: tuple[Row, Row, Row]  # words, tokens, smallest pieces
    tokenizer: BPETokenizer
    kept: FixedVocabulary  # the words that have an id
    known: FixedVocabulary  # every word of the corpus
    width: int  # d_model

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


def title(row: Row) -> str:
    """Above a row of chips."""
    lost = f", {len(row.unknown):,} of them unknown" if row.unknown else ""
    return (
        f"<b>{row.title}</b><span class='labs-numbers' style='opacity: .75; margin-left: .7em'>"
        f"{_count(len(row.pieces), 'piece')}{lost}</span>"
    )


def alt(row: Row) -> str:
    lost = ", ".join(unit.text for unit in row.unknown[:8])
    return f"{row.title}: the text in {_count(len(row.pieces), 'piece')}; " + (
        f"not in the vocabulary: {lost}" if lost else "all of them in the vocabulary"
    )


def prices(study: Study) -> str:
    """One line a row: how long, how many entries, how many numbers, how many pairs, what is lost."""
    lines = "".join(
        f"<tr><td>{row.title}</td><td>{len(row.pieces):,}</td><td>{len(row.pieces) ** 2:,}</td>"
        f"<td>{row.vocab_size:,}</td><td>{embedding_parameters(row.vocab_size, study.width):,}</td>"
        f"<td>{_lost(row)}</td></tr>"
        for row in study.rows
    )
    return (
        "<table class='labs-small-table'><tr><th></th><th>Pieces to read</th><th>Pairs in attention</th>"
        f"<th>Vocabulary</th><th>Embedding numbers</th><th>Lost</th></tr>{lines}</table>"
    )


def _lost(row: Row) -> str:
    if not row.unknown:
        return "<span class='labs-right'>nothing</span>"
    return f"<span class='labs-wrong'>{_named(row.unknown)}</span>"


def _named(units: list[Unit]) -> str:
    different = list(dict.fromkeys(unit.text for unit in units))
    more = f" and {len(different) - MOST_NAMED} more" if len(different) > MOST_NAMED else ""
    return ", ".join(f"“{_isolated(word)}”" for word in different[:MOST_NAMED]) + more


def _isolated(word: str) -> str:
    """A learner's word inside a sentence; its own direction does not turn the sentence round."""
    return f"<bdi>{escape(word, 30)}</bdi>"


def notice(study: Study) -> str:
    as_words, tokens, smallest = study.rows
    return " ".join([_words_said(study, as_words, tokens), _smallest_said(smallest, tokens, as_words)])


def _words_said(study: Study, as_words: Row, tokens: Row) -> str:
    n_entries = f"{len(study.tokenizer):,} entries"
    if not as_words.unknown:
        return (
            f"A list of {as_words.vocab_size:,} words happens to hold all of yours. One word that was never counted, a "
            "name or a slip of the pen, and it reads [unknown]; type one. Tokens write it in parts."
        )
    different = {unit.text for unit in as_words.unknown}
    all_words = all(text[0].isalnum() for text in different)
    lost = _count(len(different), *(("word", "words") if all_words else ("word or sign", "words and signs")))
    parts = _in_parts(as_words.unknown[0], tokens)
    return (
        f"With {as_words.vocab_size:,} words in the list, {lost} of your text cannot be written: the model would read "
        f"[unknown] for {_named(as_words.unknown)} and could not tell them from any other. With {n_entries}, byte-pair "
        f"encoding writes {parts} and loses nothing."
    )


def _in_parts(word: Unit, tokens: Row) -> str:
    pieces = pieces_of(word, tokens.pieces)
    written = " + ".join(
        f"<code><bdi>{escape(readable(piece.bytes).replace(' ', '·'), 20)}</bdi></code>" for piece in pieces[:8]
    )
    more = f" + {len(pieces) - 8} more" if len(pieces) > 8 else ""
    return f"“{_isolated(word.text)}” as {written}{more}"


def _smallest_said(smallest: Row, tokens: Row, as_words: Row) -> str:
    n_small, n_tokens = len(smallest.pieces), len(tokens.pieces)
    lost = f" and still lack {_named(smallest.unknown)}" if smallest.unknown else ""
    if n_small == n_tokens:
        return f"{smallest.title} make the sequence exactly as long as tokens here, {n_small:,} pieces{lost}."
    only = "only " if smallest.vocab_size < tokens.vocab_size else ""
    longer = f"{(n_small / n_tokens) ** 2:.1f} times the pairs"
    return (
        f"{smallest.title} need {only}{smallest.vocab_size:,} entries{lost}, but {n_small:,} pieces instead of "
        f"{n_tokens:,} tokens. Attention compares every piece with every other: {longer}."
    )


def tokens_are_no_words(study: Study) -> str:
    """The misconception, against the numbers on screen."""
    tokens = study.row("tokens").pieces
    named = [unit for unit in study.row("words").pieces if unit.text[0].isalnum()]
    whole = sum(is_one_token(word, tokens) for word in named)
    n_entries, n_words = len(study.tokenizer), count_whole_words(study.tokenizer, study.known)
    said = (
        f"<b>“Tokens are words.”</b> Often they look like it. Of the {n_entries:,} entries of this vocabulary "
        f"{n_words:,} are a whole word of the texts; the rest are single bytes, parts of words and signs."
    )
    if named:
        said += (
            f" Of the {_count(len(named), 'word')} in your text {whole:,} {'is' if whole == 1 else 'are'} one token."
        )
    return said + " A token usually begins with the space before it, and “The” and “the” are two different ones."


@functools.cache
def at_real_size() -> str:
    """Why the vocabulary does not simply grow: what its embedding takes of a model that exists."""
    gpt2 = next(one for one in published.PUBLISHED if one.name == "GPT-2 small")
    vocab_size, d_model = gpt2.config.vocab_size, gpt2.config.d_model
    table, whole = embedding_parameters(vocab_size, d_model), published.count_built(gpt2.config, gpt2.kind)
    return (
        f"<b>Why not simply more entries?</b> Each is a row of the embedding. {gpt2.name} has {vocab_size:,} entries "
        f"of {d_model} numbers: {table / 1e6:.1f} of its {whole / 1e6:.1f} million numbers, {table / whole:.0%}, stand "
        "in that one table. And an entry that is rare in the training text is hardly trained."
    )


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
