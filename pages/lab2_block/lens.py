"""Section 10, the logit lens: what each block of a language model has made of the next word."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
import torch
from torch import Tensor

from components import controls, drawing, lens_reading, models, section, state, text
from components.figures import lens as figure
from components.figures import plots
from components.figures.token_strip import shown
from components.lens_reading import LensReading
from engine.causal_lm import CausalLM
from engine.decoding import greedy
from engine.logit_lens import logit_lens
from engine.text_interface import TextInterface
from pages.lab2_block import lens_words as words

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "What has each block made of the next word?"
MODEL = "story-lm"
KEY, CURVES = "lens.figure", "lens.curves"
MOST_TOKENS = 40
# Texts with the number of their tokens, the model's own start included: the last place is the telling one.
GIVES_BACK = ("Lily gave her ball to Tom. Tom was happy and gave the ball back to", 17)
CANNOT_FLY = ("The bird was sad because it could not", 9)
COLD = ("It was cold, so Ben put on his warm", 11)

TEXT = state.Text("le_text", GIVES_BACK[0], "Text")
VIEWS = {"grid": "All places", "layers": "One place"}
VIEW = state.Choice("le_view", "grid", "Show", options=tuple(VIEWS), labels=VIEWS)
PLACE = state.Number(
    "le_place", GIVES_BACK[1], "Place", low=1, high=MOST_TOKENS, help="The last token that the model has read"
)
PARAMS = [TEXT, VIEW, PLACE]


@dataclass(frozen=True)
class Study:
    """A text as the model reads it, its own next token at the end, and the place that is open."""

    tokenizer: TextInterface
    reading: LensReading
    place: int  # counted from 0
    n_dropped: int  # tokens of the text that are not read

    @property
    def n_typed(self) -> int:
        """Tokens that are read: the model's start and the text."""
        return len(self.reading.ids) - 1

    @property
    def reads(self) -> Tensor:
        return torch.tensor(self.reading.ids[:-1])  # (seq_len,)

    @property
    def lengths(self) -> Tensor:
        return self.reading.lengths  # (n_layers + 1, seq_len)


@section.live
def draw() -> None:
    """The text, and what the model would say after each block: at all places, or everything about one."""
    section.in_order(QUESTION, _study, figure=_figure, controls=_controls, below=_below, controls_share=0.72)


def _controls(study: Study | None, problem: str | None) -> None:
    controls.area(TEXT, placeholder="Type the beginning of a simple story.", height=122)
    text.problem(problem)
    if study and study.n_dropped:
        text.problem(
            f"Only the first {MOST_TOKENS} tokens are read, so that all stay legible; {study.n_dropped:,} not."
        )
    controls.choice(VIEW)
    if study:
        controls.slider(PLACE, high=study.n_typed)
    controls.reset_button(PARAMS)


def _study() -> Study:
    loaded = models.language_model(MODEL)
    typed = loaded.tokenizer.encode(state.get(TEXT))
    if not typed:
        raise ValueError("The text must hold at least one character; there is nothing to read in an empty one")
    read = (*loaded.tokenizer.start_ids, *typed)
    kept = read[:MOST_TOKENS]
    reading = lens_reading.read(MODEL, (*kept, _answer(kept)), 0)
    place = int(controls.fitted(PLACE, len(kept))) - 1
    return Study(loaded.tokenizer, reading, place, len(read) - len(kept))


@st.cache_data(max_entries=64, show_spinner=False)
def _answer(ids: tuple[int, ...]) -> int:
    """The token that the model itself would go on with."""
    with models.DEVICE_IN_USE:
        return greedy(models.language_model(MODEL).model, ids, max_new_tokens=1).ids[0]


def _figure(study: Study) -> None:
    view = state.get(VIEW)
    figure.draw(
        figure.chips(study.tokenizer, study.reading.ids),
        study.reading.lens,
        figure.Choice(study.place),
        view=view,
        tokenizer=study.tokenizer,
        first=0,
        places=(0, study.n_typed - 1),
        n_prompt=study.n_typed,
        fades=False,
        key=KEY,
        alt=words.alt(study, view),
        on_change=_take,
    )
    if view == "layers":
        plots.draw(_curves(study), key=CURVES, per_row=2, height=200)


def _curves(study: Study) -> list[plots.Plot]:
    lens, depths = study.reading.lens, list(range(study.reading.n_layers + 1))
    comes = shown(study.tokenizer, study.reading.ids[study.place + 1])
    share = lens.target_probabilities[:, study.place].tolist()
    ranks = [rank + 1 for rank in lens.target_ranks[:, study.place].tolist()]
    axis = {"x_title": "after block", "x_ticks": depths}
    return [
        plots.Plot(
            f"Probability of {comes}",
            [plots.Series(comes, depths, share, "output", points=True)],
            y_range=(0, 1),
            **axis,
        ),
        plots.Plot(
            f"Rank of {comes}; 1 is the likeliest",
            [plots.Series(comes, depths, ranks, "output", points=True)],
            log_y=True,
            y_range=(1, study.tokenizer.vocab_size),
            **axis,
        ),
    ]


def _take() -> None:
    """A place that was chosen in the figure."""
    event = drawing.result(KEY) or {}
    if event.get("type") == "choice":
        state.set_value(PLACE, int(min(max(event["place"] + 1, PLACE.low), PLACE.high)))


def _below(study: Study) -> None:
    view = state.get(VIEW)
    section.reading(words.reading(study, view))
    section.notice(words.notice(study))
    text.prose(words.stream(study))
    section.try_this(
        [
            ("A bird that could not …", {TEXT: CANNOT_FLY[0], PLACE: CANNOT_FLY[1]}),
            ("Put on his warm …", {TEXT: COLD[0], PLACE: COLD[1], VIEW: "layers"}),
            ("All places", {VIEW: "grid"}) if view == "layers" else ("This place alone", {VIEW: "layers"}),
        ],
        key="lens",
    )
    with st.expander("Go deeper: what the lens does not show"):
        text.prose(words.limits(study))
    lens_reading.show_second_opinion(MODEL, study.reading, attention=False)
    section.code(logit_lens, CausalLM.lens)
    section.table(lambda: _table(study), key="lens")
    section.sources(
        "The logit lens: nostalgebraist 2020, *interpreting GPT: the logit lens*",
        "Its limits, and the tuned lens: Belrose et al. 2023, *Eliciting Latent Predictions from Transformers with the "
        "Tuned Lens*",
        "The residual stream as what all blocks read from and write to: Elhage et al. 2021, *A Mathematical Framework "
        "for Transformer Circuits*",
        "Text with a person to be named at its end: Wang et al. 2023, *Interpretability in the Wild: a Circuit for "
        "Indirect Object Identification in GPT-2 Small*",
        "The model: story-lm, a small language model of simple stories, trained and run by this project",
    )


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    lens = study.reading.lens
    name = [shown(study.tokenizer, number) for number in study.reading.ids]
    rows = []
    for place in range(study.n_typed):
        for depth in range(study.reading.n_layers + 1):
            top = zip(lens.top_ids[depth, place].tolist(), lens.top_probabilities[depth, place].tolist(), strict=True)
            likeliest = {
                f"{rank}.": f"{shown(study.tokenizer, number)} {probability:.3f}"
                for rank, (number, probability) in enumerate(top, start=1)
            }
            rows.append(
                {
                    "place": place + 1,
                    "token read": name[place],
                    "after block": depth,
                    **likeliest,
                    "comes next": name[place + 1],
                    "its probability": round(lens.target_probabilities[depth, place].item(), 4),
                    "its rank": int(lens.target_ranks[depth, place]) + 1,
                    "entropy": round(lens.entropy[depth, place].item(), 3),
                }
            )
    return pd.DataFrame(rows)
