"""The second opinion on a race: transformers writes greedily and by beam search itself, and judges every draw."""

from typing import TYPE_CHECKING

from components import models
from engine.decoding.race import Lane, Race, Text
from engine.decoding.settings import Filters
from pages.lab6_generation.by_transformers import generated

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_COMPARED = 160  # new tokens: writing more of them a second time would take longer than the race
EDGE = 1e-5  # of the probability: rounding moves the border between two tokens by less than this

Verdict = tuple[
    bool | None, str
]  # whether they agree (None: not compared), and the sentence that says what it is about


def judge(race: Race, model_name: str) -> list[Verdict]:
    """What transformers makes of a finished race. Takes a second or two."""
    import torch

    theirs = models.language_model_reference(model_name)
    found: list[Verdict] = []
    draws: list[tuple[str, bool]] = []
    with torch.inference_mode():
        for lane, text in zip(race.config.lanes, race.texts):
            if text.ended == "problem":
                continue
            if lane.kind == "sample":
                draws.append((lane.name, _draws_agree(theirs, race, lane, text)))
            elif lane.must_include:
                found.append(_holds(text, lane))
            else:
                found.append(_written(theirs, race, lane, text))
    return found + ([_said_of(draws, race)] if draws else [])


def _written(theirs: "PreTrainedModel", race: Race, lane: Lane, text: Text) -> Verdict:
    """Greedy and beam search: generate() writes the same tokens."""
    beams = lane.kind == "beam"
    name = f"beam search of {lane.num_beams}" if beams else "greedy"
    what = f"{name}: our tokens and transformers' generate"
    if beams and (race.config.stop or race.config.max_new_tokens > MOST_COMPARED):
        return None, (
            "Beam search is not compared here: with a stop string, or with more than "
            f"{MOST_COMPARED} new tokens, that would take longer than the race."
        )
    n_new = min(race.config.max_new_tokens, MOST_COMPARED)
    written = generated(theirs, race.config.prompt_ids, n_new, race.config.eos_id, num_beams=lane.num_beams)
    ours = list(text.ids[:n_new])
    if text.ended == "stop string":
        written = written[: len(ours)]
    if ours == written:
        return True, f"{what} are the same, all {len(ours)} of them"
    place = next((i for i, (a, b) in enumerate(zip(ours, written)) if a != b), min(len(ours), len(written)))
    pair = [ids[place] if place < len(ids) else "nothing" for ids in (ours, written)]
    return False, f"{what} differ from token {place + 1} on: ours {pair[0]}, theirs {pair[1]}"


def _holds(text: Text, lane: Lane) -> Verdict:
    spellings = lane.must_include
    there = any(text.ids[i : i + len(one)] == one for one in spellings for i in range(len(text.ids)))
    return there, f"beam search with a word given: the word {'stands' if there else 'does not stand'} in its text"


def _said_of(draws: list[tuple[str, bool]], race: Race) -> Verdict:
    wrong = [name for name, agrees in draws if not agrees]
    n_draws = sum(len(text.draws) for text in race.texts)
    if wrong:
        return (
            False,
            f"draws: transformers' distribution gives other tokens to our random numbers in {', '.join(wrong)}",
        )
    return True, (
        f"sampling: given our {n_draws} random numbers, transformers' model behind transformers' own filters draws the "
        f"same {n_draws} tokens in {len(draws)} {'lane' if len(draws) == 1 else 'lanes'}"
    )


def _draws_agree(theirs: "PreTrainedModel", race: Race, lane: Lane, text: Text) -> bool:
    """Whether each recorded random number falls into the stretch that transformers' distribution gives our token."""
    import torch

    prompt = race.config.prompt_ids
    read = torch.tensor([[*prompt, *text.ids[:-1]]])
    logits = theirs(read).logits[0, len(prompt) - 1 :].float()  # (new tokens, vocab_size)
    for filtered in _processors(lane.filters):
        logits = filtered(read, logits)
    shares, order = logits.double().softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    ends = shares.cumsum(dim=-1)  # (new tokens, vocab_size)
    ours = torch.tensor(text.ids)[:, None]
    place = (order == ours).int().argmax(dim=-1, keepdim=True)  # (new tokens, 1)
    high = ends.gather(1, place)[:, 0]
    low = high - shares.gather(1, place)[:, 0]
    draws = torch.tensor(text.draws, dtype=torch.float64)
    return bool(((low - EDGE <= draws) & (draws < high + EDGE)).all())


def _processors(filters: Filters) -> list:
    """transformers' own filters for ours. They read every row as a text of its own."""
    from transformers.generation import logits_process as theirs

    if filters.temperature == 0:
        return [theirs.TopKLogitsWarper(1)]  # transformers refuses a temperature of 0; its limit is the likeliest token
    made = []
    if filters.temperature != 1:
        made.append(theirs.TemperatureLogitsWarper(filters.temperature))
    if filters.top_k:
        made.append(theirs.TopKLogitsWarper(filters.top_k))
    if filters.top_p != 1:
        made.append(theirs.TopPLogitsWarper(filters.top_p))
    if filters.min_p:
        made.append(theirs.MinPLogitsWarper(filters.min_p))
    if filters.typical != 1:
        made.append(theirs.TypicalLogitsWarper(filters.typical))
    return made
