"""Training steps of the models in the pages, beside the same models in torch's own layers: same weights, same texts.

Both take turns in one process, on one thread as a job's worker does, so a busy moment of the machine meets both.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from engine.experiments.markov import make_followers
from engine.experiments.norm_race import RACERS, NormRaceConfig, Racer, batch_of
from engine.experiments.race_twin import RaceTwin
from engine.experiments.sequence_tasks import TASKS
from engine.experiments.sequence_training import SequenceConfig, Training
from engine.experiments.torch_twin import TorchTwin
from engine.threads import one_thread

ROUNDS = 40
Step = Callable[[], None]


@one_thread()
def main() -> None:
    """Prints one row a model: steps per second of ours and theirs, and the median of the ratios round by round."""
    print("| training | ours, steps/s | torch's layers, steps/s | ours takes |\n|---|---|---|---|")
    for rows in (race(), encoder_decoder()):
        for name, ours, theirs in rows:
            _row(name, ours, theirs)


def race() -> list[tuple[str, Step, Step]]:
    """Both racers of Lab 2, section 5, against nn.TransformerEncoderLayer with a causal mask."""
    config = NormRaceConfig()
    ids = batch_of(config, 1, make_followers(config.vocab_size, torch.Generator().manual_seed(0)))
    return [_racer(config, name, ids) for name in RACERS]


def encoder_decoder() -> list[tuple[str, Step, Step]]:
    """The encoder-decoder of Lab 2, section 7, against nn.TransformerEncoderLayer and nn.TransformerDecoderLayer."""
    return [_sequence(task) for task in TASKS]


def _sequence(task: str) -> tuple[str, Step, Step]:
    """Both draw, encode and learn from their own inputs, with an optimiser of the same kind: only the model differs."""
    config = SequenceConfig(task=task)
    ours, theirs = Training(config), Training(config)
    theirs.model = TorchTwin(ours.model)
    theirs.optimiser = type(ours.optimiser)(theirs.model.parameters(), **ours.optimiser.defaults)
    title = f"the encoder-decoder, {task}, {config.n_layers} + {config.n_layers} layers of {config.d_model}"
    return f"{title}: `EncoderDecoder`", ours.advance, theirs.advance


def _racer(config: NormRaceConfig, name: str, ids: torch.Tensor) -> tuple[str, Step, Step]:
    racer = Racer(config, norm_first=RACERS[name])
    twin = RaceTwin(racer.model)
    optimiser = torch.optim.Adam(twin.parameters(), lr=config.learning_rate, fused=True)

    def theirs() -> None:
        loss = F.cross_entropy(twin(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    title = f"the race, {name}-LN, {config.n_layers} layers of {config.d_model}: `CausalLM`"
    return title, lambda: racer.step(ids, config.learning_rate), theirs


def _row(name: str, ours: Step, theirs: Step) -> None:
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(ROUNDS + 3)][3:]  # the first pay for set-up
    mine, other = (1 / statistics.median(times) for times in zip(*pairs))
    ratio = statistics.median(one / two for one, two in pairs)
    print(f"| {name} | {mine:.1f} | {other:.1f} | {ratio:.2f} times as long |", flush=True)


def _seconds(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
