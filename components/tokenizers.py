"""Which tokenizer a section uses: the bundled one, the learner's own, GPT-2's where it is to be had, BERT's WordPiece.

TOKENIZER = tokenizers.tokenizer_choice("k_tokenizer")      # a Param; the link carries "bundled", "my:<id>", "gpt2"
tokenizers.control(TOKENIZER)                               # the list on the page
tokenizers.get(state.get(TOKENIZER)).encode("some text")
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from components import controls, models, state
from engine.tokenizer import BPETokenizer, Token
from engine.tokenizer import saved as files
from engine.tokenizer.saved import SavedTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BUNDLED, GPT2, BERT, MINE = "bundled", "gpt2", "bert", "my:"
BUNDLED_SIZE = 2048
BUNDLED_CORPORA = ("stories", "dialogue", "languages", "emoji-numbers")  # all bundled ones that no edit of ours changes
TITLES = {BUNDLED: f"Bundled, {BUNDLED_SIZE:,}", GPT2: "GPT-2, 50,257", BERT: "BERT’s WordPiece, 30,522"}
GPT2_REPOSITORIES = ("openai-community/gpt2", "gpt2")

NO_GPT2 = (
    "GPT-2’s own tokenizer is offered where its files are: in LABS_DATA/gpt2 (encoder.json and vocab.bpe), or in this "
    "machine’s Hugging Face cache. Neither is here."
)


@dataclass(frozen=True)
class TokenizerChoice(state.Param):
    """One of the tokenizers there are at the moment."""

    word_piece: bool = False  # whether BERT's is offered; it is no byte-level BPE, so `get` does not have it

    @property
    def options(self) -> tuple[str, ...]:
        mine = tuple(MINE + one.id for one in saved())
        return (BUNDLED, *mine, *([GPT2] if has_gpt2() else []), *([BERT] if self.word_piece else []))

    def parse(self, raw: str) -> str:
        if raw == GPT2 and not has_gpt2():
            raise ValueError(NO_GPT2.rstrip("."))
        if raw.startswith(MINE):
            files.saved_tokenizer(raw[len(MINE) :])
        elif raw not in self.options:
            raise ValueError(
                f"{self.name} must be one of {', '.join(self.options)}, or {MINE} and a saved one’s id; "
                f"the link says {raw[:40]!r}"
            )
        return raw

    def show(self, option: str) -> str:
        """Its name in the list. Titles that two saved ones share are told apart by their ids."""
        shared = [one.title for one in saved()].count(title(option)) > 1 if option.startswith(MINE) else False
        return title(option) + (f" ({option[len(MINE) :][:4]})" if shared else "")

    def shown_instead(self) -> str:
        return title(self.default)


def tokenizer_choice(
    name: str, default: str = BUNDLED, label: str = "Tokenizer", *, word_piece: bool = False, help: str | None = None
) -> TokenizerChoice:
    """The parameter `name` that holds a tokenizer. word_piece: whether BERT's is offered too."""
    return TokenizerChoice(name, default, label, help, word_piece)


def control(param: TokenizerChoice) -> str:
    """The list to choose from. One that was removed meanwhile stays chosen, and `get` says that it is gone."""
    chosen = state.get(param)
    options = param.options if chosen in param.options else (*param.options, chosen)
    return controls.pick(param, options, param.show)


def title(name: str) -> str:
    """A tokenizer's name for people. A saved one's title is the learner's text."""
    if name.startswith(MINE):
        try:
            return files.saved_tokenizer(name[len(MINE) :]).title
        except ValueError:
            return f"{name[:9]}…, which is not here"
    return {BUNDLED: f"Bundled, {BUNDLED_SIZE:,}", GPT2: "GPT-2, 50,257", BERT: "BERT’s WordPiece, 30,522"}.get(
        name, name
    )


def get(name: str) -> BPETokenizer:
    """A byte-level tokenizer by its name in a link. ValueError for one that is not here, and for "bert"."""
    if name == BUNDLED:
        return bundled()
    if name == GPT2:
        return gpt2()
    if name.startswith(MINE):
        return _saved(files.saved_tokenizer(name[len(MINE) :]).id)
    raise ValueError(f"tokenizer must be {BUNDLED!r}, {GPT2!r} or {MINE!r} and a saved one’s id, got {name[:40]!r}")


@st.cache_resource(show_spinner=False)
def bundled() -> BPETokenizer:
    """Trained on the bundled texts, once per server."""
    from engine.corpora import corpus_text

    return BPETokenizer.train([corpus_text(name) for name in BUNDLED_CORPORA], BUNDLED_SIZE, processes=1)


@st.cache_resource(show_spinner=False)
def gpt2() -> BPETokenizer:
    """GPT-2's own. ValueError where its files are not."""
    found = gpt2_files()
    if found is None:
        raise ValueError(NO_GPT2)
    return BPETokenizer.from_gpt2_files(*found)


def has_gpt2() -> bool:
    """Whether GPT-2's files are on this machine."""
    return gpt2_files() is not None


def gpt2_files() -> tuple[Path, Path] | None:
    """GPT-2's vocabulary and merges in LABS_DATA/gpt2 or in the hub's local cache. Nothing is downloaded."""
    if data := os.environ.get("LABS_DATA"):
        folder = Path(data) / "gpt2"
        for vocab, merges in (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")):
            if (folder / vocab).is_file() and (folder / merges).is_file():
                return folder / vocab, folder / merges
    return _cached_by_the_hub()


def _cached_by_the_hub() -> tuple[Path, Path] | None:
    from huggingface_hub import try_to_load_from_cache

    for repository in GPT2_REPOSITORIES:
        found = [try_to_load_from_cache(repository, file) for file in ("vocab.json", "merges.txt")]
        if all(isinstance(path, str) for path in found):
            return Path(found[0]), Path(found[1])
    return None


@st.cache_resource(max_entries=32, show_spinner=False)
def _saved(identity: str) -> BPETokenizer:
    return files.load_saved(identity)


def word_piece() -> "Tokenizer":
    """BERT's WordPiece, as the bundled encoder brings it: `tokenizers`' own object."""
    return models.minilm().tokenizer


def tokens(name: str, text: str) -> list[Token]:
    """The tokens of a text with any of them, "bert" included; its tokens are told as the text they stand for.

    WordPiece drops white space and accents, so its tokens need not join to the text.
    """
    if name != BERT:
        return get(name).tokens(text)
    found = word_piece().encode(text, add_special_tokens=False)
    return [
        Token(number, piece.encode(), start, end)
        for number, piece, (start, end) in zip(found.ids, found.tokens, found.offsets, strict=True)
    ]


def saved() -> list[SavedTokenizer]:
    """The learner's own, newest first."""
    return files.saved_tokenizers()


def save(tokenizer: BPETokenizer, title: str, *, corpus: str = "", corpus_name: str = "") -> str:
    """Keep a tokenizer under LABS_HOME/tokenizers; returns its id: "my:" and the id is its name in a link.

    corpus: what it was trained on, in words; corpus_name: as engine.kept_corpora knows it.
    Raises ValueError for an empty or too long title.
    """
    return files.save_tokenizer(tokenizer, title, corpus=corpus, corpus_name=corpus_name)
