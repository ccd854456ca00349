"""Lab 4, section 10: each row is its tokenizer's own answer, and the agreement is counted."""

import pytest
import tokenizers

from components import state
from engine.tokenizer import BPETokenizer, others
from pages.lab4_tokenizer import others as section
from pages.lab4_tokenizer.params import SENTENCE


def blocks(page) -> list[list[str]]:
    """The text under each block of each row."""
    figure = page.figure("cuts")
    return [["".join(figure["letters"][start:end]) for start, end, *_ in row] for row in figure["blocks"]]


def test_the_page_opens_on_three_tokenizers_of_one_corpus(open_lab4):
    page = open_lab4("others")
    corpus = section.corpus_part("stories")
    assert blocks(page) == [
        [SENTENCE[piece.start : piece.end] for piece in others.pieces(one, SENTENCE)]
        for one in (
            BPETokenizer.train(corpus, 800),
            others.train_wordpiece(corpus, 800),
            others.train_unigram(corpus, 800),
        )
    ]
    assert "BpeTrainer learn the same 544 merges" in page.html()
    assert "800 of 800 entries are the same" in page.html()
    assert 'audit-fails"' not in page.html()
    assert page.link() == {"section": "others"}


def test_a_block_that_only_one_row_begins_is_marked(open_lab4):
    rows = open_lab4("others").figure("cuts")["blocks"]
    starts = [{block[0] for block in row} for row in rows]
    for number, row in enumerate(rows):
        for start, *_, alone, _ in row:
            elsewhere = any(start in found for other, found in enumerate(starts) if other != number)
            inside = start in others.inner_places(SENTENCE)
            assert alone == (inside and not elsewhere)


def test_the_notice_counts_the_common_cuts(open_lab4):
    page = open_lab4("others")
    inner = others.inner_places(SENTENCE)
    cuts = [{start for start, *_ in row} & inner for row in page.figure("cuts")["blocks"]]
    assert f"At {len(set.union(*cuts))} of them at least one row cuts" in page.html()
    assert f"at {len(set.intersection(*cuts))} all three do" in page.html()
    assert f"BPE and Unigram {len(cuts[0] & cuts[2]) / len(cuts[0] | cuts[2]):.0%}" in page.html()


def test_the_word_is_cut_by_both_rules_with_one_vocabulary(open_lab4):
    page = open_lab4("others", o_word="loudly")
    merges, longest = page.figures("token_strip")
    bpe = BPETokenizer.train(section.corpus_part("stories"), 800)
    assert list(merges["texts"]) == [token.bytes.decode() for token in bpe.tokens("loudly")]
    vocab = {token.decode("utf-8", "ignore") or f"?{number}": number for token, number in bpe.vocab.items()}
    theirs = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocab, unk_token="!", continuing_subword_prefix=""))
    assert list(longest["texts"]) == theirs.encode("loudly").tokens
    assert all(bpe.vocab[text.encode()] == number for text, number in zip(longest["texts"], longest["ids"]))


def test_the_word_chosen_by_the_page_is_cut_apart(open_lab4):
    merges, longest = open_lab4("others").figures("token_strip")
    assert merges["texts"] != longest["texts"]
    assert "".join(merges["texts"]) == "".join(longest["texts"])


def test_the_likelihood_score_gives_another_vocabulary(open_lab4):
    page = open_lab4("others")
    counted = blocks(page)
    page.press("WordPiece by likelihood")
    assert blocks(page)[0] == counted[0]
    assert len(blocks(page)[1]) > len(counted[1])
    assert "is ours" in page.html()
    assert f"needs {len(blocks(page)[1])} tokens here" in page.html()


def test_letters_nobody_trained_on_are_unknown_to_two_of_three(open_lab4):
    page = open_lab4("others")
    page.press("Letters nobody trained on")
    unknown = [sum(block[-1] for block in row) for row in page.figure("cuts")["blocks"]]
    assert unknown[0] == 0
    assert min(unknown[1:]) > 0
    assert "WordPiece gives up the whole word (“café”)" in page.html()
    assert any(block[4] > 1 for block in page.figure("cuts")["blocks"][0])  # 東 is three bytes


@pytest.mark.parametrize("corpus", section.CORPUS.options)
@pytest.mark.parametrize("size", ["300", "3000"])
def test_every_corpus_trains_at_both_ends(open_lab4, corpus, size):
    page = open_lab4("others", o_corpus=corpus, o_vocab=size)
    assert len(page.figure("cuts")["blocks"]) == 3
    assert 'audit-fails"' not in page.html()
    assert "could not be drawn" not in page.html()


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_gets_a_sentence_and_is_kept(open_lab4, text):
    page = open_lab4("others")
    page.set("text", text)
    assert "must hold at least one letter" in page.html()
    assert page.widget("text").value == text


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "word " * 20_000,
        "w" * 500,
        "قطة صغيرة שלום",
        "😀 <b>x</b> **y** $z$ :smile:\n\x1c",
        "👩‍👩‍👧‍👦\u00a0e\u0301",
    ],
    ids=["one letter", "100,000 characters", "one word", "other scripts", "markup", "joined"],
)
def test_any_other_text_is_drawn_as_data(open_lab4, text):
    page = open_lab4("others", o_word=text[:300])
    page.set("text", text)
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    assert "".join(blocks(page)[0]) == text[: section.MOST_TEXT]


@pytest.mark.parametrize(
    ("name", "value"), [("o_corpus", "bible"), ("o_vocab", "299"), ("o_vocab", "x"), ("o_score", "luck")]
)
def test_a_link_with_impossible_values_gets_a_sentence_and_the_figure_stays(open_lab4, name, value):
    page = open_lab4("others", **{name: value})
    assert f"{name} must be" in page.html()
    assert isinstance(section.VOCAB, state.Number)
    assert len(blocks(page)) == 3
