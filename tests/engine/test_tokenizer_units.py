"""Fixed vocabularies of words and of characters, against WordLevel of `tokenizers`."""

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from engine.corpora import corpus_text, language_texts
from engine.tokenizer.units import CHARACTER_PATTERN, UNKNOWN, WORD_PATTERN, FixedVocabulary, embedding_parameters


def library(vocabulary: FixedVocabulary) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer(models.WordLevel(vocabulary.ids, UNKNOWN))
    theirs.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(vocabulary.pattern), "removed", invert=True)
    return theirs


WORDS = FixedVocabulary.from_text(corpus_text("stories"), WORD_PATTERN)


@pytest.mark.parametrize(
    "text", [corpus_text("dialogue")[:5000], *language_texts().values(), "", " \n", "don’t 👩‍🚀 3.14"]
)
def test_words_have_the_ids_that_word_level_gives(text):
    assert [unit.id for unit in WORDS.units(text)] == library(WORDS).encode(text).ids


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_characters_lie_side_by_side_and_words_lose_only_white_space(text):
    letters = FixedVocabulary.from_text("abc", CHARACTER_PATTERN)
    assert "".join(unit.text for unit in letters.units(text)) == text
    kept = "".join(unit.text for unit in WORDS.units(text))
    assert kept == "".join(sign for sign in text if not is_space(sign))
    for unit in WORDS.units(text):
        assert text[unit.start : unit.end] == unit.text


def is_space(sign: str) -> bool:
    return sign.isspace() and sign not in "\x1c\x1d\x1e\x1f"  # which Python calls space and Unicode does not


def test_the_most_frequent_stay_and_what_is_left_out_is_unknown():
    small = FixedVocabulary.from_text("b a b c a b", WORD_PATTERN, most=2)
    assert small.ids == {UNKNOWN: 0, "b": 1, "a": 2}
    assert [unit.id for unit in small.units("a b c d")] == [2, 1, 0, 0]
    assert len(small) == 3


def test_vowel_signs_and_apostrophes_belong_to_their_word():
    assert [unit.text for unit in WORDS.units("हिन्दी isn't l’eau.")] == ["हिन्दी", "isn't", "l’eau", "."]


def test_an_empty_vocabulary_is_refused():
    with pytest.raises(ValueError, match="most must be at least 1"):
        FixedVocabulary.from_text("a", WORD_PATTERN, most=0)


def test_the_embedding_of_gpt2_has_its_published_size():
    import torch

    layer = torch.nn.Embedding(50_257, 768, device="meta")
    assert embedding_parameters(50_257, 768) == layer.weight.numel()
