"""Many prompts continued side by side: what a study needs, where a page writes one text at a time.

The steps are those of engine.decoding.walking, over several prompts of one length: one pass of the model a token for
all of them, with the model's own key/value cache. A text that has ended is no longer read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.causal_lm import CausalLM
from engine.decoding.settings import Filters
from engine.decoding.walking import Dice, draw


@dataclass
class Written:
    """One text: its new tokens, the end token included, and for each of them two numbers in nats."""

    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)  # under the model's own distribution
    entropies: list[float] = field(default_factory=list)  # of the distribution that the token was chosen from
    finished: bool = False  # by the end token


def write_together(
    model: CausalLM,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    filters: Filters | None = None,
    dice: Sequence[Dice] | None = None,
    eos_id: int | None = None,
) -> list[Written]:
    """Continue every prompt. dice: the random numbers of each text; without them the likeliest token is taken.

    Raises ValueError for prompts that are not equally long, and for dice that are not one for each prompt.
    """
    lengths = {len(prompt) for prompt in prompts}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"prompts must have one length of 1 token or more, got the lengths {sorted(lengths)}")
    if dice is not None and len(dice) != len(prompts):
        raise ValueError(f"dice must be one for each of the {len(prompts)} prompts, got {len(dice)}")
    filters, written = filters or Filters(), [Written() for _ in prompts]
    going = list(range(len(prompts)))
    cache = model.new_cache(len(prompts), len(prompts[0]) + max_new_tokens)
    logits = model.next_logits(torch.tensor([list(prompt) for prompt in prompts]), cache=cache).float()
    for step in range(max_new_tokens):
        new_ids = [written[number].ids for number in going]
        ids = [[*prompts[number], *written[number].ids] for number in going]
        chosen = _choose(logits, filters.apply(logits, ids, new_ids), [dice and dice[number] for number in going])
        for number, (token, log_prob, entropy) in zip(going, chosen):
            text = written[number]
            text.ids.append(token)
            text.log_probs.append(log_prob)
            text.entropies.append(entropy)
            text.finished = token == eos_id
        left = [row for row, number in enumerate(going) if not written[number].finished]
        if not left or step + 1 == max_new_tokens:
            break
        if len(left) < len(going):
            cache.reorder(left)
            going = [going[row] for row in left]
        logits = model.next_logits([[written[number].ids[-1]] for number in going], cache=cache).float()
    return written


def _choose(logits: Tensor, filtered: Tensor, dice: Sequence[Dice | None]) -> list[tuple[int, float, float]]:
    """(token, its log probability, the entropy it was chosen from) for each text: both tensors (texts, vocab_size)."""
    log_probs, kept = logits.log_softmax(dim=-1), filtered.log_softmax(dim=-1)
    entropies = -(kept.exp() * kept).nansum(dim=-1)  # (texts,)
    tokens = [int(row.argmax()) if one is None else draw(row, one.roll()) for row, one in zip(kept, dice)]
    own = log_probs.gather(-1, torch.tensor(tokens)[:, None])[:, 0]  # (texts,)
    return list(zip(tokens, own.tolist(), entropies.tolist(), strict=True))
