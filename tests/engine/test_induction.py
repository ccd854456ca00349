"""The induction experiment: what it measures, that a stop changes nothing, and what the stored run shows."""

import dataclasses
import json

import pytest
import torch

from engine import jobs
from engine.experiments import induction
from engine.experiments.induction import (
    AttentionOnly,
    Head,
    InductionConfig,
    Race,
    induction_score,
    learned_at,
    losses_by_copy,
    pack_weights,
    previous_token_score,
    repeated_tokens,
    train_induction,
    unpack_weights,
    watched_line,
)
from engine.initial import initialise
from engine.jobs.handle import DivergedError, Run

SMALL = InductionConfig(steps=6, d_model=16, n_heads=2, batch=4, shortest=3, longest=5, watch_every=2)


def fresh_run(folder, config) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder, config)


def events_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def small_model(n_layers: int = 2) -> AttentionOnly:
    model = AttentionOnly(n_layers, vocab_size=12, d_model=16, n_heads=2)
    initialise(model, 0)
    return model


def test_the_second_half_of_each_line_repeats_the_first_and_a_seed_decides_all():
    ids = repeated_tokens(5, 3, 48, torch.Generator().manual_seed(1))
    assert ids.shape == (3, 10)
    assert (ids[:, :5] == ids[:, 5:]).all()
    assert (ids == repeated_tokens(5, 3, 48, torch.Generator().manual_seed(1))).all()


def test_no_token_sees_what_comes_after_it():
    ids = torch.randint(12, (1, 8), generator=torch.Generator().manual_seed(0))
    changed = ids.clone()
    changed[0, 5:] = (changed[0, 5:] + 1) % 12
    model = small_model()
    assert torch.equal(model(ids)[:, :5], model(changed)[:, :5])
    assert model.weights(ids).triu(1).abs().max() == 0


def test_the_weights_that_are_shown_are_those_that_compute_the_logits():
    # the plain path with every weight kept, against the fused path that training takes
    ids = torch.randint(12, (2, 8), generator=torch.Generator().manual_seed(0))
    model = small_model(1)
    weights = model.weights(ids)[:, 0]  # (batch, n_heads, seq_len, seq_len)
    x = model.embedding(ids) * 4.0
    attention = model.attentions[0]
    value = attention.value_proj(model.norms[0](x)).unflatten(-1, (2, 8)).transpose(1, 2)
    theirs = x + attention.out_proj((weights @ value).transpose(1, 2).flatten(2))
    theirs = model.unembedding(model.final_norm(theirs))
    assert torch.allclose(model(ids), theirs, atol=1e-5)  # rounding of two orders of summation


def test_losses_are_torchs_cross_entropy_over_the_tokens_of_each_copy():
    ids, model = repeated_tokens(4, 3, 12, torch.Generator().manual_seed(0)), small_model()
    first, second = losses_by_copy(model, ids)
    log_p = model(ids).log_softmax(dim=-1)
    by_hand = [[-log_p[line, t - 1, ids[line, t]] for t in range(1, 8)] for line in range(3)]
    assert first.item() == pytest.approx(sum(sum(row[:4]) for row in by_hand).item() / 12, abs=1e-5)
    assert second.item() == pytest.approx(sum(sum(row[4:]) for row in by_hand).item() / 9, abs=1e-5)


def test_scores_of_perfect_heads_are_one_and_of_the_other_kind_zero():
    before = torch.eye(8).roll(-1, dims=1)  # each token reads the one before
    assert previous_token_score(before) == 1
    assert induction_score(before) == 0
    finds = torch.zeros(8, 8)
    finds[range(4, 8), range(1, 5)] = 1.0
    assert induction_score(finds) == 1


def test_packed_weights_come_back_to_the_last_of_256_shades():
    weights = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)).tril()
    assert (unpack_weights(pack_weights(weights)) - weights).abs().max() <= 1 / 510 + 1e-6


def test_every_model_sees_the_same_batches_whatever_other_models_there_are():
    both, alone = Race(SMALL), Race(dataclasses.replace(SMALL, depths=(2,)))
    for _ in range(3):
        assert both.train_step()[1][1] == alone.train_step()[1][0]


def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    whole = fresh_run(tmp_path / "whole", SMALL)
    result = train_induction(whole)
    broken = fresh_run(tmp_path / "broken", SMALL)
    answers = iter([False] * 3 + [True])
    monkeypatch.setattr(broken, "should_stop", lambda: next(answers))
    assert train_induction(broken) is None
    assert len(events_of(broken.folder)) == 4  # the look before training, and three steps
    assert train_induction(Run(broken.folder, SMALL)) == result
    assert events_of(broken.folder) == events_of(whole.folder)


def test_events_hold_both_losses_at_every_step_and_the_heads_every_few(tmp_path):
    run = fresh_run(tmp_path / "run", SMALL)
    train_induction(run)
    events = events_of(run.folder)
    assert [event["step"] for event in events] == list(range(7))
    assert [event["step"] for event in events if "weights" in event] == [0, 2, 4, 6]
    assert len(events[0]["induction"]) == len(SMALL.heads) == 6
    assert SMALL.heads[0] == Head(1, 0, 0)
    assert SMALL.heads[-1] == Head(2, 1, 1)
    weights = unpack_weights(events[-1]["weights"])
    assert weights.shape == (6, 16, 16)
    assert (weights.sum(dim=-1) - 1).abs().max() < 16 / 510 + 1e-6  # each weight is rounded to 1 / 255


def test_a_rate_that_is_too_high_ends_with_step_and_advice_and_keeps_the_curve(tmp_path):
    config = dataclasses.replace(SMALL, steps=300, learning_rate=50.0)
    run = fresh_run(tmp_path / "run", config)
    with pytest.raises(DivergedError, match=r"at step \d+.*choose a learning_rate below 50") as raised:
        train_induction(run)
    assert raised.value.step == len(events_of(run.folder)) > 1


def test_a_loss_that_is_no_number_ends_the_run_too(tmp_path, monkeypatch):
    monkeypatch.setattr(Race, "train_step", lambda race: ([1.0, 1.0], [float("nan"), 1.0]))
    with pytest.raises(DivergedError, match="nan"):
        train_induction(fresh_run(tmp_path / "run", SMALL))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"steps": 0}, "steps must be a whole number from 1"),
        ({"n_heads": 10_000}, "n_heads must be a whole number from 1 to 8"),
        ({"d_model": 20}, "d_model must be a multiple of 2 n_heads = 8"),
        ({"shortest": 30}, "shortest must be at most longest = 24"),
        ({"depths": ()}, "depths must be"),
        ({"depths": (0,)}, "depths must be"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_impossible_settings_are_refused_with_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        InductionConfig(**wrong)


def test_the_job_is_known_and_its_estimate_grows_with_the_work():
    jobs.estimate("induction", SMALL)
    assert induction.seconds(InductionConfig(steps=1600)) > 1.8 * induction.seconds(InductionConfig())
    assert 8 < induction.seconds(InductionConfig()) < 60


# What the stored run shows is what the page promises: found with two layers, and not with one.


@pytest.fixture(scope="module")
def stored():
    return jobs.stored("induction")


def test_the_stored_run_is_the_page_s_default(stored):
    assert stored.config == InductionConfig()
    assert stored.result["depths"] == [1, 2]
    assert stored.command == "python -m engine.jobs induction induction"


def test_stored_loss_falls_only_on_the_second_copy_and_only_far_with_two_layers(stored):
    late = [event for event in stored.events if "first" in event][-50:]
    (first_one, second_one), (first_two, second_two) = (
        [sum(event[copy][place] for event in late) / len(late) for copy in ("first", "second")] for place in (0, 1)
    )
    guessing = stored.config.guessing
    assert guessing - 0.1 < first_one < guessing + 0.3
    assert guessing - 0.1 < first_two < guessing + 0.3  # more than guessing: it expects repetitions that are none
    assert second_two < 0.15 * guessing
    assert second_one > 0.6 * guessing
    assert learned_at(stored.events, 0, guessing / 2) is None
    assert learned_at(stored.events, 1, guessing / 2) < stored.config.steps


def test_stored_heads_show_the_pattern_in_the_second_of_two_layers_only(stored):
    scores = dict(zip(stored.config.heads, stored.events[-1]["induction"], strict=True))
    previous = dict(zip(stored.config.heads, stored.events[-1]["previous"], strict=True))
    assert max(score for head, score in scores.items() if head.layer == 1) > 0.8
    assert max(score for head, score in scores.items() if head.depth == 1) < 0.2
    assert max(score for head, score in scores.items() if (head.depth, head.layer) == (2, 0)) < 0.2
    assert max(score for head, score in previous.items() if (head.depth, head.layer) == (2, 0)) > 0.8


def test_stored_weights_do_the_same_on_fresh_lines_of_every_length(stored):
    race = Race(stored.config)
    for model, weights in zip(race.models, stored.checkpoint()["weights"], strict=True):
        model.load_state_dict(weights)
    generator = torch.Generator().manual_seed(12345)
    for copy_len in (8, 17, 24):
        ids = repeated_tokens(copy_len, 64, stored.config.vocab_size, generator)
        with torch.no_grad():
            one, two = (losses_by_copy(model, ids)[1].item() for model in race.models)
        assert two < 0.2 * stored.config.guessing
        assert one > 0.5 * stored.config.guessing
    assert watched_line(stored.config) == race.watched[0].tolist()
