"""Lab 6, section 7, why greedy repeats: its loops on the learner's prompt, what breaks them, and a hundred texts."""

from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, models, section, state, text
from components.figures import plots, stories
from engine.decoding.likelihood import token_log_probs
from engine.decoding.loops import find_loops
from engine.decoding.measures import ending_loop, repeated
from pages.lab6_generation import prompt
from pages.lab6_generation import repeats_hundred as hundred
from pages.lab6_generation import repeats_params as chosen
from pages.lab6_generation import repeats_texts as texts
from pages.lab6_generation import repeats_words as words
from pages.lab6_generation.params import PROMPT, SEED
from pages.lab6_generation.repeats_params import PARAMS  # the frame asks the section for it
from pages.lab6_generation.repeats_texts import Study

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "Why does the likeliest text repeat itself?"
NEAR_ENOUGH = 1e-3  # of log probabilities down to -10: one token at a time, and the whole text at once
MOST_LINES = 24  # tokens of a phrase that get a line of their own


@section.live
def draw() -> None:
    """Greedy's text beside another one with the loops marked and their probabilities, or the study of many texts."""
    if state.get(chosen.VIEW) == chosen.HUNDRED_VIEW:
        hundred.draw(QUESTION)
    else:
        section.in_order(QUESTION, texts.study, figure=_figure, controls=_controls, below=_below, controls_share=0.8)


def _controls(study: Study | None, problem: str | None) -> None:
    controls.choice(chosen.VIEW, wrap=True)
    prompt.control(height=80)
    text.problem(problem)
    prompt.notes(study and study.found)
    way = controls.choice(chosen.WAY, compact=True)
    if way in chosen.STRENGTHS:
        controls.slider(chosen.STRENGTHS[way])
    controls.slider(chosen.TOKENS)
    controls.toggle(chosen.ENDS)
    with st.expander("More"):
        controls.line(chosen.SENTENCE)
        controls.number(SEED)
    text.problem(study and study.problem)
    for param in (*chosen.STRENGTHS.values(), chosen.TEXTS, chosen.RUN):
        if param is not chosen.STRENGTHS.get(way):  # not on screen, so its wrong value in a link is said here
            text.problem(state.problem(param))
    controls.reset_button(PARAMS)


def _figure(study: Study) -> None:
    strength = chosen.STRENGTHS.get(study.way)
    title = words.strategy(study, strength.format(state.get(strength)) if strength else "")
    stories.draw(
        [_story(study, "Greedy", study.greedy), _story(study, title, study.other)],
        height="23.5rem",
    )
    plots.draw(
        [
            _plot("Greedy’s phrase: probability of its tokens", study.loop_rows(), "no phrase comes three times"),
            _plot(
                "Your sentence, said again and again",
                study.forced.probabilities if study.forced else [],
                "no sentence",
            ),
        ],
        key="repeats.rising",
        per_row=2,
        height=195,
    )


def _story(study: Study, title: str, told: texts.Told) -> stories.Story:
    return stories.Story(title, texts.pieces(told, study.found), study.found.text, words.text_note(told))


def _plot(title: str, rows: list, without: str) -> plots.Plot:
    """The mean of each row as a line, and a faint line for each token. rows: one a time the phrase is said."""
    times = list(range(1, len(rows) + 1))
    tokens = [
        plots.Series("each token", times, values, "plain", faint=True)
        for values in list(zip(*rows, strict=True))[:MOST_LINES]
    ]
    mean = plots.Series("mean of the phrase", times, [sum(row) / len(row) for row in rows], "negative", points=True)
    return plots.Plot(
        title,
        [*tokens, mean],
        x_title="time it is said",
        x_range=(1, max(3, len(rows))),
        y_range=(0, 1),
        note="" if rows else without,
    )


def _below(study: Study) -> None:
    section.reading(
        "Both texts go on from your prompt, in grey. Shaded: a phrase said three times or more in a row, lighter and "
        "darker by turns. Dotted: four tokens that stood in the text before. The curves: how likely the model finds "
        "each token of a phrase when it comes the first time, the second, the third … (among the tokens it may choose)."
    )
    section.notice(words.notice(study))
    text.prose(words.forced(study))
    section.try_this(
        [
            ("A polite story", {PROMPT: "Tom was sad because it rained.", chosen.TOKENS: 300, chosen.ENDS: False}),
            ("No 3 tokens twice", {chosen.WAY: "n-gram", chosen.NGRAM: 3}),
            ("Let it end", {chosen.ENDS: True}),
            ("Repeat nonsense", {chosen.SENTENCE: "window seven green tall because"}),
        ],
        key="repeats",
    )
    audit.show(
        _against_transformers(study.found.loaded.info.name, study.found.ids, study.greedy),
        library="transformers’ own model",
        tolerance=NEAR_ENOUGH,
        what="log probability of every token of greedy’s text, ours one by one, theirs in one pass",
        on="your prompt",
    )
    section.code(find_loops, ending_loop, repeated, token_log_probs)
    section.table(lambda: _table(study), key="repeats")
    section.sources(
        "The loop that feeds itself: Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*, section 3 "
        "and figure 4 (there GPT-2, whose probability grows until it is nearly 1)",
        "Sentences that make themselves likelier: Xu et al. 2022, *Learning to Break the Loop: Analyzing and "
        "Mitigating Repetitions for Neural Text Generation*",
        "Runs of four tokens that came before (seq-rep-4): Welleck et al. 2020, *Neural Text Generation with "
        "Unlikelihood Training*, section 6.1",
        "Repetition penalty: Keskar et al. 2019, *CTRL*, section 4.1; no n-gram twice: Paulus et al. 2018, *A Deep "
        "Reinforced Model for Abstractive Summarization*, section 2.5",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _against_transformers(name: str, ids: tuple[int, ...], _told: texts.Told) -> audit.Difference:
    import torch

    if not _told.ids:
        return audit.Difference(0.0, 0, 0.0, 0.0)
    whole = torch.tensor([[*ids, *_told.ids]])
    with models.DEVICE_IN_USE, torch.inference_mode():
        logits = models.language_model_reference(name)(whole[:, :-1]).logits[0].float()
    theirs = logits.log_softmax(dim=-1).gather(-1, whole[0, 1:, None])[len(ids) - 1 :, 0]
    return audit.find_difference([(torch.tensor(_told.log_probs), theirs)])


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    means = study.forced.means if study.forced else []
    loop = [sum(row) / len(row) for row in study.loop_rows()]
    n = max(len(means), len(loop))
    return pd.DataFrame(
        {
            "time it is said": range(1, n + 1),
            "greedy’s phrase, mean probability": [*loop, *[None] * (n - len(loop))],
            "your sentence, mean probability": [*means, *[None] * (n - len(means))],
        }
    )
