"""One run of the real model on one text, kept as small as the page needs it, and its second opinion."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import streamlit as st
import torch

from components import audit, models
from components.figures import model as figure
from engine.patterns import HeadPattern, head_patterns
from engine.similarity import sentence_embedding
from engine.texts import EncodedText, encode_text
from engine.transformer import EncoderTrace

Heads = tuple[tuple[int, int], ...]  # (layer, head), counted from 0


@dataclass(frozen=True)
class ModelReading:
    """A text as the model reads it, with some heads switched off."""

    source: str  # what the learner typed
    text: EncodedText
    packed: figure.Packed  # every weight, query and key, as drawn
    patterns: list[list[HeadPattern]]  # [layer][head]
    embedding: torch.Tensor  # (1, d_model), the whole sentence as one vector


@st.cache_resource(max_entries=8, show_spinner=False)
def read(text: str, muted: Heads) -> ModelReading:
    """`text`, cut at 512 tokens, through the model. ValueError for a text without tokens."""
    loaded = models.minilm()
    encoded = encode_text(loaded, text)
    trace = run(encoded, muted)
    weights = torch.stack([layer.weights[0] for layer in trace.layers]).cpu()  # (n_layers, n_heads, seq_len, seq_len)
    special, ids = torch.tensor(encoded.special), torch.tensor(encoded.ids)
    patterns = [head_patterns(layer, special, ids) for layer in weights]
    packed = figure.pack(
        f"{hash((text, muted))}",
        encoded.tokens,
        encoded.special,
        weights,
        torch.stack([layer.query[0] for layer in trace.layers]).cpu(),
        torch.stack([layer.key[0] for layer in trace.layers]).cpu(),
        labels=[[pattern.label for pattern in row] for row in patterns],
        scores=[[pattern.score for pattern in row] for row in patterns],
        best=[[max(pattern.scores, key=pattern.scores.get) for pattern in row] for row in patterns],
    )
    return ModelReading(text, encoded, packed, patterns, sentence_embedding(trace.output).cpu())


def run(encoded: EncodedText, muted: Heads) -> EncoderTrace:
    """Every intermediate value of one run of our own modules."""
    with models.DEVICE_IN_USE, torch.inference_mode():
        return models.minilm().model.trace([encoded.ids], muted_heads=muted)


@st.cache_resource(max_entries=8, show_spinner=False)
def embed(sentences: tuple[str, ...], muted: Heads) -> torch.Tensor:
    """(n_sentences, d_model): each sentence as one vector, all through the model at once."""
    loaded = models.minilm()
    encoded = [encode_text(loaded, sentence) for sentence in sentences]
    longest = max(len(one) for one in encoded)
    ids = torch.tensor([one.ids + [0] * (longest - len(one)) for one in encoded])  # (n_sentences, seq_len)
    real = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in encoded])
    with models.DEVICE_IN_USE, torch.inference_mode():
        hidden = loaded.model(ids, real, muted_heads=muted)  # (n_sentences, seq_len, d_model)
        return sentence_embedding(hidden, real).cpu()


@st.cache_data(max_entries=32, show_spinner=False)
def second_opinion(text: str, muted: Heads) -> tuple[audit.Difference, audit.Difference]:
    """Our attention weights and hidden states against transformers' BertModel, on this text with these heads off."""
    encoded = encode_text(models.minilm(), text)
    ours = run(encoded, muted)
    reference = models.minilm_reference()
    with models.DEVICE_IN_USE, torch.inference_mode(), _heads_off(reference, muted):
        theirs = reference(torch.tensor([encoded.ids]), output_attentions=True, output_hidden_states=True)
    weights = zip((layer.weights.cpu() for layer in ours.layers), theirs.attentions, strict=True)
    hidden = zip((state.cpu() for state in ours.hidden_states), theirs.hidden_states, strict=True)
    return audit.find_difference(weights), audit.find_difference(hidden)


@contextmanager
def _heads_off(reference: torch.nn.Module, muted: Heads) -> Iterator[None]:
    """Switches heads off in transformers' model: what they found is zero before the heads are mixed."""
    with ExitStack() as undo:
        for layer, heads in _by_layer(muted).items():
            mixer = reference.encoder.layer[layer].attention.output.dense
            undo.callback(mixer.register_forward_pre_hook(_zero_slices(heads, reference.config)).remove)
        yield


def _by_layer(muted: Heads) -> dict[int, list[int]]:
    layers: dict[int, list[int]] = {}
    for layer, head in muted:
        layers.setdefault(layer, []).append(head)
    return layers


def _zero_slices(heads: Iterable[int], config) -> object:
    head_dim = config.hidden_size // config.num_attention_heads

    def hook(_module, inputs):
        found = inputs[0].unflatten(-1, (-1, head_dim)).clone()  # (batch, seq_len, n_heads, head_dim)
        found[..., list(heads), :] = 0
        return (found.flatten(-2), *inputs[1:])

    return hook
