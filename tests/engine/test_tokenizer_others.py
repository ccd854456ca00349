"""WordPiece's score and its longest match, Unigram by the library, and where cuts agree."""

import functools
import itertools
import random
from collections import Counter

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from engine.corpora import corpus_text
from engine.tokenizer import BPETokenizer, others, wordpiece

STORIES = corpus_text("stories")[:20_000]
words = st.dictionaries(st.text("abc", min_size=1, max_size=6), st.integers(1, 9), min_size=1, max_size=8)


def counted_anew(words, vocab_size, score, min_count):
    """The algorithm with everything counted again before each merge."""
    texts = [(wordpiece.letters(word), count) for word, count in words.items()]
    vocabulary = dict.fromkeys(sorted({piece for pieces, _ in texts for piece in pieces}))
    while len(vocabulary) < vocab_size:
        single, both = Counter(), Counter()
        for pieces, count in texts:
            for piece in pieces:
                single[piece] += count
            for pair in itertools.pairwise(pieces):
                both[pair] += count
        scored = [(-score(n, single[a], single[b]), (a, b)) for (a, b), n in both.items() if n >= min_count]
        if not scored:
            break
        first, second = min(scored)[1]
        joined = first + second[2:]
        for pieces, _ in texts:
            place = 0
            while place < len(pieces) - 1:
                if (pieces[place], pieces[place + 1]) == (first, second):
                    pieces[place : place + 2] = [joined]
                place += 1
        vocabulary.setdefault(joined)
    return list(vocabulary)


@settings(max_examples=60, deadline=None)
@given(words, st.integers(1, 30), st.sampled_from([1, 2]), st.booleans())
def test_counts_kept_up_to_date_give_what_counting_anew_gives(given_words, size, min_count, likely):
    score = wordpiece.by_likelihood if likely else wordpiece.by_count
    assert wordpiece.train(given_words, size, score, min_count) == counted_anew(given_words, size, score, min_count)


def tied(words, n_merges) -> bool:
    """Whether at any of the merges two pairs have the highest count."""
    counts = wordpiece._Counts([(wordpiece.letters(word), count) for word, count in words.items()])
    for _ in range(n_merges):
        found = list(counts.pairs.values())
        if found.count(max(found, default=0)) != 1:
            return True
        counts.merge(counts.best(wordpiece.by_count, 1))
    return False


def test_by_count_the_pieces_are_those_of_the_librarys_bpe_where_nothing_is_tied():
    chance, compared = random.Random(4), 0
    for _ in range(300):
        given_words = {"".join(chance.choices("abc", k=chance.randint(2, 4))): chance.randint(1, 99) for _ in range(6)}
        if tied(given_words, 3):
            continue
        compared += 1
        letters = sorted({piece for word in given_words for piece in wordpiece.letters(word)})
        theirs = tokenizers.Tokenizer(models.BPE(continuing_subword_prefix="##"))
        theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        only_inside = {piece[2:] for piece in letters if piece.startswith("##")} - set(letters)
        trainer = trainers.BpeTrainer(  # it also keeps letters that begin no word
            vocab_size=len(letters) + len(only_inside) + 3, show_progress=False, continuing_subword_prefix="##"
        )
        theirs.train_from_iterator([" ".join([word] * n) for word, n in given_words.items()], trainer)
        ours = wordpiece.train(given_words, len(letters) + 3, wordpiece.by_count, 1)
        assert set(ours) == set(theirs.get_vocab()) - only_inside
    assert compared > 20


def test_the_librarys_wordpiece_trainer_learns_what_its_bpe_trainer_learns():
    theirs = others.library_pieces(trainers.BpeTrainer, models.BPE(continuing_subword_prefix="##"), STORIES, 600)
    assert others.train_wordpiece(STORIES, 600).get_vocab() == theirs


def test_training_twice_gives_the_same_tokens():
    for train in (others.train_wordpiece, others.train_unigram):
        first, second = train(STORIES, 500), train(STORIES, 500)
        assert first.get_vocab() == second.get_vocab()
        assert first.encode(STORIES).ids == second.encode(STORIES).ids


@pytest.mark.parametrize("word", ["lowest", "tower", "xyz", "évening", "a", "w" * 60])
def test_the_longest_match_is_the_one_of_the_librarys_wordpiece(word):
    bpe = BPETokenizer.train(STORIES, 500)
    vocab = {token.decode(): number for token, number in bpe.vocab.items() if _whole(token)}
    vocab |= {"é": len(bpe.vocab)}  # the library cuts characters, ours bytes
    theirs = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="!", continuing_subword_prefix=""))
    ours = wordpiece.longest_match(word.encode(), {piece.encode() for piece in vocab})
    assert [token.decode() for token in ours] == theirs.encode(word).tokens


def _whole(token: bytes) -> bool:
    try:
        return bool(token.decode())
    except UnicodeDecodeError:
        return False


def test_a_byte_that_the_vocabulary_lacks_is_named():
    with pytest.raises(ValueError, match="b'c' is missing"):
        wordpiece.longest_match(b"abc", {b"a", b"b", b"ab"})


@settings(deadline=None)  # the first example trains
@given(st.text(max_size=40))
def test_tokens_stand_where_their_letters_stand(text):
    wordpieces, unigram, bpe = _trained()
    for tokenizer in (bpe, unigram):
        found = others.pieces(tokenizer, text)
        covered = {place for piece in found for place in range(piece.start, piece.end)}
        assert covered == set(range(len(text)))
    for piece in others.pieces(wordpieces, text):
        if not piece.unknown:
            assert piece.written.removeprefix("##") == text[piece.start : piece.end] or piece.written.startswith("##")


@functools.cache
def _trained():
    bpe = BPETokenizer.train(STORIES, 400)
    return others.train_wordpiece(STORIES, 400), others.train_unigram(STORIES, 400), bpe


def test_cuts_are_counted_inside_words_only():
    text = "low er, x"
    inner = others.inner_places(text)
    assert inner == {1, 2, 5}
    found = [others.Piece("", 0, *span) for span in ((0, 2), (2, 3), (3, 5), (5, 6), (6, 7), (7, 9))]
    assert others.cuts(found, inner) == {2, 5}
    assert others.shared({2, 5}, {5}) == 0.5
    assert others.shared(set(), set()) == 1.0


def test_a_vocabulary_smaller_than_the_letters_is_raised():
    text = corpus_text("languages")
    assert others.train_unigram(text, 10).get_vocab_size() >= len(set(text) - {"\n"})
    assert others.train_wordpiece(text, 10).encode("Ω").tokens
