"""All sizes from one training, against a tokenizer cut off at each size and against `tokenizers` trained to it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.corpora import corpus_text
from engine.tokenizer import GPT4_PATTERN, BPETokenizer, measures
from engine.tokenizer.sizes import find_knee, measure_sizes, truncated
from tests.engine.test_tokenizer import theirs_trained


def check_every_size(tokenizer: BPETokenizer, text: str, sizes) -> None:
    curve = measure_sizes(tokenizer, text)
    for size in sizes:
        small = truncated(tokenizer, size)
        ids, at = small.encode(text), curve.at(size)
        assert curve.vocab_sizes[at] == len(small)
        assert curve.n_tokens[at] == len(ids)
        assert curve.n_unused[at] == len(small) - len(set(ids))


@pytest.mark.parametrize("pattern", [None, GPT4_PATTERN])
def test_one_pass_gives_what_each_truncated_tokenizer_gives(pattern):
    options = {"pattern": pattern} if pattern else {}
    training, judged = measures.in_halves(corpus_text("dialogue") + corpus_text("languages"))
    tokenizer = BPETokenizer.train(training, 4000, processes=1, **options)
    check_every_size(tokenizer, judged, range(256, len(tokenizer) + 50, 97))


def test_one_pass_is_exact_on_strings_full_of_overlaps():
    generator = random.Random(1)
    for _ in range(60):
        tokenizer = BPETokenizer.train("".join(generator.choices("ab ", k=150)), 300, processes=1)
        check_every_size(tokenizer, "".join(generator.choices("ab c", k=120)), range(256, 302, 5))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aé b🙂\n", max_size=60), st.text(alphabet="aé b🙂\n", max_size=60))
def test_more_merges_never_give_more_tokens(training, judged):
    lengths = measure_sizes(BPETokenizer.train(training, 280, processes=1), judged).n_tokens
    assert lengths[0] == len(judged.encode())
    assert lengths == sorted(lengths, reverse=True)


def test_a_prefix_of_the_merges_is_what_tokenizers_trains_to_that_size():
    training, judged = measures.in_halves(corpus_text("stories"))
    curve = measure_sizes(BPETokenizer.train(training, 1400, processes=1), judged)
    for size in (300, 700, 1200):
        theirs = theirs_trained([training], size).encode(judged).ids
        assert curve.n_tokens[curve.at(size)] == len(theirs)
        assert curve.n_unused[curve.at(size)] == size - len(set(theirs))


def test_truncated_below_the_bytes_is_refused_and_at_them_keeps_no_merge():
    tokenizer = BPETokenizer.train("low low", 258)
    with pytest.raises(ValueError, match="at least 256"):
        truncated(tokenizer, 255)
    assert truncated(tokenizer, 256).merges == []
    assert truncated(tokenizer, 999).merges == tokenizer.merges


def test_merges_out_of_order_are_refused():
    vocab = BPETokenizer.train("", 256).vocab | {b"ab": 256, b"abc": 257}
    tokenizer = BPETokenizer(vocab, [(b"ab", b"c"), (b"a", b"b")])
    with pytest.raises(ValueError, match="order learned"):
        measure_sizes(tokenizer, "abc abc")


def test_an_empty_text_has_no_tokens_at_any_size():
    curve = measure_sizes(BPETokenizer.train("low low", 258), "")
    assert curve.n_tokens == [0, 0, 0]
    assert curve.n_unused == curve.vocab_sizes


def test_the_knee_of_a_corner_is_the_corner():
    knee = find_knee([0, 1, 5, 10], [0, 8, 9, 10])
    assert (knee.index, knee.gain, knee.cost) == (1, 0.8, 0.1)


@pytest.mark.parametrize("y", [[0, 1, 2, 3], [5, 5, 5, 5], [0, 0, 1, 3], [1, 2]])
def test_a_line_and_a_curve_below_it_have_no_knee(y):
    assert find_knee(range(len(y)), y) is None


def test_the_halves_are_every_other_line_and_nothing_is_in_both():
    training, judged = measures.in_halves("1\n\n2\n3\n4\n5\n")
    assert (training, judged) == ("2\n4\n", "1\n3\n5\n")
    assert measures.in_halves("A cat. A dog! 猫。犬。") == ("A dog!\n犬。\n", "A cat.\n猫。\n")
    for text in ("", " \n ", "one"):
        with pytest.raises(ValueError, match="at least two lines or sentences"):
            measures.in_halves(text)


def test_fits_and_the_best_of_a_column():
    texts = {"ab": "abab abab", "cd": "cdcd cdcd"}
    trained = {name: BPETokenizer.train(text, 260) for name, text in texts.items()}
    fits = measures.compare_fits(trained, texts)
    assert fits["ab"]["ab"].n_tokens == len(trained["ab"].encode(texts["ab"]))
    assert fits["ab"]["cd"].bytes_per_token == 1
    assert measures.best_for(fits, "cd") == "cd"


def test_fertility_counts_words_or_characters():
    assert measures.fertility(4, "two words") == 2
    assert measures.fertility(14, "今天阳光明媚。") == 2
    assert measures.fertility(0, "") == 0
    assert measures.writes_spaces("안녕 세상")
    assert not measures.writes_spaces("東京タワー")
