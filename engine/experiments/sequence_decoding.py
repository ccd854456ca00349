"""Writing an answer, one token after the other: the input is read once, and what is written is not computed again.

The key/value cache holds what the decoder needs to remember of its own text; every new token costs one short step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.encoder_decoder import EncoderDecoder
from engine.experiments.sequence_tasks import END, START, Batch, Task, batch_of

N_CANDIDATES = 5


@dataclass(frozen=True)
class WrittenToken:
    """One step of writing: what was chosen, what else was likely, and where the decoder looked meanwhile."""

    token: str  # a character, or the name of a special token such as "end"
    probability: float
    candidates: tuple[tuple[str, float], ...]  # the likeliest tokens with their probabilities, best first
    alignment: Tensor  # (n_layers, n_heads, source_len), cross-attention of this step; each row adds up to 1
    before: str  # what stood there already
    text: str  # what stands there now


@torch.no_grad()
def write_steps(model: EncoderDecoder, task: Task, text: str) -> Iterator[WrittenToken]:
    """Write the answer to `text` greedily, one record a token, until the end token or the task's longest answer.

    Raises ValueError, before the first step, for a text that the task does not allow.
    """
    source_ids = torch.tensor([task.ids(task.clean(text))])  # (1, source_len)
    memory = model.encoder(source_ids)  # (1, source_len, d_model), read once
    cache = model.decoder.new_cache(1, task.max_answer_len + 1)
    token, written = START, []
    for _ in range(task.max_answer_len + 1):
        trace = model.decoder.trace([[token]], memory, cache=cache)  # only the newest token goes in
        probabilities = model.head(trace.output)[0, -1].softmax(dim=-1)  # (vocab_size,)
        token = int(probabilities.argmax())
        alignment = torch.stack([layer.weights[0, :, -1] for layer in trace.cross_layers])
        before = task.text(written)
        written.append(token)
        best = probabilities.topk(min(N_CANDIDATES, task.vocab_size))
        candidates = zip(map(task.character, best.indices.tolist()), best.values.tolist(), strict=True)
        yield WrittenToken(
            task.character(token), best.values[0].item(), tuple(candidates), alignment, before, task.text(written)
        )
        if token == END:
            return


@torch.no_grad()
def write_all(model: EncoderDecoder, task: Task, batch: Batch) -> list[str]:
    """The answers to all texts of a batch, written greedily side by side."""
    memory = model.encoder(batch.source_ids, batch.source_mask)  # (batch, source_len, d_model)
    cache = model.decoder.new_cache(len(memory), task.max_answer_len + 1)
    token = torch.full((len(memory), 1), START)  # (batch, 1)
    written = []
    for _ in range(task.max_answer_len + 1):
        hidden = model.decoder(token, memory, memory_mask=batch.source_mask, cache=cache)  # (batch, 1, d_model)
        token = model.head(hidden)[:, -1].argmax(dim=-1, keepdim=True)  # (batch, 1)
        written.append(token)
    return [task.text(ids) for ids in torch.cat(written, dim=1).tolist()]  # a text ends at its first end token


def exact_match(model: EncoderDecoder, task: Task, texts: Sequence[str], batch: Batch | None = None) -> float:
    """The share of texts whose whole answer is right. batch: batch_of(task, texts), if it is there already."""
    written = write_all(model, task, batch_of(task, texts) if batch is None else batch)
    return sum(answer == task.read(text) for answer, text in zip(written, texts, strict=True)) / len(texts)


@torch.no_grad()
def alignment_of(model: EncoderDecoder, task: Task, text: str) -> Tensor:
    """Where the decoder looks while it writes the right answer: (n_layers, n_heads, answer_len + 1, source_len).

    The decoder is given the right answer, so the rows stay the same while the model learns. The last row is the end
    token's, the last column too.
    """
    batch = batch_of(task, [text])
    trace = model.trace(batch.source_ids, batch.target_ids)
    return torch.stack([layer.weights[0] for layer in trace.decoder.cross_layers])


def share_on_same(text: str, answer: str, weights: Tensor) -> float:
    """How much of its looking the decoder spends on the very character that it is about to write, from 0 to 1.

    weights (answer_len or more, source_len or more): one layer's or one head's cross-attention, a row a character.
    The mean over the characters of the answer that stand in the text at all; 0 when none does.

    >>> share_on_same("ab", "ba", torch.tensor([[0.0, 0.9, 0.1], [1.0, 0.0, 0.0]]))
    0.95
    """
    same = torch.tensor([[seen == said for seen in text] for said in answer])  # (answer_len, source_len)
    looked = (weights[: len(answer), : len(text)] * same).sum(dim=1)[same.any(dim=1)]  # (rows with such a place,)
    return round(looked.mean().item(), 4) if looked.numel() else 0.0
