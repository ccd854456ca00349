"""A checkpoint's files: found in a folder, the local cache or the hub, and read without running anything in them.

Only config.json and safetensors are opened. Pickled weights never are, and no downloaded code is ever run.
"""

import json
import re
from pathlib import Path

from torch import Tensor


def find_checkpoint(path_or_repo: str | Path, *, revision: str | None = None) -> Path:
    """The folder of a checkpoint: the one that is named, or the hub's, from the local cache or else the network."""
    folder = Path(path_or_repo).expanduser()
    if folder.is_dir():
        return folder
    name = str(path_or_repo)
    if isinstance(path_or_repo, Path) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        raise ValueError(f"path_or_repo must be a folder or a name like 'owner/model', got {name!r}")
    from huggingface_hub import snapshot_download  # here: most models come from a folder and need no hub

    wanted = ["config.json", "*.safetensors", "model.safetensors.index.json"]
    for cache_only in (True, False):
        try:
            found = snapshot_download(name, revision=revision, allow_patterns=wanted, local_files_only=cache_only)
            _weight_files(Path(found))  # a download that was broken off leaves a folder without all its shards
        except Exception:  # the hub raises a dozen kinds; to a learner they all mean: not to be had
            continue
        return Path(found)
    at = f" at revision {revision!r}" if revision else ""
    raise ValueError(
        f"path_or_repo {name!r}{at} must be a folder, or safetensors in the local cache or on a hub that can be reached"
    )


def read_settings(path: Path) -> dict:
    """What config.json says."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"config.json must be readable JSON, but {path} is not: {error}") from None
    if not isinstance(settings, dict):
        raise ValueError(f"config.json must hold named settings, but {path} holds a {type(settings).__name__}")
    return settings


def read_weights(folder: Path, *, device: str | None = None) -> dict[str, Tensor]:
    """All weights of a folder, from one safetensors file or from the shards its index lists."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights = {}
    for file in _weight_files(folder):
        try:
            shard = load_file(file, device=str(device or "cpu"))
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{file} must be a whole safetensors file, but it cannot be read: {error}") from None
        if twice := set(shard) & set(weights):
            raise ValueError(f"weight {sorted(twice)[0]!r} must be in one shard only, but {file.name} repeats it")
        weights |= shard
    return weights


def _weight_files(folder: Path) -> list[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise ValueError(f"{folder} must hold model.safetensors or its index; pickled weights are never opened")
    shards = sorted(set(read_settings(index).get("weight_map", {}).values()))
    for shard in shards:
        if Path(shard).name != shard or not shard.endswith(
            ".safetensors"
        ):  # a shard lies beside its index, nowhere else
            raise ValueError(f"weight_map must name safetensors files in the same folder, got {shard!r}")
        if not (folder / shard).is_file():
            raise ValueError(f"{folder} must hold every shard of its index, but {shard!r} is missing")
    return [folder / shard for shard in shards]
