"""What attention costs, as a job: each point of engine.cost.measure_cost is one event."""

import dataclasses

from engine.cost import CostConfig, measure_cost
from engine.jobs.handle import Run


def measure(run: Run) -> dict | None:
    """Emit {"seq_len", "variant", "seconds", "bytes_peak"} for both ways at each length, shortest first.

    A Resume goes on with the point that is missing. Its time is a new measurement, as no time comes back twice.
    """
    done = (run.load() or {"done": 0})["done"]
    points = measure_cost(run.config, skip=done)
    while done < 2 * len(run.config.lengths):
        run.wait_while_paused()
        if run.should_stop():
            return None
        run.emit(dataclasses.asdict(next(points)))
        done += 1
        run.save({"done": done})
    return {"points": done}


def seconds(config: CostConfig) -> float:
    """How long it may take: each point a part of its own, and a part for every pair of tokens in every head."""
    pairs = sum(length**2 for length in config.lengths) * config.n_heads
    return 1.5 + 0.1 * len(config.lengths) + pairs * (config.head_dim + 60) * 6e-10
