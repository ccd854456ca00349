"""Impossible sizes, zero layers, 10,000 heads: every config and module that takes sizes says what would be right."""

import dataclasses
import re

import pytest

from engine.blocks import DecoderBlock, EncoderBlock
from engine.jobs import registry
from engine.model_config import ModelConfig
from engine.signals import SignalConfig

SIZES = {"vocab_size": 100, "d_model": 768, "n_heads": 12, "n_layers": 2, "d_ff": 64, "max_len": 16}
COUNTED = ("n_layers", "n_heads", "d_model", "d_ff", "batch", "batch_size", "steps", "vocab_size", "max_len", "seq_len")
IMPOSSIBLE = (0, -1, 1.5, True, "12", None, float("nan"))


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", IMPOSSIBLE, ids=str)
def test_a_model_of_impossible_size_is_refused_by_name_and_value(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a whole number of 1 or more, got {re.escape(repr(value))}"):
        ModelConfig(**(SIZES | {name: value}))


def test_ten_thousand_heads_are_told_which_numbers_would_do():
    says = "n_heads must divide d_model = 768 without a remainder, got 10000; .*256, 384, 768 would do"
    for make in (
        lambda: ModelConfig(**(SIZES | {"n_heads": 10_000})),
        lambda: EncoderBlock(768, 10_000, 64, norm_first=True),
        lambda: DecoderBlock(768, 10_000, 64, norm_first=True),
    ):
        with pytest.raises(ValueError, match=says):
            make()


def test_the_numbers_that_would_do_are_near_the_wish():
    with pytest.raises(ValueError, match=r"got 250; 32, 48, 64, 96, 128, 192, 256, 384 would do"):
        ModelConfig(**(SIZES | {"n_heads": 250}))
    with pytest.raises(ValueError, match=r"n_kv_heads must divide n_heads = 12 .*got 5; 1, 2, 3, 4, 6, 12 would do"):
        ModelConfig(**(SIZES | {"n_kv_heads": 5}))


@pytest.mark.parametrize("block", [EncoderBlock, DecoderBlock])
@pytest.mark.parametrize(("place", "name"), enumerate(("d_model", "n_heads", "d_ff")))
@pytest.mark.parametrize("value", [0, -1, 1.5, "12"], ids=str)
def test_a_block_of_impossible_size_is_refused_by_name_and_value(block, place, name, value):
    sizes = [64, 4, 128]
    sizes[place] = value
    with pytest.raises(ValueError, match=rf"{name} must be a whole number .*got {re.escape(repr(value))}"):
        block(*sizes, norm_first=True)


def _jobs_with_sizes() -> list[tuple[str, str]]:
    found = []
    for name, job in registry._jobs.items():
        if not job.config_type.startswith("engine."):  # a job that another test made up
            continue
        fields = {field.name for field in dataclasses.fields(registry.imported(job.config_type))}
        found += [(name, field) for field in COUNTED if field in fields]
    return found


@pytest.mark.parametrize(("job", "name"), _jobs_with_sizes(), ids=str)
@pytest.mark.parametrize("value", [0, -3, 1.5, "many", 10**12], ids=str)
def test_a_training_of_impossible_size_is_refused_by_its_setting_and_value(job, name, value):
    if job == "build-once" and value == 10**12:
        pytest.skip("its sizes are judged by what the device has free")
    made = registry.imported(registry.find(job).config_type)
    needed = {"model": ModelConfig(**SIZES)} if job == "build-once" else {}
    # What is possible as a number is refused by the memory that it would need.
    too_large = r"|config must fit the memory of .* needs about .*make .*smaller" if value == 10**12 else ""
    with pytest.raises(ValueError, match=rf"\b{name}\b.* got .*{re.escape(str(value))}{too_large}"):
        made(**needed, **{name: value})


@pytest.mark.parametrize("job", sorted({job for job, name in _jobs_with_sizes() if name == "n_heads"}))
def test_a_training_with_ten_thousand_heads_is_refused(job):
    with pytest.raises(ValueError, match=r"n_heads must .*got 10000"):
        registry.imported(registry.find(job).config_type)(n_heads=10_000)


def test_a_stack_to_look_at_is_refused_likewise():
    for name in ("n_layers", "n_heads", "d_model"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 to .*, got 0"):
            SignalConfig(**{name: 0})
    with pytest.raises(ValueError, match=r"n_heads must .*got 10000"):
        SignalConfig(n_heads=10_000)
