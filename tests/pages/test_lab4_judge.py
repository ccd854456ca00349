"""Lab 4, section 6: every cell and every bar is recounted here, by the library or from the texts themselves."""

import re

import numpy as np
import pytest

from components import models
from engine.corpora import LANGUAGES, corpus_text, language_texts
from engine.tokenizer import BPETokenizer, measures
from pages.lab4_tokenizer import judge
from tests.pages.conftest import floats

KINDS = ["Stories", "Dialogue", "Code", "Emoji and numbers", "German", "Finnish", "Russian", "Chinese", "Your text"]


def panel(page) -> dict:
    return page.figure("heatmap")["panels"][0]


def row_of(page, title: str) -> dict[str, float]:
    shown = panel(page)
    at = next(place for place, name in enumerate(shown["rows"]) if name.split(" (")[0] == title)
    return dict(zip(shown["columns"], floats(shown)[at], strict=True))


def test_the_page_opens_on_kinds_of_text_and_the_diagonal_wins(open_lab4):
    page = open_lab4("judge")
    assert panel(page)["columns"] == KINDS
    values = floats(panel(page))
    assert values.argmax(axis=0).tolist() == list(range(len(KINDS)))
    assert panel(page)["marks"] == [[place, place] for place in range(len(KINDS))]
    assert "For every text the tokenizer trained on its other half is the best" in page.html()
    assert "encoder agree" in page.html()
    assert "✗" not in page.html()
    assert page.link() == {"section": "judge"}


def test_a_cell_is_the_bytes_per_token_of_the_half_that_was_not_trained_on(open_lab4):
    page = open_lab4("judge", j_size="1024")
    training, own = measures.in_halves(corpus_text("stories"))
    tokenizer = BPETokenizer.train(training, 1024)
    for title, judged in (
        ("Stories", own),
        ("Dialogue", measures.in_halves(corpus_text("dialogue"))[1]),
        ("Russian", measures.in_halves(language_texts()["Russian"])[1]),
    ):
        expected = len(judged.encode()) / len(tokenizer.encode(judged))
        assert row_of(page, "Stories")[title] == pytest.approx(expected, rel=1e-6)


def test_every_language_is_best_read_by_its_own_tokenizer(open_lab4):
    page = open_lab4("judge", j_show="languages")
    values = floats(panel(page))[:12, :12]
    assert panel(page)["columns"][:12] == list(LANGUAGES)
    assert values.argmax(axis=0).tolist() == list(range(12))


def test_a_row_that_ran_out_of_pairs_says_how_far_it_came(open_lab4):
    page = open_lab4("judge", j_show="languages", j_size="2048")
    reached = re.search(r"German \((\d+)\)", " ".join(panel(page)["rows"]))[1]
    training = measures.in_halves(language_texts()["German"])[0]
    assert int(reached) == len(BPETokenizer.train(training, 2048))
    assert "Numbers in brackets" in page.html()


def test_where_the_diagonal_loses_the_page_says_so(open_lab4):
    page = open_lab4("judge", j_size="2048")
    values = floats(panel(page))
    lost = [KINDS[place] for place in range(len(KINDS)) if values[:, place].argmax() != place]
    assert lost
    for title in lost:
        assert f"{title} fits " in page.html()


def test_the_chosen_pair_is_counted_and_cut(open_lab4):
    page = open_lab4("judge", j_trained="english", j_judged="greek")
    training, judged = (measures.in_halves(language_texts()[name])[at] for name, at in (("English", 0), ("Greek", 1)))
    tokenizer = BPETokenizer.train(training, 384)
    assert f"<b>English on Greek</b>: {len(tokenizer.encode(judged)):,} tokens" in page.html()
    line = judged.split("\n")[0]
    strips = page.figures("token_strip")
    assert len(strips) == 2
    assert f"cut by English’s tokenizer: {len(tokenizer.encode(line))} tokens" in page.html()


def real(page) -> dict[str, list[float]]:
    """The bars' numbers, row by row."""
    rows = re.split("<span class='labs-bar-name'>", page.html())[1:]
    return {
        row.split("<")[0]: [float(value.replace(",", "")) for value in re.findall(r"%'></span>([\d,.]+)", row)]
        for row in rows
    }


def test_fertility_is_tokens_for_each_word_and_bert_is_counted_by_tokenizers(open_lab4, monkeypatch):
    monkeypatch.delenv("LABS_DATA", raising=False)
    page = open_lab4("judge", j_show="real")
    bert = models.minilm().tokenizer
    for name, text in language_texts().items():
        units = len("".join(text.split())) if name in ("Chinese", "Japanese") else len(text.split())
        ours = real(page)[name][-2]
        assert ours == pytest.approx(len(bert.encode(text, add_special_tokens=False).ids) / units, abs=0.006)
    assert "% [UNK]" in page.html()
    assert "✗" not in page.html()


def test_the_same_sentences_are_compared_by_their_tokens(open_lab4):
    page = open_lab4("judge", j_show="real", j_count="all")
    bert = models.minilm().tokenizer
    counts = {name: len(bert.encode(text, add_special_tokens=False).ids) for name, text in language_texts().items()}
    assert {name: values[-2] for name, values in real(page).items()} == counts
    dear = max(counts, key=counts.get)
    assert f"{counts['English']:,} tokens in English, {counts[dear]:,} in {dear}" in page.html()


def test_without_gpt2_a_sentence_says_so_and_no_bar_is_drawn(open_lab4, monkeypatch):
    monkeypatch.setattr("components.tokenizers.gpt2_files", lambda: None)
    html = open_lab4("judge", j_show="real").html()
    assert "GPT-2’s own tokenizer is offered where its files are" in html
    assert "<b>GPT-2</b>" not in html


def test_with_gpt2s_files_its_bars_are_drawn(open_lab4, monkeypatch):
    from components import tokenizers

    if not tokenizers.has_gpt2():
        monkeypatch.setenv("LABS_DATA", str(judge_data()))
    if not tokenizers.has_gpt2():
        pytest.skip("GPT-2's files are not on this machine")
    page = open_lab4("judge", j_show="real")
    text = language_texts()["Hindi"]
    assert real(page)["Hindi"][0] == pytest.approx(len(tokenizers.gpt2().encode(text)) / len(text.split()), abs=0.006)


def judge_data():
    from tests.serving import ROOT

    return ROOT.parent / "shared" / "data"


@pytest.mark.parametrize("own", ["", "x", "one line", "   \n  "])
def test_own_text_that_cannot_be_halved_gets_a_sentence_and_the_rest_stays(open_lab4, own):
    page = open_lab4("judge")
    page.set("j_own", own)
    assert "Your text must have at least two lines or sentences" in page.html()
    assert panel(page)["columns"] == KINDS[:-1]
    assert page.widget("j_own").value == own
    page.set("j_judged", "own")
    assert "could not be drawn" not in page.html()
    page.set("j_show", "real")
    assert "could not be drawn" not in page.html()


@pytest.mark.parametrize(
    "own", ["a\nb", "<b>x</b>\n**y**\n$z$\n:smile:", "قطة\nשלום\n猫\n🙂", "word word\n" * 30_000], ids=range(4)
)
def test_any_other_own_text_is_measured(open_lab4, own):
    page = open_lab4("judge", j_trained="own", j_judged="own")
    page.set("j_own", own)
    assert np.isfinite(floats(panel(page))).all()
    assert panel(page)["columns"][-1] == "Your text"
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()


@pytest.mark.parametrize(
    "link", [{"j_size": "100"}, {"j_show": "x"}, {"j_trained": "Klingon"}, {"j_tokenizer": "my:nothing"}]
)
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab4, link):
    page = open_lab4("judge", **({"j_show": "real"} if "j_tokenizer" in link else {}), **link)
    assert 'class="labs-problem"' in page.html()
    assert page.figures("heatmap") or real(page)


def test_every_control_is_in_the_link():
    assert len({param.name for param in judge.PARAMS}) == len(judge.PARAMS)
