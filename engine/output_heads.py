"""From hidden states to an answer: the two small parts that stand on the same encoder.

A classification head gives one answer for a whole text, a language-model head one for each token. Both read the
encoder's last hidden states as they are; what differs is the last matrix.
Source: Devlin et al. 2019 (BERT), sections 3.1 (masked words) and 4.1 (classification).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.checkpoint_files import read_settings, read_weights
from engine.feed_forward import ACTIVATIONS
from engine.initial import seeded

POOLINGS = ("mean", "cls")
CLASSES = ("negative", "positive")


@dataclass(frozen=True)
class ClassificationTrace:
    """Every stage of a classification head."""

    pooled: Tensor  # (batch, d_model), one vector for the whole text
    logits: Tensor  # (batch, n_classes)
    probabilities: Tensor  # (batch, n_classes), each row adds up to 1
    token_logits: Tensor  # (batch, seq_len, n_classes), the same matrix on each token alone


@dataclass(frozen=True)
class MaskedLanguageTrace:
    """Every stage of a language-model head."""

    dense: Tensor  # (batch, seq_len, d_model)
    activated: Tensor  # (batch, seq_len, d_model)
    normed: Tensor  # (batch, seq_len, d_model)
    logits: Tensor  # (batch, seq_len, vocab_size)


class ClassificationHead(nn.Module):
    """One vector for the text, one matrix, and a logit for each class.

    pooling: "mean" averages the token vectors, padding left out (Reimers & Gurevych 2019, section 3); "cls" takes the
    first token's, as Devlin et al. 2019, section 4.1, do. Raises ValueError for another.
    """

    def __init__(self, d_model: int, n_classes: int, *, pooling: str = "mean", seed: int | None = 0) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        self.pooling = pooling
        with seeded(self, seed):
            self.output_proj = nn.Linear(d_model, n_classes)

    def pool(self, hidden: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """hidden (batch, seq_len, d_model) to (batch, d_model). attention_mask (batch, seq_len): 1 is a real token."""
        if self.pooling == "cls":
            return hidden[:, 0]
        if attention_mask is None:
            return hidden.mean(dim=1)
        real = attention_mask[..., None].to(hidden.dtype)  # (batch, seq_len, 1)
        return (hidden * real).sum(dim=1) / real.sum(dim=1)

    def forward(self, hidden: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """hidden (batch, seq_len, d_model) to logits (batch, n_classes)."""
        return self.output_proj(self.pool(hidden, attention_mask))

    def trace(self, hidden: Tensor, attention_mask: Tensor | None = None) -> ClassificationTrace:
        """The same with every stage kept, and what the matrix says about each token alone.

        A mean and a matrix may change places: with "mean" the text's logits are the mean of its tokens' logits.
        """
        pooled = self.pool(hidden, attention_mask)  # (batch, d_model)
        logits = self.output_proj(pooled)  # (batch, n_classes)
        return ClassificationTrace(pooled, logits, logits.softmax(dim=-1), self.output_proj(hidden))


class MaskedLanguageHead(nn.Module):
    """For each token a logit for every word of the vocabulary: dense, bend, norm, decoder.

    The decoder is the encoder's own word-embedding matrix, which is borrowed and not copied (Press & Wolf 2017): only
    dense, norm and a bias for each word are this head's own. The score of a word is a dot product with its embedding.
    """

    def __init__(
        self, embedding: nn.Embedding, *, activation: str = "gelu", norm_eps: float = 1e-12, seed: int | None = 0
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        vocab_size, d_model = embedding.weight.shape
        self.activation = ACTIVATIONS[activation]
        self._tied = (embedding,)  # in a tuple: a module of ours would be saved and trained with the head
        with seeded(self, seed):
            self.dense = nn.Linear(d_model, d_model)
            self.norm = nn.LayerNorm(d_model, eps=norm_eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    @property
    def decoder_weight(self) -> Tensor:
        """(vocab_size, d_model), the encoder's word embeddings."""
        return self._tied[0].weight

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (..., d_model) to logits (..., vocab_size)."""
        normed = self.norm(self.activation(self.dense(hidden)))  # (..., d_model)
        return normed @ self.decoder_weight.T + self.bias  # (..., vocab_size)

    def trace(self, hidden: Tensor) -> MaskedLanguageTrace:
        """The same with every stage kept."""
        dense = self.dense(hidden)  # (batch, seq_len, d_model)
        activated = self.activation(dense)
        normed = self.norm(activated)
        return MaskedLanguageTrace(dense, activated, normed, normed @ self.decoder_weight.T + self.bias)


@dataclass(frozen=True)
class OutputHeads:
    """The heads that stand on one encoder, and what their card says of them."""

    classification: dict[str, ClassificationHead]  # by pooling
    language: MaskedLanguageHead
    card: dict  # which encoder they read, how they were trained, what they reached on held-out text


def new_heads(embedding: nn.Embedding, *, seed: int = 0) -> OutputHeads:
    """Untrained heads over the encoder whose word embeddings these are."""
    d_model = embedding.embedding_dim
    classification = {
        pooling: ClassificationHead(d_model, len(CLASSES), pooling=pooling, seed=seed) for pooling in POOLINGS
    }
    return OutputHeads(classification, MaskedLanguageHead(embedding, seed=seed), {})


def save_heads(heads: OutputHeads, folder: Path, card: Mapping) -> None:
    """The heads' own weights as float16 safetensors, and the card. The decoder is the encoder's and is not stored."""
    from safetensors.torch import save_file  # here: only training saves

    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        f"{name}.{key}": weight.detach().half().contiguous().cpu()
        for name, head in _named(heads)
        for key, weight in head.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(dict(card), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_heads(folder: Path, embedding: nn.Embedding) -> OutputHeads:
    """Heads that save_heads stored, as float32, over the encoder whose word embeddings these are.

    Raises ValueError when a file is missing or its weights do not fit.
    """
    heads = new_heads(embedding)
    weights = read_weights(folder)
    for name, head in _named(heads):
        own = {
            key.removeprefix(f"{name}."): value.float() for key, value in weights.items() if key.startswith(f"{name}.")
        }
        try:
            head.load_state_dict(own)
        except RuntimeError as error:
            raise ValueError(f"the weights of {name} in {folder} must fit the encoder: {error}") from None
        head.to(embedding.weight.device).eval().requires_grad_(False)
    return OutputHeads(heads.classification, heads.language, read_settings(folder / "config.json"))


def _named(heads: OutputHeads) -> list[tuple[str, nn.Module]]:
    return [
        *((f"classification_{name}", head) for name, head in heads.classification.items()),
        ("language", heads.language),
    ]


def mask_token(ids: list[int], place: int, mask_id: int) -> list[int]:
    """A copy of `ids` in which the token at `place` (from 0) is [MASK]: what the language-model head has to guess.

    Raises ValueError when there is no such token, or it is the first or last, [CLS] and [SEP].

    >>> mask_token([101, 7592, 2088, 102], 2, 103)
    [101, 7592, 103, 102]
    """
    if not 0 < place < len(ids) - 1:
        raise ValueError(f"place must be a token between [CLS] and [SEP], 1 to {len(ids) - 2}, got {place}")
    return [*ids[:place], mask_id, *ids[place + 1 :]]
