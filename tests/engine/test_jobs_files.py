"""What runs are kept in: checkpoints, configs and lines come back as they went in, and nothing half written shows."""

import dataclasses
import threading

import pytest
import torch

from engine.jobs import files
from engine.jobs.checkpoints import load_checkpoint, save_checkpoint
from engine.jobs.configs import check_config, from_json, to_json
from engine.model_config import ModelConfig


def train(model, optimiser, generator, steps):
    losses = []
    for _ in range(steps):
        x = torch.randn(8, 4, generator=generator)  # (batch, d_model)
        loss = (model(x) - x.sum(-1, keepdim=True)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def fresh():
    model = torch.nn.Linear(4, 1)
    with torch.no_grad():
        model.weight.fill_(0.1)
        model.bias.zero_()
    return model, torch.optim.AdamW(model.parameters(), lr=0.1), torch.Generator().manual_seed(1)


def test_training_goes_on_from_a_checkpoint_to_exactly_the_same_numbers(tmp_path):
    model, optimiser, generator = fresh()
    train(model, optimiser, generator, 5)
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "generator": generator.get_state()}
    save_checkpoint(tmp_path / "checkpoints", state)
    undisturbed = train(model, optimiser, generator, 5)

    model, optimiser, generator = fresh()
    state = load_checkpoint(tmp_path / "checkpoints")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    generator.set_state(state["generator"])
    assert train(model, optimiser, generator, 5) == undisturbed


def test_everything_but_tensors_comes_back_equal(tmp_path):
    shared = torch.arange(6.0).view(2, 3)
    state = {"a": (1, 2.5, None), 3: ["text", True, {"x": ()}], "tensor": 5, "tuple": {}, "inf": float("inf")}
    save_checkpoint(tmp_path / "checkpoints", state | {"tied": [shared, shared.T]})
    found = load_checkpoint(tmp_path / "checkpoints")
    tied = found.pop("tied")
    assert found == state
    assert torch.equal(tied[0], tied[1].T)
    assert tied[0].dtype == torch.float32


def test_the_newest_two_checkpoints_are_kept_and_a_broken_one_is_passed_over(tmp_path):
    folder = tmp_path / "checkpoints"
    assert load_checkpoint(folder) is None
    for step in range(5):
        newest = save_checkpoint(folder, {"step": step, "x": torch.full((2,), float(step))})
    assert sorted(path.name for path in folder.iterdir()) == ["00000004", "00000005"]
    assert load_checkpoint(folder)["step"] == 4
    (newest / "tensors.safetensors").write_bytes(b"half")
    assert load_checkpoint(folder)["step"] == 3


def test_a_checkpoint_holds_no_strange_things(tmp_path):
    with pytest.raises(ValueError, match=r"state\['model'\]\[0\] must be a tensor.*object"):
        save_checkpoint(tmp_path / "checkpoints", {"model": [object()]})
    with pytest.raises(ValueError, match="keys"):
        save_checkpoint(tmp_path / "checkpoints", {(1, 2): 3})
    assert load_checkpoint(tmp_path / "checkpoints") is None


@dataclasses.dataclass(frozen=True)
class RaceConfig:
    depths: tuple[int, ...] = (2, 4)
    pair: tuple[str, float] = ("a", 1.0)
    model: ModelConfig | None = None
    models: tuple[ModelConfig, ...] = ()
    rate: float | str | None = 0.1


SMALL = ModelConfig(vocab_size=9, d_model=8, n_heads=2, n_layers=1, d_ff=8, max_len=4)


@pytest.mark.parametrize(
    "config", [SMALL, RaceConfig(), RaceConfig((), ("b", 2.0), SMALL, (SMALL, SMALL), None), RaceConfig(rate="auto")]
)
def test_a_config_comes_back_from_json_equal(config):
    import json

    check_config(config)
    assert from_json(type(config), json.loads(json.dumps(to_json(config)))) == config


@dataclasses.dataclass(frozen=True)
class Anything:
    value: object


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, {1, 2}, (1, 2), torch.nn.ReLU()], ids=repr)
def test_a_config_that_would_not_come_back_is_refused(value):
    with pytest.raises(ValueError, match="config must"):
        check_config(Anything(value))


def test_a_config_is_a_frozen_dataclass():
    @dataclasses.dataclass
    class Loose:
        pass

    for config in (Loose(), {"steps": 3}, None):
        with pytest.raises(ValueError, match="frozen"):
            check_config(config)


def test_a_reader_of_a_replaced_file_never_sees_half_of_it(tmp_path):
    path, done = tmp_path / "state.json", threading.Event()
    files.write_json(path, {"text": "x" * 50_000})

    def write():
        for n in range(100):
            files.write_json(path, {"text": str(n % 10) * 50_000})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert len(set(files.read_json(path)["text"])) == 1
    writer.join()
    assert [left.name for left in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("has_fcntl", [True, False])
def test_one_at_a_time_holds_the_lock(tmp_path, monkeypatch, has_fcntl):
    if not has_fcntl:
        monkeypatch.setattr(files, "fcntl", None)
    path, inside, most = tmp_path / "lock", [], []

    def work():
        for _ in range(20):
            with files.file_lock(path):
                inside.append(1)
                most.append(len(inside))
                with files.file_lock(path, wait=False) as mine:
                    assert not mine
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (60, 1)
    with files.file_lock(path, wait=False) as mine:
        assert mine
