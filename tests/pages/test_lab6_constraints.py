"""Lab 6, section 6: the text holds what it must, the banks are the engine's, impossible wishes get words."""

import html
import re

import pytest

from engine import models
from engine.decoding import beam_search
from pages.lab6_generation import constraints_study
from pages.lab6_generation.params import START


@pytest.fixture(scope="module")
def loaded():
    return models.load("story-lm")


def text_of(page, name: str) -> str:
    """The best text in the table of both searches."""
    cell = re.search(rf"{name}</td><td>“(.*?)”</td>", page.html().replace("&nbsp;", " "), re.S)
    return html.unescape(cell[1]).replace("⏎", "\n")


def numbers_of(page, name: str) -> tuple[float, int]:
    row = re.search(rf"{name}</td><td>“.*?”</td><td>(.*?)</td><td>(\d+)</td>", page.html().replace("&nbsp;", " "), re.S)
    return float(row[1].replace("−", "-").replace(",", "")), int(row[2])


def test_the_page_opens_on_a_text_with_both_words_and_its_link_is_bare(open_lab6):
    page = open_lab6("constraints")
    assert page.link() == {"section": "constraints"}
    ours, plain = text_of(page, "with your words"), text_of(page, "plain beam search")
    assert " dragon" in ours
    assert " castle" in ours
    assert "Spot" not in ours
    assert "Spot" in plain
    assert "dragon" not in plain
    assert "it holds 2 of 2 required words and 0 of 1 banned ones" in page.html()
    assert "✗" not in page.html()


def test_the_price_is_what_plain_beam_search_has_more(open_lab6, loaded):
    page = open_lab6("constraints")
    tokenizer = loaded.tokenizer
    ids = [*tokenizer.start_ids, *tokenizer.encode(START)]
    plain = beam_search(loaded.model, ids, num_beams=4, max_new_tokens=24, eos_id=tokenizer.eos_id)[0]
    ours, price = numbers_of(page, "with your words")[0], re.search(r"The price of your words is ([\d.]+)", page.html())
    assert numbers_of(page, "plain beam search") == (pytest.approx(plain.log_prob, abs=0.006), len(plain.ids))
    assert float(price[1]) == pytest.approx(plain.log_prob - ours, abs=0.02)
    spelled = tokenizer.encode(text_of(page, "with your words"))
    assert numbers_of(page, "with your words")[1] == len(spelled)


def test_every_card_stands_in_the_bank_of_the_tokens_it_holds(open_lab6):
    page = open_lab6("constraints", co_words="dragon, castle", co_banned="")
    figure = page.figure("banks")
    assert figure["needed"] == 2  # each is one token after a space
    assert figure["names"] == ["dragon", "castle"]
    for cards in figure["steps"]:
        assert 0 < len(cards) <= 8
        for card in cards:
            assert card["bank"] >= sum(card["met"])  # more where half of a longer form is there
            assert not card["met"][0] or "dragon" in card["text"].lower() or "…" in card["text"]
    ends = [card for card in figure["steps"][-1] if card["ends"]]
    assert ends
    assert all(all(card["met"]) and card["bank"] == 2 for card in ends)
    assert sum(card["wins"] for card in figure["steps"][-1]) == 1


def test_it_opens_on_the_step_at_which_the_winner_takes_up_its_first_word(open_lab6):
    figure = open_lab6("constraints").figure("banks")
    banks = [next(card["bank"] for card in cards if card["wins"]) for cards in figure["steps"]]
    assert banks[figure["shown"] - 1] > 0
    assert not any(banks[: figure["shown"] - 1])
    assert open_lab6("constraints", co_step="5").figure("banks")["shown"] == 5


@pytest.mark.parametrize(
    ("label", "needed"), [("Overlapping: big red, red ball", 3), ("Twice: dog, dog", 2), ("One of two: castle|cave", 2)]
)
def test_a_button_gives_a_text_that_keeps_to_its_words(open_lab6, label, needed):
    page = open_lab6("constraints")
    page.press(label)
    text = text_of(page, "with your words").lower()
    assert page.figure("banks")["needed"] == needed
    wanted = {"O": lambda: "big red ball" in text or ("big red" in text and "red ball" in text)}
    wanted |= {"T": lambda: text.count(" dog") >= 2}
    if label.startswith("One"):
        wanted["O"] = lambda: ("castle" in text or "cave" in text) and "happy" in text and "spot" not in text
    assert wanted[label[0]]()
    assert "✗" not in page.html()


def test_overlapping_words_share_a_token_and_it_says_so(open_lab6):
    html_text = open_lab6("constraints", co_words="big red, red ball", co_banned="").html()
    assert "One by one they have 4: they share 1" in html_text


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ({"co_words": "dragon", "co_banned": "dragon"}, "“dragon” is required, and “dragon” is banned"),
        ({"co_words": "red ball", "co_banned": "ball"}, "“red ball” is required, and “ball” is banned"),
        ({"co_words": "one two three four five six", "co_max": "4"}, "need at least 8 tokens, and 4 may be written"),
        ({"co_words": ",".join("abcdefghi")}, "Required words must be at most 5"),
        ({"co_banned": "x" * 50}, "Banned words must have at most 40 characters"),
        ({"co_words": "a|b, a|b"}, "Required words must list a choice once"),
    ],
)
def test_impossible_wishes_get_a_sentence_in_words_and_nothing_is_lost(open_lab6, link, said):
    page = open_lab6("constraints", **link)
    problems = re.findall(r'class="labs-problem"[^>]*>(.*?)</p>', page.html(), re.S)
    assert any(said in html.unescape(one) for one in problems)
    assert not any(re.search(r"\[\d+", one) for one in problems)  # no token ids
    assert not page.figures("banks")
    for name in ("co_words", "co_banned"):
        if name in link:
            assert page.widget(name).value == link[name]
    page.set("co_words", "dog")
    page.set("co_banned", "")
    assert page.figure("banks")["steps"]


def test_a_banned_word_that_comes_back_in_other_tokens_is_banned_in_these_too(open_lab6, monkeypatch):
    """As if the tokenizer had other pieces for it: the search runs again until the text is free of the word."""
    monkeypatch.setattr(constraints_study, "_forms", lambda found, word: {(found.tokenizer.vocab_size - 1,)})
    page = open_lab6(
        "constraints", co_words="", co_banned="Jack", prompt="Once there was a dog. His name was", co_max="4"
    )
    assert "Jack" in text_of(page, "plain beam search")
    assert "Jack" not in text_of(page, "with your words")
    assert "here it took" in page.html()


def test_nothing_required_is_one_bank_and_nothing_banned_is_plain_beam_search(open_lab6):
    page = open_lab6("constraints", co_words="", co_banned="", co_max="8")
    assert page.figure("banks")["needed"] == 0
    assert text_of(page, "with your words") == text_of(page, "plain beam search")
    assert "these words cost nothing" in page.html()
    assert "✗" not in page.html()


@pytest.mark.parametrize(
    ("words", "banned"),
    [
        ("dragon", "Spot, named"),
        ("dog, dog", ""),
        ("castle|dragon", "castle"),
        ("a very long day", "the"),
        ("", "Spot"),
    ],
)
def test_exhaustive_search_agrees_on_a_few_tokens(open_lab6, words, banned):
    html_text = open_lab6("constraints", co_words=words, co_banned=banned, co_max="8", co_beams="3").html()
    assert "all 7,776 texts of 5 tokens out of" in html_text
    assert "ours and exhaustive search agree" in html_text
    assert "✗" not in html_text


@pytest.mark.parametrize("words", ["<b>x</b>", "**y**", "$z$", "naïve", "😀", "don't", "12"])
def test_any_word_can_be_required_and_is_shown_as_data(open_lab6, words):
    page = open_lab6("constraints", co_words=words, co_banned="", co_max="12")
    assert words in text_of(page, "with your words")
    assert "<b>x</b>" not in page.html()
    assert "✗" not in page.html()
    assert "could not be drawn" not in page.html()
