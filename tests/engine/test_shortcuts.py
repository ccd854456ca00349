"""Are the shortcuts optional? A fair pair, repeatable, the same after a stop; and what the stored training found."""

from dataclasses import replace
from statistics import fmean

import pytest
import torch

from engine import jobs
from engine.causal_lm import CausalLM
from engine.experiments.markov import entropy
from engine.experiments.shortcuts import ShortcutsConfig, guessing, train_pairs
from tests.engine.runs import run_in

TINY = ShortcutsConfig(depths=(1, 2), steps=60, batch=2, seq_len=4, d_model=8, vocab_size=6)


def test_a_stopped_run_goes_on_to_the_same_numbers(tmp_path):
    whole = run_in(tmp_path / "whole", train_pairs, TINY)
    assert run_in(tmp_path / "stopped", train_pairs, TINY, looks=85)[0] is None  # in the middle of the second model
    assert run_in(tmp_path / "stopped", train_pairs, TINY) == whole


def test_every_model_tells_its_loss_every_ten_steps_and_the_result_is_the_mean_of_the_last_fifty(tmp_path):
    result, events = run_in(tmp_path / "one", train_pairs, TINY)
    assert [event["step"] for event in events] == [10, 20, 30, 40, 50, 60] * 4
    assert list(result["final"]) == ["1 with", "1 without", "2 with", "2 without"]
    told = [event["loss"] for event in events if (event["depth"], event["shortcuts"]) == (2, False)]
    assert result["final"]["2 without"] == pytest.approx(fmean(told[1:]), abs=1e-4)  # events have four digits


def test_both_of_a_pair_start_from_the_same_weights():
    pair = [CausalLM(TINY.model(2, residual=residual), seed=0).state_dict() for residual in (True, False)]
    for name, weights in pair[0].items():
        torch.testing.assert_close(pair[1][name], weights, rtol=0, atol=0)


def test_the_stored_training_learns_at_every_depth_with_shortcuts_and_not_in_a_deep_stack_without():
    stored = jobs.stored("shortcuts")
    final, guess = stored.result["final"], guessing(stored.config)
    assert stored.config == ShortcutsConfig()
    for depth in stored.config.depths:
        assert entropy() - 0.02 < final[f"{depth} with"] < 1.1  # near the best, which chance may seem to beat
    assert final["2 without"] < 1.1
    assert final["16 without"] == pytest.approx(guess, abs=0.05)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"depths": (0,)}, "depths must be whole numbers from 1 to 48, got 0"),
        ({"depths": (10_000,)}, "got 10000"),
        ({"steps": 3}, "steps must be a whole number from 10 to 10000, got 3"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"d_model": 10}, "n_heads must divide d_model"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        replace(TINY, **change)
