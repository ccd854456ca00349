"""Lab 6, section 10, speed: what one more token costs, and what the cache, a batch and a draft model save."""

from typing import TYPE_CHECKING

import streamlit as st
import torch

from components import audit, controls, errors, models, runs, section, state, text
from engine import jobs
from engine.decoding import greedy, speculative
from engine.decoding.lean import LeanReader
from engine.decoding.reading import CachedReader, WholeReader, open_reader
from engine.decoding.speculative import Speculation
from engine.experiments.decoding_bench import Bench, fastest
from engine.experiments.decoding_speed import DecodingSpeedConfig
from pages.lab6_generation import prompt, speed_draft
from pages.lab6_generation import speed_figures as figures
from pages.lab6_generation import speed_words as words
from pages.lab6_generation.params import PROMPT, SEED
from pages.lab6_generation.prompt import Prompt
from pages.lab6_generation.speed_params import DRAFT, NEW, PARAMS, RUN, TEMPERATURE, TOKENS, VIEW
from pages.lab6_generation.speed_study import Speeds, either

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PARAMS", "QUESTION", "draw"]

QUESTION = "What does one more token cost, and what makes it cheaper?"
AUDITED = 16  # new tokens behind the prompt, at which the logits are compared
TOLERANCE = 1e-3  # of logits between about -20 and 20, in float32 over several layers


@section.live
def draw() -> None:
    """The open view: stored numbers at once, the learner's own over them; for a draft model also its rounds."""
    stored, view = jobs.stored("decoding-speed"), state.get(VIEW)
    found, problem = errors.attempt(lambda: prompt.read(state.get(NEW) if view == "draft" else AUDITED))
    live, trouble = (None, None)
    if view == "draft" and found:
        live, trouble = errors.attempt(lambda: speed_draft.study(found))
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.85)
    with figure_column, errors.shown_as_a_sentence():
        if live:
            speed_draft.figure(live)
        text.problem(trouble)
        runs.follow(RUN, lambda own, status: _measured(view, own, stored, live), stored=stored)
    section.let_it_paint()
    with controls_column:
        _controls(view, found, problem)
    with figure_column, errors.shown_as_a_sentence():
        own = runs.look(RUN)
        shown, _ = either(view, jobs.record(own.run_id) if own else None, stored)
        _below(view, shown, found, live)


def _controls(view: str, found: Prompt | None, problem: str | None) -> None:
    controls.choice(VIEW, wrap=True)
    prompt.control(height=80)
    prompt.notes(found)
    text.problem(problem)
    if view == "draft":
        controls.slider(DRAFT)
        controls.slider(TEMPERATURE)
        controls.number(SEED)
        with st.expander("More"):
            controls.slider(NEW)
            controls.choice(TOKENS)
    else:
        controls.choice(TOKENS)
    config, _ = errors.attempt(_config)
    runs.controls(RUN, config, label="Measure here")
    controls.reset_button(PARAMS)


def _config() -> DecodingSpeedConfig:
    return DecodingSpeedConfig(
        prompt=state.get(PROMPT), new_tokens=int(state.get(TOKENS)), temperature=float(state.get(TEMPERATURE))
    )


def _measured(view: str, own: "jobs.Record | None", stored: jobs.Record, live: speed_draft.Live | None) -> None:
    """The measurements of the view, and what to notice in them."""
    shown, behind = either(view, own, stored)
    if not shown.has(view):
        return text.problem("There is nothing measured for this view yet: press Measure here.")
    figures.FIGURES[view](shown, behind)
    if reading := words.READING.get(view):
        section.reading(reading + (words.BEHIND if view == "strategies" and behind else ""))
    if view == "draft":
        said = [speed_draft.notice(live)] if live else []
        section.notice(" ".join(said) or words.draft_notice(shown, state.get(DRAFT)))
        if said:
            text.prose(f"<b>Measured</b>: {words.draft_notice(shown, state.get(DRAFT))}")
        return text.prose(words.costs_words(shown))
    notices = {"cache": words.cache_notice, "batch": words.batch_notice, "strategies": words.strategies_notice}
    section.notice(notices[view](shown))
    return text.prose(words.memory_words(shown)) if view == "batch" else None


def _below(view: str, shown: Speeds, found: Prompt | None, live: speed_draft.Live | None) -> None:
    section.try_this(_changes(view), key=f"speed-{view}")
    if view == "cache" and found:
        _audit_cache(found)
    if view == "draft":
        if shown.first_tokens:
            st.html(speed_draft.compared(shown))
            audit.claim(*words.first_tokens_claim(shown))
        if live:
            speed_draft.audit_greedy(live)
    if view == "strategies" and (peers := shown.of("strategy", by="transformers", same=True)):
        wrong = shown.of("strategy", by="transformers", same=False)
        named = " and ".join(figures.strategy_name(event) for event in wrong or peers)
        audit.claim(
            not wrong,
            f"ours and transformers wrote the same texts in this run ({named})"
            if not wrong
            else f"ours and transformers wrote different texts in this run ({named})",
        )
    audit.measured(_how(shown))
    section.code(*_sources(view))
    section.table(lambda: _table(shown, view), key=f"speed-{view}")
    section.sources(
        "Leviathan, Kalman & Matias 2023, [Fast Inference from Transformers via Speculative Decoding]"
        "(https://arxiv.org/abs/2211.17192): algorithm 1; equation 1 for the tokens of a round; appendix A.1 for the "
        "proof that the distribution is the same",
        "Chen et al. 2023, *Accelerating Large Language Model Decoding with Speculative Sampling*: the same "
        "idea, found at the same time",
        "Shazeer 2019, *Fast Transformer Decoding: One Write-Head is All You Need*, section 2.4: with a cache, "
        "decoding one token at a time is limited by memory, not by arithmetic",
    )


def _changes(view: str) -> list:
    everywhere = {
        "cache": ("Several texts at once", {VIEW: "batch"}),
        "batch": ("A draft model", {VIEW: "draft"}),
        "strategies": ("What a draft model does", {VIEW: "draft"}),
    }
    if view != "draft":
        return [everywhere[view], ("Longer texts", {TOKENS: "128"}), ("Back to the cache", {VIEW: "cache"})][
            : 2 if view == "cache" else 3
        ]
    return [
        ("Greedy: temperature 0", {TEMPERATURE: 0.0}),
        ("A wild text: temperature 1.8", {TEMPERATURE: 1.8}),
        ("Draft 6 at a time", {DRAFT: 6}),
    ]


def _sources(view: str) -> tuple:
    return {
        "cache": (WholeReader, CachedReader, LeanReader.advance, Bench.next_token),
        "batch": (LeanReader.advance, Bench.batch, Bench.memory, fastest),
        "strategies": (Bench.strategy, Bench.peer, fastest),
        "draft": (speculative, Speculation, Bench.drafted),
    }[view]


def _how(shown: Speeds) -> str:
    record, config = shown.record, shown.config
    where = (
        f"Stored, not from this server: {record.command}, on {record.machine}"
        if record.stored
        else f"Measured on this server, torch {torch.__version__}"
    )
    return (
        f"{where}; processor time of one thread, the shortest of about {config.repeats}. Texts of "
        f"{config.new_tokens} tokens, none ends earlier; with a draft {config.texts} texts for each draft length."
    )


def _audit_cache(found: Prompt) -> None:
    name = found.loaded.info.name
    on = f"your prompt and {AUDITED} tokens after it"
    for library, pairs in (("the same model without its cache", _without_cache), ("transformers", _by_transformers)):
        audit.show(pairs(name, found.ids), library=library, tolerance=TOLERANCE, what="logits with a cache", on=on)


@st.cache_resource(max_entries=32, show_spinner=False)
def _stepwise(name: str, ids: tuple[int, ...]) -> tuple[list[int], torch.Tensor]:
    """(the prompt and greedy tokens after it, the logits (AUDITED, vocab_size) that chose them, by the cache)."""
    model = models.language_model(name).model
    with models.DEVICE_IN_USE, torch.inference_mode(False), torch.no_grad():
        new = greedy(model, ids, max_new_tokens=AUDITED).ids
        reader = open_reader(model, len(ids) + AUDITED)
        logits = [reader.start(ids), *(reader.advance([token], [0]) for token in new[:-1])]
    return [*ids, *new], torch.cat([one.cpu() for one in logits])


@st.cache_resource(max_entries=32, show_spinner=False)
def _without_cache(name: str, ids: tuple[int, ...]) -> audit.Difference:
    whole, ours = _stepwise(name, ids)
    loaded = models.language_model(name)
    with models.DEVICE_IN_USE, torch.no_grad():
        theirs = loaded.model([whole[:-1]])[0, len(ids) - 1 :].cpu()  # (AUDITED, vocab_size)
    return audit.find_difference([(ours, theirs)])


@st.cache_resource(max_entries=32, show_spinner=False)
def _by_transformers(name: str, ids: tuple[int, ...]) -> audit.Difference:
    whole, ours = _stepwise(name, ids)
    reference = models.language_model_reference(name)
    with models.DEVICE_IN_USE, torch.no_grad():
        theirs = reference(torch.tensor([whole[:-1]])).logits[0, len(ids) - 1 :]  # (AUDITED, vocab_size)
    return audit.find_difference([(ours, theirs)])


def _table(shown: Speeds, view: str) -> "pd.DataFrame":
    import pandas as pd

    kinds = {
        "cache": ["cache"],
        "batch": ["batch", "at-once", "memory"],
        "strategies": ["strategy"],
        "draft": ["draft"],
    }
    return pd.DataFrame([event for kind in kinds[view] for event in shown.of(kind)])
