"""The job "sequence": the same numbers after every stop, writing with a cache equals recomputing, and it does learn."""

import dataclasses
import json

import pytest
import torch
import torch.nn.functional as F

from engine import jobs
from engine.encoder_decoder import EncoderDecoder
from engine.experiments import sequence_training
from engine.experiments.sequence_decoding import alignment_of, exact_match, share_on_same, write_all, write_steps
from engine.experiments.sequence_tasks import PAD, START, TASKS, batch_of
from engine.experiments.sequence_training import (
    SequenceConfig,
    Training,
    learning_rate_at,
    load_model,
    load_weights,
    teacher_forcing_loss,
    train,
)
from engine.experiments.torch_twin import TorchTwin
from engine.jobs.handle import DivergedError
from tests.engine.runs import StopsAfter

pytestmark = pytest.mark.usefixtures("one_torch_thread")
TINY = SequenceConfig(d_model=16, n_heads=2, n_layers=1, d_ff=16, steps=30, batch=4, warmup=5)


def events(folder) -> str:
    return (folder / "events.jsonl").read_text()


@pytest.mark.parametrize("stop_at", [0, 7, 10, 23])
def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(tmp_path, stop_at):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    theirs = train(StopsAfter(whole, TINY))
    assert train(StopsAfter(parts, TINY, stop_at)) is None
    ours = train(StopsAfter(parts, TINY))
    assert ours == theirs
    assert events(parts) == events(whole)
    weights = [StopsAfter(folder, TINY).load()["weights"] for folder in (parts, whole)]
    assert all(weights[0][name].equal(weight) for name, weight in weights[1].items())


def test_a_run_that_was_killed_repeats_what_its_checkpoint_lacks_to_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(sequence_training, "SAVE_SECONDS", 0.0)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    theirs = train(StopsAfter(whole, TINY))

    class Killed(StopsAfter):
        def check_finite(self, step, **numbers):
            if step == 27:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Killed(parts, TINY))
    assert StopsAfter(parts, TINY).load()["step"] == 20
    assert train(StopsAfter(parts, TINY)) == theirs
    assert events(parts) == events(whole)


def test_another_seed_gives_another_run_and_the_same_held_out_inputs():
    first, other = Training(TINY), Training(dataclasses.replace(TINY, seed=1))
    assert first.advance() != other.advance()
    assert first.held_out == other.held_out


def test_the_events_hold_the_loss_and_regularly_what_the_model_can_do(tmp_path):
    train(StopsAfter(tmp_path, TINY))
    found = [json.loads(line) for line in events(tmp_path).splitlines()]
    assert [event["step"] for event in found] == [0, 10, 20, 30]
    task = TASKS["reverse"]
    for event in found:
        (layer,) = event["alignment"]
        assert (len(layer), len(layer[0])) == (len(task.answer(task.example)) + 1, len(task.example) + 1)
        assert all(abs(sum(row) - 1) < 0.07 for row in layer), "12 weights, each rounded to 2 digits"
        assert 0 <= event["exact_match"] <= 1
    assert "loss" not in found[0]


def test_training_that_becomes_nan_ends_with_its_step_and_the_setting_to_change(tmp_path):
    config = dataclasses.replace(TINY, learning_rate=1e30, warmup=0)
    with pytest.raises(
        DivergedError, match=r"loss became (nan|inf) at step \d+: try a smaller learning_rate"
    ) as caught:
        train(StopsAfter(tmp_path, config))
    assert caught.value.step > 1
    assert events(tmp_path), "the curves until then are kept"


def test_it_learns_what_it_is_asked_for():
    training = Training(dataclasses.replace(TINY, d_model=32, d_ff=64, steps=120, batch=16, learning_rate=0.01))
    first = training.advance()
    last = [training.advance() for _ in range(119)][-1]
    assert last < 0.85 * first


@pytest.mark.parametrize("task", list(TASKS.values()), ids=lambda task: task.name)
def test_writing_through_the_cache_gives_the_same_numbers_as_recomputing(task):
    model = Training(dataclasses.replace(TINY, task=task.name, n_layers=2)).model.eval()
    ours = list(write_steps(model, task, task.example))
    ids = [task.token_id(step.token) for step in ours]
    source = torch.tensor([task.ids(task.example)])
    trace = model.trace(source, torch.tensor([[START, *ids[:-1]]]))
    theirs = trace.logits[0].softmax(dim=-1)
    for place, step in enumerate(ours):
        assert theirs[place].argmax() == ids[place]
        torch.testing.assert_close(step.probability, theirs[place].max().item(), rtol=1e-5, atol=1e-6)
        cross = torch.stack([layer.weights[0, :, place] for layer in trace.decoder.cross_layers])
        torch.testing.assert_close(step.alignment, cross, rtol=1e-5, atol=1e-6)
        assert step.candidates[0] == (step.token, step.probability)
        assert [share for _, share in step.candidates] == sorted((share for _, share in step.candidates), reverse=True)
        assert step.text == task.text(ids[: place + 1])
        assert step.before == task.text(ids[:place])


@pytest.mark.parametrize("task", list(TASKS.values()), ids=lambda task: task.name)
def test_writing_many_side_by_side_gives_what_writing_one_alone_gives(task):
    training = Training(dataclasses.replace(TINY, task=task.name, steps=400, learning_rate=0.01))
    for _ in range(20):
        training.advance()
    texts = task.inputs(8, torch.Generator().manual_seed(5))
    together = write_all(training.model, task, batch_of(task, texts))
    for text, ours in zip(texts, together, strict=True):
        assert ours == list(write_steps(training.model, task, text))[-1].text


def test_exact_match_counts_whole_answers_only():
    task = TASKS["reverse"]
    model = Training(TINY).model
    texts = task.inputs(20, torch.Generator().manual_seed(1))
    right = sum(list(write_steps(model, task, text))[-1].text == task.answer(text) for text in texts)
    assert exact_match(model, task, texts) == right / 20
    one = write_all(model, task, batch_of(task, ["abcd"]))[0]
    echo = dataclasses.replace(task, read=lambda text: one)
    assert exact_match(model, echo, ["abcd"]) == 1.0


def test_an_input_that_is_not_allowed_is_refused_before_anything_is_written():
    with pytest.raises(ValueError, match="is not among them"):
        next(write_steps(Training(TINY).model, TASKS["reverse"], "a1"))


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("task", ["reverse", "date"])
def test_the_model_and_torchs_own_layers_agree_on_logits_and_on_every_gradient(norm_first, task):
    training = Training(dataclasses.replace(TINY, n_layers=2, norm_first=norm_first, task=task))
    batch = batch_of(training.task, training.task.inputs(6, training.generator))
    twin = TorchTwin(training.model)
    ours = training.model(batch.source_ids, batch.target_ids, source_mask=batch.source_mask)
    theirs = twin(batch.source_ids, batch.target_ids, source_mask=batch.source_mask)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)  # float32 through eight norms
    loss = teacher_forcing_loss(training.model, batch)
    loss.backward()
    F.cross_entropy(theirs.flatten(0, 1), batch.wanted_ids.flatten(), ignore_index=PAD).backward()
    ours, theirs = training.model.decoder.token_embedding.weight.grad, twin.embedding.weight.grad
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_twin_says_which_models_it_is_for():
    model = EncoderDecoder(dataclasses.replace(TINY.model, positions="learned"))
    with pytest.raises(ValueError, match="sinusoidal"):
        TorchTwin(model)


def test_alignment_is_about_the_right_answer_and_adds_up_to_one():
    task, model = TASKS["sort"], Training(dataclasses.replace(TINY, task="sort", n_layers=2)).model
    ours = alignment_of(model, task, "b2a")
    assert ours.shape == (2, 2, 4, 4)
    torch.testing.assert_close(ours.sum(dim=-1), torch.ones(2, 2, 4))


def test_the_share_on_the_same_character_is_one_on_the_right_diagonal():
    weights = torch.eye(5).flip(0)[1:]  # row i looks at place 3 - i of four, as reversing should
    assert share_on_same("abcd", "dcba", weights) == 1.0
    assert share_on_same("abcd", "dcba", torch.full((5, 5), 0.2)) == pytest.approx(0.2)
    assert share_on_same("abcd", "xyz", torch.full((5, 5), 0.2)) == 0.0


def test_the_learning_rate_rises_and_falls_in_straight_lines():
    config = SequenceConfig(steps=100, warmup=20, learning_rate=0.5)
    rates = [learning_rate_at(step, config) for step in range(1, 101)]
    assert max(rates) == rates[19] == 0.5
    assert rates[9] == pytest.approx(0.25)
    assert rates[59] == pytest.approx(0.25)
    assert rates[99] == 0
    assert learning_rate_at(1, SequenceConfig(steps=5, warmup=0, learning_rate=1.0)) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"task": "poetry"}, "task must be one of"),
        ({"steps": 0}, "steps must be a whole number from 1"),
        ({"batch": 2.5}, "batch must be a whole number"),
        ({"warmup": -1}, "warmup must be"),
        ({"seed": -1}, "seed must be"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"n_layers": 0}, "n_layers must be a whole number of 1 or more"),
        ({"n_heads": 10_000}, "n_heads must divide d_model = 64"),
        ({"n_heads": 5}, "n_heads must divide d_model = 64"),
        ({"d_model": 65_536, "n_layers": 64, "d_ff": 262_144}, "GB"),
    ],
)
def test_impossible_settings_are_a_sentence(wrong, says):
    with pytest.raises(ValueError, match=says):
        SequenceConfig(**wrong)


def test_weights_of_another_model_are_refused_by_name():
    weights = Training(TINY).weights()
    bigger = SequenceConfig(d_model=32, n_heads=2, n_layers=1, d_ff=16)
    with pytest.raises(ValueError, match="must have shape"):
        load_model(bigger, weights)
    weights.popitem()
    with pytest.raises(ValueError, match="on one side only"):
        load_weights(Training(TINY).model, weights)


@pytest.mark.parametrize("name", list(TASKS))
def test_the_stored_runs_learned_their_task_and_their_weights_still_do_it(name):
    stored = jobs.stored(f"sequence-{name}")
    assert stored.config == SequenceConfig(task=name), "a learner's run at the defaults is the stored one again"
    task, model = TASKS[name], load_model(stored.config, stored.checkpoint()["weights"])
    assert stored.result["exact_match"] >= 0.97
    texts = task.inputs(100, torch.Generator().manual_seed(77), held_out=True)
    assert exact_match(model, task, texts) >= 0.95, "other held-out inputs than those it was measured on"
    assert list(write_steps(model, task, task.example))[-1].text == task.answer(task.example)
    size = sum(file.stat().st_size for file in stored.folder.rglob("*") if file.is_file())
    assert size < 800_000


def test_reversing_is_seen_as_an_anti_diagonal_that_was_not_there_before():
    stored, task = jobs.stored("sequence-reverse"), TASKS["reverse"]
    looks = [event["alignment"] for event in stored.events if "alignment" in event]
    before, after = (
        max(share_on_same(task.example, task.answer(task.example), torch.tensor(layer)) for layer in look)
        for look in (looks[0], looks[-1])
    )
    assert before < 0.3 < 0.7 < after
