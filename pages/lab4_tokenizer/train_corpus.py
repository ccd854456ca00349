"""Train it: where the text comes from (bundled, pasted, a file, the hub), and which corpus that makes."""

from dataclasses import dataclass

import streamlit as st

from components import controls, errors, section, state, text
from components.text import escape
from engine import corpora, corpus_files, kept_corpora
from engine.corpus_files import WrongEncodingError
from engine.home import labs_home
from engine.kept_corpora import MINE, Upload

HUB_BYTES = 5_000_000
PASTED = "Pasted text"
UPLOADER = "train.upload"

FROM = state.Choice(
    "t_from",
    "bundled",
    "Text to learn from",
    options=("bundled", "paste", "file", "hub"),
    labels={"bundled": "Bundled", "paste": "Paste", "file": "File", "hub": "Hub"},
)
CORPUS = state.Choice(
    "t_corpus",
    "stories",
    "Bundled text",
    options=("stories", "dialogue", "code", "languages", "emoji-numbers"),
    labels={
        "stories": "Stories",
        "dialogue": "Dialogue",
        "code": "Code: this project’s engine",
        "languages": "12 languages",
        "emoji-numbers": "Emoji and numbers",
    },
)
TEXT = state.Text("t_text", "", "Your text")
COLUMN = state.Text("t_column", "", "Column")
WRONG = state.Choice(
    "t_bytes",
    "strict",
    "Bytes that are no UTF-8",
    options=corpus_files.WRONG_BYTES,
    labels={"strict": "Say where", "replace": "Replace by �", "cp1252": "Read as Windows-1252"},
    help="The last one reads the whole file in that old encoding: right when é, ü or “ ” are the bytes in question.",
)
HUB = state.Text("t_hub", "roneneldan/TinyStories", "Data set on the hub")
HUB_COLUMN = state.Text("t_hubcol", "text", "Column of texts")


@dataclass(frozen=True)
class KeptFile(state.Param):
    """A file that is kept on this machine; "" while there is none."""

    def parse(self, raw: str) -> str:
        return kept_corpora.upload(raw).id if raw else ""


FILE = KeptFile("t_file", "", "Your file")
FETCHED = KeptFile("t_fetched", "", "Fetched texts")
PARAMS = [FROM, CORPUS, TEXT, FILE, COLUMN, WRONG, HUB, HUB_COLUMN, FETCHED]


def chosen() -> str:
    """The name of the corpus that the controls stand for. ValueError when there is none, or its file is unreadable."""
    source = state.get(FROM)
    if source == "bundled":
        return state.get(CORPUS)
    if source == "paste":
        if not state.get(TEXT).strip():
            raise ValueError("Your text is empty: paste some, a few sentences at least.")
        return kept_corpora.keep_corpus(state.get(TEXT), PASTED)
    if source == "hub":
        if not state.get(FETCHED):
            raise ValueError("Press Fetch: the texts come from the hub and are then kept here.")
        return MINE + kept_corpora.upload(state.get(FETCHED)).id
    if not state.get(FILE):
        raise ValueError("Choose a file: txt, csv or jsonl, up to 50 MB. It is kept on this machine.")
    return _extracted(str(labs_home()), state.get(FILE), state.get(COLUMN), state.get(WRONG))


@st.cache_data(max_entries=16, show_spinner=False)
def _extracted(home: str, identity: str, column: str, wrong_bytes: str) -> str:
    """The text of a kept file as a corpus of its own. home: part of the key, for names mean something in one only."""
    file = kept_corpora.upload(identity)
    found = corpus_files.texts_of(kept_corpora.upload_content(identity), file.name, file.kind, column, wrong_bytes)
    if file.kind == "txt" and found.encode() == kept_corpora.upload_content(identity):
        return MINE + identity
    return kept_corpora.keep_corpus(found, file.name)


def draw(problem: str | None) -> None:
    """The controls of the source that is chosen, and what is wrong with it."""
    controls.choice(FROM, wrap=True)
    {"bundled": _bundled, "paste": _paste, "file": _file, "hub": _hub}[state.get(FROM)]()
    text.problem(problem)


def _bundled() -> None:
    name = controls.choice(CORPUS, compact=True)
    about = next(corpus for corpus in corpora.corpora() if corpus.name == name)
    section.reading(f"{escape(about.what)}. {about.n_bytes:,} bytes, {about.licence}.")


def _paste() -> None:
    controls.area(TEXT, placeholder="Paste anything: a chapter, your notes, code …", height=150)


def _file() -> None:
    st.file_uploader(
        "Your file",
        key=UPLOADER,
        on_change=_take_file,
        max_upload_size=50,
        help="txt, csv or jsonl in UTF-8, up to 50 MB. It stays on the machine that runs this page.",
    )
    text.problem(st.session_state.get(f"{UPLOADER}.problem"))
    text.problem(state.problem(FILE))
    file, _ = errors.attempt(lambda: kept_corpora.upload(state.get(FILE)) if state.get(FILE) else None)
    if file:
        section.reading(f"Kept: <b>{escape(file.name, 60)}</b>, {file.n_bytes:,} bytes.")
        _column(file)
        if state.get(WRONG) != "strict" or _wrongly_encoded(file):
            controls.choice(WRONG, compact=True)


def _take_file() -> None:
    """A new file is kept before anything is made of it, so that no error can lose it."""
    given = st.session_state.get(UPLOADER)
    st.session_state[f"{UPLOADER}.problem"] = None
    if given is None:
        return
    kept, problem = errors.attempt(
        lambda: kept_corpora.keep_upload(given.getvalue(), given.name, corpus_files.kind_of(given.name))
    )
    st.session_state[f"{UPLOADER}.problem"] = problem
    if kept:
        state.set_value(FILE, kept)
        state.set_value(COLUMN, "")
        state.set_value(WRONG, "strict")


def _column(file: Upload) -> None:
    """Which column or field holds the texts; the list comes from the file's first line."""
    if file.kind == "txt":
        return
    found, _ = errors.attempt(lambda: _columns(str(labs_home()), file.id, state.get(WRONG)))
    if not found:
        return
    names, longest = found
    wish = state.get(COLUMN)
    options = list(dict.fromkeys(["", *names, wish]))
    controls.pick(COLUMN, options, lambda name: name or f"{longest} (the longest)")


@st.cache_data(max_entries=16, show_spinner=False)
def _columns(home: str, identity: str, wrong_bytes: str) -> tuple[list[str], str]:
    file = kept_corpora.upload(identity)
    found = corpus_files.decode(kept_corpora.upload_content(identity), file.name, wrong_bytes)
    names = (corpus_files.csv_columns if file.kind == "csv" else corpus_files.jsonl_fields)(found, file.name)
    return names, corpus_files.longest_column(found, file.kind, file.name)


def _wrongly_encoded(file: Upload) -> bool:
    try:
        corpus_files.decode(kept_corpora.upload_content(file.id), file.name)
    except WrongEncodingError:
        return True
    except ValueError:
        return False
    return False


def _hub() -> None:
    controls.line(HUB)
    controls.line(HUB_COLUMN)
    st.button("Fetch", key="train.fetch", on_click=_fetch, icon=":material/download:", help="The first 5 MB of texts")
    text.problem(st.session_state.get("train.fetch.problem"))
    text.problem(state.problem(FETCHED))
    file, _ = errors.attempt(lambda: kept_corpora.upload(state.get(FETCHED)) if state.get(FETCHED) else None)
    if file:
        section.reading(f"Kept: <b>{escape(file.name, 60)}</b>, {file.n_bytes:,} bytes.")


def _fetch() -> None:
    name = state.get(HUB).strip()

    def fetch() -> str:
        rows = corpora.hub_texts(name, column=state.get(HUB_COLUMN), limit_bytes=HUB_BYTES)
        return kept_corpora.keep_corpus("\n".join(rows), name)

    kept, st.session_state["train.fetch.problem"] = errors.attempt(fetch)
    if kept:
        state.set_value(FETCHED, kept[len(MINE) :])
