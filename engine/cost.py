"""What attention costs, measured here and now: seconds and bytes against the length of the text."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from engine.attention import fused_attention, scaled_dot_product_attention

PATIENCE = 0.03  # seconds spent at least on each point, so that one interruption does not decide it
LIMIT = 0.2  # seconds after which a point has run often enough, if it has run twice
MOST = 256  # heads, numbers in a head, repeats: the naive way holds a table of weights for each head


@dataclass(frozen=True)
class CostConfig:
    """What to measure. The defaults take under two seconds on two processor cores."""

    lengths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    n_heads: int = 4
    head_dim: int = 32
    repeats: int = 7  # more often when a run is short (PATIENCE), less often when it is long (LIMIT)
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_heads", "head_dim", "repeats"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST:
                raise ValueError(f"{name} must be a whole number from 1 to {MOST}, got {value!r}")
        if not self.lengths or any(not isinstance(n, int) or not 1 <= n <= 8192 for n in self.lengths):
            raise ValueError(f"lengths must be whole numbers from 1 to 8192, got {self.lengths!r}")


@dataclass(frozen=True)
class CostPoint:
    """One measurement."""

    seq_len: int
    variant: Literal["naive", "fused"]
    seconds: float  # the fastest of the repeats: everything else on the machine only adds
    bytes_peak: int  # the most memory held at one time beyond the inputs; 0 where the device does not tell


def measure_cost(config: CostConfig | None = None, *, skip: int = 0) -> Iterator[CostPoint]:
    """Measure both ways at each length, shortest first, and hand each point over as soon as it is there.

    "naive" is our own scaled_dot_product_attention, which holds the whole (seq_len x seq_len) table of every head.
    "fused" computes the same with torch's kernel, piece by piece (Dao et al. 2022). The first run of each is not
    counted: it pays for set-up. skip: so many points are there already, and are left out.
    """
    config = CostConfig() if config is None else config
    variants = {"naive": scaled_dot_product_attention, "fused": fused_attention}
    generator = torch.Generator().manual_seed(config.seed)
    for place, seq_len in enumerate(sorted(config.lengths)):
        shape = (3, 1, config.n_heads, seq_len, config.head_dim)
        query, key, value = torch.randn(shape, generator=generator).to(config.device)
        for name, attend in list(variants.items())[max(0, skip - 2 * place) :]:
            run = partial(attend, query, key, value)
            with torch.no_grad():
                bytes_peak = peak_bytes(run, config.device)
                seconds = _fastest(run, config)
            yield CostPoint(seq_len, name, seconds, bytes_peak)


def peak_bytes(run: Callable[[], object], device: str = "cpu") -> int:
    """The most memory that `run` holds at one time, beyond what was there before.

    On cuda the allocator keeps count. On the processor torch's profiler reports every allocation (+) and release (-)
    in order, the scratch memory inside kernels included; the highest running sum is the peak. This uses the older of
    torch's two profilers: it starts in a thousandth of a second, where the newer one takes a second and prints.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if torch.device(device).type != "cpu":
        run()
        return 0
    held = peak = 0
    for change in _allocations(run):
        held += change
        peak = max(peak, held)
    return peak


def fit_exponent(lengths: Sequence[float], values: Sequence[float]) -> float:
    """The k for which values grow like lengths ** k: 1 is proportional, 2 means twice as long costs four times.

    A straight line through the logarithms by least squares, over the longer half of the lengths only: at the short
    end fixed costs hide the growth. Raises ValueError unless two different lengths and positive values are left.

    >>> round(fit_exponent([64, 128, 256, 512], [1, 4, 16, 64]), 6)
    2.0
    """
    if len(lengths) != len(values):
        raise ValueError(f"values must be as many as lengths, {len(lengths)}, got {len(values)}")
    if any(not number > 0 or math.isinf(number) for number in (*lengths, *values)):
        raise ValueError("lengths and values must be finite numbers above 0 to have logarithms")
    points = sorted(zip(lengths, values, strict=True))
    points = points[min(len(points) // 2, max(len(points) - 2, 0)) :]
    if len({length for length, _ in points}) < 2:
        raise ValueError(f"lengths must hold at least two different numbers in the longer half, got {list(lengths)}")
    xs, ys = [math.log(length) for length, _ in points], [math.log(value) for _, value in points]
    return statistics.linear_regression(xs, ys).slope


def _fastest(run: Callable[[], object], config: CostConfig) -> float:
    """The shortest of the repeats: whatever else the machine does can only make a run longer."""
    times: list[float] = []
    while len(times) < 2 or sum(times) < (PATIENCE if len(times) >= config.repeats else LIMIT):
        times.append(_seconds(run, config.device))
    return min(times)


def _seconds(run: Callable[[], object], device: str) -> float:
    start = time.perf_counter()
    run()
    if torch.device(device).type == "cuda":  # a graphics card answers before it has finished
        torch.cuda.synchronize(device)
    elif torch.device(device).type == "mps":
        torch.mps.synchronize()
    return time.perf_counter() - start


def _allocations(run: Callable[[], object]) -> list[int]:
    """Bytes taken (+) and given back (-) on the processor while `run` runs, in order."""
    from torch._C._profiler import _ExperimentalConfig
    from torch.autograd import ProfilerConfig, ProfilerState, _disable_profiler_legacy, _enable_profiler_legacy

    # In order: record on the processor; no shapes; memory yes; no stacks, operation counts or modules.
    _enable_profiler_legacy(ProfilerConfig(ProfilerState.CPU, False, True, False, False, False, _ExperimentalConfig()))
    try:
        result = run()  # kept until recording has ended, so that the output itself counts as held
    finally:
        threads = _disable_profiler_legacy()
    del result
    return [event.cpu_memory_usage() for events in threads for event in events if event.kind() == "memory_alloc"]
