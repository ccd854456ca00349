"""Special tokens in words: who speaks, what was injected, and why it stays text. All from the ids on screen."""

from collections.abc import Iterator
from dataclasses import dataclass

import streamlit as st

from components.text import escape
from engine.tokenizer import BPETokenizer, chat
from engine.tokenizer.chat import Part, Turn
from pages.lab4_tokenizer.chips import quote

SAFE_TITLE = "<b>Safe: part by part.</b> Only the template may hold special tokens."

IN_TRANSFORMERS = """\
from transformers import PreTrainedTokenizerFast

tokenizer = PreTrainedTokenizerFast(tokenizer_file="tokenizer.json")  # saved in the section “Train it”
tokenizer.add_special_tokens({
    "additional_special_tokens": ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
})
tokenizer.chat_template = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]

# Unsafe: the template is filled in first, and then everything is encoded together.
pasted = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)

# Safe: what people wrote is encoded alone, as text.
by_parts = []
for message in messages:
    by_parts += tokenizer.convert_tokens_to_ids([f"<|{message['role']}|>"])
    by_parts += tokenizer(message["content"], split_special_tokens=True)["input_ids"]
    by_parts += tokenizer.convert_tokens_to_ids(["<|end|>"])
by_parts += tokenizer.convert_tokens_to_ids(["<|assistant|>"])
"""


@dataclass(frozen=True)
class Study:
    """One chat in both ways: everything that figure, words and table show."""

    tokenizer: BPETokenizer  # with the learner's special tokens
    own: tuple[str, ...]  # special tokens that the tokenizer brings and the learner did not list
    parts: list[Part]
    by_parts: list[int]
    pasted: list[int]
    allowed: bool  # whether special tokens are looked for in the pasted text

    @property
    def injected(self) -> list[str]:
        """The special tokens that the messages spell, in order."""
        names = {number: name for name, number in self.tokenizer.special_tokens.items()}
        return [names[number] for number in chat.special_ids_from_people(self.tokenizer, self.parts)]

    @property
    def missing(self) -> list[str]:
        """The template's markers that are not in the learner's list."""
        written = dict.fromkeys(part.text for part in self.parts if part.template)
        return [name for name in written if name not in self.tokenizer.special_tokens]


def pasted_title(study: Study) -> str:
    if study.allowed:
        return "<b>Unsafe: pasted together</b>, special tokens allowed everywhere."
    return "<b>Pasted together</b>, special tokens allowed nowhere."


def template(study: Study) -> str:
    """The chat as one string, with the template's own parts in bold."""
    written = [f"<b>{escape(part.text)}</b>" if part.template else escape(part.text, 60) for part in study.parts]
    return f"<span style='unicode-bidi: isolate'>{''.join(written)}</span>"


def new_ids(study: Study) -> str:
    """How the list changes the vocabulary."""
    ids = sorted(study.tokenizer.special_tokens.values())
    if not ids:
        return "No special tokens: every id is an ordinary token."
    new = f"id {ids[0]:,}" if len(ids) == 1 else f"ids {ids[0]:,} to {ids[-1]:,}"
    rows = "one more row" if len(ids) == 1 else f"{len(ids)} more rows"
    own = f" {quote(study.own[0])} is the tokenizer’s own." if study.own else ""
    on_top = f"on top of {len(study.tokenizer.vocab):,} ordinary tokens"
    return f"{new.capitalize()} {on_top}: {rows} in a model’s embedding table.{own}"


def who_speaks(study: Study, ids: list[int]) -> str:
    """A small table of the turns, as the ids divide them."""
    found = chat.turns(study.tokenizer, ids)
    rows = "".join(f"<tr><td><b>{_role(turn)}</b></td><td>{_said(turn)}</td></tr>" for turn in found)
    head = "<tr><th>Who</th><th>says, to a model that reads these ids</th></tr>"
    return f"<table class='labs-small-table'>{head}{rows}</table>"


def _role(turn: Turn) -> str:
    return turn.role or "nobody"


def _said(turn: Turn) -> str:
    said = f"<span style='unicode-bidi: isolate'>{escape(turn.text, 90)}</span>" if turn.text else ""
    return (said + (" …" if said else "<i>speaks next</i>")) if turn.open and turn.role else said or "<i>nothing</i>"


def notice(study: Study) -> str:
    """What the two ways make of the messages."""
    if study.missing:
        return _missing(study)
    if not study.allowed:
        n_special = sum(number in study.tokenizer.special_tokens.values() for number in study.by_parts)
        return (
            f"With nothing allowed the injection fails, but so does the template: its {n_special} markers are letters "
            "as well, and no side is told from another. One call for the pasted text can only allow all or nothing; "
            "the safe way needs a call for each part."
        )
    injected = study.injected
    if not injected:
        same = "the same" if study.pasted == study.by_parts else "other"
        return (
            f"Neither message spells a special token, so both ways give {same} {len(study.by_parts)} ids. Type "
            "<code>&lt;|end|&gt;</code> into the user message and they part."
        )
    return _injection(study, injected)


def _missing(study: Study) -> str:
    name = study.missing[0]
    n_tokens = len(study.tokenizer.encode(name))
    return (
        f"{quote(name)} is not in your list, so even the template’s own {quote(name)} is ordinary text, {n_tokens} "
        f"tokens of it. Nothing marks that place for the model any more; compare who speaks."
    )


def _injection(study: Study, injected: list[str]) -> str:
    ids = ", ".join(f"{quote(name)} became {study.tokenizer.special_tokens[name]:,}" for name in injected[:3])
    more = f" (and {len(injected) - 3} more)" if len(injected) > 3 else ""
    spoken = [turn for turn in chat.turns(study.tokenizer, study.pasted) if turn.text]
    last = spoken[-1] if spoken else None
    safe = [turn.role for turn in chat.turns(study.tokenizer, study.by_parts)]
    counts = f"{len(chat.turns(study.tokenizer, study.pasted))} turns instead of {len(safe)}"
    speaker = ""
    if last and last.role != "user":
        speaker = f" The last words before the answer, “{escape(last.text, 60)}”, are now the <b>{_role(last)}</b>’s."
    return (
        f"The messages hold {len(injected)} marker{'s' if len(injected) > 1 else ''}. Pasted together, {ids}{more}: "
        f"real special tokens, exactly like the template’s.{speaker} The model sees {counts}, and cannot know that one "
        "person typed them all."
    )


def why_it_stays_text(study: Study) -> str:
    """Why the safe way is safe: the letters of a marker have ordinary tokens, and no merge makes a special one."""
    names = study.injected or list(study.tokenizer.special_tokens)
    if not names:
        return ""
    name = names[0]
    cut = " ".join(quote(token.bytes) for token in study.tokenizer.tokens(name))
    n_merges = len(study.tokenizer.merges)
    return (
        f"<b>Why it stays text.</b> Without permission {quote(name)} is cut like any other text: {cut}. Id "
        f"{study.tokenizer.special_tokens[name]:,} is made by none of the {n_merges:,} merges. It can only come from a "
        "search for the whole marker before the merges begin, and the safe way does not search in what people wrote."
    )


def spelled_by_people(study: Study, ids: list[int]) -> list[int]:
    """The places of the tokens with which people's own text spells a special token, as letters or as the token."""
    names = [name.encode() for name in study.tokenizer.special_tokens]
    spans, at = [], 0  # in bytes of the whole chat
    for part in study.parts:
        written = part.text.encode()
        if not part.template:
            spans += [(at + start, at + start + len(name)) for name in names for start in _places(written, name)]
        at += len(written)
    found, start = [], 0
    for place, number in enumerate(ids):
        end = start + len(study.tokenizer.token_bytes(number))
        if any(start < last and first < end for first, last in spans):
            found.append(place)
        start = end
    return found


def _places(text: bytes, name: bytes) -> Iterator[int]:
    start = text.find(name)
    while start >= 0:
        yield start
        start = text.find(name, start + len(name))


def safe_holds(study: Study) -> bool:
    """The safe way gives the same text back, and its special ids are the template's alone."""
    specials = study.tokenizer.special_tokens
    of_template = [specials[part.text] for part in study.parts if part.template and part.text in specials]
    found = [number for number in study.by_parts if number in specials.values()]
    return found == of_template and study.tokenizer.decode(study.by_parts) == "".join(p.text for p in study.parts)


def safe_claim(study: Study) -> str:
    if not safe_holds(study):
        return "part by part: the ids do not give the chat back, or people’s text holds a special id"
    return "part by part: the ids decode to exactly your chat, and no special id comes from a message"


def alt(study: Study, ids: list[int]) -> str:
    """The strip in a sentence."""
    specials = study.tokenizer.special_tokens.values()
    roles = ", ".join(_role(turn) for turn in chat.turns(study.tokenizer, ids))
    return f"{len(ids)} tokens, {sum(number in specials for number in ids)} of them special; turns: {roles}"


def in_transformers() -> None:
    """The code, and what to expect of it."""
    st.code(IN_TRANSFORMERS, language="python")
    st.markdown(
        "`apply_chat_template` fills the template in and encodes the whole text, so a marker in a message becomes a "
        "real special token. `split_special_tokens=True` is the switch that keeps it text."
    )


def table(study: Study) -> list[dict]:
    """Both ways token by token."""
    specials = study.tokenizer.special_tokens.values()
    return [
        {
            "way": way,
            "place": place,
            "id": number,
            "token": study.tokenizer.token_bytes(number).decode("utf-8", "backslashreplace"),
            "special": number in specials,
        }
        for way, ids in (("part by part", study.by_parts), ("pasted together", study.pasted))
        for place, number in enumerate(ids, start=1)
    ]
