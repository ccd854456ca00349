"""Section 7, its second half: the learner's own input, read once and answered one character at a time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
import torch
from torch import Tensor

from components import audit, controls, errors, runs, section, state, text
from components.figures import matrix, writing
from components.text import escape
from components.white_space import visible
from engine import jobs
from engine.decoder import Decoder
from engine.encoder_decoder import EncoderDecoder
from engine.experiments.sequence_decoding import WrittenToken, write_steps
from engine.experiments.sequence_tasks import START, Task
from engine.experiments.sequence_training import load_model
from engine.experiments.torch_twin import TorchTwin
from pages.lab2_block import translate_params as chosen

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = {"reverse": "mississippi", "sort": "banana2020", "date": "29.2.2024"}


@dataclass(frozen=True)
class Study:
    """One input and everything that was computed while the answer to it was written."""

    task: Task
    source: str  # as the model gets it
    steps: list[WrittenToken]
    model: EncoderDecoder
    own: bool  # whether the learner has trained this model
    record: jobs.Record

    @property
    def written(self) -> str:
        return self.steps[-1].text

    @property
    def answer(self) -> str:
        return self.task.answer(self.source)

    @property
    def right(self) -> bool:
        return self.written == self.answer


def draw(question: str) -> None:
    """The input as tiles, what has been written, the alignment so far and the next token's candidates."""
    task = chosen.task()
    study, problem = errors.attempt(lambda: _study(task, state.get(chosen.INPUTS[task.name])))
    n_steps = len(study.steps) if study else chosen.WRITTEN.high
    layers, heads = (study.model.config.n_layers, study.model.config.n_heads) if study else (2, 4)
    controls_column, figure_column = section.layout(question, controls_share=0.9)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            _show(study)
    with controls_column:
        controls.choice(chosen.VIEW)
        controls.choice(chosen.TASK)
        controls.line(chosen.INPUTS[task.name])
        text.problem(problem)
        section.reading(escape(f"Allowed: {task.allowed}. It will {task.rule}."))
        controls.slider(chosen.WRITTEN, high=n_steps, returns_with="a longer answer")
        controls.slider(chosen.LAYER, high=layers, returns_with="more layers")
        controls.slider(chosen.HEAD, high=heads, returns_with="more heads")
        controls.reset_button(chosen.PARAMS)


def _study(task: Task, source: str) -> Study:
    clean = task.clean(source)
    record, n_events = _whose(task)
    model = _model(record.run_id or f"sequence-{task.name}", n_events)
    return Study(task, clean, list(write_steps(model, task, clean)), model, not record.stored, record)


def _whose(task: Task) -> tuple[jobs.Record, int]:
    """The learner's run of this task if it has kept weights by now, else the stored one; and how far it has come."""
    if run := runs.look(chosen.RUN):
        live = jobs.record(run.run_id)
        if live.config.task == task.name and live.checkpoint():
            return live, len(live.events)
    return jobs.stored(f"sequence-{task.name}"), 0


@st.cache_resource(max_entries=8, show_spinner=False)
def _model(name: str, n_events: int) -> EncoderDecoder:
    """The model that a run has kept. n_events: a run that goes on keeps others later."""
    record = jobs.stored(name) if name.startswith("sequence-") else jobs.record(name)
    return load_model(record.config, record.checkpoint()["weights"])


def _show(study: Study) -> None:
    at = controls.fitted(chosen.WRITTEN, len(study.steps)) - 1
    layer = controls.fitted(chosen.LAYER, study.model.config.n_layers) - 1
    head = controls.fitted(chosen.HEAD, study.model.config.n_heads)
    weights = torch.stack([_looking(step, layer, head) for step in study.steps])  # (written_len, source_len)
    _figure(study, at, weights, _name(layer, head))
    section.let_it_paint()
    section.reading(
        "Top: the darker a character of the input, the more the decoder looks at it while it writes the framed one. "
        "Below, the same for every character so far: a row each."
    )
    section.notice(_notice(study, at, weights))
    section.try_this(
        [
            ("Its last step", {chosen.WRITTEN: len(study.steps)}),
            (f"Read “{EXAMPLES[study.task.name]}”", {chosen.INPUTS[study.task.name]: EXAMPLES[study.task.name]}),
            ("Watch it learn", {chosen.VIEW: chosen.LEARNING}),
        ],
        key="t-writing",
    )
    audit.compare(
        torch.tensor([[share for _, share in step.candidates] for step in study.steps]).log(),
        _torch_log_probs(study),
        library="torch.nn.TransformerDecoderLayer",
        tolerance=1e-3,  # float32: unlikely tokens have log probabilities near −15
        what="log probabilities of each step’s candidates, ours token by token with a cache, torch’s all at once",
    )
    section.code(write_steps, EncoderDecoder, Decoder.trace)
    section.table(lambda: _table(study), key="t-writing")
    section.sources(
        "Vaswani et al. 2017, *Attention Is All You Need*, section 3.1: the decoder writes one token at a time and "
        "reads its own earlier ones",
        "Greedy decoding always takes the likeliest token; Lab 6 shows other ways",
    )


def _name(layer: int, head: int) -> str:
    return f"decoder layer {layer + 1}, " + (f"head {head}" if head else "mean of all heads")


def _looking(step: WrittenToken, layer: int, head: int) -> Tensor:
    """(source_len,): one head's looking at this step, or the mean of the layer's heads."""
    heads = step.alignment[layer]  # (n_heads, source_len)
    return heads[head - 1] if head else heads.mean(dim=0)


def _figure(study: Study, at: int, weights: Tensor, where: str) -> None:
    step = study.steps[at]
    writing.strip(
        [*map(visible, study.source), "end"],
        weights[at].tolist(),
        [visible(one.token) for one in study.steps[: at + 1]],
        n_places=len(study.steps),
        verdict=_verdict(study) if at + 1 == len(study.steps) else "",
    )
    matrix_column, candidates_column = st.columns([1.9, 1])
    rows = [f"{place} {visible(one.token)}" if place <= at + 1 else "" for place, one in enumerate(study.steps, 1)]
    so_far = weights * (torch.arange(len(rows)) <= at)[:, None]  # what is not written yet has looked at nothing
    with matrix_column:
        panel = matrix.Panel(
            so_far,
            rows,
            [*matrix.positions([*map(visible, study.source)]), "end"],
            title="Where it looks",
            note=where,
            framed_row=at,
        )
        axes = {"row_axis": "it writes", "column_axis": "it looks at"}
        matrix.draw([panel], key="t.writing", **axes, max_cell=46 if state.presenting() else 33, numbers=False)
    with candidates_column:
        writing.candidates(f"After “{visible(step.before) or 'start'}”", step.candidates)


def _verdict(study: Study) -> str:
    if study.right:
        return '<span class="labs-right">✓ right</span>'
    return f'<span class="labs-wrong">✗ wrong: the right answer is <code>{escape(study.answer)}</code></span>'


def _notice(study: Study, at: int, weights: Tensor) -> str:
    step, columns = study.steps[at], [*study.source, "the end token"]
    most = int(weights[at].argmax())
    seen = f"“{escape(visible(columns[most]))}” ({most + 1})" if most < len(study.source) else "the end token"
    second, chance = step.candidates[1]
    said = "the end token, so its answer ends here," if step.token == "end" else f"“{escape(visible(step.token))}”"
    whole = f"The whole answer is <code>{escape(study.written or '(nothing)')}</code>, and that is " + (
        "right." if study.right else f"wrong: <code>{escape(study.answer)}</code> would be right."
    )
    sure, less = writing.share_words(step.probability), writing.share_words(chance)
    return (
        f"Step {at + 1} of {len(study.steps)}: it writes {said} with probability {sure}; next best is "
        f"“{escape(visible(second))}” with {less}. It looks most at {seen}, with {weights[at, most]:.0%} of its "
        f"looking. {whole} {_seen_before(study)} {_model_words(study)}"
    )


def _seen_before(study: Study) -> str:
    if study.task.held_out(study.source):
        return "This answer was held out: training has never shown it."
    return "This answer was not held out: training may have shown it."


def _model_words(study: Study) -> str:
    if not study.own:
        return "These are the stored weights; once you have trained your own, they write here."
    last = study.record.events[-1]["step"] if study.record.events else 0
    return f"These are your own weights, from about step {last:,}."


def _torch_log_probs(study: Study) -> Tensor:
    """(written_len, n_candidates): the same by torch's own layers, all places in one pass and without a cache."""
    task = study.task
    source_ids = torch.tensor([task.ids(study.source)])  # (1, source_len)
    written = [task.token_id(step.token) for step in study.steps]
    target_ids = torch.tensor([[START, *written[:-1]]])  # (1, written_len)
    with torch.no_grad():
        logits = TorchTwin(study.model)(source_ids, target_ids)  # (1, written_len, vocab_size)
    candidates = [[task.token_id(token) for token, _ in step.candidates] for step in study.steps]
    return logits[0].log_softmax(dim=-1).gather(1, torch.tensor(candidates))  # (written_len, n_candidates)


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "step": place,
                "written": step.text,
                "token": visible(step.token),
                "probability": step.probability,
                **{f"{rank}. candidate": f"{token} {share:.4f}" for rank, (token, share) in _ranked(step)},
            }
            for place, step in enumerate(study.steps, 1)
        ]
    )


def _ranked(step: WrittenToken) -> list[tuple[int, tuple[str, float]]]:
    return list(enumerate(step.candidates[1:4], 2))
