"""One text as a language model reads it, opened for looking inside: attention, the logit lens, and a second opinion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components import audit, models

if TYPE_CHECKING:
    from torch import Tensor

    from engine.logit_lens import LogitLens

TOLERANCE = 1e-4  # of logits of about 10, added up in another order
N_TOP = 5


@dataclass(frozen=True)
class LensReading:
    """What happens inside at the places from `first` on. Place i has read ids[: i + 1]; ids[i + 1] comes next."""

    ids: tuple[int, ...]  # one token more than is read
    first: int
    lens: "LogitLens"  # its targets are the tokens that come next
    weights: "Tensor"  # (n_layers, n_heads, n_places, seq_len), the attention of these places over all that is read
    lengths: "Tensor"  # (n_layers + 1, n_places), of the stream's vectors before the first block and after each
    last_lens: "Tensor"  # (n_places, vocab_size), what the lens gives after the last block
    logits: "Tensor"  # the same shape, the model's own

    @property
    def n_layers(self) -> int:
        return self.weights.shape[0]

    @property
    def n_heads(self) -> int:
        return self.weights.shape[1]

    def row(self, layer: int, head: int, place: int) -> "Tensor":
        """(place + 1,): how much of each token `place` reads. layer and head count from 1; 0 is the mean of all."""
        weights = self.weights[:, :, place - self.first, : place + 1]  # (n_layers, n_heads, place + 1)
        if layer == 0:
            return weights.mean(dim=(0, 1))
        return weights[layer - 1].mean(dim=0) if head == 0 else weights[layer - 1, head - 1]

    def settles(self, place: int) -> int | None:
        """The depth from which the token that comes next is the likeliest and stays so; None where it never is."""
        leads = (self.lens.target_ranks[:, place - self.first] == 0).tolist()
        if not leads[-1]:
            return None
        return len(leads) - leads[::-1].index(False) if False in leads else 0


@st.cache_resource(max_entries=12, show_spinner=False)
def read(name: str, ids: Sequence[int], first: int) -> LensReading:
    """Reads all of `ids` but the last with the language model `name`, and keeps what happens from place `first` on.

    What stands before `first` goes through the model's cache: nothing of it is kept, however long it is.
    """
    import torch

    from engine.logit_lens import logit_lens

    model = models.language_model(name).model
    with models.DEVICE_IN_USE, torch.inference_mode():
        cache = model.new_cache(1, len(ids) - 1) if first else None
        if first:
            model.next_logits([ids[:first]], cache=cache)
        trace = model.trace([ids[first:-1]], cache=cache)
        lens = logit_lens(model, trace, targets=ids[first + 1 :], n_top=N_TOP)
        last = model.lens(trace.hidden_states[-1][0])  # (n_places, vocab_size)
        weights = torch.stack([layer.weights[0] for layer in trace.layers])
        lengths = torch.stack([state[0].norm(dim=-1) for state in trace.hidden_states])
    on_cpu = {field: value.cpu() if torch.is_tensor(value) else value for field, value in vars(lens).items()}
    numbers = (one.cpu() for one in (weights, lengths, last, trace.logits[0]))
    return LensReading(tuple(ids), first, type(lens)(**on_cpu), *numbers)


@dataclass(frozen=True)
class SecondOpinion:
    """Our numbers against others', as differences: small enough to be kept."""

    model: audit.Difference  # the lens after the last block against our model's logits
    logits: audit.Difference  # the same against transformers' logits
    weights: audit.Difference  # every head's attention against transformers'


@st.cache_resource(max_entries=48, show_spinner=False)
def second_opinion(name: str, ids: Sequence[int], first: int) -> SecondOpinion:
    """The same text in transformers' own model, whose plain ("eager") attention hands out its weights."""
    import torch

    ours, theirs = read(name, ids, first), models.language_model_reference(name)
    with models.DEVICE_IN_USE, torch.inference_mode():
        found = theirs(torch.tensor([ids[:-1]]), output_attentions=True)
    pairs = zip(ours.weights, (layer[0, :, first:] for layer in found.attentions), strict=True)
    return SecondOpinion(
        model=audit.find_difference([(ours.last_lens, ours.logits)]),
        logits=audit.find_difference([(ours.last_lens, found.logits[0, first:])]),
        weights=audit.find_difference(pairs),
    )


def show_second_opinion(name: str, reading: LensReading, *, attention: bool) -> None:
    """The audit lines of a reading."""
    found = second_opinion(name, reading.ids, reading.first)
    after = f"the lens after block {reading.n_layers}"
    audit.show(found.model, library="the model’s own logits", tolerance=TOLERANCE, what=after)
    audit.show(found.logits, library="transformers’ logits", tolerance=TOLERANCE * 10, what=after)
    if attention:
        audit.show(found.weights, library="transformers’ eager attention", tolerance=TOLERANCE, what="all heads")
