"""Lab 6, section 3: the learner's text, its log-probability beside the machine's, and forks that a link carries."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components import drawing, models
from engine.decoding import beam_search, greedy
from pages.lab6_generation import decoder, decoder_study
from pages.lab6_generation.decoder_forks import MOST_FORKS, MOST_TOKENS, Forks, mark_of
from pages.lab6_generation.params import START

MARK = mark_of("story-lm")
FORKS = decoder_study.FORKS


def encode(text: str) -> tuple[int, ...]:
    return tuple(models.story_lm().tokenizer.encode(text))


def prompt_ids(text: str = START) -> list[int]:
    return [*models.story_lm().tokenizer.start_ids, *encode(text)]


def their_log_prob(ids: tuple[int, ...], prompt: str = START) -> float:
    """The sum of transformers' log-softmax over the tokens behind the prompt."""
    before = prompt_ids(prompt)
    with torch.inference_mode():
        logits = models.language_model_reference("story-lm")(torch.tensor([[*before, *ids]])).logits[0]
    log_probs = logits[len(before) - 1 : -1].log_softmax(-1)
    return log_probs.gather(-1, torch.tensor(ids)[:, None]).double().sum().item()


def code(*texts: tuple[int, ...], active: int = 0) -> str:
    return FORKS.format(Forks(MARK, texts, active))


def text_of(page) -> str:
    return "".join(one["text"] for one in page.figure("walk")["chosen"]).replace("·", " ")


def rows(page) -> dict[str, float]:
    return {row["name"]: row["log_prob"] for row in page.figure("walk")["rows"]}


def button(page, label: str):
    return next(one for one in page.app.button if one.label == label)


def test_the_page_opens_on_two_forks_and_transformers_numbers(open_lab6):
    page = open_lab6("decoder")
    assert page.link() == {"section": "decoder"}
    figure = page.figure("walk")
    assert len(figure["forks"]) == 2
    assert text_of(page) == decoder_study.EXAMPLE[1]
    for fork, text in zip(figure["forks"], decoder_study.EXAMPLE):
        assert fork["log_prob"] == pytest.approx(their_log_prob(encode(text)), abs=1e-3)
        assert fork["mean"] == pytest.approx(fork["log_prob"] / fork["n_tokens"])
    assert rows(page)["You"] == figure["forks"][1]["log_prob"]
    assert "the log-probability of your" in page.html()
    assert "agree, largest difference" in page.html()
    assert "✗" not in page.html()


def test_the_others_write_as_many_tokens_as_the_learner(open_lab6):
    ids = encode(" who was very sad. One day")
    page, model = open_lab6("decoder", de_forks=code(ids)), models.story_lm().model
    held = rows(page)
    assert held["You"] == pytest.approx(their_log_prob(ids), abs=1e-3)
    expected = greedy(model, prompt_ids(), max_new_tokens=len(ids))
    assert held["Greedy"] == pytest.approx(expected.log_prob, abs=1e-3)
    for name, num_beams in (("Beam of 4", 4), ("Beam of 16", 16)):
        best = beam_search(model, prompt_ids(), num_beams=num_beams, max_new_tokens=len(ids))[0]
        assert held[name] == pytest.approx(best.log_prob, abs=1e-3)
    for row in page.figure("walk")["rows"]:
        assert row["mean"] == pytest.approx(row["log_prob"] / len(ids))


def test_choices_are_the_models_distribution_behind_the_text(open_lab6):
    ids = encode(" who loved to")
    page = open_lab6("decoder", de_forks=code(ids))
    with torch.inference_mode():
        theirs = models.language_model_reference("story-lm")(torch.tensor([[*prompt_ids(), *ids]])).logits[0, -1]
    best = theirs.softmax(-1).topk(decoder_study.N_CHOICES)
    choices = page.figure("walk")["choices"]
    assert [one["probability"] for one in choices] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert [one["id"] for one in choices[:5]] == best.indices[:5].tolist()


def test_taking_the_likeliest_each_time_is_greedy_decoding(open_lab6):
    page = open_lab6("decoder")
    page.press("Start over")
    assert page.figure("walk")["chosen"] == []
    assert "Nothing is chosen yet" in page.html()
    for _ in range(4):
        page.press("Take the likeliest")
    expected = greedy(models.story_lm().model, prompt_ids(), max_new_tokens=4)
    assert text_of(page) == models.story_lm().tokenizer.decode(expected.ids)
    assert rows(page)["You"] == pytest.approx(rows(page)["Greedy"], abs=1e-4)
    assert [one["rank"] for one in page.figure("walk")["chosen"]] == [1, 1, 1, 1]
    assert "At every step you took the likeliest token" in page.html()


def test_going_back_takes_the_last_token_away_and_a_fork_keeps_the_first_text(open_lab6):
    page = open_lab6("decoder", de_forks=code(encode(" who lived")))
    page.press("Fork here")
    page.press("Go back")
    page.press("Take the likeliest")
    forks = page.figure("walk")["forks"]
    assert (forks[0]["shared"] + forks[0]["own"], forks[0]["shared"]) == (" who lived", " who")
    assert text_of(page) == " who loved"
    assert page.figure("walk")["active"] == 1


def test_the_link_brings_back_every_fork(open_lab6):
    page = open_lab6("decoder")
    page.press("Fork here")
    page.press("Take the likeliest")
    again = open_lab6("decoder", de_forks=page.link()["de_forks"])
    for kind in ("forks", "chosen", "active"):
        assert again.figure("walk")[kind] == page.figure("walk")[kind]
    assert again.link() == page.link()


def test_own_words_follow_after_a_space_or_joined_with_a_plus(open_lab6):
    page = open_lab6("decoder", de_forks=code(()))
    for typed, whole in (("who ate a moon", " who ate a moon"), ("+s and a star", " who ate a moons and a star")):
        page.set("de_words", typed)
        page.press("Add your words")
        assert text_of(page) == whole
        assert page.widget("de_words").value == ""
    ids = encode(" who ate a moon") + encode("s and a star")
    assert rows(page)["You"] == pytest.approx(their_log_prob(ids), abs=1e-3)
    assert "✗" not in page.html()


@pytest.mark.parametrize("typed", ["", "   ", "+"])
def test_no_words_get_a_sentence(open_lab6, typed):
    page = open_lab6("decoder", de_forks=code(encode(" who")))
    page.set("de_words", typed)
    page.press("Add your words")
    assert "Type a word first" in page.html()
    assert text_of(page) == " who"


def test_the_beams_text_beats_greedy_and_the_page_says_so(open_lab6):
    page = open_lab6("decoder", de_forks=code(encode(" who" * 20)))
    assert "has found a text that is" in page.html()
    assert "High probability does not mean good text" in page.html()
    page.press("Take the beam’s text as a fork")
    assert rows(page)["You"] == pytest.approx(rows(page)["Beam of 16"], abs=1e-3)
    assert rows(page)["You"] > rows(page)["Greedy"]
    assert "<b>You beat greedy decoding" in page.html()


def test_the_end_token_ends_the_story(open_lab6):
    end = models.story_lm().tokenizer.eos_id
    page = open_lab6("decoder", de_forks=code((*encode(" who slept."), end)))
    figure = page.figure("walk")
    assert figure["chosen"][-1]["text"] == "⟨end⟩"
    assert "this story is over" in figure["over"]
    assert button(page, "Take the likeliest").disabled
    assert button(page, "Add your words").disabled
    assert "✗" not in page.html()
    page.press("Go back")
    assert text_of(page) == " who slept."


def test_a_full_fork_says_so_and_keeps_its_words(open_lab6):
    page = open_lab6("decoder", de_forks=code(encode(" the" * 99)))
    page.set("de_words", "cat sat on the mat")
    page.press("Add your words")
    assert len(page.figure("walk")["chosen"]) == MOST_TOKENS
    assert f"holds {MOST_TOKENS} tokens" in page.figure("walk")["over"]
    assert button(page, "Take the likeliest").disabled


def test_more_forks_than_there_is_room_for_get_a_sentence(open_lab6):
    page = open_lab6("decoder", de_forks=code(*[encode(" who")] * MOST_FORKS))
    page.press("Fork here")
    assert f"There is room for {MOST_FORKS} forks" in page.html()
    assert len(page.figure("walk")["forks"]) == MOST_FORKS


def test_many_long_forks_are_stored_and_the_link_names_them(open_lab6):
    texts = tuple(encode(" the" * (90 + number)) for number in range(MOST_FORKS))
    link = code(*texts)
    assert link.startswith("~")
    page = open_lab6("decoder", de_forks=link)
    assert [fork["n_tokens"] for fork in page.figure("walk")["forks"]] == [90 + number for number in range(MOST_FORKS)]
    assert page.link()["de_forks"] == link


@pytest.mark.parametrize(
    "link",
    ["<b>?</b>", "zz", MARK, f"{MARK}0", f"{MARK}2.AAA", f"{MARK}0.AAAA", f"{MARK}x.AAA", f"{MARK}0." + "A" * 303],
)
def test_a_broken_code_gets_a_sentence_and_the_example(open_lab6, link):
    page = open_lab6("decoder", de_forks=link)
    assert "de_forks must be a code that this section has written" in page.html()
    assert text_of(page) == decoder_study.EXAMPLE[1]


@pytest.mark.parametrize("link", [FORKS.format(Forks(mark_of("gpt2"), ((1, 2),))), code((4096,))])
def test_forks_of_another_model_get_a_sentence_and_start_over_helps(open_lab6, link):
    page = open_lab6("decoder", de_forks=link)
    assert "These forks were chosen with another model" in page.html()
    assert page.link()["de_forks"] == link
    page.press("Start over")
    assert "another model" not in page.html()
    assert page.figure("walk")["chosen"] == []


@pytest.mark.parametrize("text", ["", "<b>x</b> **y** $z$ <|endoftext|>", "قطة 😀", "word " * 3_000])
def test_any_prompt_is_kept_and_the_forks_stay(open_lab6, text):
    page = open_lab6("decoder", de_forks=code(encode(" who lived")))
    page.set("prompt", text)
    assert page.widget("prompt").value == text
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    assert page.link()["de_forks"] == code(encode(" who lived"))
    if text:
        assert text_of(page) == " who lived"
        assert "✗" not in page.html()
    else:
        assert "The prompt must hold at least one character" in page.html()


def test_hostile_words_of_the_learner_are_shown_literally(open_lab6):
    page = open_lab6("decoder", de_forks=code(()))
    page.set("de_words", "<b>x</b> <script>y</script>")
    page.press("Add your words")
    assert text_of(page) == " <b>x</b> <script>y</script>"
    assert "<b>x</b>" not in page.html()
    assert "<script>" not in page.html()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "take", "id": 9}, Forks("ab", ((1, 2, 9), (3,)))),
        ({"type": "fork", "place": 1}, Forks("ab", ((1, 2), (3,), (1,)), active=2)),
        ({"type": "switch", "index": 1}, Forks("ab", ((1, 2), (3,)), active=1)),
        ({"type": "switch", "index": 7}, Forks("ab", ((1, 2), (3,)))),
        ({"type": "drop", "index": 0}, Forks("ab", ((3,),))),
        ({"type": "back"}, Forks("ab", ((1,), (3,)))),
    ],
)
def test_what_the_figure_reports_becomes_forks(monkeypatch, event, expected):
    held = {}
    monkeypatch.setattr(drawing, "result", lambda key: event)
    monkeypatch.setattr(decoder.state, "set_value", held.__setitem__)
    decoder._take_event(Forks("ab", ((1, 2), (3,))))
    assert held == {FORKS: expected}


def test_the_active_text_stays_the_same_when_another_is_removed():
    forks = Forks("ab", ((1,), (2,), (3,)), active=1)
    assert forks.drop(0) == Forks("ab", ((2,), (3,)), active=0)
    assert forks.drop(2) == Forks("ab", ((1,), (2,)), active=1)
    assert Forks("ab", ((1,), (2,)), active=1).drop(1) == Forks("ab", ((1,),), active=0)
    assert Forks("ab", ((1,),)).drop(0) == Forks("ab", ((1,),))
    assert Forks("ab", ((),)).back() == Forks("ab", ((),))


texts = st.lists(st.lists(st.integers(0, 64**3 - 1), max_size=20).map(tuple), min_size=1, max_size=MOST_FORKS).map(
    tuple
)


@given(texts, st.data())
def test_any_forks_survive_the_link(held, data):
    forks = Forks(MARK, held, data.draw(st.integers(0, len(held) - 1)))
    assert FORKS.parse(FORKS.format(forks)) == forks


def test_a_large_model_is_not_asked_for_sixteen_beams_at_every_click():
    assert decoder_study.beams_of("story-lm") == (4, 16)
    assert decoder_study.beams_of("gpt2") == (4,)
