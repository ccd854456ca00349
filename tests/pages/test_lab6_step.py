"""Lab 6, section 2: every stage's bars are transformers' numbers, and the dart picks what sampling picks."""

import math

import pytest
import torch
from transformers.generation import logits_process as theirs

from components import models
from engine.causal_lm import CausalLM
from engine.decoding import Filters, sample
from pages.lab6_generation import step, step_study

TEXT = step_study.TEXT.default


def ids_of(text: str) -> list[int]:
    tokenizer = models.story_lm().tokenizer
    return [*tokenizer.start_ids, *tokenizer.encode(text)]


def their_logits(text: str) -> torch.Tensor:
    """Transformers' scores after every token of the text, (seq_len, vocab_size)."""
    with torch.inference_mode():
        return models.language_model_reference("story-lm")(torch.tensor([ids_of(text)])).logits[0]


def column(page, title: str) -> dict:
    return next(one for one in page.figure("distribution")["columns"] if one["title"] == title)


def drawn(page) -> str:
    dart = page.figure("distribution")["dart"]
    return dart["pieces"][dart["hit"]][0]


def test_the_page_opens_on_transformers_numbers_and_its_link_is_bare(open_lab6):
    page = open_lab6("step")
    assert page.link() == {"section": "step"}
    logits = their_logits(TEXT)[-1]
    best = logits.softmax(-1).topk(step_study.N_ROWS)
    figure = page.figure("distribution")
    assert column(page, "Model")["probabilities"] == pytest.approx(best.values.tolist(), abs=1e-5)
    names = [models.story_lm().tokenizer.token_bytes(one).decode().replace(" ", "·") for one in best.indices.tolist()]
    assert figure["tokens"] == names
    processors = [theirs.TemperatureLogitsWarper(0.8), theirs.TopKLogitsWarper(8), theirs.TopPLogitsWarper(0.9)]
    left = theirs.LogitsProcessorList(processors)(torch.tensor([ids_of(TEXT)]), logits[None].clone())[0].softmax(-1)
    expected = [left[one].item() or None for one in best.indices.tolist()]
    assert column(page, "Top-p")["probabilities"] == pytest.approx(expected, abs=1e-5)
    assert column(page, "Top-p")["n_kept"] == (left > 0).sum()
    assert column(page, "Top-p")["kept_mass"] == pytest.approx(logits.softmax(-1)[left > 0].sum().item(), abs=1e-5)
    assert [one["title"] for one in figure["columns"] if not one["on"]] == ["Penalty", "Min-p", "Typical"]
    assert page.html().count("agree, largest difference") == 2
    assert "✗" not in page.html()


def test_no_slider_asks_the_model_again(open_lab6, monkeypatch):
    asked, forward = [], CausalLM.forward

    def counted(self, *args, **settings):
        asked.append(1)
        return forward(self, *args, **settings)

    monkeypatch.setattr(CausalLM, "forward", counted)
    page = open_lab6("step", st_text="A fish that nobody has read about here before")
    assert len(asked) == 1
    before = column(page, "Temperature")["entropy"]
    for name, value in (
        *(("st_temp", 1.7), ("st_k", 3), ("st_p", 0.5), ("st_min", 0.2)),
        *(("st_typical", 0.6), ("st_penalty", 1.5), ("seed", 3)),
    ):
        page.set(name, value)
    assert column(page, "Temperature")["entropy"] != before
    assert len(asked) == 1


def test_every_filter_at_once_agrees_with_transformers(open_lab6):
    page = open_lab6("step", st_penalty="1.3", st_temp="1.6", st_k="30", st_p="0.8", st_min="0.05", st_typical="0.9")
    assert all(one["on"] for one in page.figure("distribution")["columns"])
    assert "scores after penalty, temperature, top-k, top-p, min-p, typical: ours and transformers" in page.html()
    assert "✗" not in page.html()


def test_what_a_filter_drops_is_gone_from_its_column_on(open_lab6):
    page = open_lab6("step", st_temp="1", st_k="3", st_p="1")
    assert None not in column(page, "Temperature")["probabilities"]
    kept = column(page, "Top-k")
    assert [one is not None for one in kept["probabilities"][:5]] == [True, True, True, False, False]
    assert (kept["n_kept"], kept["rest_kept"], kept["rest"]) == (3, 0, 0)
    assert sum(one or 0 for one in kept["probabilities"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("link", [{}, {"st_temp": "1.9", "st_k": "0", "st_p": "1"}, {"st_p": "0"}])
def test_rows_and_rest_add_up_to_one_at_every_stage(open_lab6, link):
    for one in open_lab6("step", **link).figure("distribution")["columns"]:
        shares = [share for share in one["probabilities"] if share is not None]
        assert sum(shares) + one["rest"] == pytest.approx(1, abs=1e-5)
        assert len(shares) + one["rest_kept"] == one["n_kept"]


def test_appending_the_drawn_token_again_and_again_writes_what_sampling_writes(open_lab6):
    page = open_lab6("step", seed="11", st_temp="1.1")
    expected = sample(
        models.story_lm().model, ids_of(TEXT), max_new_tokens=6, temperature=1.1, top_k=8, top_p=0.9, seed=11
    )
    for place, token in enumerate(expected.ids):
        assert drawn(page) == models.story_lm().tokenizer.token_bytes(token).decode().replace(" ", "·")
        page.press("Append this token")
        assert page.link()["st_throw"] == str(place + 2)
    assert page.widget("st_text").value == TEXT + models.story_lm().tokenizer.decode(expected.ids)


def test_the_dart_stands_at_the_seeds_random_number_inside_the_token_it_hits(open_lab6):
    page = open_lab6("step", seed="5", st_temp="2", st_k="0", st_p="1")
    generator = torch.Generator().manual_seed(5)
    for _ in range(4):
        dart = page.figure("distribution")["dart"]
        assert dart["share"] == torch.rand((), generator=generator, dtype=torch.float64).item()
        widths = [share for _, share in dart["pieces"]]
        assert sum(widths) == pytest.approx(1, abs=1e-6)
        start = math.fsum(widths[: dart["hit"]])
        assert start - 1e-6 <= dart["share"] <= start + widths[dart["hit"]] + 1e-6
        figure = page.figure("distribution")
        assert figure["tokens"][figure["drawn"]] == drawn(page)
        page.press("Draw again")


def test_a_token_beyond_the_rows_gets_a_row_when_the_dart_hits_it(open_lab6):
    page = open_lab6("step", st_temp="2", st_k="0", st_p="1")
    lengths = set()
    for _ in range(6):
        figure = page.figure("distribution")
        lengths.add(len(figure["tokens"]))
        assert figure["nRest"] + len(figure["tokens"]) == 4096
        page.press("Draw again")
    assert lengths == {step_study.N_ROWS, step_study.N_ROWS + 1}


def test_top_k_and_top_p_alone_are_counted_here_and_at_the_places_before(open_lab6):
    html = open_lab6("step", st_k="5", st_p="0.8").html()
    logits = their_logits(TEXT)[-step_study.PLACES :]
    counts = (theirs.TopPLogitsWarper(0.8)(None, logits.clone()) > -torch.inf).sum(-1).tolist()
    assert f"top-k 5 would keep 5 tokens and top-p 0.8 would keep {counts[-1]} tokens" in html
    assert f"last {len(counts)} places of this text top-p keeps from {min(counts)} to {max(counts)}" in html


@pytest.mark.parametrize(
    ("link", "sentence"),
    [({"st_temp": "0"}, "0 cannot divide anything; it stands for greedy"), ({"st_p": "0"}, "top-p 0 is greedy too")],
)
def test_temperature_0_and_top_p_0_mean_greedy_and_say_so(open_lab6, link, sentence):
    page = open_lab6("step", **link)
    assert sentence in page.html()
    assert column(page, "Top-p")["n_kept"] == 1
    assert drawn(page) == page.figure("distribution")["tokens"][0]
    assert "✗" not in page.html()


def test_the_end_token_is_not_put_behind_a_text(open_lab6):
    page = open_lab6("step", st_text="They were all happy. The end.", st_k="1")
    assert drawn(page) == "⟨end⟩"
    assert "The dart hit the end token: the story is over" in page.html()
    assert next(one for one in page.app.button if one.label == "Append this token").disabled


@pytest.mark.parametrize("text", ["", "x", "<b>x</b> **y** $z$ <|endoftext|>", "قطة 😀", "word " * 3_000])
def test_any_text_is_kept_and_answered(open_lab6, text):
    page = open_lab6("step")
    page.set("st_text", text)
    assert page.widget("st_text").value == text
    assert "could not be drawn" not in page.html()
    assert "<b>x</b>" not in page.html()
    if text:
        assert "✗" not in page.html()
    else:
        assert "The prompt must hold at least one character" in page.html()
    if len(text) > 3_000:
        assert "the last 510 are kept" in page.html()


@pytest.mark.parametrize(
    "link", [{"st_temp": "-1"}, {"st_p": "1.5"}, {"st_k": "2.5"}, {"st_typical": "0"}, {"st_throw": "0"}]
)
def test_impossible_values_in_a_link_get_a_sentence_and_the_figure_stays(open_lab6, link):
    page = open_lab6("step", **link)
    assert 'class="labs-problem"' in page.html()
    assert page.figures("distribution")


def test_the_numbers_have_a_table(open_lab6):
    page = open_lab6("step")
    page.app.session_state["fold.table.step"] = True
    page.run()
    table = page.app.dataframe[0].value
    assert table["model"].tolist() == pytest.approx(column(page, "Model")["probabilities"], abs=1e-6)


def test_filters_on_screen_are_the_engines(open_lab6):
    assert {param.name for param in step.FILTERS} | {"st_text", "model", "seed", "st_throw"} == {
        param.name for param in step.PARAMS
    }
    assert len(step.FILTERS) == len(step_study.filter_stages(torch.zeros(3), [0], Filters())) - 1
