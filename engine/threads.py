"""How many threads torch may use for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on this thread alone; a context or a decorator.

    For small operations between NumPy's matrix products: NumPy's own threads keep the other cores busy waiting for more
    work, so a helper of torch's would come late and be waited for, milliseconds instead of microseconds.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
