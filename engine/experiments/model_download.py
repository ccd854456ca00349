"""The job "download-model": a model of the hub comes into this machine's Hugging Face cache, and tells how far it is.

The library fetches in a thread of its own, so that Stop is heard even while the network says nothing.
"""

import contextlib
import threading
import time
from dataclasses import dataclass

from engine import model_files, models
from engine.jobs.handle import Run

LOOK_SECONDS = 0.05
TELL_SECONDS = 0.5  # between two events, at least
PATIENCE = 0.4  # seconds for the library to end and clean up after Stop; a worker is killed after one
CHUNK = 256 * 1024  # bytes between two looks; the library's 10 MB are many seconds on a slow network


@dataclass(frozen=True)
class ModelDownloadConfig:
    """Which model of the hub, by its name in engine.models."""

    name: str = "gpt2"

    def __post_init__(self) -> None:
        names = [info.name for info in models.models() if info.from_hub]
        if self.name not in names:
            raise ValueError(f"name must be a model of the hub ({', '.join(names)}), got {str(self.name)[:40]!r}")


def download(run: Run) -> dict | None:
    """Fetch the model's files at the pinned revision and check the fingerprint: {"bytes", "total"}.

    Events: {"bytes", "total", "file"}, all files together, with the file that is on its way. Ends with a ValueError,
    in one sentence, without a network, on a broken-off connection, and for weights that are not the ones we know.
    """
    run.load()  # after a Resume the events go on; the files that are whole are in the cache
    info = models.model_info(run.config.name)
    transfer = _Transfer(info, model_files.ask_sizes(info))
    told = None
    due = time.monotonic()
    while not transfer.ended.wait(LOOK_SECONDS):
        if run.should_stop():
            transfer.stop()
            run.save({})
            return None
        if transfer.standing() != told and time.monotonic() >= due:
            due = time.monotonic() + TELL_SECONDS
            told = transfer.standing()
            run.emit(told)
    if transfer.error is not None:
        run.save({})
        raise transfer.error
    run.emit(transfer.standing())
    return {"bytes": transfer.standing()["bytes"], "total": transfer.standing()["total"]}


class _Transfer:
    """The download in its own thread: how far it is, whether it has ended, and what went wrong."""

    def __init__(self, info: models.ModelInfo, sizes: dict[str, int]) -> None:
        self.ended, self.error = threading.Event(), None
        self._info, self._sizes = info, sizes
        self._bytes, self._file = dict.fromkeys(sizes, 0), next(iter(sizes))
        self._stopped = False
        self._before = model_files.unfinished_files(info)
        # A daemon: what waits for the network must not keep the worker alive once it is told to stop.
        self._thread = threading.Thread(target=self._work, name="download", daemon=True)
        self._thread.start()

    def standing(self) -> dict:
        """What an event says."""
        return {"bytes": sum(self._bytes.values()), "total": sum(self._sizes.values()), "file": self._file}

    def stop(self) -> None:
        """End it, and leave no half file behind: the library would never use it."""
        self._stopped = True
        self._thread.join(PATIENCE)
        for part in model_files.unfinished_files(self._info) - self._before:
            with contextlib.suppress(OSError):
                part.unlink()

    def _work(self) -> None:
        from huggingface_hub import constants

        constants.DOWNLOAD_CHUNK_SIZE = CHUNK  # for this process, which is the job's own
        try:
            model_files.download(self._info, self._listen, self._sizes)
        except Exception as error:
            self.error = error
        finally:
            self.ended.set()

    def _listen(self, file: str, n_bytes: int) -> None:
        if self._stopped:
            raise model_files.StoppedDownloadError
        self._file, self._bytes[file] = file, n_bytes
