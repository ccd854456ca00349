"""When a text is finished: an end token, or a stop string in what the new tokens read as."""

from collections.abc import Callable, Collection, Sequence

Decode = Callable[[list[int]], str]


class Ending:
    """Says whether a text ends with its newest token.

    eos_id: a token, several, or None for none. stop: strings; the text ends with the token that completes one. decode
    turns ids into text, and is needed for that.
    Raises ValueError for a stop string without decode, an empty one, and an eos_id that is no token.
    """

    def __init__(
        self, eos_id: int | Collection[int] | None, stop: str | Sequence[str] = (), decode: Decode | None = None
    ) -> None:
        ids = () if eos_id is None else tuple(eos_id) if hasattr(eos_id, "__iter__") else (eos_id,)
        if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in ids):
            raise ValueError(f"eos_id must be a token id, a collection of them, or None, got {eos_id!r}")
        self.eos_ids = frozenset(ids)
        self.stop = (stop,) if isinstance(stop, str) else tuple(stop)
        if not all(isinstance(one, str) and one for one in self.stop):
            raise ValueError(f"stop must hold strings of one character or more, got {stop!r}")
        if self.stop and decode is None:
            raise ValueError("decode must turn ids into text where there is a stop string, got None")
        self.decode = decode

    def reached(self, new_ids: Sequence[int]) -> bool:
        """Whether new_ids, the tokens written so far, end here."""
        if not new_ids:
            return False
        if new_ids[-1] in self.eos_ids:
            return True
        if not self.stop:
            return False
        text = self.decode(list(new_ids))
        return any(one in text for one in self.stop)


def cut_at_stop(text: str, stop: str | Sequence[str]) -> str:
    """`text` up to the first stop string in it, for showing: the ids of a Generation hold the stop string too.

    >>> cut_at_stop("one. two", [". "])
    'one'
    """
    places = [place for one in ([stop] if isinstance(stop, str) else stop) if (place := text.find(one)) >= 0]
    return text[: min(places)] if places else text


def check_prompt(model: object, prompt_ids: Sequence[int], max_new_tokens: int) -> list[int]:
    """The prompt as a list of ids. ValueError for an empty one, and where prompt and new tokens do not fit the model.

    Only learned positions end anywhere; with the others a text may grow longer than the model was trained for.
    """
    if (shape := getattr(prompt_ids, "shape", None)) and len(shape) > 1 and shape[0] > 1:
        raise ValueError(f"prompt_ids must be one text, got {shape[0]} of them")
    ids = prompt_ids.flatten().tolist() if hasattr(prompt_ids, "flatten") else list(prompt_ids)
    if not ids:
        raise ValueError("prompt_ids must hold at least one token, got none")
    config = getattr(model, "config", None)
    vocab_size = getattr(config, "vocab_size", None)
    for one in ids:
        if not isinstance(one, int) or isinstance(one, bool) or one < 0 or (vocab_size and one >= vocab_size):
            upper = f" below {vocab_size}" if vocab_size else ""
            raise ValueError(f"prompt_ids must be whole numbers of 0 or more{upper}, got {one!r}")
    if not isinstance(max_new_tokens, int) or isinstance(max_new_tokens, bool) or max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be a whole number of 1 or more, got {max_new_tokens!r}")
    room = getattr(config, "max_len", None) if getattr(config, "positions", None) == "learned" else None
    if room is not None and len(ids) + max_new_tokens > room:
        raise ValueError(
            f"prompt_ids and max_new_tokens must fit the model's {room} positions together, got {len(ids)} tokens "
            f"and {max_new_tokens} more"
        )
    return ids


def fit_prompt(prompt_ids: Sequence[int], max_len: int, *, keep_free: int, always: int = 0) -> tuple[list[int], int]:
    """The last tokens of a prompt that leave keep_free places of max_len, and how many were left out before them.

    always: so many tokens at the very start stay, such as the one that starts every text.

    >>> fit_prompt([9, 1, 2, 3, 4], max_len=5, keep_free=2, always=1)
    ([9, 3, 4], 2)
    """
    room = max_len - keep_free
    if room <= always:
        raise ValueError(f"keep_free must leave more than {always} of {max_len} places for the prompt, got {keep_free}")
    ids = list(prompt_ids)
    if len(ids) <= room:
        return ids, 0
    return ids[:always] + ids[len(ids) - (room - always) :], len(ids) - room
