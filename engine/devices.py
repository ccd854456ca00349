"""Where the arithmetic happens: a graphics card when there is one, else the processor."""

import os
from pathlib import Path

DEVICES = ("cuda", "mps", "cpu")


def device() -> str:
    """The device models run on: cuda, then mps (Apple), then cpu. The environment variable LABS_DEVICE overrides it.

    Raises ValueError when LABS_DEVICE names no known device, or one this machine does not have.
    """
    import torch  # here, because asking which models there are must not load torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = os.environ.get("LABS_DEVICE", "").strip().lower()
    if not wanted:
        return next(name for name in DEVICES if available[name])
    if wanted not in DEVICES:
        raise ValueError(f"LABS_DEVICE must be one of {', '.join(DEVICES)}, got {wanted!r}")
    if not available[wanted]:
        usable = ", ".join(name for name in DEVICES if available[name])
        raise ValueError(f"LABS_DEVICE must be a device this machine has ({usable}), got {wanted!r}")
    return wanted


def free_memory(name: str = "cpu") -> int | None:
    """Bytes that could still be used on a device; None where the system does not tell.

    On the processor: what the system has available, and no more than this container is still allowed.
    """
    import torch

    if torch.device(name).type == "cuda":
        return torch.cuda.mem_get_info(name)[0]
    if torch.device(name).type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    known = [amount for amount in (_system_memory(), _container_memory()) if amount is not None]
    return min(known, default=None)


def _system_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    try:  # no Linux: all the memory there is, which is still a limit
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _container_memory(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container (cgroup, version 2) may still take; files it has only read can be given up, so they count."""
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(limit - used + int(stat["inactive_file"]), 0)
    except (OSError, ValueError, KeyError):  # not in a container, or one without a limit ("max")
        return None
