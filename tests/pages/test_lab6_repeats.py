"""Lab 6, section 7: the loops on screen are those of the text on screen, and the words are those of the numbers."""

import html
import re

import pytest
import torch

from engine import jobs, models
from engine.decoding import greedy
from engine.decoding.loops import find_loops
from engine.decoding.measures import ending_loop, repeated
from engine.experiments.repetition import HUMAN
from pages.lab6_generation import repeats_hundred, repeats_words
from pages.lab6_generation.params import START
from pages.lab6_generation.repeats_params import PARAMS


def plot(page, title: str) -> dict:
    held = [one for figure in page.figures("plots") for one in figure["plots"]]
    return next(one for one in held if one["title"].startswith(title))


def texts(page) -> list[str]:
    """Both texts as the browser shows them, the prompt included."""
    drawn = next(body for body in page.html().split("\n<") if "labs-stories" in body or "labs-story" in body)
    whole = page.html()[page.html().index('<div class="labs-stories"') :]
    found = re.findall(r'<div class="labs-story"[^>]*>(.*?)</div>', whole, flags=re.DOTALL)
    assert drawn
    return [html.unescape(re.sub(r"<[^>]+>", "", one)) for one in found]


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


@pytest.fixture(scope="module")
def written(story):
    """Greedy's text at the section's defaults, written here."""
    end = story.tokenizer.eos_id
    ids = [*story.tokenizer.start_ids, *story.tokenizer.encode(START)]
    return ids, greedy(story.model, ids, max_new_tokens=240, banned=[[end]], keep_steps=True)


def test_the_page_opens_on_greedys_loop_and_its_link_is_bare(open_lab6, story, written):
    page = open_lab6("repeats")
    assert page.link() == {"section": "repeats"}
    assert "✗" not in page.html()
    assert 'class="labs-problem"' not in page.html()
    assert texts(page)[0] == START + story.tokenizer.decode(written[1].ids)
    loop = max(find_loops(written[1].ids), key=lambda one: one.end - one.start)
    assert f"{loop.times} times in a row" in page.html()
    assert page.html().count('<mark class="labs-story-loop') >= loop.times


def test_the_curve_is_the_probability_of_each_token_of_the_phrase(open_lab6, story, written):
    page, (ids, told) = open_lab6("repeats"), written
    loop = max(find_loops(told.ids), key=lambda one: one.end - one.start)
    with torch.inference_mode():
        logits = models.load_reference("story-lm")(torch.tensor([[*ids, *told.ids]])).logits[0].double()
        logits[:, story.tokenizer.eos_id] = -torch.inf  # it may not be chosen
    theirs = logits.softmax(dim=-1)
    mean = plot(page, "Greedy’s phrase")["series"][-1]
    assert mean["x"] == list(range(1, loop.times + 1))
    for time, ours in enumerate(mean["y"]):
        places = range(loop.start + time * loop.length, loop.start + (time + 1) * loop.length)
        expected = [theirs[len(ids) + place - 1, told.ids[place]].item() for place in places]
        assert ours == pytest.approx(sum(expected) / len(expected), abs=1e-4)
    assert mean["y"][-1] > mean["y"][0]
    own = plot(page, "Greedy’s phrase")["series"][:-1]
    assert len(own) == loop.length
    assert [sum(values) / len(values) for values in zip(*(one["y"] for one in own))] == pytest.approx(mean["y"])


def test_a_sentence_said_again_becomes_likelier(open_lab6, story):
    page = open_lab6("repeats", re_sentence="The bird sang.")
    once = story.tokenizer.encode(" The bird sang.")
    mean = plot(page, "Your sentence")["series"][-1]["y"]
    ids = [*story.tokenizer.start_ids, *once * len(mean)]
    with torch.inference_mode():
        logits = models.load_reference("story-lm")(torch.tensor([ids[:-1]])).logits[0].double()
    theirs = logits.softmax(dim=-1)[range(len(ids) - 1), ids[1:]].reshape(len(mean), len(once)).mean(dim=-1)
    assert mean == pytest.approx(theirs.tolist(), abs=1e-4)
    assert mean[1] > 2 * mean[0]


@pytest.mark.parametrize(
    ("way", "link"),
    [("penalty", {"re_penalty": "1.3"}), ("n-gram", {"re_n": "3"}), ("top-p", {"re_p": "0.8"}), ("temperature", {})],
)
def test_each_way_writes_another_text_without_the_loop(open_lab6, way, link):
    page = open_lab6("repeats", re_way=way, re_tokens="220", **link)
    first, second = texts(page)
    assert first != second
    assert "no phrase comes three times in a row" in page.html()
    assert "✗" not in page.html()


def test_no_three_tokens_come_twice_where_the_rule_forbids_it(open_lab6, story):
    page = open_lab6("repeats", re_way="n-gram", re_n="3", re_tokens="120")
    new = story.tokenizer.encode(texts(page)[1].removeprefix(START))
    assert repeated(new, 4) < 0.02  # the text encoded anew may cut a word otherwise than it was written


def test_free_to_end_the_story_ends(open_lab6):
    page = open_lab6("repeats", re_ends="1")
    assert "ended by itself" in page.html()
    assert "Left free" not in page.html()
    assert re.search(r"Left free, it would have ended its story at token \d+", open_lab6("repeats").html())


def test_temperature_zero_and_top_p_zero_are_greedy(open_lab6):
    for link in ({"re_way": "temperature", "re_t": "0"}, {"re_way": "top-p", "re_p": "0"}):
        first, second = texts(open_lab6("repeats", re_tokens="40", **link))
        assert first == second


@pytest.mark.parametrize("prompt", ["", "<b>x</b> <|endoftext|> **y** $z$", "word " * 600, "قطة 😀"])
def test_any_prompt_gets_texts_or_a_sentence(open_lab6, prompt):
    page = open_lab6("repeats", re_tokens="20")
    page.set("prompt", prompt)
    assert "<b>x</b>" not in page.html()
    assert page.widget("prompt").value == prompt
    if not prompt:
        assert "must hold at least one character" in page.html()
    else:
        assert len(texts(page)) == 2
        assert "could not be drawn" not in page.html()


@pytest.mark.parametrize("sentence", ["", "   ", "far too long " * 200])
def test_a_sentence_that_cannot_be_repeated_gets_a_sentence_and_the_texts_stay(open_lab6, sentence):
    page = open_lab6("repeats", re_tokens="20")
    page.set("re_sentence", sentence)
    assert 'class="labs-problem"' in page.html()
    assert len(texts(page)) == 2
    assert page.widget("re_sentence").value == sentence


@pytest.mark.parametrize(
    "link", [{"re_tokens": "10000"}, {"re_way": "x"}, {"re_p": "2"}, {"re_n": "0"}, {"seed": "-1"}]
)
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab6, link):
    page = open_lab6("repeats", **link)
    assert 'class="labs-problem"' in page.html()
    assert page.figures("plots")


def test_the_study_shows_the_stored_numbers(open_lab6):
    page = open_lab6("repeats", re_view="hundred")
    stored = jobs.stored("repetition")
    forced = repeats_hundred._rows(stored, free=False)
    names = repeats_hundred.names(stored.config)
    body = page.html()
    for name, row in forced.items():
        line = re.search(rf"<tr><td><b[^>]*>{re.escape(html.escape(names[name]))}</b></td>(.*?)</tr>", body)[1]
        cells = re.findall(r"<td>(.*?)</td>", line)
        assert cells[0] == repeats_words.percent(row["ends_in_loop"])
        assert cells[4] == repeats_words.percent(row["said_again"])
    assert stored.command in body
    assert "73.66%" in body
    assert "28.94%" in body
    curve = plot(page, "A phrase three times")["series"][0]
    assert curve["y"] == pytest.approx([100 * share for share in forced["greedy"]["has_loop_by"]])


def row(ends: float, again: float, ended: float = 0.5) -> dict:
    return {"ends_in_loop": ends, "said_again": again, "ended": ended, "texts": 100}


def test_the_words_say_which_order_the_numbers_have():
    names = repeats_hundred.names(jobs.stored("repetition").config)
    rows = {"greedy": row(0.7, 0.3), "beam": row(0.3, 0.5), "sampling": row(0.0, 0.1), HUMAN: row(0.01, 0.02)}
    assert "paper’s order holds: greedy 70%, beam search 30%" in repeats_words.order(rows, "ends_in_loop", names)
    assert "beam search repeats more than greedy" in repeats_words.order(rows, "said_again", names)
    rows["greedy"] = row(0.31, 0.3)
    assert "both stand above all that draw, but which of the two repeats more is within chance" in (
        repeats_words.order(rows, "ends_in_loop", names)
    )
    rows["greedy"], rows["sampling"] = row(0.7, 0.3), row(0.8, 0.4)
    assert "does not hold, greedy does not stand above" in repeats_words.order(rows, "ends_in_loop", names)
    rows["sampling"] = row(0.4, 0.4)
    assert "only half of the paper’s order" in repeats_words.order(rows, "ends_in_loop", names)
    assert repeats_words.order({"greedy": row(1, 1)}, "ends_in_loop", names) == ""
    free = {"greedy": row(0.1, 0.1)}
    assert "fewer than the 70% that must go on" in repeats_words.hundred({"greedy": row(0.7, 0.3)}, free, names)
    assert "fewer" not in repeats_words.hundred({"greedy": row(0.1, 0.3)}, free, names)


def test_every_control_is_in_the_link():
    assert len({param.name for param in PARAMS}) == len(PARAMS)
    assert ending_loop([1, 2] * 3) is not None
