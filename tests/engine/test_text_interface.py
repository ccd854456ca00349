"""The text side of the language models: ours and the library's give the same, byte for byte."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from engine import models
from engine.text_interface import LibraryPieces, TextInterface, open_text
from engine.tokenizer import BPETokenizer
from tests.hub_models import END, VOCAB, tokenizer_json

TEXTS = [
    "",
    "Once upon a time",
    " 12 cats, 1234.5 dogs\n\n\tand  more ",
    "é😀 日本 ﬁ ẞ",
    f"a {END} b",
    "\x00\x7f\u2028",
]


def opened(folder, *, digits, **config):
    """The interface over a small tokenizer; with `digits` it is one that only the library reads."""
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(digits=digits)), encoding="utf-8")
    ids = {"eos_token_id": VOCAB - 1, "bos_token_id": VOCAB - 1}
    (folder / "config.json").write_text(json.dumps(ids | config))
    return open_text(folder, context=64)


@pytest.fixture(scope="module", params=["ours", "the library"])
def text(request, tmp_path_factory):
    found = opened(tmp_path_factory.mktemp("model"), digits=request.param != "ours")
    assert isinstance(found._tokenizer, BPETokenizer if request.param == "ours" else LibraryPieces)
    return found


@pytest.mark.parametrize("typed", TEXTS)
def test_a_text_comes_back_as_it_was_typed(text, typed):
    assert text.decode(text.encode(typed)) == typed


@given(typed=st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back(text, typed):
    assert text.decode(text.encode(typed)) == typed


def test_a_typed_special_token_stays_text_and_the_real_one_can_be_decoded(text):
    ids = text.encode(END)
    assert text.eos_id not in ids
    assert len(ids) > 1
    assert text.decode([text.eos_id]) == END
    assert text.special_tokens == {END: VOCAB - 1}
    assert (text.start_ids, text.vocab_size, text.context) == ([VOCAB - 1], VOCAB, 64)


def test_a_token_that_is_half_a_character_shows_its_bytes(text):
    ids = text.encode("é")
    assert [text.token_bytes(number) for number in ids] == [b"\xc3", b"\xa9"]
    assert text.decode(ids[:1]) == "\ufffd"
    assert [(token.bytes, token.start, token.end) for token in text.tokens("aé")][1:] == [
        (b"\xc3", 1, 2),
        (b"\xa9", 1, 2),
    ]


def test_every_id_has_its_bytes_and_no_other_id_has(text):
    found = [text.token_bytes(number) for number in range(text.vocab_size)]
    assert len(set(found)) == VOCAB
    assert {bytes([byte]) for byte in range(256)} <= set(found)
    for number in (-1, VOCAB):
        with pytest.raises(ValueError, match="ids must be ids of this vocabulary of 300 tokens"):
            text.token_bytes(number)


def test_half_a_surrogate_pair_is_refused_with_its_position(text):
    with pytest.raises(ValueError, match="2"):
        text.encode("ab\ud800")
    with pytest.raises(ValueError, match="2"):
        text.tokens("ab\ud800")


def test_ours_and_the_library_give_the_same_ids_for_the_same_file(tmp_path):
    """And the library, asked directly, gives them too."""
    ours = opened(tmp_path, digits=False)
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    wrapped = TextInterface(LibraryPieces(theirs), eos_id=VOCAB - 1, start_ids=[], context=64)
    for typed in TEXTS:
        assert ours.encode(typed) == wrapped.encode(typed)
        assert ours.tokens(typed) == wrapped.tokens(typed) == ours._tokenizer.tokens(typed)
        if END not in typed:
            assert ours.encode(typed) == Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(typed).ids


def test_digits_are_cut_as_the_file_says(tmp_path):
    found = opened(tmp_path, digits=True)
    assert [token.bytes for token in found.tokens("12")] == [b"1", b"2"]


def test_story_lm_begins_each_text_with_its_end_token():
    text = models.load("story-lm", device="cpu").tokenizer
    assert text.decode(text.start_ids) == END
    assert text.decode(text.encode("Lily said, “Hi!”")) == "Lily said, “Hi!”"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"eos_token_id": [1, 2]}, r"eos_token_id must be one id in config.json, got \[1, 2\]"),
        ({"bos_token_id": VOCAB}, "ids must be ids of this vocabulary"),
    ],
)
def test_a_config_that_does_not_fit_is_a_sentence(tmp_path, config, says):
    with pytest.raises(ValueError, match=says):
        opened(tmp_path, digits=False, **config)


def test_a_model_without_end_or_start_has_none(tmp_path):
    found = opened(tmp_path, digits=False, eos_token_id=None, bos_token_id=None)
    assert (found.eos_id, found.start_ids) == (None, [])


def test_a_tokenizer_of_another_kind_is_refused_in_a_sentence(tmp_path):
    opened(tmp_path, digits=False)
    word_piece = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    content = {"version": "1.0", "model": word_piece | {"max_input_chars_per_word": 9, "vocab": {"[UNK]": 0, "ü␠": 1}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"must be the tokenizer.json of a byte-level tokenizer: .*byte alphabet"):
        open_text(tmp_path, context=64)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"must hold tokenizer\.json, and it does not"):
        open_text(tmp_path, context=64)
