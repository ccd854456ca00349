"""The `tokenizers` library with the same vocabulary and merges: the second opinion under this lab's figures."""

import json

import streamlit as st
import tokenizers
from tokenizers.decoders import DecodeStream

from engine.tokenizer import BPETokenizer
from engine.tokenizer.faults import StreamStep
from engine.tokenizer.files import to_json


def library(name: str, tokenizer: BPETokenizer, *, specials_are_text: bool = False) -> tokenizers.Tokenizer:
    """`tokenizer` as a tokenizers.Tokenizer, through its tokenizer.json. Shared by all visitors: do not change it.

    name: tells this tokenizer from all others. specials_are_text: the library finds its special tokens in any text
    unless it is told not to.
    """
    return _library(name, specials_are_text, tokenizer)


def streams_agree(theirs: tokenizers.Tokenizer, steps: list[StreamStep]) -> bool:
    """Whether the library's own stream of the same ids has shown the same text, wherever none of ours waits.

    It holds a whole token back where ours shows the whole characters before the cut one, and it also waits at a
    U+FFFD that the text itself holds; there it must only not have shown anything else.
    """
    stream, ours, other = DecodeStream(skip_special_tokens=False), "", ""
    for step in steps:
        ours, other = ours + step.shown, other + (stream.step(theirs, step.id) or "")
        may_wait = step.waiting or ours.endswith("\ufffd")
        if not (ours.startswith(other) if may_wait else ours == other):
            return False
    return True


@st.cache_resource(max_entries=8, show_spinner=False)
def _library(name: str, specials_are_text: bool, _tokenizer: BPETokenizer) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer.from_str(json.dumps(to_json(_tokenizer)))
    theirs.encode_special_tokens = specials_are_text  # in spite of its name: True makes them text
    return theirs
