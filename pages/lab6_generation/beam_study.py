"""What the section on beam search computes: the learner's settings, the search, and the same under other penalties."""

from dataclasses import dataclass, replace

import streamlit as st

from components import audit, models, state
from components.figures import beam_tree
from engine.decoding import Generation
from pages.lab6_generation import prompt, searching
from pages.lab6_generation.params import ENDS
from pages.lab6_generation.searching import Search, Settings

EARLY = {"never": "never", "0": "False", "1": "True"}
BEAMS = state.Number("be_beams", 4, "Beams", low=1, high=5, help="Texts that are kept after each token")
PENALTY = state.Number(
    "be_penalty",
    1.0,
    "Length penalty",
    low=-2.0,
    high=3.0,
    step=0.5,
    help="A finished text’s score is its sum of log-probabilities divided by its length to this power.",
)
EARLY_STOPPING = state.Choice(
    "be_early",
    "never",
    "Early stopping",
    options=tuple(EARLY),
    labels=EARLY,
    help="True: stop as soon as there are as many finished texts as beams. False: go on while the best text in the "
    "beam, at its present length, would beat the worst finished one. never: reckon with all lengths it may still have.",
)
LENGTH = state.Number("be_max", 24, "Most new tokens", low=4, high=64)
NGRAM = state.Number(
    "be_ngram", 0, "No repeated n-grams of", low=0, high=4, help="0: off. 2: no two tokens in a row twice"
)
STEP = state.Number("be_step", beam_tree.MOST_STEPS, "Step", low=0, high=beam_tree.MOST_STEPS)

PENALTIES = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class Study:
    """One search on the learner's prompt, and what it is compared with."""

    prompt: prompt.Prompt
    settings: Settings
    search: Search
    tree: beam_tree.Tree
    greedy: Generation

    @property
    def winner(self) -> Generation:
        return self.search.texts[0]

    @property
    def likeliest(self) -> Generation:
        """The text of the highest sum among those that were found: the winner when the penalty is 0."""
        return max(self.search.texts, key=lambda text: text.log_prob)


def study() -> Study:
    """The search that the controls describe. Raises ValueError in a sentence for the learner."""
    found = prompt.read(state.get(LENGTH), any_model=True)
    settings = Settings(
        num_beams=state.get(BEAMS),
        max_new_tokens=state.get(LENGTH),
        length_penalty=state.get(PENALTY),
        early_stopping={"never": "never", "0": False, "1": True}[state.get(EARLY_STOPPING)],
        eos_id=searching.end_ids(found, state.get(ENDS)),
        no_repeat_ngram_size=state.get(NGRAM),
    )
    search = searching.search(found, settings)
    winner = searching.path(search.steps, search.nodes[0])
    tree = beam_tree.plan(search.steps, winner)
    return Study(found, settings, search, tree, searching.write_greedily(found, settings))


def other_penalties(now: Study) -> dict[float, Search]:
    """The same search under each of PENALTIES."""
    return {one: searching.search(now.prompt, replace(now.settings, length_penalty=one)) for one in PENALTIES}


def kept_in_all(searches: dict[float, Search]) -> tuple[int, bool]:
    """(the most steps that two of them share, whether any two kept the same beams in all steps that they share)."""
    kept = [
        [[(one.node, one.token_id) for one in step.candidates if one.status == "kept"] for step in found.steps]
        for found in searches.values()
    ]
    longest = max(kept, key=len)  # where each is a beginning of the longest, any two agree
    return sorted(map(len, kept))[-2], all(one == longest[: len(one)] for one in kept)


@dataclass(frozen=True)
class Opinion:
    """What transformers found. same: whether all its texts are ours, in our order; difference: of their numbers."""

    same: bool
    n_texts: int
    difference: audit.Difference


def second_opinion(now: Study) -> Opinion:
    """transformers' generate on the same prompt with the same settings; with one beam that is greedy decoding."""
    key = now.prompt.loaded.info.name, now.prompt.ids, now.settings
    return _second_opinion(*key, now.search, now.greedy)


@st.cache_resource(max_entries=64, show_spinner=False)
def _second_opinion(
    name: str, ids: tuple[int, ...], settings: Settings, _search: Search, _greedy: Generation
) -> Opinion:
    import torch

    reference = models.language_model_reference(name)
    beams = settings.num_beams
    more = {"length_penalty": settings.length_penalty, "early_stopping": settings.early_stopping} if beams > 1 else {}
    with models.DEVICE_IN_USE, torch.inference_mode():
        out = reference.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            num_beams=beams,
            num_return_sequences=beams,
            max_new_tokens=settings.max_new_tokens,
            eos_token_id=list(settings.eos_id) or None,
            pad_token_id=settings.eos_id[0] if settings.eos_id else 0,
            no_repeat_ngram_size=settings.no_repeat_ngram_size,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=beams == 1,
            output_scores=beams > 1,
            **more,
        )
    theirs = [_up_to_end(text, settings.eos_id) for text in out.sequences[:, len(ids) :].tolist()]
    if beams == 1:
        ours = [_greedy]
        steps = [logits[0].float().log_softmax(dim=-1) for logits in out.logits]
        numbers = torch.stack([step[token] for step, token in zip(steps, theirs[0])]).sum()[None]
        own = torch.tensor([_greedy.log_prob])
    else:
        ours = list(_search.texts)
        numbers, own = out.sequences_scores, torch.tensor([text.score for text in ours])
    same = [text.ids for text in ours] == theirs
    return Opinion(same, len(theirs), audit.find_difference([(own, numbers)]))


def _up_to_end(text: list[int], eos_id: tuple[int, ...]) -> list[int]:
    end = next((place for place, token in enumerate(text) if token in eos_id), len(text))
    return text[: end + 1]
