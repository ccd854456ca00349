"""The texts that the output heads learn from and are judged on, and what the frozen encoder makes of them."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.models import LoadedModel
from engine.texts import encode_text

TEST_ROW = 9  # rows of the reviews whose index leaves this remainder by 10 are the test set
MOST_TOKENS = 64  # of a piece of text, [CLS] and [SEP] included
MASK_SHARE = (
    0.15  # Devlin et al. 2019, section 3.1; all of them become [MASK], which the frozen encoder never learns from
)
BATCH = 32
_SENTENCE_END = re.compile(r"(?<=[.!?\"])\s+")


@dataclass(frozen=True)
class Features:
    """What a classification head learns from: one vector a text, for each way of pooling."""

    mean: Tensor  # (n_texts, d_model), the average of the token vectors
    cls: Tensor  # (n_texts, d_model), the first token's
    labels: Tensor  # (n_texts,), 0 negative, 1 positive


@dataclass(frozen=True)
class Masked:
    """What a language-model head learns from: the encoder's vector at each masked token, and what stood there."""

    hidden: Tensor  # (n_masked, d_model)
    targets: Tensor  # (n_masked,), ids
    n_tokens: int  # of all pieces read, masked or not


def reviews(data: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Film-review sentences as (label, text): those to learn from, and every tenth one to be judged on."""
    lines = (data / "sentiment" / "mr.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [(int(label), text) for label, text in (line.split("\t", 1) for line in lines)]
    return (
        [row for index, row in enumerate(rows) if index % 10 != TEST_ROW],
        [row for index, row in enumerate(rows) if index % 10 == TEST_ROW],
    )


def story_pieces(file: Path, seed: int) -> Iterator[str]:
    """Pieces of one to three neighbouring sentences, from stories in an order drawn from `seed`, each piece once."""
    chance = random.Random(seed)
    stories = [story.strip() for story in file.read_text(encoding="utf-8").split("<|endoftext|>") if story.strip()]
    chance.shuffle(stories)
    for story in stories:
        sentences = [one for one in _SENTENCE_END.split(story) if any(sign.isalnum() for sign in one)]
        while sentences:
            taken = chance.randint(1, 3)
            yield " ".join(sentences[:taken])
            sentences = sentences[taken:]


def pooled(loaded: LoadedModel, rows: Sequence[tuple[int, str]]) -> Features:
    """Each text through the encoder once, as one vector for each way of pooling."""
    ids = [encode_text(loaded, text, max_tokens=MOST_TOKENS).ids for _, text in rows]
    mean = torch.empty(len(ids), loaded.info.d_model)
    cls = torch.empty_like(mean)
    for places, hidden, real in _read(loaded, ids):
        share = real[..., None] / real.sum(dim=1)[:, None, None]  # (batch, seq_len, 1)
        mean[places], cls[places] = (hidden * share).sum(dim=1), hidden[:, 0]
    return Features(mean, cls, torch.tensor([label for label, _ in rows]))


def masked(loaded: LoadedModel, pieces: Iterator[str], n_tokens: int, seed: int) -> Masked:
    """Pieces up to `n_tokens` tokens in all, each with 15 % of its tokens masked (at least one), by the encoder."""
    generator = torch.Generator().manual_seed(seed)
    mask_id = loaded.tokenizer.token_to_id("[MASK]")
    masked_ids, places, targets, read = [], [], [], 0
    for piece in pieces:
        ids = torch.tensor(encode_text(loaded, piece, max_tokens=MOST_TOKENS).ids)
        draws = torch.rand(len(ids) - 2, generator=generator)  # (seq_len without [CLS] and [SEP])
        chosen = (draws < max(MASK_SHARE, draws.min().item() + 1e-9)).nonzero().flatten() + 1
        targets.append(ids[chosen])
        ids[chosen] = mask_id
        masked_ids.append(ids.tolist())
        places.append(chosen)
        read += len(ids)
        if read >= n_tokens:
            break
    found: list[Tensor] = [torch.empty(0)] * len(masked_ids)
    for batch, hidden, _ in _read(loaded, masked_ids):
        for row, piece in enumerate(batch):
            found[piece] = hidden[row, places[piece]].clone()  # (n_masked of this piece, d_model)
    return Masked(torch.cat(found), torch.cat(targets), read)


def _read(loaded: LoadedModel, ids: list[list[int]]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Batches of texts of like length: (which texts, hidden (batch, seq_len, d_model), real (batch, seq_len))."""
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        longest = max(len(ids[place]) for place in places)
        padded = torch.tensor([ids[place] + [0] * (longest - len(ids[place])) for place in places])
        real = torch.tensor([[1.0] * len(ids[place]) + [0.0] * (longest - len(ids[place])) for place in places])
        with torch.inference_mode():
            hidden = loaded.model(padded, real).cpu()
        yield places, hidden.clone(), real
