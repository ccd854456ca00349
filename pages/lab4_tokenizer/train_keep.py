"""Train it: naming, saving and taking away a tokenizer that was trained, and bringing one along."""

from dataclasses import dataclass

import streamlit as st

from components import controls, errors, section, state, text, tokenizers
from components.text import escape
from engine import jobs
from engine.experiments import tokenizer_training
from engine.tokenizer import BPETokenizer, saved

NAME = state.Text("t_name", "", "Name")
MAX_FILE = 50 * 1024 * 1024
UPLOADER = "train.tokenizer"

LOAD_IT = """from transformers import PreTrainedTokenizerFast

tokenizer = PreTrainedTokenizerFast(tokenizer_file="tokenizer.json")
ids = tokenizer("Once upon a time")["input_ids"]
tokenizer.decode(ids)"""


@dataclass(frozen=True)
class Trained:
    """A tokenizer as it comes out of a run."""

    tokenizer: BPETokenizer
    content: bytes  # of its tokenizer.json
    complete: bool  # whether the run went to its end


def trained(record: jobs.Record | None) -> Trained | None:
    """The tokenizer of a run that ended; of one that was stopped, what it had learned. None before."""
    if record is None or (record.run_id and jobs.status(record.run_id).active):
        return None
    return _trained(str(record.folder), record.result is not None, len(record.events), record)


@st.cache_resource(max_entries=16, show_spinner=False)
def _trained(folder: str, complete: bool, n_events: int, _record: jobs.Record) -> Trained | None:
    made = tokenizer_training.tokenizer_from(_record.config, _record.checkpoint())
    return made and Trained(made, saved.file_content(made), complete)


def draw(found: Trained, default_name: str, corpus: str, corpus_name: str) -> None:
    """The name, Save, Download, and the lines that load the file elsewhere."""
    name = state.get(NAME).strip() or default_name
    st.subheader("Keep it", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=300):
            controls.line(NAME, placeholder=default_name)
        st.button(
            "Save",
            key="train.save",
            on_click=_save,
            args=(found.tokenizer, name, corpus, corpus_name),
            icon=":material/save:",
            type="primary",
        )
        st.download_button(
            "Download tokenizer.json", found.content, "tokenizer.json", "application/json", icon=":material/download:"
        )
    text.problem(st.session_state.get("train.save.problem"))
    identity = saved.identity(found.content)
    kept = next((one for one in tokenizers.saved() if one.id == identity), None)
    if kept:
        section.reading(
            f"✓ Saved as <b>{escape(kept.title, 60)}</b>, {kept.vocab_size:,} entries. The other sections of this lab "
            "and the other labs offer it in their list of tokenizers."
        )
    section.fold("Load it in transformers", lambda: st.code(LOAD_IT, language="python"), key="train.load")


def _save(tokenizer: BPETokenizer, name: str, corpus: str, corpus_name: str) -> None:
    _, st.session_state["train.save.problem"] = errors.attempt(
        lambda: tokenizers.save(tokenizer, name, corpus=corpus, corpus_name=corpus_name)
    )


def draw_upload() -> None:
    """A tokenizer.json that the learner has already becomes one of the saved ones."""
    st.file_uploader(
        "Bring a tokenizer.json",
        key=UPLOADER,
        on_change=_take,
        max_upload_size=50,
        help="A byte-level BPE tokenizer, as this page, tokenizers or transformers write it. It is checked and saved.",
    )
    said, problem = st.session_state.get(f"{UPLOADER}.said", (None, None))
    text.problem(problem)
    if said:
        section.reading(said)


def _take() -> None:
    given = st.session_state.get(UPLOADER)
    if given is None:
        return

    def take() -> str:
        brought = saved.from_content(given.getvalue(), given.name)
        title = given.name.removesuffix(".json")[: saved.MAX_TITLE]
        tokenizers.save(brought, title, corpus="")
        return f"✓ Saved as <b>{escape(title, 60)}</b>: {len(brought):,} entries, {len(brought.merges):,} merges."

    st.session_state[f"{UPLOADER}.said"] = errors.attempt(take)
