"""Lab 6, section 10: stored numbers at once in every view, the rounds of the draft on the learner's prompt, audits."""

import time

import pytest

from components import models
from engine import jobs
from engine.decoding import speculative
from engine.experiments.decoding_speed import DecodingSpeedConfig
from pages.lab6_generation import speed, speed_draft
from pages.lab6_generation.params import START
from pages.lab6_generation.speed_study import Compared, Drafted, Speeds

VIEWS = ("cache", "batch", "strategies", "draft")
TINY = DecodingSpeedConfig(
    new_tokens=4, lengths=(8, 40), batches=(1, 2), beams=(2,), drafts=(1, 2), texts=1, draws=20, repeats=1
)


def stored(kind: str, **values) -> list[dict]:
    return Speeds(jobs.stored("decoding-speed")).of(kind, **values)


def lines(page, title: str) -> dict[str, dict]:
    plot = next(one for figure in page.figures("plots") for one in figure["plots"] if one["title"] == title)
    return {series["name"]: series for series in plot["series"]}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens_on_the_stored_run_with_nothing_red(open_lab6, view):
    page = open_lab6("speed", sp_view=view)
    html = page.html()
    assert "✗" not in html
    assert 'class="labs-problem"' not in html
    assert "Stored, not from this server: python -m engine.jobs decoding-speed decoding-speed" in html
    assert "What to notice" in html
    assert not jobs.kept_runs(), "nothing is measured before it is asked for"
    assert page.link() == {"section": "speed"} | ({} if view == "cache" else {"sp_view": view})


def test_the_cost_of_a_token_with_and_without_a_cache_is_drawn_over_the_length(open_lab6):
    page = open_lab6("speed")
    drawn = lines(page, "One token more, in ms")
    for reading, name in (("whole", "without a cache"), ("lean", "with a cache, lean loop")):
        events = stored("cache", reading=reading)
        assert drawn[name]["x"] == [one["length"] for one in events]
        assert drawn[name]["y"] == pytest.approx([1000 * one["seconds"] for one in events])
    first, *_, last = drawn["without a cache"]["y"]
    assert f"the token after 448 others took {last:.0f} ms, {last / first:.1f} times the one after 16" in page.html()


def test_the_logits_of_the_learner_s_prompt_are_the_same_without_a_cache_and_in_transformers(open_lab6):
    html = open_lab6("speed", prompt="Tom had a red ball. He").html()
    for library in ("the same model without its cache", "transformers"):
        assert f"logits with a cache: ours and {library} agree" in html
    assert "computed on your prompt and 16 tokens after it" in html


def test_the_whole_text_is_the_sum_of_its_tokens():
    events = [{"kind": "cache", "reading": "whole", "length": n, "seconds": n / 1000} for n in (10, 20, 40)]
    record = jobs.Record("decoding-speed", TINY, events, None, None, None)
    lengths, sums = Speeds(record).whole_text("whole")
    assert lengths == [10, 20, 40]
    # The first ten as if each took what the eleventh took; from there on the sum of n / 1000 is the area under it.
    assert sums == pytest.approx([0.1, 0.1 + (20**2 - 10**2) / 2000, 0.1 + (40**2 - 10**2) / 2000])


def test_the_limit_of_the_memory_is_a_reading_of_every_weight_a_step(open_lab6):
    page = open_lab6("speed", sp_view="batch")
    memory = stored("memory", what="weights")[0]
    steps = memory["bytes"] / memory["seconds"] / memory["bytes"]
    limit = lines(page, "Tokens a second, all texts")["limit of the memory"]
    assert limit["x"] == [1, 2, 4, 8, 16]
    assert limit["y"] == pytest.approx([n * steps for n in limit["x"]])
    alone = stored("batch", texts=1)[0]
    share = alone["tokens"] / alone["seconds"] / steps
    assert f"One text at a time reached {share:.0%} of that" in page.html()
    assert "23.5 MB" in page.html()
    together = lines(page, "Tokens a second, all texts")["texts side by side"]["y"]
    each = lines(page, "Tokens a second, each text")["texts side by side"]["y"]
    assert together == pytest.approx([n * one for n, one in zip(limit["x"], each, strict=True)])


def test_every_way_of_choosing_has_a_bar_beside_transformers(open_lab6):
    html = open_lab6("speed", sp_view="strategies").html()
    for name in ("greedy", "sampling, three filters", "beam search, 8 beams", "beam search, 4, one word required"):
        assert f'<span class="labs-bar-name">{name}</span>' in html
    assert html.count('<span class="labs-bar-name">greedy</span>') == 2
    for event in stored("strategy"):
        assert f"<span>{event['tokens'] / event['seconds']:,.0f}</span>" in html
    assert "ours and transformers wrote the same texts in this run (greedy and beam search, 4 beams)" in html


def test_the_rounds_are_those_of_the_engine_on_the_learner_s_prompt(open_lab6):
    typed = "Lily wanted to bake a cake"
    page = open_lab6("speed", sp_view="draft", prompt=typed, sp_draft="2", sp_temp="0.8", seed="5", sp_new="24")
    large, small = (models.language_model(name) for name in ("story-lm", "story-lm-draft"))
    ids = [*large.tokenizer.start_ids, *large.tokenizer.encode(typed)]
    settings = {"max_new_tokens": 24, "n_draft": 2, "temperature": 0.8, "seed": 5, "eos_id": large.tokenizer.eos_id}
    text = speculative(large.model, small.model, ids, **settings)
    figure = page.figure("rounds")
    assert figure["prompt"] == typed
    assert len(figure["rounds"]) == len(text.rounds)
    written = ""
    for drawn, one in zip(figure["rounds"], text.rounds, strict=True):
        assert [token["kept"] for token in drawn["proposed"]].count(True) == one.n_accepted
        assert [token["chance"] for token in drawn["proposed"]][: len(one.chances)] == pytest.approx(one.chances)
        written += "".join(token["text"] for token in drawn["proposed"] if token["kept"]) + (drawn["own"] or "")
    assert written == large.tokenizer.decode(text.ids)
    assert f"{len(text.rounds)} rounds wrote {len(text.ids)} tokens" in page.html()
    assert f"acceptance</b> {text.acceptance:.0%}" in page.html()


def test_at_temperature_0_and_in_many_draws_the_draft_changes_nothing(open_lab6):
    html = open_lab6("speed", sp_view="draft").html()
    assert "at temperature 0, on your prompt: with a draft and without one the same 32 tokens are written" in html
    assert "every share lies within 4 standard errors" in html
    assert f"drawn {stored('first-tokens')[0]['draws']:,} times" in html


def test_a_count_beyond_the_band_is_said_in_red():
    events = [
        {
            "kind": "first-tokens",
            "draws": 1000,
            "temperature": 1.0,
            "context": [1],
            "tokens": [5],
            "counts": [600, 400],
            "model": [0.5, 0.5],
            "draft": [0.6, 0.4],
        }
    ]
    from pages.lab6_generation import speed_words

    holds, sentence = speed_words.first_tokens_claim(
        Speeds(jobs.Record("decoding-speed", TINY, events, None, None, None))
    )
    assert not holds
    assert "60.0% of all draws" in sentence
    assert "6.3 standard errors apart" in sentence


def test_the_expected_tokens_of_a_round_are_the_paper_s():
    assert Drafted(1, 0.0, 0.5, 0.0, 1).expected_per_round == 1.5
    assert Drafted(3, 0.0, 1.0, 0.0, 1).expected_per_round == 4
    assert Drafted(2, 0.0, 0.5, 0.0, 1).expected_per_round == pytest.approx(1 + 0.5 + 0.25)
    assert Compared(1, 0.5, 0.5, 0.52, 0.01).errors == pytest.approx(2)


def test_the_draft_s_curves_are_those_of_the_run_and_a_click_chooses_the_length(open_lab6, monkeypatch):
    page = open_lab6("speed", sp_view="draft")
    figure = page.figures("plots")[0]
    assert [plot["title"] for plot in figure["plots"]] == [
        "Kept, % of those looked at",
        "Tokens for each reading",
        "Tokens a second",
    ]
    rows = [one for one in stored("draft", temperature=1.0) if one["n_draft"]]
    kept = lines(page, "Kept, % of those looked at")["temperature 1"]
    assert kept["x"] == [1, 2, 3, 4, 5, 6]
    assert kept["y"] == pytest.approx([100 * one["accepted"] / one["checked"] for one in rows])
    assert figure["selected"] == 3
    page.press("Draft 6 at a time")
    assert page.figures("plots")[0]["selected"] == 6
    assert page.link()["sp_draft"] == "6"
    assert max(len(one["proposed"]) for one in page.figure("rounds")["rounds"]) > 3


def test_the_learner_s_own_measurement_lies_over_the_stored_one_where_it_has_come_so_far(open_lab6, monkeypatch):
    monkeypatch.setattr(speed, "_config", lambda: TINY)
    page = open_lab6("speed")
    page.press("Measure here")
    run_id, give_up = page.link()["sp_run"], time.monotonic() + 120
    assert jobs.config(run_id) == TINY
    while len(jobs.events(run_id)) < 9:
        assert time.monotonic() < give_up, jobs.status(run_id)
        time.sleep(0.1)
    jobs.stop(run_id)
    page.run()
    drawn = lines(page, "One token more, in ms")
    assert drawn["with a cache, lean loop"]["x"] == [8, 40]
    assert drawn["with a cache, lean loop, stored run"]["x"] == [
        one["length"] for one in stored("cache", reading="lean")
    ]
    assert "the token after 40 others took" in page.html()
    page.set("sp_view", "draft")
    assert lines(page, "Tokens a second")["temperature 1"]["x"] == [1, 2, 3, 4, 5, 6], "still the stored ones"


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_prompt_is_a_sentence_and_the_stored_numbers_stay(open_lab6, view):
    page = open_lab6("speed", sp_view=view)
    page.set("prompt", "")
    assert "The prompt must hold at least one character" in page.html()
    assert "What to notice" in page.html()
    page.set("prompt", START)
    assert 'class="labs-problem"' not in page.html()


def test_a_prompt_longer_than_the_context_says_what_is_kept(open_lab6):
    page = open_lab6("speed", sp_view="draft")
    page.set("prompt", "The dog ran to the park. " * 200)
    assert "are kept, the first" in page.html()
    assert page.figure("rounds")["rounds"]
    assert "✗" not in page.html()


def test_a_learner_s_text_is_never_markup(open_lab6):
    page = open_lab6("speed", sp_view="draft", prompt="<b>bold</b> **x** $y$ <|end|>")
    assert page.figure("rounds")["prompt"] == "<b>bold</b> **x** $y$ <|end|>"
    assert "<b>bold</b>" not in page.html()


def test_without_a_draft_model_the_rest_of_the_section_stays(open_lab6, monkeypatch):
    def missing(name):
        if name == "story-lm-draft":
            raise ValueError("the model 'story-lm-draft' is not on this machine")
        return load(name)

    load = models.language_model
    speed_draft._written.clear()
    monkeypatch.setattr(models, "language_model", missing)
    page = open_lab6("speed", sp_view="draft", prompt="A frog sat on")
    assert "is not on this machine" in page.html()
    assert lines(page, "Tokens a second")
    assert not page.figures("rounds")


def test_a_model_without_a_draft_gets_a_sentence():
    from engine import models as known

    assert speed_draft.draft_for(known.model_info("story-lm")) == "story-lm-draft"
    with pytest.raises(ValueError, match="There is no draft model for GPT-2 here"):
        speed_draft.draft_for(known.model_info("gpt2"))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"sp_view": "gpu"}, "sp_view must be one of cache, batch, strategies, draft"),
        ({"sp_view": "draft", "sp_draft": "0"}, "sp_draft must be a whole number from 1 to 6"),
        ({"sp_view": "draft", "sp_temp": "-1"}, "sp_temp must be a number from 0.0 to 2.0"),
        ({"sp_view": "draft", "sp_new": "10000"}, "sp_new must be a whole number from 8 to 96"),
        ({"sp_run": "0" * 32}, "run_id must"),
    ],
)
def test_a_wrong_link_is_a_sentence_and_the_figure_stays(open_lab6, wrong, sentence):
    page = open_lab6("speed", **wrong)
    assert sentence in page.html()
    assert page.figures("plots")


def test_every_control_is_in_the_link():
    assert len({param.name for param in speed.PARAMS}) == len(speed.PARAMS)
