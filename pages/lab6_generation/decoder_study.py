"""What section 3 computes: the learner's forks under the model, and what greedy and beams write in as many tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components import models, state
from engine import models as known
from engine.decoding.following import Followed, Rival, Rivals, follow
from pages.lab6_generation import prompt
from pages.lab6_generation.decoder_forks import MOST_TOKENS, Forks, ForksParam, mark_of
from pages.lab6_generation.params import MODEL, PROMPT
from pages.lab6_generation.prompt import Prompt

if TYPE_CHECKING:
    from engine.transformer import CausalLM

BEAMS = (4, 16)
QUICK = 30_000_000  # parameters up to which a click waits for 16 beams without being noticed
N_CHOICES = 40
EXAMPLE = (
    " named Spot. Spot loved to play",
    " who lived on the moon. He wanted a red hat for his tail.",
)  # two forks to open on

FORKS = ForksParam("de_forks", None, "Forks")
WORDS = state.Text(
    "de_words",
    "",
    "Your own words",
    help="A space is put before them. Begin with + to join them to the last token: +s makes a plural.",
)
PARAMS = [PROMPT, MODEL, FORKS, WORDS]


@dataclass(frozen=True)
class Study:
    """The forks, what the model says of each, and the rivals of the active one (none while it is empty)."""

    found: Prompt
    forks: Forks
    followed: list[Followed]  # one a fork
    rivals: list[Rival]

    @property
    def active(self) -> Followed:
        return self.followed[self.forks.active]

    @property
    def ended(self) -> bool:
        return bool(self.forks.ids) and self.forks.ids[-1] == self.found.eos_id

    @property
    def full(self) -> bool:
        return len(self.forks.ids) >= MOST_TOKENS

    def likeliest(self) -> int:
        """The token that greedy decoding would take next."""
        return int(self.active.next_logits.argmax())


def study() -> Study:
    """What is on screen. ValueError, in a sentence, for an empty prompt and for forks of another model."""
    found = prompt.read(MOST_TOKENS, any_model=True)
    forks, n_ids = state.get(FORKS) or example(found), found.model.config.vocab_size
    if forks.mark != mark(found) or any(one >= n_ids for text in forks.texts for one in text):
        raise ValueError("These forks were chosen with another model: choose it again, or press Start over")
    name, n = found.loaded.info.name, len(forks.ids)
    followed = [_followed(name, found.ids, text, found.model) for text in forks.texts]
    if not n:
        return Study(found, forks, followed, [])
    with models.DEVICE_IN_USE:
        return Study(found, forks, followed, _rivals(name, found.ids, found.model).at(n))


def mark(found: Prompt) -> str:
    return mark_of(found.loaded.info.name)


def example(found: Prompt) -> Forks:
    """The two forks that the section opens on, the second being written."""
    texts = tuple(tuple(found.tokenizer.encode(text)) for text in EXAMPLE)
    return Forks(mark(found), texts, active=len(texts) - 1)


def typed_ids(found: Prompt, typed: str) -> list[int]:
    """The learner's own words as tokens. ValueError for nothing, which is no continuation."""
    if not typed.strip(" +"):
        raise ValueError("Type a word first: an empty continuation has no tokens")
    return found.tokenizer.encode(typed[1:] if typed.startswith("+") else f" {typed.lstrip(' ')}")


def greedy_ids(found: Prompt, n_tokens: int) -> tuple[int, ...]:
    """What greedy decoding writes in n_tokens, or in as many as a fork holds."""
    with models.DEVICE_IN_USE:
        rivals = _rivals(found.loaded.info.name, found.ids, found.model)
        return rivals.one("greedy", min(n_tokens, MOST_TOKENS)).ids


@st.cache_resource(max_entries=256, show_spinner=False)
def _followed(name: str, prompt_ids: tuple[int, ...], ids: tuple[int, ...], _model: "CausalLM") -> Followed:
    import torch

    with models.DEVICE_IN_USE, torch.inference_mode():
        return follow(_model, prompt_ids, ids)


@st.cache_resource(max_entries=4, show_spinner=False)
def _rivals(name: str, prompt_ids: tuple[int, ...], _model: "CausalLM") -> Rivals:
    """Kept, so that one token more costs one step more and not the whole search again."""
    return Rivals(_model, prompt_ids, longest=MOST_TOKENS, beams=beams_of(name))


def beams_of(name: str) -> tuple[int, ...]:
    """The beams that a model of this size can be asked for at every click."""
    return BEAMS if known.model_info(name).size <= QUICK else BEAMS[:1]
