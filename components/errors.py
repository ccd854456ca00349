"""Errors as sentences. A learner never sees a traceback or an empty page; what they typed stays in its control."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from components import text

_LOG = logging.getLogger("transformer_labs")


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
