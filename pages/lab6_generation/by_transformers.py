"""The same text as transformers would write it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def generated(
    theirs: "PreTrainedModel", prompt_ids: tuple[int, ...], n_new: int, eos_id: int | None, num_beams: int = 1
) -> list[int]:
    """The new tokens of transformers' own generate(do_sample=False), up to its end token."""
    import torch

    ids = torch.tensor([prompt_ids])
    out = theirs.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        num_beams=num_beams,
        max_new_tokens=n_new,
        eos_token_id=eos_id,
        pad_token_id=0 if eos_id is None else eos_id,
    )
    new = out[0, len(prompt_ids) :].tolist()
    return new[: new.index(eos_id) + 1] if eos_id in new else new
