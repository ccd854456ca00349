"""A model's files: whether they are the ones we know, where the hub's lie on this machine, and how they come here.

Of a model on the hub three files are fetched and nothing else, at the revision that is pinned. They lie where every
program of this machine that uses huggingface_hub looks for them, and the library does all the talking.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.models import ModelInfo

WEIGHTS = "model.safetensors"
FILES = ("config.json", "tokenizer.json", WEIGHTS)  # the small ones first: what is wrong is then known at once

OnBytes = Callable[[str, int], None]  # file, bytes of it so far


class StoppedDownloadError(Exception):
    """Raised by the caller's `on_bytes` to end a download; the only error that comes through as it is."""


def missing_file(folder: Path) -> str | None:
    """The first file that a model's folder lacks, or None."""
    return next((file for file in FILES if not (folder / file).is_file()), None)


def check_fingerprint(folder: Path, info: "ModelInfo", fix: str) -> None:
    """Raises ValueError unless the weights are the ones we know. fix: what to do about it, as the sentence's end."""
    path = folder / WEIGHTS
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"the weights of {info.name!r} cannot be read: {error}; {fix}") from None
    if found != info.sha256:
        raise ValueError(
            f"the weights of {info.name!r} must have SHA-256 {info.sha256[:12]}…, and what is here has {found[:12]}…: "
            f"refused; {fix}"
        )


def repository_folder(info: "ModelInfo") -> Path:
    """Where huggingface_hub keeps a repository in its cache."""
    from huggingface_hub import constants  # light: the library loads its rest when it is asked for

    return Path(constants.HF_HUB_CACHE) / f"models--{info.source.replace('/', '--')}"


def cached_folder(info: "ModelInfo") -> Path | None:
    """The folder of the pinned revision in the local cache, when all files are in it. No network is asked."""
    folder = repository_folder(info) / "snapshots" / info.revision
    return None if missing_file(folder) else folder  # the library moves a file there only when it is whole


def unfinished_files(info: "ModelInfo") -> set[Path]:
    """Parts of files, which the library removes itself unless its process is killed."""
    return set((repository_folder(info) / "blobs").glob("*.incomplete"))


def ask_sizes(info: "ModelInfo") -> dict[str, int]:
    """The bytes of each file, as the hub says. One question a file and no second try: without a network it is quick.

    Raises ValueError, in one sentence, when the hub cannot be reached or does not have the file.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    sizes = {}
    for file in FILES:
        with _sentences(info, "cannot be reached from this machine"):
            found = get_hf_file_metadata(hf_hub_url(info.source, file, revision=info.revision))
        if found.commit_hash is None:  # a proxy or a login page answers everything
            raise ValueError(f"{_hub()} answers, but not as a Hugging Face hub does; {_way_round(info)}")
        sizes[file] = found.size or 0
    return sizes


def download(info: "ModelInfo", on_bytes: OnBytes | None = None, sizes: dict[str, int] | None = None) -> Path:
    """Fetch what is missing of a model on the hub into the local cache, check its fingerprint, and return its folder.

    on_bytes(file, bytes so far) is called while a file comes, from whatever thread the library uses. sizes: what
    ask_sizes said, if it was asked before. When a connection breaks, the library goes on where it was, five times; a
    file that is still not whole then starts anew at the next download. Whole ones are kept, but weights that are not
    the ones we know are removed.
    Raises ValueError, in one sentence, when the hub cannot be reached or breaks off, and for such weights.
    """
    from huggingface_hub import hf_hub_download

    sizes = ask_sizes(info) if sizes is None else sizes
    if before := cached_folder(info):
        with contextlib.suppress(ValueError):
            _check_or_remove(before, info)
    path = None
    for file in FILES:
        bar = type("Bar", (_Bar,), {"file": file, "told": staticmethod(on_bytes or (lambda *_: None))})
        with _sentences(info, f"broke off while {file} came"):
            path = Path(hf_hub_download(info.source, file, revision=info.revision, tqdm_class=bar))
        if on_bytes:
            on_bytes(file, sizes[file])  # also for one that was here already, of which the library says nothing
    _check_or_remove(path.parent, info)
    return path.parent


def _check_or_remove(folder: Path, info: "ModelInfo") -> None:
    try:
        check_fingerprint(folder, info, "they were removed: try again, and check who answers as the hub")
    except ValueError:
        (folder / WEIGHTS).resolve().unlink(missing_ok=True)  # what lies in the snapshot is a link to it
        (folder / WEIGHTS).unlink(missing_ok=True)
        raise


class _Bar:
    """What the library takes for a progress bar. Bytes on disk are told; those on their way are not counted twice."""

    file: str
    told: OnBytes

    def __init__(self, *_: object, total: int | None = None, initial: int = 0, **__: object) -> None:
        self.total, self.n = total, initial

    def update(self, n: float | None = 1) -> None:
        self.n += int(n or 0)
        self.told(self.file, self.n)

    def update_transfer(self, n: float | None = 1) -> None:
        """Of a store that sends pieces of files, this counts the pieces; `update` counts the file."""

    def set_postfix_str(self, *_: object, **__: object) -> None:
        """The library's words for the speed."""

    set_transfer_postfix_str = set_postfix_str

    def close(self) -> None:
        """Nothing was opened."""

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _sentences(info: "ModelInfo", otherwise: str) -> Iterator[None]:
    """Turns the dozen kinds of errors of the library into one sentence. otherwise: what all the rest mean here."""
    from huggingface_hub import errors

    try:
        yield
    except StoppedDownloadError:
        raise
    except errors.OfflineModeIsEnabled as error:
        raise ValueError(f"HF_HUB_OFFLINE forbids to ask {_hub()}: unset it, or {_by_hand(info)}") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise ValueError(
            f"{_hub()} must hold {info.source} at revision {info.revision}, and it does not; {_way_round(info)}"
        ) from error
    except errors.HfHubHTTPError as error:
        raise ValueError(f"{_hub()} answers with status {error.response.status_code}: try again later") from error
    except Exception as error:
        said = " ".join(str(error).split())[:120]
        raise ValueError(f"{_hub()} {otherwise} ({type(error).__name__}: {said}); {_way_round(info)}") from error


def _hub() -> str:
    from huggingface_hub import constants

    return f"the hub at {constants.ENDPOINT}"


def _way_round(info: "ModelInfo") -> str:
    return f"try again with a network, or {_by_hand(info)}"


def _by_hand(info: "ModelInfo") -> str:
    there = repository_folder(info)
    return f"copy {there.name} from another machine's Hugging Face cache into {there.parent}"
