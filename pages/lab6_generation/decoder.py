"""Lab 6, section 3, be the decoder: the learner picks the tokens, beside what greedy decoding and beam search find."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from components import audit, controls, drawing, errors, models, section, state, text
from components.figures import walk
from engine.decoding.following import Followed, Rivals, follow
from pages.lab6_generation import decoder_study as chosen
from pages.lab6_generation import decoder_words as words
from pages.lab6_generation import prompt
from pages.lab6_generation.decoder_forks import MOST_FORKS, Forks
from pages.lab6_generation.decoder_study import PARAMS, Study  # the frame asks the section for PARAMS

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "Can you write likelier text than the machine, and would anybody want to read it?"
KEY = "decoder.walk"
PROBLEM = "decoder.problem"
NEAR_ENOUGH = 1e-3  # a sum over up to 100 tokens, each from logits that were added up in another order


@section.live
def draw() -> None:
    """The learner's tokens and what could come next, and the log-probability beside that of greedy and of beams."""
    section.in_order(QUESTION, chosen.study, figure=_figure, controls=_controls, below=_below, controls_share=0.7)


def _controls(study: Study | None, problem: str | None) -> None:
    prompt.control(80, any_model=True)
    text.problem(problem)
    prompt.notes(study and study.found)
    stopped = study is None or study.ended or study.full
    likeliest = None if study is None else study.forks.take([study.likeliest()])
    _button("Take the likeliest", lambda: likeliest, off=stopped, kind="primary")
    _button("Go back", lambda: study.forks.back(), off=study is None or not study.forks.ids)
    _button("Fork here", lambda: study.forks.fork(), off=study is None)
    _button("Start over", _empty)
    controls.line(chosen.WORDS, placeholder="the rest of a sentence")
    _button("Add your words", lambda: _with_typed(study), off=stopped)
    text.problem(st.session_state.pop(PROBLEM, None) or state.problem(chosen.FORKS))
    controls.reset_button(PARAMS)


def _button(label: str, make: Callable[[], Forks], *, off: bool = False, kind: str = "secondary") -> None:
    """A button that sets the forks to what `make` gives, or shows the sentence of its ValueError."""
    st.button(
        label, key=f"decoder.{label}", on_click=_set, args=(make,), disabled=off, type=kind, use_container_width=True
    )


def _set(make: Callable[[], Forks]) -> None:
    forks, st.session_state[PROBLEM] = errors.attempt(make)
    if forks is not None:
        state.set_value(chosen.FORKS, forks)


def _empty() -> Forks:
    return Forks(chosen.mark(prompt.read(chosen.MOST_TOKENS, any_model=True)))


def _with_typed(study: Study) -> Forks:
    forks = study.forks.take(chosen.typed_ids(study.found, state.get(chosen.WORDS)))
    state.set_value(chosen.WORDS, "")
    return forks


def _figure(study: Study) -> None:
    best = study.active.next_logits.log_softmax(dim=-1).exp().topk(chosen.N_CHOICES)
    walk.draw(
        study.found.text if len(study.found.text) <= 300 else f"… {study.found.text[-300:]}",
        [
            walk.Chosen(study.found.token(one.token_id), math.exp(one.log_prob), one.entropy, one.rank + 1)
            for one in study.active.steps
        ],
        [
            walk.Choice(number, study.found.token(number), share)
            for number, share in zip(best.indices.tolist(), best.values.tolist())
        ],
        rows=_rows(study),
        forks=[_fork(study, text_ids, followed) for text_ids, followed in zip(study.forks.texts, study.followed)],
        active=study.forks.active,
        over=words.over(study),
        key=KEY,
        alt=words.alt(study),
        on_change=partial(_take_event, study.forks),
    )


def _rows(study: Study) -> list[walk.Row]:
    n = len(study.forks.ids)
    if not n:
        return []
    own = walk.Row("You", "", study.active.log_prob, study.active.log_prob / n, "query")
    others = [
        walk.Row(
            words.NAMES[one.name],
            words.written(study, one.ids),
            one.log_prob,
            one.log_prob / n,
            "key" if one.name == "greedy" else "value",
        )
        for one in study.rivals
    ]
    return [own, *others]


def _fork(study: Study, ids: tuple[int, ...], followed: Followed) -> walk.Fork:
    n, active = len(ids), study.forks.ids
    shared = 0
    while ids != active and shared < min(n, len(active)) and ids[shared] == active[shared]:
        shared += 1
    mean = followed.log_prob / n if n else 0.0
    return walk.Fork(words.written(study, ids[:shared]), words.written(study, ids[shared:]), n, followed.log_prob, mean)


def _take_event(forks: Forks) -> None:
    """What the learner did in the figure."""
    event = drawing.result(KEY) or {}
    act = {
        "take": lambda: forks.take([int(event["id"])]),
        "fork": lambda: forks.fork(int(event["place"])),
        "switch": lambda: forks.switch(int(event["index"])),
        "drop": lambda: forks.drop(int(event["index"])),
        "back": forks.back,
    }.get(event.get("type"))
    if act:
        _set(act)


def _below(study: Study) -> None:
    section.reading(
        "Click a token on the left to take it; click one of your tokens to fork before it. In the list the arrow keys "
        "move, Enter takes, Backspace goes back. Under each of your tokens: its <b>p</b>robability, and the entropy "
        "<b>H</b> of that step, how open the choice was (in nats). <b>Log-probability</b>: the logarithms of all your "
        "tokens’ probabilities added up; 0 would be certain."
    )
    section.notice(words.notice(study))
    text.prose(words.STRENGTH)
    if chosen.beams_of(study.found.loaded.info.name) != chosen.BEAMS:
        section.reading("The beam of 16 is left out: with this model every click would wait for it.")
    section.try_this(_changes(study), key="decoder")
    _audit(study)
    section.code(follow, Rivals)
    if study.forks.ids:
        section.table(lambda: _table(study), key="decoder")
    section.sources(
        "Beam search: Graves 2012, *Sequence Transduction with Recurrent Neural Networks*",
        "High probability is not good text: Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*, "
        "sections 1 and 4; Stahlberg & Byrne 2019, *On NMT Search Errors and Model Errors: Cat Got Your Tongue?*",
        "Greedy and the beams write exactly as many tokens as you have: here an end token does not stop them",
    )


def _changes(study: Study) -> list[tuple[str, dict]]:
    if len(study.forks.texts) >= MOST_FORKS:
        return [("Write this one anew", {chosen.FORKS: study.forks.empty()})]
    found, own, n = study.found, study.forks.fork(0), max(len(study.forks.ids), 8)
    changes = []
    if study.rivals:
        changes.append(("Take the beam’s text as a fork", {chosen.FORKS: own.take(study.rivals[-1].ids)}))
    story = found.tokenizer.encode(" who could count to ten and was afraid of the number six.")
    changes.append(("A text that a person would write", {chosen.FORKS: own.take(story)}))
    greedy = chosen.greedy_ids(found, n + 8)
    changes.append((f"Greedy’s first {n + 8} tokens", {chosen.FORKS: own.take(greedy)}))
    return changes


def _audit(study: Study) -> None:
    if not study.forks.ids:
        audit.measured("Take a token: its log-probability is then compared with what transformers’ model says.")
        return
    audit.show(
        _second_opinion(study.found.loaded.info.name, study.found.ids, study.forks.ids, study.active),
        library="transformers’ own model",
        tolerance=NEAR_ENOUGH,
        what=f"the log-probability of your {len(study.forks.ids)} tokens, each and summed up (sum of log-softmax)",
        on="your text",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _second_opinion(name: str, prompt_ids: tuple[int, ...], ids: tuple[int, ...], _ours: Followed) -> audit.Difference:
    import torch

    with models.DEVICE_IN_USE, torch.inference_mode():
        logits = models.language_model_reference(name)(torch.tensor([[*prompt_ids, *ids]])).logits[0].float().cpu()
    log_probs = logits[len(prompt_ids) - 1 : -1].log_softmax(dim=-1)  # (tokens, vocab_size)
    theirs = log_probs.gather(-1, torch.tensor(ids)[:, None])[:, 0]  # (tokens,)
    ours = torch.tensor([one.log_prob for one in _ours.steps])
    return audit.find_difference([(ours, theirs), (torch.tensor([_ours.log_prob]), theirs.double().sum()[None])])


def _table(study: Study) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "token": study.found.token(one.token_id),
                "log-probability": one.log_prob,
                "sum so far": one.total_log_prob,
                "rank": one.rank + 1,
                "entropy": one.entropy,
            }
            for one in study.active.steps
        ]
    )
