"""Loads what the labs need while the learner reads the first page, so that neither waits for the other.

The thread holds back until the first page has been drawn: importing torch keeps Python's lock for about a second.
"""

import gc
import threading

FIRST_PAGE_PATIENCE = 8.0  # seconds; a server that nobody has opened yet warms up all the same

_first_page_drawn = threading.Event()
_finished = threading.Event()
_problem: list[str] = []


def start_thread() -> None:
    """Starts the warm-up and returns at once."""
    threading.Thread(target=_run, name="warm-up", daemon=True).start()


def first_page_drawn() -> None:
    """Called by the navigation script after each page: the warm-up may begin."""
    _first_page_drawn.set()


def finished() -> bool:
    return _finished.is_set()


def problem() -> str | None:
    """The sentence that says why warming up failed, or None. Pages load for themselves and show their own errors."""
    return _problem[0] if _problem else None


def _run() -> None:
    _first_page_drawn.wait(FIRST_PAGE_PATIENCE)
    try:
        import components.models

        components.models.load_and_audit_first_forward()
        components.models.load_story_lm_and_first_forward()  # last: the first lab does not need it
    except Exception as error:
        _problem.append(f"{type(error).__name__}: {error}")
    # The imports and weights never become garbage: leaving them out makes every later collection short.
    gc.collect()
    gc.freeze()
    _finished.set()
