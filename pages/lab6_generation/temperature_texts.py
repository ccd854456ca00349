"""The live part of "Temperature": three texts from the learner's prompt, and draws counted against the distribution."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components import models
from components.figures import stories
from engine.decoding import Generation, filters, sample
from engine.decoding.walking import Dice, draw
from engine.known_words import WORD, find_words, known_words
from pages.lab6_generation import prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel

N_TEXTS = 3
N_DRAWS = 2_000
LEAST_EXPECTED = 20  # draws of a token from which its count is compared; rarer ones are counted together
FITS_UNDER = 4.5  # standard errors: chance goes beyond it about once in a hundred thousand counts


@dataclass(frozen=True)
class Draws:
    """How often the first token was drawn, beside how often it should be; the rare tokens counted as one."""

    counts: tuple[
        tuple[int | None, int, float], ...
    ]  # (token, or None for all others; drawn; expected), likeliest first

    @property
    def worst(self) -> float:
        """The largest distance of a count from what is expected, in standard errors."""
        return max(abs(drawn - expected) / _error(expected) for _, drawn, expected in self.counts)

    @property
    def fits(self) -> bool:
        return self.worst <= FITS_UNDER


def _error(expected: float) -> float:
    """The standard error of a count: of N_DRAWS independent draws."""
    share = min(expected / N_DRAWS, 1.0)
    return max((N_DRAWS * share * (1 - share)) ** 0.5, 0.5)


def write(found: prompt.Prompt, temperature: float, n_new: int, seed: int) -> list[Generation]:
    """Three texts; the same seed draws the same random numbers at every temperature."""
    return _write(found.loaded.info.name, found.ids, temperature, n_new, seed, found)


@st.cache_resource(max_entries=128, show_spinner=False)
def _write(name: str, ids: tuple[int, ...], temperature: float, n_new: int, seed: int, _found) -> list[Generation]:
    with models.DEVICE_IN_USE:
        return sample(
            _found.model,
            ids,
            max_new_tokens=n_new,
            temperature=temperature,
            seed=seed,
            eos_id=_found.eos_id,
            num_return=N_TEXTS,
        )


def show(found: prompt.Prompt, written: list[Generation]) -> None:
    """The three texts side by side, words that are none underlined."""
    stories.draw(
        [
            stories.Story(f"Text {number}", pieces(found.decode(one.ids)), found.text)
            for number, one in enumerate(written, 1)
        ],
        height="11rem",
    )


def pieces(text: str) -> list[stories.Piece]:
    """The text cut at its unknown words."""
    cut, done = [], 0
    for word in WORD.finditer(text):
        if find_words(word.group())[0] not in known_words():
            cut += [stories.Piece(text[done : word.start()]), stories.Piece(word.group(), stories.UNKNOWN)]
            done = word.end()
    return [piece for piece in [*cut, stories.Piece(text[done:])] if piece.text]


def count_draws(found: prompt.Prompt, temperature: float, seed: int) -> Draws:
    """2,000 first tokens at this temperature, counted."""
    return _count_draws(found.loaded.info.name, found.ids, temperature, seed, found)


@st.cache_resource(max_entries=64, show_spinner=False)
def _count_draws(name: str, ids: tuple[int, ...], temperature: float, seed: int, _found: prompt.Prompt) -> Draws:

    with models.DEVICE_IN_USE:
        logits = _found.model.next_logits([list(ids)]).float().cpu()
    log_probs = filters.temperature(logits, temperature)[0].log_softmax(dim=-1)  # (vocab_size,)
    dice = Dice(seed)
    drawn = Counter(draw(log_probs, dice.roll()) for _ in range(N_DRAWS))
    expected = N_DRAWS * log_probs.double().exp()
    often = [one for one in expected.argsort(descending=True)[:50].tolist() if expected[one] >= LEAST_EXPECTED]
    counts = [(one, drawn[one], expected[one].item()) for one in often]
    rest = N_DRAWS - sum(n for _, n, _ in counts), N_DRAWS - sum(n for _, _, n in counts)
    return Draws((*counts, (None, *rest)))


def cross_entropy_by_transformers(reference: "PreTrainedModel", texts: list[list[int]], temperature: float) -> float:
    """The same number as engine.decoding.likelihood.cross_entropies, by transformers' model and torch's own loss."""
    import torch

    total, n_tokens = 0.0, 0
    with torch.inference_mode():
        for ids in texts:
            own = torch.tensor([ids])
            logits = reference(own).logits[0, :-1].float()
            total += torch.nn.CrossEntropyLoss(reduction="sum")(logits / temperature, own[0, 1:]).item()
            n_tokens += len(ids) - 1
    return total / n_tokens
