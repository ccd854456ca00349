"""The race: fair, repeatable, stopped by a number that is none, and scored against a language of known entropy."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from engine.budget import count_parameters
from engine.experiments import norm_race
from engine.experiments.initial_gradients import gradients_by_depth
from engine.experiments.markov import PROBABILITIES, entropy, make_followers, sample_texts
from engine.experiments.norm_race import NormRaceConfig, Racer, batch_of, race, summarise
from engine.experiments.race_twin import first_steps
from engine.jobs import stored, stored_names
from engine.jobs.handle import DivergedError, Run

pytestmark = pytest.mark.usefixtures("one_torch_thread")
TINY = NormRaceConfig(n_layers=2, steps=12, d_model=8, n_heads=2, d_ff=8, batch=2, seq_len=4, vocab_size=6)


def events(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def start(tmp_path):
    """A run of the race in a folder of its own, or the same folder again to go on."""

    def make(config: NormRaceConfig, name: str = "one") -> Run:
        (tmp_path / name).mkdir(exist_ok=True)
        return Run(tmp_path / name, config)

    return make


def test_both_racers_start_with_the_same_weights_and_differ_only_in_the_final_norm():
    pre, post = (Racer(TINY, norm_first=first).model.state_dict() for first in (True, False))
    assert set(pre) - set(post) == {"decoder.final_norm.weight", "decoder.final_norm.bias"}
    for name in post:
        torch.testing.assert_close(pre[name], post[name], rtol=0, atol=0)


def test_an_event_a_step_and_each_layer_at_the_steps_that_are_looked_at(start):
    run = start(replace(TINY, steps=85))
    result = race(run)
    told = events(run)
    assert [event["step"] for event in told] == list(range(1, 86))
    looked = [event["step"] for event in told if "gradient" in event["pre"]]
    assert looked == [1, *range(2, 86, 2)]
    for name in ("pre", "post"):
        assert all(event[name]["loss"] > 0 for event in told)
        assert all(len(told[0][name][what]) == 2 for what in ("gradient", "residual"))
        assert result[name] == summarise([event[name]["loss"] for event in told], run.config)
    assert told[0]["post"]["residual"] == pytest.approx([8**0.5] * 2, rel=1e-3)  # a fresh norm: spread 1 for each of 8


def test_the_numbers_of_the_first_event_are_those_of_the_model(start):
    run = start(replace(TINY, steps=1))
    race(run)
    (told,) = events(run)
    followers = make_followers(TINY.vocab_size, torch.Generator().manual_seed(TINY.seed))
    ids = batch_of(run.config, 1, followers)
    model = Racer(run.config, norm_first=False).model
    loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    assert told["post"]["loss"] == pytest.approx(loss.item(), rel=1e-3)  # events keep four digits
    squares = sum(weight.grad.square().sum().item() for weight in model.decoder.layers[1].parameters())
    assert told["post"]["gradient"][1] == pytest.approx(math.sqrt(squares), rel=1e-3)


def test_a_race_that_was_stopped_goes_on_to_the_same_numbers(start):
    whole = start(TINY, "whole")
    expected = race(whole)
    run = start(TINY)
    looks = iter([False] * 7 + [True])
    run.should_stop = lambda: next(looks)
    assert race(run) is None
    assert len(events(run)) == 7
    again = start(TINY)
    assert race(again) == expected
    assert events(again) == events(whole)
    weights = [load["pre"]["model"] for load in (start(TINY).load(), start(TINY, "whole").load())]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=0, atol=0)


def test_warm_up_raises_the_learning_rate_in_a_straight_line_and_seeds_change_the_texts():
    config = replace(TINY, warmup_steps=10, learning_rate=0.02)
    assert [config.rate_at(step) for step in (1, 5, 10, 11)] == pytest.approx([0.002, 0.01, 0.02, 0.02])
    assert TINY.rate_at(1) == TINY.learning_rate
    followers = make_followers(6, torch.Generator().manual_seed(0))
    first, again = (batch_of(TINY, 3, followers) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, batch_of(TINY, 4, followers))
    assert not torch.equal(first, batch_of(replace(TINY, seed=1), 3, followers))


def test_no_number_in_one_racer_stops_it_and_the_other_runs_on(start, monkeypatch):
    honest = Racer.step

    def broken(self, ids, rate, **options):
        if len(self.losses) == 4 and not self.model.config.norm_first:
            with torch.no_grad():
                self.model.lm_head.weight.fill_(math.nan)
        return honest(self, ids, rate, **options)

    monkeypatch.setattr(Racer, "step", broken)
    run = start(TINY)
    result = race(run)
    assert result["post"] | {"final": 0} == {"steps": 4, "final": 0, "halfway": None, "diverged": 5}
    assert result["pre"]["steps"] == TINY.steps
    assert [event["post"]["loss"] is None for event in events(run)] == [False] * 4 + [True] * 8
    assert all(event["pre"]["loss"] for event in events(run))


def test_when_neither_has_a_loss_the_run_says_at_which_step_and_what_to_change_and_keeps_its_curves(start):
    run = start(replace(TINY, learning_rate=1e6))
    with pytest.raises(DivergedError, match=r"both models became nan at step \d+: try a learning_rate below") as error:
        race(run)
    kept = events(run)
    assert kept[-1]["step"] == error.value.step
    assert kept[-1]["pre"]["loss"] is kept[-1]["post"]["loss"] is None
    assert kept[0]["pre"]["loss"] > 0


def test_every_word_has_four_different_followers_and_is_the_follower_of_four():
    followers = make_followers(32, torch.Generator().manual_seed(1))
    assert followers.shape == (4, 32)
    assert all(len(set(column)) == 4 for column in followers.T.tolist())
    for row in followers.tolist():
        assert sorted(row) == list(range(32))


def test_the_language_has_the_entropy_it_claims():
    generator = torch.Generator().manual_seed(2)
    followers = make_followers(8, generator)
    ids = sample_texts(followers, 2000, 20, generator)
    counts = torch.zeros(8, 8)
    counts.index_put_((ids[:, :-1].flatten(), ids[:, 1:].flatten()), torch.ones(1), accumulate=True)
    shares = counts / counts.sum(dim=1, keepdim=True)
    found = -(counts * shares.clamp(min=1e-9).log()).sum() / counts.sum()
    assert found.item() == pytest.approx(entropy(), abs=0.02)  # 38,000 words drawn at random
    assert counts.sum(dim=0).std() / counts.sum(dim=0).mean() < 0.05  # all words are equally frequent
    assert sum(PROBABILITIES) == pytest.approx(1)


@pytest.mark.parametrize("depth", [12, 18, 24])
def test_stored_without_warm_up_post_ln_guesses_for_400_steps_and_pre_ln_learns(depth):
    result = stored(f"norm-race-depth-{depth}").result
    assert result["pre"]["final"] < entropy() + 0.15
    assert abs(result["post"]["final"] - math.log(32)) < 0.02
    assert norm_race.winner(result["pre"], result["post"]) == "pre"


def test_stored_with_warm_up_twelve_layers_of_post_ln_learn_too_but_later():
    result = stored("norm-race-depth-12-warm-up").result
    assert result["post"]["final"] < 1.5
    assert result["pre"]["halfway"] < result["post"]["halfway"] < 400


def test_stored_at_two_layers_post_ln_needs_no_warm_up():
    result = stored("norm-race-depth-2").result
    assert result["post"]["final"] < entropy() + 0.15
    assert norm_race.winner(result["pre"], result["post"]) != "pre"


@pytest.mark.parametrize("name", [name for name in stored_names() if name.startswith("norm-race")])
def test_a_stored_run_is_what_this_code_gives_and_names_its_command(name):
    record = stored(name)
    assert record.command.startswith(f"python -m engine.jobs norm-race {name} ")
    assert [event["step"] for event in record.events] == list(range(1, record.config.steps + 1))
    followers = make_followers(record.config.vocab_size, torch.Generator().manual_seed(record.config.seed))
    for racer, first in norm_race.RACERS.items():
        told = Racer(record.config, norm_first=first).step(batch_of(record.config, 1, followers), 0.0, look=True)
        for what, value in record.events[0][racer].items():
            assert told[what] == pytest.approx(value, rel=2e-3)  # four digits are kept, and kernels differ a little
        losses = [event[racer]["loss"] for event in record.events]
        assert record.result[racer] == summarise(losses, record.config)


def test_torchs_own_layers_give_the_same_first_step():
    ours, theirs = first_steps(replace(TINY, n_layers=3, d_model=16, n_heads=4))
    assert ours.shape == (2, 4)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)  # float32 through three layers and back


def test_before_training_the_last_gradient_falls_with_depth_for_pre_ln_only():
    found = gradients_by_depth(depths=(2, 8, 32), seeds=(0,))  # what the page shows, at fewer depths
    assert found.as_expected
    assert found.post[-1] > 3 * found.pre[-1]
    flat = replace(found, post=found.pre)
    assert not flat.as_expected


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_layers": 0}, "n_layers must be a whole number from 1 to 48, got 0"),
        ({"n_layers": 12.0}, "n_layers must be a whole number"),
        ({"n_heads": 10_000}, "n_heads must be a whole number from 1 to 64, got 10000"),
        ({"n_heads": 5}, "n_heads must divide d_model = 64"),
        ({"warmup_steps": -1}, "warmup_steps must be"),
        ({"steps": True}, "steps must be"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"learning_rate": math.nan}, "learning_rate must be above 0"),
        ({"vocab_size": 4}, "vocab_size must be a whole number from 5"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        NormRaceConfig(**change)


def test_a_race_that_does_not_fit_is_refused_with_the_estimate_before_it_starts(start, monkeypatch):
    monkeypatch.setattr("engine.budget.free_memory", lambda device: 1_000_000)
    with pytest.raises(ValueError, match="training it needs about"):
        race(start(NormRaceConfig()))
    monkeypatch.undo()
    needed = norm_race.check_memory(NormRaceConfig())
    weights = 4 * 2 * count_parameters(NormRaceConfig().model(norm_first=False))
    assert needed > 4 * weights  # weights, gradients and Adam's two means of both models
