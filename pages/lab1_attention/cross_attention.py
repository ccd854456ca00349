"""Section 6, cross-attention: the queries come from one text, the keys and values from another."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
import torch
from torch import Tensor, nn

from components import audit, controls, errors, models, section, state, text
from components.figures import lines, matrix
from components.text import escape
from engine.attention import AttentionTrace, MultiHeadAttention, split_heads
from engine.masks import padding_mask
from engine.torch_blocks import copy_attention
from pages.lab1_attention.params import HEADS, LAYERS

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "How does one text read another?"
MOST_TOKENS = 16  # of each text: lines and cells stay legible

READER = state.Text("cross_text", "The doctor bought a new car.", "Text that reads (queries)")
MEMORY = state.Text("memory", "A physician purchased an automobile last week.", "Memory that is read (keys, values)")
LAYER = state.Number("cross_layer", 3, "Layer", low=1, high=LAYERS, help="Layers are counted from the bottom, from 1")
HEAD = state.Number("cross_head", 10, "Head", low=1, high=HEADS, help="Each layer has 12 heads, counted from 1")
PADDING = state.Number("memory_padding", 0, "Memory tokens masked at the end", low=0, high=MOST_TOKENS - 1)
PARAMS = [READER, MEMORY, LAYER, HEAD, PADDING]

CAT_QUESTION = "Where did the cat sleep last night?"
CAT_STORY = "The black cat slept on the sofa while the dog was outside."


@dataclass(frozen=True)
class Study:
    """One text reading another in one layer: everything that the figure, the words and the audit line show."""

    queries: list[str]  # tokens of the text that reads
    keys: list[str]  # tokens of the memory
    x: Tensor  # (1, query_len, d_model)
    memory: Tensor  # (1, key_len, d_model)
    mask: Tensor | None  # bool (1, 1, 1, key_len), True = may be read
    attention: MultiHeadAttention
    trace: AttentionTrace
    layer: int  # counted from 0
    head: int  # counted from 0

    @property
    def weights(self) -> Tensor:
        """(query_len, key_len) of the head on screen."""
        return self.trace.weights[0, self.head].cpu()

    @property
    def n_masked(self) -> int:
        """Tokens at the end of the memory that may not be read."""
        return 0 if self.mask is None else int((~self.mask).sum())

    @property
    def reads_itself(self) -> bool:
        """Whether the memory is the text itself."""
        return self.x.shape == self.memory.shape and bool((self.x == self.memory).all())


@section.live
def draw() -> None:
    """Two texts, the lines between them, and the table of weights that is not square."""
    (reader, reader_problem), (memory, memory_problem) = _reading(READER), _reading(MEMORY)
    key_len = len(memory.text) - 2 if memory else MOST_TOKENS
    study = _study(reader, memory) if reader and memory else None
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.8)
    if study:
        with figure_column, errors.shown_as_a_sentence():
            _show(study)
    with controls_column:
        for param, problem, read in ((READER, reader_problem, reader), (MEMORY, memory_problem, memory)):
            controls.line(param)
            text.problem(problem)
            section.reading(text.escape((read and models.token_sentence(read.text)) or ""))
        _controls(key_len)


def _reading(param: state.Text) -> tuple[models.Reading | None, str | None]:
    """The text as MiniLM reads it on its own, if it can be read, and what there is to say about it."""
    read, problem = errors.attempt(lambda: models.short_reading(state.get(param), MOST_TOKENS + 2))
    if read and read.text.cut:
        problem = f"Only the first {MOST_TOKENS} tokens are used here, so that every line can be seen."
    return read, problem


def _controls(key_len: int) -> None:
    st.button("Swap the two texts", key="cross.swap", icon=":material/swap_vert:", on_click=_swap)
    controls.slider(LAYER)
    controls.slider(HEAD)
    controls.slider(PADDING, high=key_len - 1)
    controls.reset_button(PARAMS)


def _swap() -> None:
    reader, memory = state.get(READER), state.get(MEMORY)
    state.set_value(READER, memory)
    state.set_value(MEMORY, reader)


def _study(reader: models.Reading, memory: models.Reading) -> Study:
    layer, head = state.get(LAYER) - 1, state.get(HEAD) - 1
    attention = models.minilm().model.layers[layer].attention
    # What goes into this layer, without [CLS] and [SEP]: there a head parks its weight when it finds nothing.
    x, read = (one.trace.hidden_states[layer][:, 1:-1] for one in (reader, memory))  # (1, *_len, d_model)
    key_len = read.shape[1]
    masked = controls.fitted(PADDING, key_len - 1)
    mask = padding_mask([key_len - masked], key_len).to(read.device) if masked else None
    with models.DEVICE_IN_USE, torch.no_grad():
        trace = attention.trace(x, memory=read, mask=mask)
    tokens = (one.text.tokens[1:-1] for one in (reader, memory))
    return Study(*tokens, x, read, mask, attention, trace, layer, head)


def _show(study: Study) -> None:
    _figure(study)
    section.let_it_paint()
    section.reading(
        "Left and rows: who reads. Right and columns: the memory. Each reader’s shares add up to 1; point at a word to "
        "see only its own. MiniLM never learned to read a second text: its own layer is borrowed to show how it works."
    )
    section.notice(_notice(study))
    text.prose(_shapes(study))
    section.try_this(
        [
            ("A question and a story", {READER: CAT_QUESTION, MEMORY: CAT_STORY, LAYER: 3, HEAD: 10, PADDING: 0}),
            ("The text reads itself", {MEMORY: state.get(READER), PADDING: 0}),
            ("Mask the end of the memory", {PADDING: min(4, len(study.keys) - 1)}),
        ],
        key="cross",
    )
    audit.compare(
        study.trace.output,
        _torch_output(study),
        library="torch.nn.MultiheadAttention",
        tolerance=1e-5,
        what="output of all 12 heads",
    )
    section.code(MultiHeadAttention.trace, MultiHeadAttention._project, split_heads)
    section.table(lambda: _table(study), key="cross")
    section.sources(
        "Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.3: queries from the decoder, memory keys and "
        "values from the encoder",
        "The weights: all-MiniLM-L6-v2, which never learned to read a second text. Each text is read on its own up to "
        "the chosen layer, and that layer’s query, key and value matrices then do the reading across. A trained "
        "translator has matrices of its own for it; the shapes and the direction are the same.",
        "The page opens on layer 3, head 10: of all 72 heads it gives the largest share to the matching word in three "
        "pairs of paraphrases. The search is repeated by tests/pages/test_lab1_cross_attention.py.",
    )


def _figure(study: Study) -> None:
    key_len = len(study.keys)
    masked = None if study.mask is None else ~study.mask[0, 0].cpu().expand(len(study.queries), key_len)
    queries, keys = matrix.positions(study.queries), matrix.positions(study.keys)
    lines_column, matrix_column = st.columns([1.15, 1])
    with lines_column:
        lines.draw(
            study.queries,
            study.keys,
            study.weights,
            key="cross.lines",
            query_name="reads (query)",
            key_name="memory (key)",
        )
    with matrix_column:
        title = f"Weights, layer {study.layer + 1}, head {study.head + 1}"
        note = f"{len(queries)} × {key_len}: {len(queries)} readers, {key_len} in the memory"
        panel = matrix.Panel(study.weights, queries, keys, title=title, note=note, masked=masked)
        matrix.draw([panel], key="cross.matrix", max_cell=62 if state.presenting() else 46)  # room for the numbers


def _shapes(study: Study) -> str:
    names = ("query", "key", "value", "weights", "output")
    shape = {name: str(tuple(getattr(study.trace, name).shape)) for name in names}
    return (
        "<b>Shapes of this run</b> (batch, heads, tokens, size): "
        f"<span class='labs-numbers'>query {shape['query']}, key and value {shape['key']}, weights "
        f"{shape['weights']}, output {shape['output']}</span>. As many outputs as readers, however long the memory is."
    )


def _notice(study: Study) -> str:
    if study.reads_itself:
        return _self_notice(study)
    best, readers, keys = _strongest_pairs(study), _names(study.queries), _names(study.keys)
    shares = ", ".join(
        f"“{readers[row]}” takes {study.weights[row, column]:.2f} from “{keys[column]}”" for row, column in best
    )
    return f"{shares}.{_parking(study)}{_masked_end(study, ' of the memory')}{_one_way(study, best)}"


def _names(tokens: list[str]) -> list[str]:
    """Tokens as HTML, those that occur more than once with their position."""
    placed = zip(tokens, matrix.positions(tokens), strict=True)
    return [escape(position if tokens.count(token) > 1 else token) for token, position in placed]


def _masked_end(study: Study, of: str = "") -> str:
    if study.n_masked == 1:
        return f" The last token{of} is masked and gets exactly 0."
    return f" The last {study.n_masked} tokens{of} are masked and get exactly 0." if study.n_masked else ""


def _one_way(study: Study, pairs: list[tuple[int, int]]) -> str:
    """That the strongest of `pairs` is another number the other way round, where the two can be compared."""
    if study.n_masked or 1 in study.weights.shape:  # a share of a single token is 1 whatever the matrices are
        return ""
    row, column = max(pairs, key=lambda pair: study.weights[pair].item())
    back = _swapped_weights(study)[column, row].item()
    return (
        f" Reading goes one way: the other way round, “{_names(study.keys)[column]}” would take {back:.2f} from "
        f"“{_names(study.queries)[row]}”, because each reader shares out its own 1, and queries and keys have "
        "matrices of their own."
    )


def _strongest_pairs(study: Study) -> list[tuple[int, int]]:
    """Up to three (row, column), in reading order: readers with what they read most, words before punctuation."""
    strongest = study.weights.max(dim=-1)
    pairs = [(row, column) for row, column in enumerate(strongest.indices.tolist())]
    words = [pair for pair in pairs if _is_word(study.queries[pair[0]]) and _is_word(study.keys[pair[1]])]
    return sorted(sorted(words or pairs, key=lambda pair: -strongest.values[pair[0]])[:3])


def _is_word(token: str) -> bool:
    return any(character.isalnum() for character in token)


def _parking(study: Study) -> str:
    """Where words without a partner put their weight, when that is a punctuation mark."""
    received = study.weights.mean(dim=0)  # (key_len,)
    most = int(received.argmax())
    if _is_word(study.keys[most]):
        return ""
    mark = _names(study.keys)[most]
    return f" Words without a partner read something too: “{mark}” gets {received[most]:.2f} of the average reader."


def _self_notice(study: Study) -> str:
    with models.DEVICE_IN_USE, torch.no_grad():
        alone = study.attention.trace(study.x, mask=study.mask)
    difference = (alone.output - study.trace.output).abs().max().item()
    same = "exactly the same output" if difference == 0 else f"the same output (largest difference {difference:.0e})"
    which = "token" if study.n_masked == 1 else f"{study.n_masked} tokens"
    masked = f" and with the same {which} masked" if study.n_masked else ""
    return (
        f"The memory is the text itself, so this <b>is self-attention</b>: run without any memory{masked}, the layer "
        f"gives {same}.{_masked_end(study)} The table is square now. Query, key and value are three "
        "views of one text; in cross-attention, of two."
    )


def _swapped_weights(study: Study) -> Tensor:
    """(key_len, query_len): how the memory would read the text."""
    with models.DEVICE_IN_USE, torch.no_grad():
        return study.attention.trace(study.memory, memory=study.x).weights[0, study.head].cpu()


@st.cache_resource(max_entries=LAYERS, show_spinner=False)
def _torch_layer(layer: int) -> nn.MultiheadAttention:
    """torch's own module with the weights of MiniLM's layer, copied."""
    ours = models.minilm().model.layers[layer].attention
    theirs = nn.MultiheadAttention(ours.d_model, ours.n_heads, batch_first=True).to(ours.query_proj.weight)
    copy_attention(theirs, ours)
    return theirs.eval().requires_grad_(False)


def _torch_output(study: Study) -> Tensor:
    blocked = None if study.mask is None else ~study.mask[:, 0, 0]  # torch's module means the opposite: True = blocked
    with models.DEVICE_IN_USE, torch.no_grad():
        output, _ = _torch_layer(study.layer)(study.x, study.memory, study.memory, key_padding_mask=blocked)
    return output


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    columns = zip(matrix.positions(study.keys), study.weights.T.tolist(), strict=True)
    return pd.DataFrame(
        {"reads": matrix.positions(study.queries), **{name: [round(w, 4) for w in column] for name, column in columns}}
    )
