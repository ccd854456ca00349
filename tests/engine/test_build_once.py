"""The estimates of engine.budget against models that are really built, in every number type, and published counts."""

import itertools
import threading
from dataclasses import replace

import pytest

from engine import budget, jobs
from engine.budget import NUMBER_TYPES, activation_terms, count_parameters
from engine.experiments.build_once import BuildOnceConfig, build_once, check_run, run_once, run_terms, seconds
from engine.formula import total
from engine.jobs.configs import check_config
from engine.model_config import ModelConfig
from engine.models import ONE_AT_A_TIME
from engine.published import PUBLISHED, count_built, count_in_transformers, find_published

SIZES = {"vocab_size": 500, "d_model": 64, "n_heads": 4, "n_layers": 3, "d_ff": 256, "max_len": 96}
LLAMA = {"norm": "rmsnorm", "activation": "swiglu", "norm_first": True, "bias": False, "n_kv_heads": 2}


@pytest.mark.parametrize(
    ("kind", "positions", "number_type", "style"),
    [
        *itertools.product(
            ("encoder", "causal", "encoder-decoder"), ("learned", "alibi"), ("float32", "bfloat16"), ({},)
        ),
        *itertools.product(("encoder", "causal"), ("rotary",), ("float32", "float16"), (LLAMA,)),
    ],
    ids=str,
)
def test_what_a_forward_pass_keeps_is_near_the_estimate(kind, positions, number_type, style):
    config = BuildOnceConfig(ModelConfig(**SIZES, positions=positions, **style), kind, 2, number_type)
    measured = run_once(config)
    n_bytes = NUMBER_TYPES[number_type]
    estimate = total(activation_terms(config.model, kind, batch=2, n_bytes=n_bytes))
    assert 0.88 < estimate / measured.activation_bytes < 1.12  # 0.95 to 1.07 when written, at several sizes
    assert measured.parameters == count_parameters(config.model, kind)
    assert measured.weight_bytes == measured.parameters * n_bytes


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: one.name)
def test_published_models_have_the_parameters_that_transformers_counts(published):
    ours = count_parameters(published.config, published.kind, pooler=published.pooler)
    assert ours == count_in_transformers(published)
    assert find_published(published.config, published.kind, pooler=published.pooler) is published
    assert count_built(published.config, published.kind) == count_parameters(published.config, published.kind)


def test_a_model_of_transformers_is_not_built_while_another_is_being_loaded():
    """Loading changes torch for the whole process: GPT-2 built meanwhile loses its tied weights and counts too many."""
    counted = []
    worker = threading.Thread(target=lambda: counted.append(count_in_transformers(PUBLISHED[0])))
    with ONE_AT_A_TIME:
        worker.start()
        worker.join(0.3)
        assert worker.is_alive()
    worker.join(60)
    assert counted == [count_in_transformers(PUBLISHED[0])]


def test_the_counts_that_everybody_quotes():
    counts = {one.name: count_parameters(one.config, one.kind, pooler=one.pooler) for one in PUBLISHED}
    assert counts["GPT-2 small"] == 124_439_808
    assert counts["BERT-base"] == 109_482_240
    assert counts["SmolLM 135M"] == 134_515_008
    assert find_published(replace(PUBLISHED[0].config, n_layers=13), "causal") is None


def test_many_layers_are_counted_from_two():
    config = ModelConfig(**(SIZES | {"n_layers": 5000}))
    assert count_built(config, "causal") == count_parameters(config)


def test_the_job_gives_the_same_measurement(tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    config = BuildOnceConfig(ModelConfig(**SIZES), batch=2)
    check_config(config)
    events = []
    run = type("OneRun", (), {"config": config, "emit": lambda self, event: events.append(event)})()
    result = build_once(run)
    assert result["parameters"] == count_parameters(config.model)
    assert events[-1]["activation_bytes"] == result["activation_bytes"]
    assert jobs.estimate("build-once", config) == pytest.approx(seconds(config))


def test_a_run_that_does_not_fit_is_refused_with_the_estimate(monkeypatch):
    config = BuildOnceConfig(ModelConfig(**SIZES), batch=1000)
    monkeypatch.setattr(budget, "free_memory", lambda device: 100_000_000)
    with pytest.raises(ValueError, match=r"100 MB free, but running it once needs about .*GB \(.*or batch or seq_len"):
        check_run(config)
    monkeypatch.setattr(budget, "free_memory", lambda device: 10**15)
    assert check_run(config) == total(run_terms(config))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "gpt"}, "kind must be one of encoder, .*got 'gpt'"),
        ({"batch": 0}, "batch must be a whole number of 1 or more, got 0"),
        ({"number_type": "int8"}, "number_type must be one of float32, .*got 'int8'"),
        ({"seed": -1}, "seed must be a whole number of 0 or more"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        BuildOnceConfig(ModelConfig(**SIZES), **change)


def test_a_fused_kernel_with_biases_for_each_head_keeps_no_table_for_each_text():
    """ALiBi's biases are the same for all texts, so twice the texts must not keep twice the biases."""
    model = ModelConfig(**(SIZES | {"max_len": 128}), positions="alibi")
    plain = replace(model, positions="none")
    extra = [
        run_once(BuildOnceConfig(model, "encoder", batch)).activation_bytes
        - run_once(BuildOnceConfig(plain, "encoder", batch)).activation_bytes
        for batch in (1, 4)
    ]
    table = 4 * 128 * 128 * 4  # n_heads × seq_len × seq_len × bytes
    assert extra[1] - extra[0] < 1.5 * table  # a table a text would be 3 layers × 3 texts of it
