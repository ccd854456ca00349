"""Lab 4, merge by merge: the figure holds the whole history, the link holds the rank, and wrong input is a sentence."""

import base64
import html
import re

import pytest

from components import drawing
from engine.tokenizer import BPETokenizer
from engine.tokenizer.history import MOST_MERGES
from pages.lab4_tokenizer import merges, merges_opinion
from pages.lab4_tokenizer.merges import FOUR_LINES, PATTERNS


def prose(page) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.html()))


def learned(figure: dict) -> list[str]:
    return [figure["tokens"][new] for _, _, new, _ in figure["merges"]]


def test_it_opens_on_four_lines_of_bytes_and_holds_every_merge(open_lab4):
    page = open_lab4("merges")
    figure = page.figure("merges")
    ours = BPETokenizer.train(FOUR_LINES, 256 + MOST_MERGES)
    assert FOUR_LINES.count("\n") == 3
    assert figure["rank"] == 0
    assert len(figure["merges"]) == len(ours.merges)
    assert len(figure["moments"]) == len(ours.merges) + 1
    assert learned(figure)[:3] == ["ow", "th", "er"]
    assert "".join(figure["pieces"][piece] for piece in figure["order"]) == FOUR_LINES
    assert len(base64.b64decode(figure["taken"])) == sum(len(piece.encode()) - 1 for piece in figure["pieces"])
    assert figure["moments"][-1][2] == len(ours.encode(FOUR_LINES))
    assert f"learn the same {len(ours.merges)} merges in the same order" in prose(page)
    assert "✗" not in prose(page)


def test_the_pair_that_is_merged_leads_the_candidates_before_it(open_lab4):
    figure = open_lab4("merges").figure("merges")
    for merge, moment in zip(figure["merges"], figure["moments"]):
        first, second, _, count = merge
        assert moment[3][0] == [first, second, count]
        assert count == max(candidate[2] for candidate in moment[3])


def test_a_link_opens_at_its_merge_and_the_figure_s_rest_goes_into_the_link(open_lab4, monkeypatch):
    page = open_lab4("merges", g_rank="5")
    figure = page.figure("merges")
    assert figure["rank"] == 5
    assert f"After 5 of {len(figure['merges'])} merges" in figure["alt"]
    monkeypatch.setattr(drawing, "result", lambda key: {"type": "rank", "rank": 9, "turn": 77})
    held = []
    monkeypatch.setattr(merges.state, "set_value", lambda param, value: held.append((param.name, value)))
    merges._take()
    assert held == [("g_rank", 9)]
    page.run()
    assert page.figure("merges")["turn"] == 77


def test_suggestions_set_text_split_and_rank(open_lab4):
    page = open_lab4("merges")
    page.press("To the last merge")
    figure = page.figure("merges")
    assert figure["rank"] == len(figure["merges"])
    assert page.link()["g_rank"] == str(len(figure["merges"]))
    page.press("Let merges cross spaces")
    assert "merges cross spaces" in prose(page)
    assert page.figure("merges")["moments"][-1][2] == 1
    page.press("Nothing but ties")
    assert "Every pair that is merged here stands once" in prose(page)
    page.press("Letters of several bytes")
    assert "✗" not in prose(page)


@pytest.mark.parametrize("split", list(PATTERNS))
def test_every_way_to_cut_agrees_with_the_library(open_lab4, split):
    page = open_lab4("merges", g_split=split, g_text="Don't  stop: 12345 rain,rain\n\n  rainy\tday's שלום 🙂🙂 \u3000x")
    assert "✓" in prose(page)
    assert "✗" not in prose(page)


def test_the_second_opinion_can_differ():
    theirs = merges_opinion.train("abc abd xyz", 300, PATTERNS["gpt2"])
    assert merges_opinion.merges(theirs) != merges_opinion.merges(
        merges_opinion.train("abc abd xyz", 300, PATTERNS["none"])
    )


@pytest.mark.parametrize(("typed", "sentence"), [("a", "nothing stands side by side"), ("   ", "")])
def test_a_letter_or_spaces_are_a_small_history(open_lab4, typed, sentence):
    page = open_lab4("merges")
    page.set("g_text", typed)
    assert page.figure("merges")["pieces"] == [typed]
    assert sentence in prose(page).lower()
    assert "✗" not in prose(page)


def test_an_empty_text_is_a_sentence_and_nothing_else_is_lost(open_lab4):
    page = open_lab4("merges", g_rank="4", g_split="gpt4")
    page.set("g_text", "")
    assert "Type a few words" in prose(page)
    assert not page.figures("merges")
    assert page.link() == {"section": "merges", "g_text": "", "g_rank": "4", "g_split": "gpt4"}
    page.set("g_text", "the cat the cat")
    assert page.figure("merges")["rank"] == 4


def test_a_megabyte_is_cut_with_a_sentence_and_kept(open_lab4):
    page = open_lab4("merges")
    pasted = "every good day 12 " * 56_000
    page.set("g_text", pasted)
    assert "Only the first 20,000 of 1,008,000 characters are learned from" in prose(page)
    assert page.widget("g_text").value == pasted
    assert page.link()["g_text"].startswith("~")
    figure = page.figure("merges")
    assert sum(len(figure["pieces"][piece]) for piece in figure["order"]) == 20_000


def test_a_long_history_says_where_it_ends(open_lab4):
    words = " ".join(f"{a}{b}{c}" for a in "bcdfgk" for b in "aeiou" for c in "lmnrst")
    page = open_lab4("merges")
    page.set("g_text", words)
    figure = page.figure("merges")
    assert len(figure["merges"]) == MOST_MERGES
    assert figure["capped"]
    assert "is kept for 200 merges" in prose(page)


def test_markup_stays_text(open_lab4):
    page = open_lab4("merges")
    page.set("g_text", "<b>word</b> **y** $z$ :smile: <b>word</b> مرحبا")
    assert "<b>word</b>" not in page.html()
    assert "✗" not in prose(page)


def test_impossible_values_in_the_link_give_sentences(open_lab4):
    said = prose(open_lab4("merges", g_rank="999", g_split="words"))
    assert "g_rank must be a whole number from 0 to 200" in said
    assert "g_split must be one of" in said
    page = open_lab4("merges", g_rank="150")
    assert "merge 150 comes back with a longer one" in prose(page)
    assert page.figure("merges")["rank"] == len(page.figure("merges")["merges"])
    assert page.link()["g_rank"] == "150"
