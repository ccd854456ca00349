"""Our causal models as Hugging Face folders: config.json and float16 safetensors under the names of the Llama code.

The other direction of engine.checkpoint_causal; transformers' AutoModelForCausalLM and load_causal_lm open the same
folder to the same numbers.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoint_causal import LLAMA_NAMES
from engine.model_config import ModelConfig
from engine.transformer import CausalLM

# What a CausalLM must be, to be a Llama: everything else that its config can say is free.
LLAMA = {"positions": "rotary", "norm": "rmsnorm", "norm_first": True, "activation": "swiglu", "bias": False}


def save_causal_lm(
    model: CausalLM, folder: str | Path, *, eos_id: int | None = None, dtype: torch.dtype = torch.float16
) -> None:
    """Write `model` into `folder` as a checkpoint of model_type llama.

    eos_id: the token that ends a text, and before which nothing stands. dtype: of the weights in the file.
    Raises ValueError for a model that is no Llama, naming the setting.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    settings = llama_settings(model.config, eos_id=eos_id, dtype=dtype)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to(dtype) for name, tensor in llama_weights(model).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def llama_settings(config: ModelConfig, *, eos_id: int | None, dtype: torch.dtype) -> dict:
    """The content of config.json."""
    for name, wanted in LLAMA.items():
        if getattr(config, name) != wanted:
            raise ValueError(f"{name} must be {wanted!r} in a Llama checkpoint, got {getattr(config, name)!r}")
    if config.rotary_scaling is not None:
        raise ValueError(f"rotary_scaling must be None in a model of our own, got {config.rotary_scaling!r}")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_len,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rotary_base,
        "attention_bias": config.has_attention_bias,
        "mlp_bias": config.has_feed_forward_bias,
        "tie_word_embeddings": config.tie_embeddings,
        "bos_token_id": eos_id,
        "eos_token_id": eos_id,
        "dtype": str(dtype).removeprefix("torch."),
    }


def llama_weights(model: CausalLM) -> dict[str, Tensor]:
    """The weights under Llama's names, on the processor."""
    theirs = {ours: name for name, ours in LLAMA_NAMES.items()}
    named = {}
    for name, tensor in model.state_dict().items():
        part, _, kind = name.rpartition(".")
        layer = next((step for step in part.split(".") if step.isdecimal()), None)
        generic = theirs[part if layer is None else part.replace(f".{layer}.", ".N.", 1)]
        written = generic if layer is None else generic.replace(".N.", f".{layer}.", 1)
        prefix = "" if generic == "lm_head" else "model."
        named[f"{prefix}{written}.{kind}"] = tensor.detach().cpu().contiguous()
    return named
