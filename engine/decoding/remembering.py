"""A model that remembers its answers to one prompt: the next search on it asks only for what no search has read yet.

For pages on which a learner turns one setting after the other: most of what the next search reads, the last one has
read too.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.decoding.reading import open_reader

MOST_BYTES = 48_000_000  # of kept answers


class Remembering:
    """What the strategies take for a model; all they ask must begin with prompt_ids.

    room: tokens that may stand behind the prompt. The numbers are the model's own, to rounding. A search that nothing
    is known of costs what it always costs; where one parts from what is known, its texts are read again up to there.
    Not for two threads at once.
    Raises ValueError for texts that do not begin with the prompt, or are longer than there is room.

    >>> class Next:  # always believes in the token after the last one
    ...     def next_logits(self, ids):
    ...         return torch.nn.functional.one_hot((ids[:, -1] + 1) % 5, 5).float()
    >>> model = Remembering(Next(), [0, 1], room=3)
    >>> model.next_logits([[0, 1, 2], [0, 1, 4]]).argmax(dim=-1).tolist(), model.n_asked
    ([3, 0], 2)
    >>> model.next_logits([[0, 1, 4]]).argmax().item(), model.n_asked
    (0, 2)
    """

    def __init__(self, model: object, prompt_ids: Sequence[int], *, room: int) -> None:
        self.config = getattr(model, "config", None)
        self.prompt, self.room = tuple(prompt_ids), room
        self.n_asked = 0  # texts that the model had to be asked for
        self._reader = open_reader(model, len(self.prompt) + room)
        self._held: list[tuple[int, ...]] = []  # the texts that the reader has read, one a row
        self._answers: dict[tuple[int, ...], Tensor] = {}

    def next_logits(self, ids: Tensor | Sequence[Sequence[int]]) -> Tensor:
        """ids (batch, seq_len) -> (batch, vocab_size)."""
        texts = [tuple(text) for text in (ids.tolist() if isinstance(ids, Tensor) else ids)]
        if any(text not in self._answers for text in texts):
            # All of them, and not the unknown ones alone: the reader then holds what the next step goes on from.
            for text, logits in zip(texts, self._ask(texts), strict=True):
                self._keep(text, logits.clone())
        return torch.stack([self._answers[text] for text in texts])

    def _keep(self, text: tuple[int, ...], logits: Tensor) -> None:
        known = self._answers.pop(text, None)
        self.n_asked += known is None
        self._answers[text] = logits if known is None else known
        while len(self._answers) * logits.nbytes > max(MOST_BYTES, self.room * logits.nbytes):
            self._answers.pop(next(iter(self._answers)))  # the one that was kept first

    def _ask(self, texts: list[tuple[int, ...]]) -> Tensor:
        """Logits after each of `texts`, which are of one length."""
        length = len(self.prompt)
        for text in texts:
            if text[:length] != self.prompt or len(text) > length + self.room:
                raise ValueError(
                    f"ids must be the prompt's {length} tokens and at most {self.room} more, got {len(text)} tokens"
                )
        if len(texts[0]) == length:
            logits = self._reader.start(list(self.prompt))
            self._held = [self.prompt]
            return logits.expand(len(texts), -1)
        if not all(text[:-1] in self._held for text in texts):
            self._go_to([text[:-1] for text in texts])
        return self._advance(texts)

    def _go_to(self, texts: list[tuple[int, ...]]) -> None:
        """Have the reader read these texts, from the prompt on."""
        if self._held:
            self._reader.truncate(len(self.prompt))
            self._held = [self.prompt] * len(self._held)
        else:
            self._reader.start(list(self.prompt))
            self._held = [self.prompt]
        for end in range(len(self.prompt) + 1, len(texts[0]) + 1):
            self._advance(list(dict.fromkeys(text[:end] for text in texts)))

    def _advance(self, texts: list[tuple[int, ...]]) -> Tensor:
        row = {text: place for place, text in enumerate(self._held)}
        self._held = texts
        return self._reader.advance([text[-1] for text in texts], [row[text[:-1]] for text in texts])
