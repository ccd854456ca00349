"""Where the arithmetic happens: a graphics card when there is one, else the processor."""

import os

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
