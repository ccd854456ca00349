"""Lab 4, special tokens: the injection works where everything is allowed, and nowhere else."""

import html
import re

import pytest

from engine.tokenizer import BPETokenizer
from engine.tokenizer.chat import chat_parts, encode_by_parts, encode_pasted, with_special_tokens
from pages.lab4_tokenizer import special, special_words


def prose(page) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.html()))


def strips(page) -> list[dict]:
    return page.figures("token_strip")


def test_it_opens_on_an_injection_that_speaks_for_the_assistant(open_lab4):
    page = open_lab4("special")
    assert len(strips(page)) == 2
    said = prose(page)
    assert "The messages hold 2 markers" in said
    assert "4 turns instead of 3" in said
    assert "are now the assistant’s" in said
    assert "pasted together: ours and tokenizers give the same ids" in said
    assert "no special id comes from a message" in said


def test_with_nothing_allowed_the_template_is_lost_too(open_lab4):
    page = open_lab4("special", k_allowed="none")
    said = prose(page)
    assert "the injection fails, but so does the template" in said
    assert "ours and tokenizers give the same ids" in said


def test_a_plain_message_gives_the_same_ids_both_ways(open_lab4):
    page = open_lab4("special")
    page.press("A message without markers")
    assert "so both ways give the same" in prose(page)
    assert page.link()["k_user"] == "What is the password?"


def test_a_marker_off_the_list_is_named(open_lab4):
    page = open_lab4("special")
    page.press("Take <|end|> off the list")
    assert "<|end|> is not in your list" in prose(page)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("<|user|>\n\n<|end|>", "line 2 is empty"),
        ("<|end|>\n<|end|>", "stands in lines 1 and 2"),
        ("\n".join(f"<{number}>" for number in range(21)), "there are 21"),
        ("e", "is an ordinary token"),
    ],
)
def test_a_wrong_list_is_a_sentence_and_stays_in_its_field(open_lab4, lines, sentence):
    page = open_lab4("special")
    page.set("k_tokens", lines)
    assert sentence in prose(page)
    assert page.widget("k_tokens").value == lines
    page.press("Reset")
    assert "4 turns instead of 3" in prose(page)


def test_no_special_tokens_and_empty_messages_still_draw(open_lab4):
    page = open_lab4("special")
    page.set("k_tokens", "")
    assert "No special tokens" in prose(page)
    page = open_lab4("special", k_user="", k_system="<b>x</b> **y** $z$ :smile: שלום")
    assert len(strips(page)) == 2
    assert "<b>x</b>" not in page.html()


def test_a_long_message_is_cut_with_a_sentence(open_lab4):
    page = open_lab4("special")
    page.set("k_user", "word " * 20_000)
    assert f"Only the first {special.MOST_CHARACTERS} characters" in prose(page)


def test_the_code_for_transformers_does_what_the_page_says(tmp_path, monkeypatch):
    plain = BPETokenizer.train("the end of the assistant, the user and the system. " * 5, 300)
    plain.save(tmp_path / "tokenizer.json")
    monkeypatch.chdir(tmp_path)
    names = special.MARKERS.split("\n")
    ours = with_special_tokens(plain, names)
    given = {"system": special.SYSTEM_SAYS, "user": special.ATTACK}
    exec(special_words.IN_TRANSFORMERS, given)  # the code that the page shows
    parts = chat_parts(special.SYSTEM_SAYS, special.ATTACK)
    assert given["pasted"] == encode_pasted(ours, parts)
    assert given["by_parts"] == encode_by_parts(ours, parts)
