"""Real checkpoints in our own modules: read the files, rename the weights, refuse what we do not understand.

Only config.json and safetensors files are read. Pickled weights are never opened and no downloaded code is ever run.
A weight we do not know, one that is missing, or a setting we have not built is an error: a model that is almost
loaded gives numbers that are almost right, and nobody notices.
"""

from pathlib import Path

import torch

from engine.checkpoint_causal import build_causal_lm, causal_config, rename_causal_weights
from engine.checkpoint_encoders import build_encoder, encoder_config, rename_weights
from engine.checkpoint_files import find_checkpoint, read_settings, read_weights
from engine.transformer import CausalLM, Encoder

__all__ = [
    "build_causal_lm",
    "build_encoder",
    "causal_config",
    "encoder_config",
    "find_checkpoint",
    "load_causal_lm",
    "load_encoder",
    "read_settings",
    "read_weights",
    "rename_causal_weights",
    "rename_weights",
]


@torch.inference_mode(False)  # weights are ordinary tensors, whoever asks for them: see engine.decoding.lean
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


@torch.inference_mode(False)
def load_causal_lm(path_or_repo: str | Path, *, device: str | None = None, revision: str | None = None) -> CausalLM:
    """Open a GPT-2 or Llama checkpoint in our own CausalLM, ready to use (eval mode, float32).

    Arguments and errors as in load_encoder.
    """
    folder = find_checkpoint(path_or_repo, revision=revision)
    settings = read_settings(folder / "config.json")
    config = causal_config(settings)
    weights = rename_causal_weights(read_weights(folder, device=device), settings, config)
    return build_causal_lm(config, weights)
