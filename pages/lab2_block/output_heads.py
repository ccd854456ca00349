"""Section 9, from output to answer: a classification head and a language-model head on the same hidden states."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import heads as figure
from components.figures import matrix
from engine.output_heads import ClassificationHead, ClassificationTrace, MaskedLanguageHead, mask_token
from pages.lab2_block import output_heads_words
from pages.lab2_block.params import TEXT

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "How does a table of vectors become an answer?"
KEY = "heads.figure"
MOST_TOKENS = 18  # [CLS] and [SEP] included
N_WORDS = 10

TOKEN = state.Number("h_token", 12, "Token to guess", low=2, high=MOST_TOKENS - 1)
MASK = state.Flag("h_mask", True, "Replace it by [MASK]", help="The encoder then reads a text with a gap in it")
POOLING = state.Choice(
    "h_pool",
    "mean",
    "One vector for the text",
    options=("mean", "cls"),
    labels={"mean": "Mean of all", "cls": "[CLS] alone"},
)
PARAMS = [TEXT, TOKEN, MASK, POOLING]

STORY = "Once upon a time, there was a big bear in the forest."
BLAME = "A terrible film with a cold heart and a clumsy script."


@dataclass(frozen=True)
class Answers:
    """One run of the encoder and what both heads make of it: everything that the figure and the words show."""

    source: str
    pooling: str
    place: int  # the token that is guessed, counted from 0
    masked: bool
    word: str  # the token that stood there
    ids: list[int]  # as the encoder read them
    tokens: list[str]
    hidden: Tensor  # (1, seq_len, d_model)
    classified: ClassificationTrace
    unmasked: Tensor  # (1, n_classes), the probabilities of the text without a gap
    logits: Tensor  # (1, seq_len, vocab_size)
    likeliest: list[tuple[str, float]]  # words with their probabilities at the chosen place
    rank: int  # of the word that stood there, from 1
    probability: float  # of that word

    @property
    def pulls(self) -> Tensor:
        """(seq_len,): positive minus negative, for each token's vector alone."""
        return self.classified.token_logits[0, :, 1] - self.classified.token_logits[0, :, 0]

    @property
    def margin(self) -> float:
        """Positive minus negative for the whole text, as logits."""
        return (self.classified.logits[0, 1] - self.classified.logits[0, 0]).item()


@section.live
def draw() -> None:
    """One text through the encoder once, and two heads that read what came out."""
    read, problem = errors.attempt(lambda: models.short_reading(state.get(TEXT), MOST_TOKENS))
    answers, failure = errors.attempt(lambda: _answers_now(read)) if read else (None, None)
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.8)
    if answers:
        with figure_column, errors.shown_as_a_sentence():
            _show(answers)
    with controls_column:
        controls.area(TEXT, height=92)
        text.problem(problem or failure)
        if read:
            text.problem(models.cut_sentence(read.text))
            section.reading(text.escape(models.token_sentence(read.text) or ""))
        _token_list(read.text.tokens if read else [])
        controls.toggle(MASK)
        controls.choice(POOLING, wrap=True)
        controls.reset_button(PARAMS)


def _token_list(tokens: list[str]) -> None:
    """The token to guess by name. A number beyond the text stays the learner's wish; the last word is taken then."""
    wish, last = state.get(TOKEN), len(tokens) - 1
    beyond = [wish] if wish > last else []
    controls.pick(
        TOKEN,
        [*range(2, last + 1), *beyond],
        lambda place: f"{place} {tokens[place - 1]}" if place <= last else f"{place}, beyond this text",
    )
    if beyond and tokens:
        text.problem(
            f"{TOKEN.label} {wish}: this text goes up to {last} (after it stands [SEP]), so {last} is taken. "
            "The wish comes back with a longer text."
        )


def _answers_now(read: models.Reading) -> Answers:
    place = int(controls.fitted(TOKEN, len(read.text) - 1)) - 1
    return _answers(state.get(TEXT), place, state.get(MASK), state.get(POOLING))


@st.cache_resource(max_entries=16, show_spinner=False)
def _answers(source: str, place: int, masked: bool, pooling: str) -> Answers:
    read, loaded, heads = models.short_reading(source, MOST_TOKENS), models.minilm(), models.minilm_heads()
    mask_id = loaded.tokenizer.token_to_id("[MASK]")
    ids = mask_token(read.text.ids, place, mask_id) if masked else read.text.ids
    classification = heads.classification[pooling]
    with models.DEVICE_IN_USE, torch.inference_mode():
        hidden = loaded.model([ids]) if masked else read.trace.output  # (1, seq_len, d_model)
        classified = classification.trace(hidden)
        unmasked = classification.trace(read.trace.output).probabilities
        logits = heads.language(hidden)  # (1, seq_len, vocab_size)
        at_place = logits[0, place].softmax(dim=-1)  # (vocab_size,)
    best = at_place.topk(N_WORDS)
    true_probability = at_place[read.text.ids[place]]
    return Answers(
        source=source,
        pooling=pooling,
        place=place,
        masked=masked,
        word=read.text.tokens[place],
        ids=ids,
        tokens=[loaded.tokenizer.id_to_token(one) for one in ids],
        hidden=hidden.cpu(),
        classified=ClassificationTrace(**{name: values.cpu() for name, values in vars(classified).items()}),
        unmasked=unmasked.cpu(),
        logits=logits.cpu(),
        likeliest=[
            (loaded.tokenizer.id_to_token(one), share)
            for one, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ],
        rank=int((at_place > true_probability).sum()) + 1,
        probability=true_probability.item(),
    )


def _show(answers: Answers) -> None:
    _figure(answers)
    section.let_it_paint()
    section.reading(output_heads_words.reading(answers))
    section.notice(output_heads_words.notice(answers))
    section.try_this(_suggestions(), key="heads")
    _audit(answers)
    audit.measured(output_heads_words.held_out(models.minilm_heads().card))
    with st.expander("Go deeper: where a word’s logit comes from, and what each head costs"):
        st.html(output_heads_words.costs(answers, models.minilm_heads()))
        text.prose(output_heads_words.tied(answers, *_top_logit(answers)))
    section.code(ClassificationHead, MaskedLanguageHead, mask_token)
    section.table(lambda: _word_table(answers), key="heads.words", title="The words as a table")
    section.table(lambda: _token_table(answers), key="heads.tokens", title="Every token’s part in the class as a table")
    section.sources(
        "Masked words, and one vector for a classification: Devlin et al. 2019 (BERT), sections 3.1 and 4.1",
        "The mean of the token vectors: Reimers and Gurevych 2019 (Sentence-BERT), section 3",
        "A decoder tied to the word embeddings: Press and Wolf 2017",
        "The encoder: all-MiniLM-L6-v2, which comes without heads. Both were trained for this page on its frozen "
        "hidden states; data, licences, command and results stand in assets/models/minilm-heads/README.md",
    )


def _suggestions() -> list[tuple[str, dict]]:
    return [
        ("A bad review", {TEXT: BLAME, TOKEN: 3, MASK: False}),
        ("Hide its “terrible”", {TEXT: BLAME, TOKEN: 3, MASK: True}),
        ("A gap in a story", {TEXT: STORY, TOKEN: 10, MASK: True}),
    ]


def _figure(answers: Answers) -> None:
    figure.draw(
        answers.tokens,
        [_class_head(answers), _word_head(answers)],
        key=KEY,
        alt=output_heads_words.alt(answers),
        caption="The encoder has read the text once. Both heads start from these hidden states:",
        shape=_shape(answers.hidden),
        chosen=answers.place,
        on_change=_token_chosen,
    )


def _class_head(answers: Answers) -> figure.Head:
    classified, mean = answers.classified, answers.pooling == "mean"
    n_tokens, d_model = answers.hidden.shape[1:]
    pulls = answers.pulls.tolist()
    names = matrix.positions(answers.tokens)
    return figure.Head(
        title="Classification head: one answer for the text",
        stages=[
            (f"mean of {n_tokens} vectors" if mean else "the vector of [CLS]", _shape(classified.pooled)),
            (f"matrix {d_model} × 2, softmax", _shape(classified.probabilities)),
        ],
        bars=[
            figure.Bars(
                "If it were a film review: probability of each class",
                [
                    figure.Bar(name, share, f"{share:.3f}", role=role)
                    for name, role, share in zip(
                        ("negative", "positive"),
                        ("negative", "value"),
                        classified.probabilities[0].tolist(),
                        strict=True,
                    )
                ],
            ),
            figure.Bars(
                "Positive − negative by token; "
                + (f"their mean is {output_heads_words.signed(answers.margin)}" if mean else "only [CLS] counts"),
                [
                    figure.Bar(
                        name,
                        pull,
                        output_heads_words.signed(pull),
                        role="value" if pull > 0 else "negative",
                        marked=place == answers.place,
                        faint=not mean and place > 0,
                    )
                    for place, (name, pull) in enumerate(zip(names, pulls, strict=True))
                ],
                high=max(1e-9, *(abs(pull) for pull in pulls)),
                signed=True,
                compact=True,
            ),
        ],
        foot=[output_heads_words.own_weights(models.minilm_heads().classification[answers.pooling])],
    )


def _word_head(answers: Answers) -> figure.Head:
    vocab_size = answers.logits.shape[-1]
    named = matrix.positions(answers.tokens)[answers.place]
    top = answers.likeliest[0][1]
    return figure.Head(
        title="Language-model head: one answer for each token",
        stages=[
            ("dense, GELU, norm", _shape(answers.hidden)),
            (f"matrix {answers.hidden.shape[2]} × {vocab_size:,}, softmax", _shape(answers.logits)),
        ],
        bars=[
            figure.Bars(
                f"The {N_WORDS} likeliest words at {named}",
                [
                    figure.Bar(word, share, f"{share:.3f}", marked=word == answers.word)
                    for word, share in answers.likeliest
                ],
                high=max(top, 0.05),
            )
        ],
        foot=[
            output_heads_words.true_word(answers),
            output_heads_words.own_weights(models.minilm_heads().language),
        ],
    )


def _token_chosen() -> None:
    event = drawing.result(KEY) or {}
    if event.get("type") == "select":
        state.set_value(TOKEN, TOKEN.parse(str(int(event["index"]) + 1)))


def _shape(values: Tensor) -> str:
    return "(" + ", ".join(f"{size:,}" for size in values.shape) + ")"


def _top_logit(answers: Answers) -> tuple[float, float]:
    """The likeliest word's two parts: dot product with its embedding, and bias."""
    head = models.minilm_heads().language
    word = int(answers.logits[0, answers.place].argmax())
    bias = head.bias[word].item()
    return answers.logits[0, answers.place, word].item() - bias, bias


@st.cache_resource(show_spinner=False)
def _transformers_head() -> nn.Module:
    """transformers' own head with our weights, copied; its decoder is the reference encoder's embedding, as in BERT."""
    from transformers.models.bert.modeling_bert import BertOnlyMLMHead

    ours, reference = models.minilm_heads().language, models.minilm_reference()
    with torch.device("meta"):  # no second decoder is made, only to be thrown away
        theirs = BertOnlyMLMHead(reference.config)
    part = theirs.predictions
    part.transform.dense.weight, part.transform.dense.bias = (_copy(w) for w in (ours.dense.weight, ours.dense.bias))
    norm = part.transform.LayerNorm
    norm.weight, norm.bias = (_copy(w) for w in (ours.norm.weight, ours.norm.bias))
    part.decoder.weight, part.decoder.bias = reference.embeddings.word_embeddings.weight, _copy(ours.bias)
    part.bias = part.decoder.bias
    return theirs.eval().requires_grad_(False)


def _copy(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach().cpu().clone(), requires_grad=False)


def _audit(answers: Answers) -> None:
    classes, words = _second_opinion(answers.source, answers.place, answers.masked, answers.pooling)
    audit.show(classes, library="torch over transformers’ states", tolerance=1e-4, what="class logits")
    audit.show(words, library="transformers’ BertOnlyMLMHead", tolerance=1e-3, what="word logits")


@st.cache_data(max_entries=32, show_spinner=False)
def _second_opinion(source: str, place: int, masked: bool, pooling: str) -> tuple[audit.Difference, audit.Difference]:
    """The whole way a second time: BertModel's hidden states, then plain torch, and transformers' own head."""
    answers, head = _answers(source, place, masked, pooling), models.minilm_heads().classification[pooling]
    with models.DEVICE_IN_USE, torch.inference_mode():
        hidden = models.minilm_reference()(torch.tensor([answers.ids])).last_hidden_state  # (1, seq_len, d_model)
        pooled = hidden.mean(dim=1) if pooling == "mean" else hidden[:, 0]
        classes = F.linear(pooled, head.output_proj.weight.cpu(), head.output_proj.bias.cpu())
        words = _transformers_head()(hidden)
    found = [(answers.classified.logits, classes)], [(answers.logits, words)]
    return audit.find_difference(found[0]), audit.find_difference(found[1])


def _word_table(answers: Answers) -> "pd.DataFrame":
    import pandas as pd

    logits = answers.logits[0, answers.place]
    best, loaded = logits.softmax(dim=-1).topk(50), models.minilm()
    return pd.DataFrame(
        {
            "place": range(1, len(best.indices) + 1),
            "word": [loaded.tokenizer.id_to_token(one) for one in best.indices.tolist()],
            "logit": [round(logits[one].item(), 3) for one in best.indices.tolist()],
            "probability": [round(share, 5) for share in best.values.tolist()],
        }
    )


def _token_table(answers: Answers) -> "pd.DataFrame":
    import pandas as pd

    negative, positive = answers.classified.token_logits[0].T.tolist()
    names = [*matrix.positions(answers.tokens), "the text"]
    whole = answers.classified.logits[0].tolist()
    return pd.DataFrame(
        {
            "token": names,
            "logit negative": [round(value, 4) for value in (*negative, whole[0])],
            "logit positive": [round(value, 4) for value in (*positive, whole[1])],
            "positive − negative": [round(value, 4) for value in (*answers.pulls.tolist(), answers.margin)],
        }
    )
