"""Formulas against the modules themselves, against published counts, and against torch's own counters."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from engine import budget
from engine.budget import (
    activation_terms,
    cache_terms,
    check_fits,
    count_parameters,
    flops_terms,
    memory_terms,
    parameter_terms,
    total,
)
from engine.devices import _container_memory, free_memory
from engine.transformer import CausalLM, Decoder, Encoder, EncoderDecoder, ModelConfig

MAKE = {"encoder": Encoder, "decoder": Decoder, "causal": CausalLM, "encoder-decoder": EncoderDecoder}
SMALL = {"vocab_size": 30, "d_model": 16, "n_heads": 4, "n_layers": 3, "d_ff": 20, "max_len": 12}
STYLES = [
    {"norm_first": True, "activation": "gelu_tanh"},
    {
        "norm_first": True,
        "activation": "swiglu",
        "norm": "rmsnorm",
        "bias": False,
        "n_kv_heads": 2,
        "positions": "rotary",
    },
    {"activation": "relu", "tie_embeddings": False, "positions": "sinusoidal", "attention_bias": False},
]


def sizes(model):
    return sum(parameter.numel() for parameter in model.parameters())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(MAKE)),
    st.builds(
        ModelConfig,
        vocab_size=st.integers(1, 9),
        d_model=st.just(8),
        n_heads=st.sampled_from([2, 4]),
        n_kv_heads=st.sampled_from([None, 1, 2]),
        n_layers=st.integers(1, 3),
        d_ff=st.integers(1, 9),
        max_len=st.integers(1, 9),
        positions=st.sampled_from(["learned", "sinusoidal", "rotary", "alibi", "none"]),
        norm=st.sampled_from(["layernorm", "rmsnorm"]),
        activation=st.sampled_from(["relu", "swiglu"]),
        norm_first=st.booleans(),
        bias=st.booleans(),
        attention_bias=st.sampled_from([None, True, False]),
        feed_forward_bias=st.sampled_from([None, True, False]),
        embedding_norm=st.sampled_from([None, True, False]),
        tie_embeddings=st.booleans(),
    ),
)
def test_parameters_equal_what_the_module_holds(kind, config):
    with torch.device("meta"):
        model = MAKE[kind](config, seed=None)
    assert count_parameters(config, kind) == sizes(model)


def test_published_counts_come_out():
    gpt2 = ModelConfig(50257, d_model=768, n_heads=12, n_layers=12, d_ff=3072, max_len=1024, norm_first=True)
    assert count_parameters(gpt2) == 124_439_808
    bert = ModelConfig(30522, d_model=768, n_heads=12, n_layers=12, d_ff=3072, max_len=512, n_token_types=2)
    assert count_parameters(bert, "encoder", pooler=True) == 109_482_240
    llama = {"d_model": 4096, "n_heads": 32, "n_layers": 32, "d_ff": 11008, "max_len": 4096, "bias": False}
    llama |= {"positions": "rotary", "norm": "rmsnorm", "norm_first": True, "activation": "swiglu"}
    assert count_parameters(ModelConfig(32000, tie_embeddings=False, **llama)) == 6_738_415_616  # Llama 2 7B
    base = {"d_model": 512, "n_heads": 8, "n_layers": 6, "d_ff": 2048, "max_len": 512, "positions": "sinusoidal"}
    assert round(count_parameters(ModelConfig(37000, **base), "encoder-decoder") / 1e6) in (63, 64, 65)  # table 3: 65


def test_transformers_counts_the_same():
    from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

    with torch.device("meta"):
        assert sizes(GPT2LMHeadModel(GPT2Config())) == 124_439_808
        assert sizes(BertModel(BertConfig())) == 109_482_240


@pytest.mark.parametrize(("kind", "style"), itertools.product(MAKE, STYLES), ids=str)
def test_operations_equal_torchs_counter_on_the_plain_path(kind, style):
    """Only matrix products are counted, by torch as by us; three rows of nine tokens are 27 times a token."""
    config, ids = ModelConfig(**SMALL, **style), torch.ones(3, 9, dtype=torch.long)
    model = MAKE[kind](config)
    memory = torch.zeros(3, 9, 16)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if kind == "encoder-decoder":
            model.trace(ids, ids)
        elif kind == "decoder":
            model.trace(ids, memory)
        else:
            model.trace(ids)
    assert 27 * total(flops_terms(config, kind, seq_len=9)) == counter.get_total_flops()


def test_a_long_known_rule_of_thumb_holds():
    """Kaplan et al. 2020: about 2 operations a parameter and token, embeddings aside."""
    config = ModelConfig(100, d_model=512, n_heads=8, n_layers=12, d_ff=2048, max_len=16, norm_first=True)
    blocks = [term for term in parameter_terms(config) if term.name in ("attention", "feed-forward")]
    assert 1 < total(flops_terms(config)) / (2 * total(blocks)) < 1.03


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_cache_bytes_equal_what_is_set_aside(style):
    config = ModelConfig(**SMALL, **style)
    cache = CausalLM(config).new_cache(3, 7)
    assert total(cache_terms(config, batch=3, seq_len=7)) == sum(layer.n_bytes for layer in cache.layers)


@pytest.mark.parametrize(
    ("kind", "style"), itertools.product(("encoder", "causal", "encoder-decoder"), STYLES), ids=str
)
def test_activation_bytes_are_near_what_autograd_keeps(kind, style):
    sizes = {"vocab_size": 300, "d_model": 64, "n_heads": 4, "n_layers": 4, "d_ff": 256, "max_len": 128}
    config, ids = ModelConfig(**(sizes | style)), torch.ones(2, 128, dtype=torch.long)
    model, kept = MAKE[kind](config), {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = tensor, storage.nbytes()  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(ids, ids) if kind == "encoder-decoder" else model(ids)
        if kind != "encoder":
            F.cross_entropy(output.flatten(0, 1), ids.flatten())
    measured = sum(n_bytes for _, n_bytes in kept.values())
    estimate = total(activation_terms(config, kind, batch=2, seq_len=128))
    assert 0.88 < estimate / measured < 1.12  # measured when written: 0.94 to 1.08


@pytest.mark.parametrize(("kind", "style"), itertools.product(MAKE, STYLES), ids=str)
def test_every_value_is_what_its_formula_with_numbers_says(kind, style):
    config = ModelConfig(**SMALL, **style)
    terms = [*parameter_terms(config, kind), *flops_terms(config, kind), *cache_terms(config)]
    terms += [*activation_terms(config, kind), *memory_terms(config, kind, training=True)]
    for term in terms:
        products = [[int(f.replace(",", "")) for f in p.split(" × ")] for p in term.worked.split(" + ")]
        assert term.value == sum(math.prod(factors) for factors in products) > 0
        assert len(term.formula.split(" × ")) == len(term.worked.split(" × "))


def test_training_takes_at_least_four_times_the_weights():
    config = ModelConfig(**SMALL)
    weights = 4 * count_parameters(config)
    training = {term.name: term.value for term in memory_terms(config, training=True)}
    assert training["weights"] + training["gradients"] + training["Adam's two means"] == 4 * weights


# --- what does not fit ---------------------------------------------------------------------------------------------

HUGE = ModelConfig(50_000, d_model=1_048_576, n_heads=16, n_layers=1000, d_ff=4_194_304, max_len=1024)


@pytest.mark.parametrize("make", MAKE.values())
def test_a_model_that_cannot_fit_is_refused_with_the_estimate_before_it_is_built(make):
    with pytest.raises(
        ValueError, match=r"config must fit the memory of cpu, .* GB free, but building it needs about .* TB"
    ):
        make(HUGE)


def test_more_layers_than_python_can_hold_are_refused_too():
    with pytest.raises(ValueError, match="Python's own bookkeeping"):
        Encoder(ModelConfig(2, d_model=1, n_heads=1, n_layers=100_000_000, d_ff=1, max_len=1))


def test_training_is_judged_by_batch_and_length(monkeypatch):
    config = ModelConfig(**SMALL)
    monkeypatch.setattr(budget, "free_memory", lambda device: 20_000_000)
    assert check_fits(config, training=True, batch=2) < 18_000_000
    with pytest.raises(
        ValueError, match=r"20 MB free, but training it needs about .*kept for the way back.*or batch or seq"
    ):
        check_fits(config, training=True, batch=2000)
    monkeypatch.setattr(budget, "free_memory", lambda device: None)  # a system that does not tell
    check_fits(HUGE)


def test_shapes_without_numbers_take_no_memory():
    with torch.device("meta"):
        assert check_fits(HUGE) > 1e15


def test_free_memory_minds_the_container(tmp_path):
    assert free_memory("cpu") > 1e7
    assert _container_memory(tmp_path) is None
    for name, text in (("memory.max", "1000"), ("memory.current", "700"), ("memory.stat", "anon 5\ninactive_file 50")):
        (tmp_path / name).write_text(text)
    assert _container_memory(tmp_path) == 350
    (tmp_path / "memory.max").write_text("max\n")
    assert _container_memory(tmp_path) is None


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda c: parameter_terms(c, "gpt"),
            "kind must be one of encoder, decoder, .*causal, got 'gpt'",
        ),
        (lambda c: flops_terms(c, seq_len=0), "seq_len must be a whole number of 1 or more, got 0"),
        (lambda c: cache_terms(c, batch=1.5), "batch must be a whole number of 1 or more, got 1.5"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(call, says):
    with pytest.raises(ValueError, match=says):
        call(ModelConfig(**SMALL))
