"""The learner's prompt as the model gets it, and how tokens are shown: what every section of Lab 6 begins with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components import controls, language_models, state, text
from components.figures import token_strip
from engine import models
from pages.lab6_generation.params import MODEL, PROMPT

if TYPE_CHECKING:
    from engine.models import LoadedModel
    from engine.text_interface import TextInterface
    from engine.transformer import CausalLM

MODEL_NAME = "story-lm"


@dataclass(frozen=True)
class Prompt:
    """A prompt that can be gone on from."""

    loaded: "LoadedModel"
    text: str  # as it was typed
    ids: tuple[int, ...]  # with the token that starts every text, where the model has one
    n_dropped: int  # tokens left out because the text is too long

    @property
    def model(self) -> "CausalLM":
        return self.loaded.model

    @property
    def tokenizer(self) -> "TextInterface":
        return self.loaded.tokenizer

    @property
    def eos_id(self) -> int | None:
        return self.tokenizer.eos_id

    def decode(self, ids: list[int]) -> str:
        """The text of new tokens, end tokens left out."""
        return self.tokenizer.decode([one for one in ids if one != self.eos_id])

    def word(self, number: int) -> str:
        """One token as a part of a text: its spaces and line ends are themselves. It is data, to be escaped."""
        return token_strip.word(self.tokenizer, number)

    def token(self, number: int) -> str:
        """The same alone, with signs for its spaces and line ends."""
        return token_strip.shown(self.tokenizer, number)


def read(max_new_tokens: int, field: state.Text = PROMPT, *, any_model: bool = False) -> Prompt:
    """The prompt on screen, cut so that max_new_tokens fit behind it. field: where a section has one of its own.

    any_model: the model that the learner chose; else the bundled one, which the stored studies are about.
    Raises ValueError, in a sentence for the learner, for an empty prompt, where nothing of it would fit, and for a
    model that is not on this machine.
    """
    from engine.decoding import fit_prompt

    loaded, typed = language_models.get(state.get(MODEL) if any_model else MODEL_NAME), state.get(field)
    ids = loaded.tokenizer.encode(typed)
    if not ids:
        raise ValueError("The prompt must hold at least one character; an empty one gives nothing to go on from")
    always = len(loaded.tokenizer.start_ids)
    fitted, n_dropped = fit_prompt(
        [*loaded.tokenizer.start_ids, *ids], loaded.tokenizer.context, keep_free=max_new_tokens, always=always
    )
    return Prompt(loaded, typed, tuple(fitted), n_dropped)


def control(height: int = 100, field: state.Text = PROMPT, *, any_model: bool = False) -> None:
    """The field for the prompt, and with any_model, folded below it, the choice of the model."""
    controls.area(field, placeholder="Type the beginning of a story. Ctrl+Enter takes it.", height=height)
    if any_model:
        chosen = state.get(MODEL)
        with st.expander(f"Model: {models.model_info(chosen).title}", expanded=not language_models.is_ready(chosen)):
            language_models.control(MODEL)


def notes(prompt: Prompt | None) -> None:
    """What a learner should know of this prompt: that its beginning was cut, or that special tokens were typed."""
    if prompt is None:
        return
    tokenizer = prompt.tokenizer
    if prompt.n_dropped:
        kept = len(prompt.ids) - len(tokenizer.start_ids)
        text.problem(
            f"The prompt has {kept + prompt.n_dropped:,} tokens, and the model reads {tokenizer.context:,} with what "
            f"is to be written: the last {kept:,} are kept, the first {prompt.n_dropped:,} left out."
        )
    typed = [name for name in tokenizer.special_tokens if name in prompt.text]
    if typed:
        n_tokens = len(tokenizer.encode(typed[0]))
        text.problem(
            f"“{typed[0]}” is typed here as text: the model gets its {n_tokens} pieces, not the special token."
        )
