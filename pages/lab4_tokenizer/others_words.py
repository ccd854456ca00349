"""Section 10 in words: how far the three agree on the text, and what each of them does."""

from typing import TYPE_CHECKING

import streamlit as st

from components.text import escape
from engine.tokenizer import others
from pages.lab4_tokenizer import chips

if TYPE_CHECKING:
    from pages.lab4_tokenizer.others import Study

count = chips.count
NAMES = ("BPE", "WordPiece", "Unigram")
ALPHABETS = "BPE’s first 256 entries are the single bytes; the other two begin with the letters of the corpus."


def n_words(study: "Study") -> int:
    return sum(others.words_of(study.text).values())


def detail(study: "Study", number: int) -> str:
    """What stands after the name of a row."""
    found, size = study.found[number], study.trained.sizes[number]
    unknown = sum(piece.unknown for piece in found)
    return (
        f"vocabulary {size:,} · {len(found)} tokens, {len(found) / max(n_words(study), 1):.2f} a word · "
        f"{unknown or 'nothing'} unknown"
    )


def alt(study: "Study") -> str:
    counts = ", ".join(f"{name} {len(found)} tokens" for name, found in zip(NAMES, study.found, strict=True))
    return f"{counts}; all three cut words at {len(set.intersection(*study.cuts))} common places"


def notice(study: "Study") -> str:
    """Agreement on this text, then what a learner would otherwise take for a fault of an algorithm."""
    union, common = set.union(*study.cuts), set.intersection(*study.cuts)
    if not union:
        said = [f"No word is cut: all {n_words(study)} words are tokens in all three vocabularies."]
    else:
        shares = ", ".join(
            f"{NAMES[one]} and {NAMES[two]} {others.shared(study.cuts[one], study.cuts[two]):.0%}"
            for one, two in ((0, 1), (0, 2), (1, 2))
        )
        said = [
            f"There are {study.n_inner} places inside the words. At {len(union)} of them at least one row cuts, "
            f"<b>at {len(common)} all three do</b> ({len(common) / len(union):.0%}). In pairs: {shares}."
        ]
    said += [_sizes(study), _unknown(study), _likelihood(study)]
    return " ".join(filter(None, said))


def _sizes(study: "Study") -> str:
    from components import state
    from pages.lab4_tokenizer.others import VOCAB

    asked = state.get(VOCAB)
    other = [f"{name} has {size:,}" for name, size in zip(NAMES, study.trained.sizes, strict=True) if size != asked]
    if not other:
        return ALPHABETS
    return (
        f"Asked for {asked:,} entries, {' and '.join(other)}: the corpus gives no more, or its letters alone need that "
        f"many. {ALPHABETS}"
    )


def _unknown(study: "Study") -> str:
    lost = [sum(piece.unknown for piece in found) for found in study.found]
    if not any(lost):
        return ""
    words = [study.text[piece.start : piece.end].strip() for piece in study.found[1] if piece.unknown]
    whole = (
        f" WordPiece gives up the whole word (“{escape(words[0], 30)}”) for one letter it does not know."
        if words
        else ""
    )
    return f"Letters that the corpus lacks are unknown to WordPiece and Unigram; to BPE they are bytes.{whole}"


def _likelihood(study: "Study") -> str:
    if not study.likelihood:
        return ""
    return (
        f"By the likelihood score WordPiece needs {len(study.found[1])} tokens here: it joins letters that hardly ever "
        "stand apart, however rare they are, before frequent pairs whose letters have many other neighbours."
    )


def rules(study: "Study") -> str:
    """BPE's and WordPiece's way of cutting with one and the same vocabulary."""
    trained = study.trained
    n_apart, n_all = len(trained.apart), trained.n_words
    share = f"{n_apart:,} of the corpus’s {n_all:,} different words ({n_apart / n_all:.1%})"
    same = "the same tokens" if study.by_merges == study.by_length else "other tokens"
    return (
        "<b>“Encoding takes the longest match.”</b> WordPiece does. BPE applies its merges in the order learned, and a "
        f"longer token may never come about. With one and the same BPE vocabulary the two rules cut {share} apart. "
        f"{chips.quote(study.word)} gets {same}:"
    )


ALGORITHMS = (
    (
        "BPE",
        "count(ab)",
        "Begins with bytes. Joins the two neighbours that stand side by side <b>most often</b>, and again. A text is "
        "cut by the same merges in the same order.",
        "Sennrich et al. 2016",
    ),
    (
        "WordPiece",
        "count(ab) / (count(a) · count(b))",
        "Begins with letters. Joins the pair that makes the training text <b>most likely</b>: more frequent together "
        "than its parts alone suggest. The papers give no formula; this is the usual reading. A word is cut from the "
        "left, each time at the longest token. <b>tokenizers’ trainer does not use the score:</b> it counts like BPE.",
        "Schuster &amp; Nakajima 2012, Wu et al. 2016",
    ),
    (
        "Unigram",
        "P(text) = Π p(token)",
        "Begins with very many pieces, each with a probability, and <b>takes away</b> those whose loss lowers the "
        "likelihood of the training text least, until few enough are left. A text is cut in the most probable way.",
        "Kudo 2018",
    ),
)


def algorithms() -> None:
    """What each of the three does, with its formula."""
    for column, (name, formula, what, source) in zip(st.columns(3), ALGORITHMS, strict=True):
        with column:
            st.html(
                f"<p class='labs-prose'><b>{name}</b><br><code>{formula}</code></p>"
                f"<p class='labs-prose'>{what}</p><p class='labs-reading'>{source}</p>"
            )
