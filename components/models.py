"""The one cache over the models: each is loaded once per server, read-only, and shared by all sessions."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedModel

    from engine.models import LoadedModel
    from engine.output_heads import OutputHeads
    from engine.texts import EncodedText
    from engine.transformer import EncoderTrace

# At most one forward at a time on the shared device: more only slow each other down.
DEVICE_IN_USE = threading.Semaphore(1)


@st.cache_resource(show_spinner=False)
def minilm() -> "LoadedModel":
    """The bundled encoder, run by our own modules."""
    import torch

    from engine import models

    # One thread a forward: several visitors share the cores, and small models wait longer for helpers than they gain.
    torch.set_num_threads(1)
    return models.load("minilm")


@st.cache_resource(show_spinner=False)
def minilm_reference() -> "BertModel":
    """The same weights in transformers' BertModel: the second opinion of the audit lines, never what is shown."""
    from engine import models

    return models.load_reference("minilm")


@st.cache_resource(show_spinner=False)
def minilm_heads() -> "OutputHeads":
    """The heads that were trained on the bundled encoder's frozen hidden states."""
    from engine import models

    return models.load_heads(minilm())


@st.cache_resource(show_spinner=False)
def language_model(name: str) -> "LoadedModel":
    """A causal language model of engine.models, loaded once. ValueError, in one sentence, for one that cannot be had.

    Sections ask components.language_models, which offers the download of one that is not on this machine.
    """
    import torch

    from engine import models

    torch.set_num_threads(1)  # as for minilm
    return models.load(name)


def story_lm() -> "LoadedModel":
    """The bundled language model of simple stories."""
    return language_model("story-lm")


@st.cache_resource(show_spinner=False)
def language_model_reference(name: str) -> "PreTrainedModel":
    """The same weights in transformers' own model: the second opinion of the audit lines. Nothing is downloaded."""
    from engine import models

    return models.load_reference(name)


@dataclass(frozen=True)
class Reading:
    """One text as the bundled encoder reads it: its tokens, and every intermediate value of one run."""

    text: "EncodedText"
    trace: "EncoderTrace"


@st.cache_resource(max_entries=8, show_spinner=False)
def short_reading(text: str, max_tokens: int) -> Reading:
    """`text` cut at `max_tokens` (a legible number) and read by the bundled encoder.

    Raises ValueError for a text without tokens.
    """
    import torch

    from engine.texts import encode_text

    loaded = minilm()
    encoded = encode_text(loaded, text, max_tokens=max_tokens)
    with DEVICE_IN_USE, torch.inference_mode():
        return Reading(encoded, loaded.model.trace([encoded.ids]))


def cut_sentence(encoded: "EncodedText") -> str | None:
    """What was left out of a text that was cut, or None."""
    if not encoded.cut:
        return None
    left_out = "the rest" if encoded.n_dropped is None else f"{encoded.n_dropped:,} tokens"
    return (
        f"The text is cut after {len(encoded):,} tokens ([CLS] and [SEP] included), at character "
        f"{encoded.n_characters_read:,} of {encoded.n_characters:,}; {left_out} not shown."
    )


def token_sentence(encoded: "EncodedText") -> str | None:
    """What "[UNK]" and "##" mean, when the text's tokens hold them, or None."""
    unknown = "[UNK] stands for a word or sign that this model has no pieces for."
    piece = "## marks a piece that continues the word before it."
    said = [unknown] if "[UNK]" in encoded.tokens else []
    if any(token.startswith("##") for token in encoded.tokens):
        said.append(piece)
    return " ".join(said) or None


def load_and_audit_first_forward() -> None:
    """Loads both and runs each once, so that no learner waits for a first call."""
    import torch

    ids = torch.tensor([[101, 102]])
    loaded, reference = minilm(), minilm_reference()  # loading takes seconds, in which others may use the device
    with DEVICE_IN_USE, torch.inference_mode():
        loaded.model.trace(ids.to(loaded.device))
        reference(ids, output_attentions=True)


def load_story_lm_and_first_forward() -> None:
    """The same for the bundled language model; without its second opinion, whose import alone takes longer."""
    import torch

    loaded = story_lm()
    with DEVICE_IN_USE, torch.inference_mode():
        loaded.model.next_logits(torch.tensor([loaded.tokenizer.start_ids]).to(loaded.device))
