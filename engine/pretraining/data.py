"""Stories from files, as rows of token ids: <|endoftext|> story <|endoftext|>.

Each story starts a row of its own, so the model learns to begin with nothing before it, as it will when it is asked.
Stories of like length go into one batch, so that little of it is padding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.initial import as_generator
from engine.pretraining.config import END
from engine.tokenizer import BPETokenizer

IGNORED = -100  # a target that is padding


@dataclass(frozen=True)
class Batch:
    """Rows of one length. targets (batch, seq_len) is what follows each of inputs (batch, seq_len)."""

    inputs: Tensor
    targets: Tensor

    @property
    def n_targets(self) -> int:
        return int((self.targets != IGNORED).sum())


def read_stories(paths: Sequence[str | Path]) -> list[str]:
    """The stories of text files, in which a line <|endoftext|> stands between two.

    Raises ValueError for a file that is no UTF-8 text or holds no story.
    """
    stories: list[str] = []
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"corpus must be UTF-8 text, and {path} is not at byte {error.start}") from None
        found = [story.strip() for story in text.split(END)]
        if not any(found):
            raise ValueError(f"corpus must hold text, and {path} is empty")
        stories += [story for story in found if story]
    return stories


def split_stories(stories: Sequence[str], held_out: int, seed: int) -> tuple[list[str], list[str]]:
    """(for training, held out): the same split for the same seed; a story that occurs twice is on one side only."""
    distinct = list(dict.fromkeys(stories))
    if len(distinct) <= held_out:
        raise ValueError(f"held_out must leave stories to train on: {held_out} of {len(distinct)} are too many")
    order = torch.randperm(len(distinct), generator=as_generator(seed)).tolist()
    return [distinct[at] for at in order[held_out:]], [distinct[at] for at in order[:held_out]]


def encode_stories(stories: Sequence[str], tokenizer: BPETokenizer, max_len: int) -> list[list[int]]:
    """Rows of at most max_len + 1 ids: a row's inputs are all but its last, its targets all but its first.

    A story that is longer goes on in the next row, which starts with the last id of the one before.
    """
    end = tokenizer.special_tokens[END]
    rows = []
    for story in stories:
        ids = [end, *tokenizer.encode(story), end]
        rows += [ids[start : start + max_len + 1] for start in range(0, len(ids) - 1, max_len)]
    return rows


def batches(rows: Sequence[Sequence[int]], batch_tokens: int, generator: torch.Generator) -> Iterator[Batch]:
    """One pass over the rows in a random order, in batches of at most batch_tokens, padding included."""
    order = torch.randperm(len(rows), generator=generator).tolist()
    pool = max(1, 50 * batch_tokens // max(1, sum(map(len, rows)) // len(rows)))  # rows of about 50 batches
    packed: list[list[int]] = []
    for start in range(0, len(order), pool):
        packed += _pack(sorted(order[start : start + pool], key=lambda at: len(rows[at])), rows, batch_tokens)
    for at in torch.randperm(len(packed), generator=generator).tolist():
        yield pad([rows[number] for number in packed[at]])


def _pack(numbers: Sequence[int], rows: Sequence[Sequence[int]], batch_tokens: int) -> list[list[int]]:
    packed: list[list[int]] = [[]]
    for number in numbers:  # from short to long: the newest is the longest of its batch
        if packed[-1] and (len(packed[-1]) + 1) * (len(rows[number]) - 1) > batch_tokens:
            packed.append([])
        packed[-1].append(number)
    return packed


def pad(rows: Sequence[Sequence[int]]) -> Batch:
    """Rows of several lengths as one batch; padding stands at the end, where a causal model never looks back at it."""
    seq_len = max(map(len, rows)) - 1
    inputs = torch.zeros(len(rows), seq_len, dtype=torch.int64)  # (batch, seq_len)
    targets = torch.full((len(rows), seq_len), IGNORED)  # (batch, seq_len)
    for number, row in enumerate(rows):
        inputs[number, : len(row) - 1] = torch.tensor(row[:-1])
        targets[number, : len(row) - 1] = torch.tensor(row[1:])
    return Batch(inputs, targets)
