"""Lab 4, section 9: the merges on screen are those of two trainings, and what is said about them is counted."""

import re

import pytest

from engine.tokenizer import BPETokenizer
from pages.lab4_tokenizer import without

LINES = without.TEN.splitlines()


def merges_of(lines: list[str], n: int) -> list[tuple[bytes, bytes]]:
    return BPETokenizer.train(lines, 256 + n).merges


def drawn(rows: list[dict]) -> list[tuple[bytes, bytes]]:
    return [tuple(row[part].replace("·", " ").encode() for part in ("first", "second")) for row in rows]


def test_the_page_opens_with_one_line_deleted_and_both_lists_right(open_lab4):
    page = open_lab4("without")
    figure = page.figure("merge_lists")
    before, after = merges_of(LINES, 24), merges_of(LINES[1:], 24)
    assert drawn(figure["before"]) == before
    assert drawn(figure["after"]) == after
    assert [tuple(pair) for pair in figure["kept"]] == [
        (place, after.index(pair)) for place, pair in enumerate(before) if pair in after
    ]
    assert [line["gone"] for line in figure["lines"]] == [True] + [False] * 9
    gone = [pair for pair in before if pair not in after]
    assert f"{len(gone)} of 24 merges vanish" in page.html()
    assert "learn the same 24 merges" in page.html()
    assert 'audit-fails"' not in page.html()
    assert page.link() == {"section": "without"}


def test_the_bars_are_what_each_line_alone_changes(open_lab4):
    before = merges_of(LINES, 24)
    for number, line in enumerate(open_lab4("without").figure("merge_lists")["lines"]):
        after = merges_of(LINES[:number] + LINES[number + 1 :], 24)
        assert line["vanished"] == len([pair for pair in before if pair not in after])
        assert line["moved"] == len(
            [pair for place, pair in enumerate(before) if pair in after and after.index(pair) != place]
        )


def test_the_samples_tokens_are_those_of_both_tokenizers(open_lab4):
    page = open_lab4("without")
    strips = page.figures("token_strip")
    for strip, lines in zip(strips, (LINES, LINES[1:]), strict=True):
        tokens = BPETokenizer.train(lines, 280).tokens(without.SAMPLE.default)
        assert list(strip["texts"]) == [token.bytes.decode() for token in tokens]
    first, second = (len(strip["texts"]) for strip in strips)
    assert f"has {second} tokens instead of {first}" in page.html()


def test_a_click_deletes_a_line_and_another_brings_it_back(open_lab4, monkeypatch):
    page = open_lab4("without", c_gone="2,5")
    assert "Without lines 2, 5" in page.html()
    page.press("Bring all lines back")
    figure = page.figure("merge_lists")
    assert figure["before"] == figure["after"]
    assert "Nothing is deleted" in page.html()
    assert page.link()["c_gone"] == ""


def test_suggestions_delete_the_lines_they_name(open_lab4):
    page = open_lab4("without", c_merges="40")
    page.press("The line that costs most merges")
    figure = page.figure("merge_lists")
    worst = max(line["vanished"] for line in figure["lines"])
    assert [line["vanished"] for line in figure["lines"] if line["gone"]] == [worst]
    page.press("A page of stories")
    assert len(page.figure("merge_lists")["lines"]) == without.EXCERPT_LINES
    assert "✗" not in re.sub("<b>✗</b>", "", page.html())


def test_deleting_everything_leaves_an_empty_list(open_lab4):
    page = open_lab4("without", c_text="low lower\nnew newer", c_gone="1,2")
    assert page.figure("merge_lists")["after"] == []
    assert "learn the same" in page.html()


@pytest.mark.parametrize("corpus", ["", " \n \n"])
def test_a_corpus_without_text_gets_a_sentence_and_is_kept(open_lab4, corpus):
    page = open_lab4("without")
    page.set("c_text", corpus)
    assert "must hold at least one line of text" in page.html()
    assert page.widget("c_text").value == corpus


@pytest.mark.parametrize(
    "corpus",
    ["a", "x" * 100_000, "word\n" * 300, "قطة صغيرة\nשלום", "😀 <b>x</b> **y** $z$ :smile:\n\x1c"],
    ids=["one letter", "100,000 characters", "300 lines", "other scripts", "markup"],
)
def test_any_other_corpus_is_drawn_as_data(open_lab4, corpus):
    page = open_lab4("without", c_gone="12")
    page.set("c_text", corpus)
    assert 1 <= len(page.figure("merge_lists")["lines"]) <= without.MOST_LINES
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    assert 'audit-fails"' not in page.html()
    assert page.link()["c_gone"] == "12"


@pytest.mark.parametrize(
    ("name", "value"), [("c_gone", "x"), ("c_gone", "0"), ("c_gone", "61"), ("c_merges", "0"), ("c_merges", "1e9")]
)
def test_a_link_with_impossible_values_gets_a_sentence_and_the_figure_stays(open_lab4, name, value):
    page = open_lab4("without", **{name: value})
    assert f"{name} must be" in page.html()
    assert len(page.figure("merge_lists")["before"]) == 24
