"""All ways of reading give the same logits: lean, in fixed shapes, by the modules with a cache, the whole text anew."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.causal_lm import CausalLM
from engine.decoding import beam_search, greedy, sample
from engine.decoding.fixed import FixedReader
from engine.decoding.lean import LeanReader, lean_can_read
from engine.decoding.reading import CachedReader, WholeReader, open_reader
from engine.model_config import ModelConfig
from tests.engine.decoding_models import random_causal

MAX_LEN = 40
# Float32 sums in another order, through two layers of random weights: logits of up to 6, measured below 1.5e-5.
CLOSE = {"atol": 1e-4, "rtol": 0}

GPT2 = {"vocab_size": 30, "d_model": 24, "n_heads": 4, "n_layers": 2, "d_ff": 40, "max_len": MAX_LEN}
GPT2 |= {"norm_first": True, "activation": "gelu_tanh"}
LLAMA = GPT2 | {"positions": "rotary", "norm": "rmsnorm", "activation": "swiglu", "bias": False}
LEAN = {
    "gpt2": GPT2,
    "llama": LLAMA,
    "grouped queries": LLAMA | {"n_kv_heads": 2},
    "one key head, learned positions": GPT2 | {"n_kv_heads": 1},
    "biases": LLAMA | {"bias": True, "attention_bias": True, "feed_forward_bias": True},
    "biases in attention alone": LLAMA | {"attention_bias": True, "n_kv_heads": 2},
    "no biases in layernorm": GPT2 | {"bias": False},
    "relu": GPT2 | {"activation": "relu"},
    "swiglu with layernorm": GPT2 | {"activation": "swiglu"},
    "rmsnorm with learned positions": GPT2 | {"norm": "rmsnorm", "norm_eps": 1e-2},
    "scaled embeddings": GPT2 | {"scale_embeddings": True},
    "a head of its own": LLAMA | {"tie_embeddings": False},
    "another base": LLAMA | {"rotary_base": 500.0},
    "linear scaling": LLAMA | {"rotary_scaling": "linear", "rotary_factor": 4.0},
    "yarn": LLAMA | {"rotary_scaling": "yarn", "rotary_factor": 4.0, "rotary_original_max_len": 8},
    "longer than it was trained for": LLAMA | {"max_len": 8},
    "one head": LLAMA | {"n_heads": 1},
}
NOT_LEAN = {
    "exact gelu": GPT2 | {"activation": "gelu"},
    "post-ln": GPT2 | {"norm_first": False},
    "alibi": GPT2 | {"positions": "alibi"},
    "sinusoids": GPT2 | {"positions": "sinusoidal"},
    "no positions": GPT2 | {"positions": "none"},
    "dynamic scaling": LLAMA | {"rotary_scaling": "dynamic", "rotary_factor": 4.0, "max_len": 8},
    "no shortcuts": GPT2 | {"residual": False},
    "normalised embeddings": GPT2 | {"embedding_norm": True},
}


def model_of(name: str) -> CausalLM:
    return random_causal(ModelConfig(**(LEAN | NOT_LEAN)[name]))


def walk(reader, script) -> list[torch.Tensor]:
    """The logits at every step of a script: the prompt, then (what to do, with what)."""
    prompt, *steps = script
    found = [reader.start(prompt)]
    for act, *details in steps:
        logits = getattr(reader, act)(*details)
        if logits is not None:
            found.append(logits)
    return found


def assert_same(script, model, names=("lean", "cached", "whole")) -> None:
    *readers, whole = (walk(open_reader(model, MAX_LEN, reading=name), script) for name in names)
    for found in readers:
        assert [one.dtype for one in found] == [torch.float32] * len(whole)
        for ours, expected in zip(found, whole, strict=True):
            torch.testing.assert_close(ours, expected, **CLOSE)


@st.composite
def scripts(draw):
    """Prompts, and steps that copy, drop and reorder texts, read several tokens at once, and take steps back."""
    token = st.integers(0, 29)
    prompt = draw(st.lists(token, min_size=1, max_size=6))
    script, length, texts = [prompt], len(prompt), 1
    for _ in range(draw(st.integers(1, 9))):
        acts = ["advance", "truncate"] + (["extend"] if texts == 1 else [])
        act = draw(st.sampled_from(acts))
        if act == "truncate":
            length = draw(st.integers(max(1, length - 4), length))
            script.append(("truncate", length))
        if act == "extend":
            tokens = draw(st.lists(token, min_size=1, max_size=4))
            script.append(("extend", tokens))
            length += len(tokens)
        else:  # after a step back there is nothing to compare until the next token is read
            rows = draw(st.lists(st.integers(0, texts - 1), min_size=1, max_size=4))
            tokens = [draw(token) for _ in rows]
            script.append(("advance", tokens, rows))
            length, texts = length + 1, len(rows)
        if length > MAX_LEN - 5:
            break
    return script


LONG = [
    [4, 9, 9, 1],
    ("advance", [3], [0]),
    ("advance", [5, 6, 7], [0, 0, 0]),
    ("advance", [5, 6, 7], [2, 2, 0]),
    ("advance", [8, 8, 8], [0, 1, 2]),
    ("advance", [1, 2, 3, 4, 5], [1, 1, 2, 0, 1]),
    ("advance", [9, 9, 9, 9, 9], [4, 3, 2, 1, 0]),
    ("truncate", 7),
    ("advance", [2, 2, 2, 2, 2], [0, 1, 2, 3, 4]),
    ("advance", [6, 7], [3, 1]),
    ("advance", [6, 7], [1, 0]),
    ("advance", [0], [1]),
    ("extend", [4, 4, 12, 13]),
    ("truncate", 9),
    ("extend", [3]),
    ("extend", [5, 2]),
    ("advance", [2], [0]),
    ("truncate", 2),
    ("advance", [11], [0]),
]


ALONE = [
    [4, 9, 9, 1],
    ("advance", [3], [0]),
    ("advance", [5], [0]),
    ("extend", [4, 4, 12, 13]),
    ("advance", [8], [0]),
    ("truncate", 6),
    ("advance", [2], [0]),
    ("extend", [3]),
    ("truncate", 2),
    ("advance", [11], [0]),
]


@pytest.mark.parametrize("name", [*LEAN, "exact gelu"])
def test_fixed_shapes_give_the_same_logits_for_one_text(name):
    model = model_of(name)
    assert isinstance(open_reader(model, MAX_LEN, reading="fixed"), FixedReader)
    assert_same(ALONE, model, names=("fixed", "whole"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card")
@pytest.mark.parametrize("name", LEAN)
def test_a_step_recorded_as_a_cuda_graph_gives_the_same_logits(name):
    assert_same(ALONE, model_of(name).cuda(), names=("fixed", "cached"))


@pytest.mark.parametrize("name", sorted(NOT_LEAN.keys() - {"exact gelu"}))
def test_fixed_shapes_are_not_for_every_model(name):
    with pytest.raises(ValueError, match=r"^reading must be cached or whole for this model: fixed does not know"):
        open_reader(model_of(name), MAX_LEN, reading="fixed")


def test_fixed_shapes_are_for_one_text_and_say_so():
    model = model_of("gpt2")
    fixed, auto = (greedy(model, [3, 1], max_new_tokens=20, reading=reading) for reading in ("fixed", "auto"))
    assert fixed.ids == auto.ids
    with pytest.raises(ValueError, match="fixed reads only one"):
        sample(model, [3, 1], max_new_tokens=3, num_return=2, reading="fixed")


@pytest.mark.parametrize("name", LEAN)
def test_lean_cached_and_whole_give_the_same_logits_for_every_shape_that_lean_knows(name):
    model = model_of(name)
    assert lean_can_read(model)
    assert isinstance(open_reader(model, MAX_LEN), LeanReader)
    assert_same(LONG, model)


@pytest.mark.parametrize(("name", "examples"), [("gpt2", 8), ("grouped queries", 16)])
def test_any_order_of_copying_dropping_reading_and_stepping_back_gives_the_same_logits(name, examples):
    model = model_of(name)

    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(scripts())
    def holds(script):
        assert_same(script, model)

    holds()


@pytest.mark.parametrize("name", NOT_LEAN)
def test_a_shape_that_lean_does_not_know_is_read_through_the_modules_to_the_same_logits(name):
    model = model_of(name)
    assert not lean_can_read(model)
    assert isinstance(open_reader(model, MAX_LEN), CachedReader)
    # Dynamic scaling turns every token by the length of the text, so reading several at once is another question.
    script = [step for step in LONG if name != "dynamic scaling" or step[0] not in ("extend", "truncate")]
    assert_same(script, model, names=("auto", "cached", "whole"))
    with pytest.raises(ValueError, match=r"^reading must be cached or whole"):
        open_reader(model, MAX_LEN, reading="lean")


def test_double_precision_is_not_for_the_lean_loop():
    model = model_of("llama").double()
    assert isinstance(open_reader(model, MAX_LEN), CachedReader)
    assert_same(LONG, model, names=("auto", "whole"))


def test_a_model_made_in_inference_mode_can_be_read_too():
    """Its weights count no changes, so the lean loop could not tell when its copies are old."""
    with torch.inference_mode():
        model = CausalLM(ModelConfig(**LLAMA))
    assert_same(LONG, model, names=("auto", "whole"))


def test_a_reader_can_start_again():
    model = model_of("grouped queries")
    for name in ("lean", "cached", "fixed", "whole"):
        reader, script = open_reader(model, MAX_LEN, reading=name), ALONE if name == "fixed" else LONG
        first = walk(reader, script)
        for one, two in zip(first, walk(reader, script), strict=True):
            assert torch.equal(one, two)


def test_logits_that_were_handed_out_stay_as_they_were():
    reader = open_reader(model_of("llama"), MAX_LEN)
    found = walk(reader, LONG[:4])
    before = [one.clone() for one in found]
    reader.advance([1, 2, 3], [2, 1, 0])
    assert all(torch.equal(one, two) for one, two in zip(found, before))


@pytest.mark.parametrize("name", ["gpt2", "a head of its own"])
def test_weights_that_are_changed_in_place_or_loaded_are_noticed(name):
    model, other = model_of(name), model_of(name)
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(0.7)
    first = open_reader(model, MAX_LEN).start([1, 2])
    attention = model.decoder.layers[0].attention
    for change in (
        lambda: [weight.mul_(0.9) for weight in model.parameters()],
        lambda: model.decoder.layers[1].feed_forward.down_proj.weight.add_(0.1),
        lambda: model.load_state_dict(other.state_dict()),
        lambda: setattr(attention, "out_proj", copy.deepcopy(attention.query_proj)),
    ):
        with torch.no_grad():
            change()
        assert_same(LONG[:5], model)
    assert not torch.equal(open_reader(model, MAX_LEN).start([1, 2]), first)


def test_reading_leaves_the_weights_and_the_mode_of_the_model_alone():
    model = model_of("biases").train()
    before = copy.deepcopy(model.state_dict())
    walk(open_reader(model, MAX_LEN), LONG)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_two_models_do_not_share_what_is_laid_out():
    one, two = model_of("llama"), random_causal(ModelConfig(**LLAMA), seed=1)
    for model in (one, two, one):
        assert_same(LONG[:3], model)


@pytest.mark.parametrize("name", ["gpt2", "llama", "alibi"])
def test_every_strategy_writes_the_same_by_every_reading(name):
    model = model_of(name)
    readings = ("auto", "cached", "whole")
    for write in (
        lambda how: greedy(model, [3, 1], max_new_tokens=20, reading=how).ids,
        lambda how: [t.ids for t in sample(model, [3, 1], max_new_tokens=15, seed=2, num_return=3, reading=how)],
        lambda how: [t.ids for t in beam_search(model, [3, 1], num_beams=4, max_new_tokens=15, reading=how)],
    ):
        lean, cached, whole = map(write, readings)
        assert lean == cached == whole


def test_the_whole_reader_is_what_any_other_model_gets():
    class Bare:
        def next_logits(self, ids):
            return torch.zeros(len(ids), 3)

    assert isinstance(open_reader(Bare(), MAX_LEN), WholeReader)
