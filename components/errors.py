"""Errors as sentences. A learner never sees a traceback or an empty page; what they typed stays in its control."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from components import text

T = TypeVar("T")

_LOG = logging.getLogger("transformer_labs")


def attempt(make: Callable[[], T]) -> tuple[T | None, str | None]:
    """What `make` computes and None, or None and the sentence of its ValueError, to be shown where it belongs.

    Sections compute before they draw: the figure then leaves for the browser in one piece with its frame.
    """
    try:
        return make(), None
    except ValueError as error:
        return None, str(error)


@contextmanager
def shown_as_a_sentence() -> Iterator[None]:
    """Shows a ValueError's own sentence; anything else is logged in full and shown as one sentence."""
    try:
        yield
    except ValueError as error:
        text.problem(str(error))
    except Exception as error:
        # Streamlit steers its own runs with exceptions that are no errors; they come from its own packages.
        if type(error).__module__.startswith("streamlit"):
            raise
        _LOG.exception("a section failed")
        text.problem(
            f"This section could not be drawn ({type(error).__name__}: {error}). Your settings are kept: "
            "change the last one, or press Reset."
        )
