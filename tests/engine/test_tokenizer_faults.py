"""The measured faults of tokenizers, each against counting by hand, `tokenizers` or torch."""

import json
from collections import Counter

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.decoders import DecodeStream

from engine.tokenizer import GPT4_PATTERN, BPETokenizer
from engine.tokenizer.faults import (
    boundary,
    digit_groupings,
    digit_groups,
    is_partial,
    rows_without_gradient,
    stream,
    unused_tokens,
)
from engine.tokenizer.files import to_json

TEXT = "The owl saw the cow. The cow saw 1999 and 2000, and né🙂né🙂. " * 20
TOKENIZER = BPETokenizer.train(TEXT, 320)
THEIRS = tokenizers.Tokenizer.from_str(json.dumps(to_json(TOKENIZER)))


@given(st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_the_boundary_counts_the_tokens_that_stay(prompt, continuation):
    found = boundary(TOKENIZER, prompt, continuation)
    assert found.together[: found.kept] == found.prompt[: found.kept]
    assert found.holds == (found.together[: len(found.prompt)] == found.prompt)


def test_a_trailing_space_is_torn_from_the_next_word():
    assert boundary(TOKENIZER, "The owl", " saw").holds
    assert not boundary(TOKENIZER, "The owl ", "saw").holds


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_stream_gives_the_text_back_and_never_shows_half_a_character(text):
    steps = list(stream(TOKENIZER, TOKENIZER.encode(text)))
    assert "".join(step.shown for step in steps) == text
    assert not steps or steps[-1].waiting == b""
    assert all(("\ufffd" in step.alone) >= is_partial(step.bytes) for step in steps)


def test_a_stream_shows_the_same_at_each_step_as_tokenizers():
    ids = TOKENIZER.encode("né🙂 x👩‍👩‍👧 1999 東京")
    theirs = DecodeStream(skip_special_tokens=False)
    assert [step.shown for step in stream(TOKENIZER, ids)] == [theirs.step(THEIRS, number) or "" for number in ids]


def test_digits_are_counted_in_each_token():
    single = BPETokenizer.train("", 256)
    assert digit_groups(single, "12345") == (1, 1, 1, 1, 1)
    assert digit_groupings(single, 2) == Counter({(1, 1): 90})
    many = " ".join(str(number) for number in range(1000))
    threes = BPETokenizer.train([many, "\n".join(str(n) for n in range(1000))] * 3, 1500, pattern=GPT4_PATTERN)
    assert digit_groups(threes, "12345") == (3, 2)  # GPT-4's pattern cuts three digits from the left
    assert sum(digit_groupings(TOKENIZER, 3).values()) == 900
    with pytest.raises(ValueError, match="n_digits must lie between 1 and 5, got 6"):
        digit_groupings(single, 6)


def test_unused_tokens_are_those_that_no_text_holds():
    counts = Counter(TOKENIZER.encode(TEXT))
    unused = unused_tokens(TOKENIZER, TEXT, counts)
    theirs = set(THEIRS.encode(TEXT).ids)
    assert {token.id for token in unused} == set(range(len(TOKENIZER))) - theirs
    by_bytes = {token.bytes: token.why for token in unused}
    assert by_bytes[b"\xff"] == "partial"
    assert by_bytes[b"Z"] == "absent"
    assert by_bytes[b"1"] == "swallowed"  # it stands in the text only in 1999, which is one token
    assert all(token.bytes in TEXT.encode() for token in unused if token.why == "swallowed")
    assert not any(token.bytes in TEXT.encode() for token in unused if token.why == "absent")
    assert rows_without_gradient(TOKENIZER.encode(TEXT), len(TOKENIZER)) == len(unused)


def test_nothing_is_used_by_no_text():
    unused = unused_tokens(TOKENIZER, "", Counter())
    assert len(unused) == len(TOKENIZER.vocab)
    assert {token.why for token in unused} == {"partial", "absent"}
    assert rows_without_gradient([], 5) == 5
