"""The history of a training: at every merge what the plain algorithm has, at its end what the encoder gives."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tokenizer import GPT2_PATTERN, GPT4_PATTERN, BPETokenizer
from engine.tokenizer.alphabet import BYTES
from engine.tokenizer.history import MOST_MERGES, N_CANDIDATES, build_history
from engine.tokenizer.learning import learn
from engine.tokenizer.pieces import splitter
from engine.tokenizer.plain import count_pairs, join, learn_plainly

TEXT = "the low tower is lower than the new tower\nthe newest and the widest don't  grow, naïve 東京東京 🙂🙂"
PATTERNS = [GPT2_PATTERN, GPT4_PATTERN, r" ?\S+|\s+(?!\S)|\s+", r"[\s\S]+"]


def words_of(text: str, pattern: str) -> dict[bytes, int]:
    return {piece.encode(): count for piece, count in Counter(splitter(pattern)(text)).items()}


def assert_plain_at_every_merge(text: str, pattern: str) -> None:
    """Counts everything anew before each merge, as the algorithm says it."""
    history = build_history(text, pattern)
    words = words_of(text, pattern)
    number_of = {token[0]: number for number, token in enumerate(BYTES)}
    texts = [([number_of[byte] for byte in word], count) for word, count in words.items()]
    assert history.merges == list(learn_plainly(words, BYTES, 256 + MOST_MERGES))
    for rank, moment in enumerate(history.moments):
        counts = count_pairs(texts)
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        assert list(moment.candidates) == best[:N_CANDIDATES]
        assert moment.n_pairs == len(best)
        assert moment.n_tied == sum(count == best[0][1] for _, count in best)
        assert moment.n_tokens == sum(len(symbols) * count for symbols, count in texts)
        assert [history.cut(piece, rank) for piece in range(len(texts))] == [
            [history.tokens[symbol] for symbol in symbols] for symbols, _ in texts
        ]
        if rank < len(history.merges):
            merge = history.merges[rank]
            texts = [(join(symbols, merge.pair, merge.new_id), count) for symbols, count in texts]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_moment_is_the_one_of_the_plain_algorithm(pattern):
    assert_plain_at_every_merge(TEXT, pattern)
    assert_plain_at_every_merge("aaaaaaaaaaa aaa aaaaa", pattern)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_last_tokens_are_those_of_the_encoder(pattern):
    history = build_history(TEXT, pattern)
    ours = BPETokenizer.train(TEXT, len(history.tokens), pattern=pattern)
    assert [(history.tokens[a], history.tokens[b]) for a, b in (merge.pair for merge in history.merges)] == ours.merges
    assert history.corpus(len(history.merges)) == [ours.token_bytes(number) for number in ours.encode(TEXT)]


@given(st.text(alphabet="ab é", min_size=1, max_size=120), st.sampled_from(PATTERNS))
@settings(max_examples=60, deadline=None)
def test_every_rank_holds_the_text_and_one_merge_less_of_tokens(text, pattern):
    history = build_history(text, pattern)
    assert history.merges == list(learn(words_of(text, pattern), BYTES, 256 + MOST_MERGES))[:MOST_MERGES]
    for rank, moment in enumerate(history.moments):
        tokens = history.corpus(rank)
        assert b"".join(tokens) == text.encode()
        assert len(tokens) == moment.n_tokens
        if rank < len(history.merges):
            assert moment.candidates[0] == (history.merges[rank].pair, history.merges[rank].count)


def test_a_long_text_ends_at_the_cap_and_a_short_one_when_no_pair_is_left():
    generator = random.Random(0)
    long = " ".join("".join(generator.choices("abcdefgh", k=6)) for _ in range(400))
    assert len(build_history(long).merges) == MOST_MERGES
    assert build_history(long).moments[-1].candidates
    assert len(build_history(long, most_merges=3).moments) == 4
    short = build_history("abc abd xyz")
    assert len(short.merges) == 7
    assert short.moments[-1].candidates == ()


@pytest.mark.parametrize("text", ["a", "\n", "a\n"])
def test_without_a_pair_there_is_one_moment(text):
    history = build_history(text)
    assert history.merges == []
    assert history.corpus(0) == [bytes([byte]) for byte in text.encode()]


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("", {}, "at least one character"),
        ("a\ud800", {}, "position 1 is half a surrogate pair"),
        ("a", {"most_merges": 0}, "most_merges must be from 1 to 200"),
        ("a", {"most_merges": 201}, "most_merges must be from 1 to 200"),
        ("a", {"pattern": "("}, "must be a regular expression"),
    ],
)
def test_what_cannot_be_trained_on_is_a_sentence(text, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_history(text, **options)
