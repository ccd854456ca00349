"""Lab 2, section 6: what is counted is right, and whatever is typed gets a sentence and stays in its field."""

import dataclasses
import time

import pytest

from engine import jobs
from engine.budget import count_parameters
from engine.published import PUBLISHED
from pages.lab2_block import stack, stack_costs, stack_once, stack_words
from pages.lab2_block import stack_settings as of

LLAMA = {"s_d_model": "576", "s_heads": "9", "s_kv": "3", "s_layers": "2", "s_pos": "rotary", "s_bias": "0"}
SMALL = {"s_d_model": "32", "s_heads": "4", "s_layers": "2", "s_ff": "64", "s_vocab": "50", "s_context": "16"}


def sums(page) -> dict[str, str]:
    return {cost["name"]: cost["text"] for cost in page.figures("costs")[0]["costs"]}


def setup(**changes) -> of.Setup:
    made = of.Setup(PUBLISHED[0].config, "causal", 1, "float32", False)
    config = {name: changes.pop(name) for name in tuple(changes) if hasattr(made.config, name)}
    return dataclasses.replace(made, config=dataclasses.replace(made.config, **config), **changes)


def test_it_opens_on_gpt2_and_both_second_opinions_agree(open_lab2):
    page = open_lab2("stack")
    assert sums(page)["Parameters"] == "124,439,808"
    assert sums(page)["KV cache"] == "75.5 MB"
    assert "our own module agree on 124,439,808" in page.html()
    assert "transformers’ GPT2LMHeadModel agree on 124,439,808" in page.html()


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: one.name)
def test_each_published_model_can_be_taken_and_is_counted_by_transformers(open_lab2, published):
    page = open_lab2("stack", s_layers="3", s_batch="4")
    page.press(stack.SHORT.get(published.name, published.name))
    whole = count_parameters(published.config, published.kind, pooler=published.pooler)
    assert sums(page)["Parameters"] == f"{whole:,}"
    assert f"transformers’ {published.class_name} agree on {whole:,}" in page.html()
    assert "✗" not in page.html()


@pytest.mark.parametrize("kind", ["encoder", "causal", "encoder-decoder"])
def test_the_areas_of_the_picture_add_up_to_all_parameters(kind):
    terms = stack_costs.Terms(setup(kind=kind, tie_embeddings=kind == "encoder"))
    ground, stacks, top = stack_costs.tower(terms)
    boxes = [*ground, *top, *(box for stack in stacks for box in (*stack.below, *stack.above))]
    layers = sum(box.value * stack.n_layers for stack in stacks for box in stack.layer)
    assert sum(box.value for box in boxes) + layers == count_parameters(terms.setup.config, kind)


def test_shares_are_shares():
    for cost in stack_costs.costs(stack_costs.Terms(setup(kind="encoder-decoder"))):
        assert sum(row.share for row in cost.rows) == pytest.approx(1)


def test_the_words_follow_the_numbers():
    plain = stack_words.notice(stack_costs.Terms(setup()))
    assert "46% in feed-forward, 31% in the token embedding and 23% in attention" in plain
    assert "The KV cache becomes 151 MB, 2.00 times 75.5 MB" in plain
    assert "If all 12 heads shared one key and value head, it would be 6.29 MB" in plain
    grouped = stack_words.notice(stack_costs.Terms(setup(n_kv_heads=4)))
    assert "12 heads share 4 key and value heads: with one each it would be 75.5 MB, 3 times as much" in grouped
    assert "KV cache" not in stack_words.notice(stack_costs.Terms(setup(kind="encoder")))


def test_half_the_bytes_halve_the_cache(open_lab2):
    page = open_lab2("stack", s_type="bfloat16")
    assert sums(page)["KV cache"] == "37.7 MB"
    assert "249 MB in bfloat16" in str(page.figures("costs"))


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ({"s_heads": "10000"}, "n_heads must divide d_model = 768 without a remainder, got 10000"),
        ({"s_layers": "0"}, "n_layers must be a whole number from 1 to 10,000, got 0"),
        ({"s_layers": "1000000"}, "n_layers must be a whole number from 1 to 10,000, got 1,000,000"),
        ({"s_vocab": "0"}, "vocab_size must be a whole number from 1 to 10,000,000, got 0"),
        ({"s_kv": "5"}, "n_kv_heads must divide n_heads = 12 without a remainder, got 5"),
        ({"s_d_model": "-64"}, "d_model must be a whole number from 1 to 1,048,576, got -64"),
        ({"s_context": ""}, "max_len is empty: type a whole number"),
        ({"s_pos": "rotary", "s_d_model": "36"}, "must be even for rotary positions"),
    ],
    ids=str,
)
def test_what_cannot_be_built_gets_a_sentence_and_stays_in_its_field(open_lab2, link, says):
    page = open_lab2("stack", **link)
    assert says in page.html()
    assert "could not be drawn" not in page.html()
    for name, value in link.items():
        assert page.widget(name).value == (value if name == "s_pos" else int(value) if value else None)
    page.press("Reset")
    assert sums(page)["Parameters"] == "124,439,808"


@pytest.mark.parametrize("raw", ["many", "12.5", "1e400", "<b>12</b>", "9" * 30])
def test_a_link_that_holds_no_number_gets_a_sentence_and_the_default(open_lab2, raw):
    page = open_lab2("stack", s_heads=raw)
    assert "s_heads must be a whole number" in page.html()
    assert "<b>12</b>" not in page.html()
    assert page.widget("s_heads").value == 12


def test_a_run_that_is_none_gets_a_sentence(open_lab2):
    page = open_lab2("stack", s_run="0" * 32)
    assert "labs-problem" in page.html()
    assert sums(page)["Parameters"] == "124,439,808"


def test_a_model_larger_than_the_machine_is_drawn_but_not_run(open_lab2):
    page = open_lab2("stack", s_d_model="16384", s_heads="128", s_layers="2000", s_ff="65536")
    assert sums(page)["Parameters"].startswith("6,44")
    assert "config must fit the memory of" in page.html()
    assert next(button for button in page.app.button if button.label == "Run it once").disabled
    assert "agree on" in page.html()


def test_a_run_that_would_take_too_long_is_refused_with_the_estimate(monkeypatch):
    monkeypatch.setattr(stack_once, "check_run", lambda config: None)
    with pytest.raises(ValueError, match=r"would take about .* here, and 120 s is the limit"):
        stack_once.check(setup(batch=1000).once)


def test_it_can_really_be_run_and_the_measurement_stands_beside_the_estimate(open_lab2):
    page = open_lab2("stack", **SMALL)
    page.press("Run it once")
    run_id = page.link()["s_run"]
    give_up = time.monotonic() + 50
    while jobs.status(run_id).state not in ("finished", "failed") and time.monotonic() < give_up:
        time.sleep(0.2)
    assert jobs.status(run_id).state == "finished", jobs.status(run_id).error
    page.run()
    page.run()
    assert "<th>estimated</th><th>measured</th>" in page.html()
    assert "times what autograd really kept" in page.html()


def test_sharing_keys_and_values_is_offered_and_undone(open_lab2):
    page = open_lab2("stack", **LLAMA)
    page.press("One key and value head for all")
    assert page.link()["s_kv"] == "1"
    page.press("Keys and values for each head")
    assert "s_kv" not in page.link()
