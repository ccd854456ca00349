"""One token taken apart: tree against merges, counts against encoding, longest match against the plain one."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.corpora import corpus_text
from engine.tokenizer import BPETokenizer, anatomy
from engine.tokenizer.pieces import splitter
from engine.tokenizer.wordpiece import longest_match

TEXT = corpus_text("stories")[:30_000]


@pytest.fixture(scope="module")
def trained() -> BPETokenizer:
    return BPETokenizer.train(TEXT, 900, special_tokens=["<|end|>"])


@pytest.fixture(scope="module")
def pieces(trained) -> Counter[str]:
    return Counter(splitter(trained.pattern)(TEXT))


def test_each_part_of_a_tree_is_the_two_parts_below_it(trained):
    for number in trained.vocab.values():
        parts = anatomy.merge_tree(trained, number)
        assert parts[-1].bytes == trained.token_bytes(number)
        assert parts[-1].start == 0
        for part in parts:
            if part.parts is None:
                assert len(part.bytes) == 1
                assert part.rank is None
                assert part.height == 0
            else:
                left, right = (parts[place] for place in part.parts)
                assert (left.bytes, right.bytes) == trained.merges[part.rank]
                assert (left.start, right.start) == (part.start, left.end)
                assert part.height == 1 + max(left.height, right.height)


def test_a_token_deeper_than_python_calls_itself_has_a_tree():
    signs = [chr(0x21 + i) for i in range(90)]
    word = "".join(a + b for a, b in itertools.product(signs, signs))[:3000]
    vocab = {bytes([byte]): byte for byte in range(256)}
    merges = []
    for end in range(2, 2500):
        merges.append((word[: end - 1].encode(), word[end - 1].encode()))
        vocab[word[:end].encode()] = 254 + end
    deep = BPETokenizer(vocab, merges)
    parts = anatomy.merge_tree(deep, deep.vocab[word[:2499].encode()])
    assert parts[-1].height == 2498


def test_a_special_token_has_no_parts(trained):
    (only,) = anatomy.merge_tree(trained, trained.special_tokens["<|end|>"])
    assert only.bytes == b"<|end|>"
    assert only.parts is None
    assert only.rank is None


def test_an_unknown_id_is_refused(trained):
    with pytest.raises(ValueError, match="ids must be ids of this vocabulary"):
        anatomy.merge_tree(trained, 900)


def test_uses_are_those_of_the_encoded_corpus(trained, pieces):
    ids = Counter(trained.encode(TEXT))
    for number in [0, 70, 256, 300, 500, 899 - 1]:
        assert anatomy.uses(trained, number, pieces).used == ids[number]


def test_the_count_when_learned_is_the_one_that_training_reports(pieces):
    told = []
    again = BPETokenizer.train(TEXT, 600, on_merge=told.append)
    for merge in told[::20]:
        # Pairs of one letter overlap ("aaa" holds two pairs and one merge); no story writes a word so.
        assert anatomy.uses(again, merge.new_id, pieces).learned == merge.count, merge


def test_lines_hold_the_token_where_they_say(trained, pieces):
    number = trained.vocab[b" the"]
    found = anatomy.uses(trained, number, pieces)
    lines = list(itertools.islice(anatomy.lines_with(trained, found, number, TEXT.split("\n")), 20))
    assert len(lines) == 20
    for line in lines:
        assert line.text == TEXT.split("\n")[line.number - 1]
        assert line.text[line.start : line.end] == " the"


def test_a_token_of_half_a_character_marks_its_piece(trained):
    text = "a żółw and a żuk"
    pieces = Counter(splitter(trained.pattern)(text))
    number = trained.vocab[b"\xc5"]
    found = anatomy.uses(trained, number, pieces)
    (line,) = anatomy.lines_with(trained, found, number, [text])
    assert line.text[line.start : line.end] == " żółw"


@given(st.text(alphabet="abcdehilnoprst ", max_size=60))
def test_cuts_are_those_of_the_plain_longest_match(text):
    tokenizer = _trained()
    told = {cut.piece: cut for cut in anatomy.cut_differently(tokenizer, text)}
    for piece in splitter(tokenizer.pattern)(text):
        plain = tuple(longest_match(piece.encode(), tokenizer.vocab))
        by_merges = tuple(map(tokenizer.token_bytes, tokenizer.encode(piece)))
        assert (piece in told) == (plain != by_merges)
        if piece in told:
            assert told[piece].by_length == plain
            assert told[piece].by_merges == by_merges


_KEPT = []


def _trained() -> BPETokenizer:
    if not _KEPT:
        _KEPT.append(BPETokenizer.train(TEXT, 900))
    return _KEPT[0]
