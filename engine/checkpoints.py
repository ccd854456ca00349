"""Real checkpoints in our own modules: read the files, rename the weights, refuse what we do not understand.

Only config.json and safetensors files are read. Pickled weights are never opened and no downloaded code is ever run.
A weight we do not know, one that is missing, or a setting we have not built is an error: a model that is almost
loaded gives numbers that are almost right, and nobody notices.
"""

import json
import re
from pathlib import Path

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from engine.transformer import Encoder, ModelConfig

ACTIVATION_NAMES = {"gelu": "gelu", "relu": "relu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}

# Left: how each checkpoint names a weight, after its base prefix. Right: how we name it. N is a layer's number.
BERT_NAMES = {
    "embeddings.word_embeddings": "token_embedding",
    "embeddings.position_embeddings": "position_embedding",
    "embeddings.token_type_embeddings": "token_type_embedding",
    "embeddings.LayerNorm": "embedding_norm",
    "encoder.layer.N.attention.self.query": "layers.N.attention.query_proj",
    "encoder.layer.N.attention.self.key": "layers.N.attention.key_proj",
    "encoder.layer.N.attention.self.value": "layers.N.attention.value_proj",
    "encoder.layer.N.attention.output.dense": "layers.N.attention.out_proj",
    "encoder.layer.N.attention.output.LayerNorm": "layers.N.attention_norm",
    "encoder.layer.N.intermediate.dense": "layers.N.feed_forward.up_proj",
    "encoder.layer.N.output.dense": "layers.N.feed_forward.down_proj",
    "encoder.layer.N.output.LayerNorm": "layers.N.feed_forward_norm",
}
DISTILBERT_NAMES = {
    "embeddings.word_embeddings": "token_embedding",
    "embeddings.position_embeddings": "position_embedding",
    "embeddings.LayerNorm": "embedding_norm",
    "transformer.layer.N.attention.q_lin": "layers.N.attention.query_proj",
    "transformer.layer.N.attention.k_lin": "layers.N.attention.key_proj",
    "transformer.layer.N.attention.v_lin": "layers.N.attention.value_proj",
    "transformer.layer.N.attention.out_lin": "layers.N.attention.out_proj",
    "transformer.layer.N.sa_layer_norm": "layers.N.attention_norm",
    "transformer.layer.N.ffn.lin1": "layers.N.feed_forward.up_proj",
    "transformer.layer.N.ffn.lin2": "layers.N.feed_forward.down_proj",
    "transformer.layer.N.output_layer_norm": "layers.N.feed_forward_norm",
}
# What sits on top of the encoder or beside it, and is left behind: heads for other tasks, and tables of constants.
IGNORED = {
    "bert": r"pooler\..*|cls\..*|classifier\..*|qa_outputs\..*|embeddings\.(position_ids|token_type_ids)",
    "distilbert": r"pre_classifier\..*|classifier\..*|qa_outputs\..*|vocab_(transform|layer_norm|projector)\..*"
    r"|embeddings\.position_ids",
}
NAMES = {"bert": BERT_NAMES, "distilbert": DISTILBERT_NAMES}
# Settings that change the arithmetic in ways our encoder has not been built for, with the only value that we can run.
ONLY_VALUE = {
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}


def load_encoder(path_or_repo: str | Path, *, device: str | None = None, revision: str | None = None) -> Encoder:
    """Open a BERT or DistilBERT checkpoint in our own Encoder, ready to use (eval mode, float32).

    path_or_repo: a folder with config.json and safetensors, or a name on the Hugging Face hub, which is looked for in
    the local cache first and then, at `revision`, on the network. device: the processor unless given.

    Raises ValueError, in one sentence, for a folder or name that cannot be had, files that do not belong together,
    an unknown or missing weight, and a setting that we have not built.
    """
    folder = find_checkpoint(path_or_repo, revision=revision)
    settings = read_settings(folder / "config.json")
    config = encoder_config(settings)
    weights = rename_weights(read_weights(folder, device=device), settings["model_type"])
    return build_encoder(config, weights)


def encoder_config(settings: dict) -> ModelConfig:
    """Our ModelConfig from a checkpoint's config.json; what is absent has the default of the original code."""
    kind = settings.get("model_type")
    if kind not in NAMES:
        raise ValueError(f"model_type must be one of {', '.join(NAMES)} in config.json, got {kind!r}")
    for name, allowed in ONLY_VALUE.items():
        if name in settings and settings[name] not in allowed:
            raise ValueError(
                f"{name} must be {allowed[0]!r} in config.json, got {settings[name]!r}: we have not built it"
            )
    get = settings.get
    if kind == "bert":
        shape = {"d_model": get("hidden_size", 768), "n_heads": get("num_attention_heads", 12)}
        shape |= {"n_layers": get("num_hidden_layers", 12), "d_ff": get("intermediate_size", 3072)}
        shape |= {"n_token_types": get("type_vocab_size", 2), "norm_eps": get("layer_norm_eps", 1e-12)}
        dropout, activation = get("hidden_dropout_prob", 0.1), get("hidden_act", "gelu")
    else:
        shape = {"d_model": get("dim", 768), "n_heads": get("n_heads", 12)}
        shape |= {"n_layers": get("n_layers", 6), "d_ff": get("hidden_dim", 3072), "norm_eps": 1e-12}
        dropout, activation = get("dropout", 0.1), get("activation", "gelu")
    if activation not in ACTIVATION_NAMES:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATION_NAMES)} in config.json, got {activation!r}")
    return ModelConfig(
        vocab_size=get("vocab_size", 30522),
        max_len=get("max_position_embeddings", 512),
        activation=ACTIVATION_NAMES[activation],
        dropout=dropout,
        norm_first=False,
        **shape,
    )


def rename_weights(weights: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    """A checkpoint's weights under our names, in float32. Heads and tables of constants are left out by name.

    Takes names with or without the base prefix ("bert."), and the old gamma and beta for weight and bias.
    """
    renamed = {}
    for original, tensor in weights.items():
        key = original.removeprefix(f"{kind}.")
        if re.fullmatch(IGNORED[kind], key):
            continue
        ours = _our_name(key, NAMES[kind])
        if ours is None:
            raise ValueError(f"weight {original!r} is unknown: a {kind} encoder has no such part")
        if ours in renamed:
            raise ValueError(f"weight {original!r} is there twice, with and without a prefix or under an old name")
        renamed[ours] = tensor.float()
    return renamed


def build_encoder(config: ModelConfig, weights: dict[str, Tensor]) -> Encoder:
    """An Encoder that holds exactly these weights. Raises ValueError when one is missing, left over or misshapen."""
    with torch.device("meta"), _NoRandomStart():  # shapes only: the numbers come from the checkpoint
        encoder = Encoder(config)
    wanted = encoder.state_dict()
    if missing := sorted(set(wanted) - set(weights)):
        raise ValueError(
            f"the checkpoint must hold {len(wanted)} weights, but {len(missing)} are missing: {missing[:3]}"
        )
    if unknown := sorted(set(weights) - set(wanted)):
        raise ValueError(
            f"the checkpoint holds {len(unknown)} weights that its config.json leaves no room for: {unknown[:3]}"
        )
    for name, tensor in weights.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"weight {name!r} must have shape {tuple(wanted[name].shape)} by config.json, got {tuple(tensor.shape)}"
            )
    encoder.load_state_dict(weights, assign=True)
    return encoder.eval()


class _NoRandomStart(TorchFunctionMode):
    """Skip the random start of new layers: it would be thrown away, and would move torch's global random state."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _our_name(key: str, names: dict[str, str]) -> str | None:
    """layers.3.attention_norm.weight for encoder.layer.3.attention.output.LayerNorm.gamma; None when unknown."""
    part, _, kind = key.rpartition(".")
    kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
    layer = re.search(r"\.layer\.(\d+)\.", part)
    number = layer[1] if layer else ""
    generic = part.replace(f".layer.{number}.", ".layer.N.") if layer else part
    if generic not in names or kind not in ("weight", "bias"):
        return None
    return names[generic].replace(".N.", f".{number}.") + f".{kind}"


# --- files ---------------------------------------------------------------------------------------------------------


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
