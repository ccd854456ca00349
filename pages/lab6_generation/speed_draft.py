"""The draft model at work on the learner's prompt: its rounds, its acceptance, and the proof that nothing changes."""

import itertools
from dataclasses import dataclass

import streamlit as st

from components import audit, models, section, state
from components.figures import rounds
from components.text import escape
from components.white_space import visible
from engine import models as known
from engine.decoding import SpeculativeGeneration, greedy, speculative
from pages.lab6_generation.prompt import Prompt
from pages.lab6_generation.speed_params import DRAFT, NEW, SEED, TEMPERATURE
from pages.lab6_generation.speed_study import Speeds
from pages.lab6_generation.speed_words import compared_row

SHOWN_BEFORE = 90  # characters of the prompt in front of the new text
SHOWN_ROWS = 6


@dataclass(frozen=True)
class Live:
    """One text that was written with a draft model."""

    prompt: Prompt
    draft: str  # its name
    text: SpeculativeGeneration


def study(found: Prompt) -> Live:
    """Write on from the prompt. ValueError, in a sentence, where there is no draft for its model."""
    draft = draft_for(found.loaded.info)
    settings = (state.get(DRAFT), float(state.get(TEMPERATURE)), state.get(SEED), state.get(NEW))
    return Live(found, draft, _written(found.loaded.info.name, draft, found.ids, found.eos_id, *settings))


def draft_for(info: known.ModelInfo) -> str:
    """The name of the model that drafts for this one."""
    for one in known.models():
        if one.drafts_for == info.name:
            return one.name
    raise ValueError(
        f"There is no draft model for {info.title} here. A draft must know the same tokens: choose the story model"
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _written(
    model: str,
    draft: str,
    ids: tuple[int, ...],
    eos_id: int | None,
    n_draft: int,
    temperature: float,
    seed: int,
    n_tokens: int,
) -> SpeculativeGeneration:
    large, small = (models.language_model(name).model for name in (model, draft))
    with models.DEVICE_IN_USE:
        return speculative(
            large,
            small,
            ids,
            max_new_tokens=n_tokens,
            n_draft=n_draft,
            temperature=temperature,
            seed=seed,
            eos_id=eos_id,
        )


@st.cache_resource(max_entries=64, show_spinner=False)
def _greedily(
    model: str, draft: str, ids: tuple[int, ...], eos_id: int | None, n_draft: int, n_tokens: int
) -> tuple[list[int], list[int]]:
    """(what is written with a draft at temperature 0, what greedy decoding alone writes)."""
    with_draft = _written(model, draft, ids, eos_id, n_draft, 0.0, 0, n_tokens).ids
    with models.DEVICE_IN_USE:
        alone = greedy(models.language_model(model).model, ids, max_new_tokens=n_tokens, eos_id=eos_id).ids
    return with_draft, alone


def figure(live: Live) -> None:
    """The text and its rounds."""
    before = live.prompt.text
    shown = before if len(before) <= SHOWN_BEFORE else "…" + before[1 - SHOWN_BEFORE :]
    rounds.draw(shown, [_row(live, one) for one in live.text.rounds], key="speed.rounds")
    section.reading(
        "Each numbered line is one <b>round</b>: the small <b>draft model</b> proposes tokens one by one, then the "
        "large model reads them all at once and says how far they may stay. Point at a token for its chance."
    )


def _row(live: Live, one: object) -> rounds.RoundRow:
    chances = [*one.chances, *[None] * (len(one.proposed) - len(one.chances))]
    proposed = [
        rounds.Proposed(live.prompt.word(token), chance, place < one.n_accepted)
        for place, (token, chance) in enumerate(zip(one.proposed, chances, strict=True))
    ]
    return rounds.RoundRow(proposed, None if one.token_id is None else live.prompt.word(one.token_id))


def notice(live: Live) -> str:
    """What happened on the learner's prompt."""
    text = live.text
    checked, kept = sum(len(one.chances) for one in text.rounds), sum(one.n_accepted for one in text.rounds)
    if not checked:
        return "Nothing was drafted: the text ended at once."
    end = ", and the text ended" if text.finished else ""
    return (
        f"Here {len(text.rounds)} rounds wrote {len(text.ids)} tokens{end}: {kept} of the {checked} drafted tokens "
        f"that were looked at were kept (<b>acceptance</b> {kept / checked:.0%}), and each reading of the large model "
        f"gave {text.tokens_per_reading:.2f} tokens. A drafted token stays with the chance min(1, p / q): p is the "
        "large model’s probability of it, q the draft’s. If it does not stay, the large model draws in its place from "
        "what p has more than q. So the text comes from <b>the same distribution</b> as without a draft; only the "
        "time changes."
    )


def audit_greedy(live: Live) -> None:
    """At temperature 0 nothing is left to chance: both must write the same ids."""
    settings = (live.prompt.ids, live.prompt.eos_id, state.get(DRAFT), state.get(NEW))
    with_draft, alone = _greedily(live.prompt.loaded.info.name, live.draft, *settings)
    alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(with_draft, alone)))
    audit.claim(
        with_draft == alone,
        f"at temperature 0, on your prompt: with a draft and without one the same {len(alone)} tokens are written"
        if with_draft == alone
        else f"at temperature 0, on your prompt: with a draft another text is written, from new token {alike + 1} on",
    )


def compared(speeds: Speeds) -> str:
    """The token that was drawn many times, as a small table in HTML."""
    rows, tokenizer = speeds.merged_first_tokens(SHOWN_ROWS), models.language_model(speeds.config.model).tokenizer
    context = speeds.of("first-tokens")[0]["context"]
    beginning = tokenizer.decode([one for one in context if one not in tokenizer.start_ids])
    heads = ["token", "draft alone", "large model", "drawn with a draft", "where it must lie"]
    cells = [
        compared_row(row, "all others together" if row.token is None else escape(_shown(tokenizer, row.token)))
        for row in rows
    ]
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
    title = f"<b>The same token, drawn {speeds.draws:,} times</b> after “{escape(beginning[-60:])}”"
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<p class='labs-prose'>{title}</p><table class='labs-small-table'><tr>{head}</tr>{body}</table>"


def _shown(tokenizer: object, token: int) -> str:
    return visible(tokenizer.decode([token]))
