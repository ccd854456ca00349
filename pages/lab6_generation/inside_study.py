"""Section 9's text and what is known of its inside: what the model wrote, and how far the learner has scrubbed."""

from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from components import lens_reading, models
from components.lens_reading import LensReading
from engine.decoding import greedy, sample
from pages.lab6_generation.prompt import Prompt

COLUMNS = 12  # places that the grid shows; so many are read before the first token that is written
MOST_BEFORE = 40  # tokens of the prompt that are drawn; what stands before them shares one chip


@dataclass(frozen=True)
class Study:
    """A prompt, what was written behind it, and what is open. Tokens are counted from 0 over prompt and text."""

    found: Prompt
    reading: LensReading
    step: int  # the token that is being written, counted from 1
    layer: int  # counted from 1; 0 is the mean of all
    head: int

    @property
    def n_prompt(self) -> int:
        return len(self.found.ids)

    @property
    def n_written(self) -> int:
        return len(self.reading.ids) - self.n_prompt

    @property
    def place(self) -> int:
        """The last token that has been read."""
        return self.n_prompt + self.step - 2

    @property
    def n_folded(self) -> int:
        """Tokens at the beginning that share one chip."""
        return max(0, self.n_prompt - MOST_BEFORE)

    @property
    def shift(self) -> int:
        """Added to a token's number it gives its number among the chips."""
        return 1 - self.n_folded if self.n_folded else 0

    @property
    def column(self) -> int:
        """Where the place stands in the reading's tables."""
        return self.place - self.reading.first

    @property
    def weights_over_chips(self) -> Tensor:
        """(n_layers, n_heads, n_places, n_chips - 1): attention, that to the folded tokens added up."""
        weights = self.reading.weights
        if not self.n_folded:
            return weights
        folded = weights[..., : self.n_folded].sum(dim=-1, keepdim=True)  # (n_layers, n_heads, n_places, 1)
        return torch.cat([folded, weights[..., self.n_folded :]], dim=-1)

    def probabilities(self) -> list[float]:
        """Of each token that was written, when it was written."""
        written = self.reading.lens.target_probabilities[-1, self.n_prompt - 1 - self.reading.first :]
        return written.tolist()


def make(found: Prompt, *, how: str, seed: int, n_new: int, step: int, layer: int, head: int) -> Study:
    """Writes, then reads what was written with everything kept. What the text or model lacks is fitted to them."""
    name = found.loaded.info.name
    ids = found.ids + _written(name, found.ids, how, seed, n_new)
    reading = lens_reading.read(name, ids, max(0, len(found.ids) - COLUMNS))
    n_written = len(ids) - len(found.ids)
    return Study(found, reading, min(step, n_written), min(layer, reading.n_layers), min(head, reading.n_heads))


@st.cache_data(max_entries=64, show_spinner=False)
def _written(name: str, ids: tuple[int, ...], how: str, seed: int, n_new: int) -> tuple[int, ...]:
    loaded = models.language_model(name)
    options = {"max_new_tokens": n_new, "eos_id": loaded.tokenizer.eos_id}
    with models.DEVICE_IN_USE:
        if how == "greedy":
            return tuple(greedy(loaded.model, ids, **options).ids)
        return tuple(sample(loaded.model, ids, seed=seed, **options).ids)
