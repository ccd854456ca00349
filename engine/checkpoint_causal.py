"""GPT-2 and Llama checkpoints: what their settings and weights are called, and what they are called here."""

import torch
from torch import Tensor

from engine.checkpoint_weights import build, only, rename
from engine.model_config import ModelConfig
from engine.rotary import YARN_FAST, YARN_SLOW
from engine.transformer import CausalLM

ACTIVATION_NAMES = {"gelu": "gelu", "relu": "relu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}

# Left: how each checkpoint names a weight, after its base prefix. Right: how we name it. N is a layer's number.
GPT2_NAMES = {
    "wte": "decoder.token_embedding",
    "wpe": "decoder.position_embedding",
    "h.N.ln_1": "decoder.layers.N.attention_norm",
    "h.N.attn.c_attn": "decoder.layers.N.attention.all_proj",  # query, key and value in one; see _split_gpt2
    "h.N.attn.c_proj": "decoder.layers.N.attention.out_proj",
    "h.N.ln_2": "decoder.layers.N.feed_forward_norm",
    "h.N.mlp.c_fc": "decoder.layers.N.feed_forward.up_proj",
    "h.N.mlp.c_proj": "decoder.layers.N.feed_forward.down_proj",
    "ln_f": "decoder.final_norm",
    "lm_head": "lm_head",
}
LLAMA_NAMES = {
    "embed_tokens": "decoder.token_embedding",
    "layers.N.input_layernorm": "decoder.layers.N.attention_norm",
    "layers.N.self_attn.q_proj": "decoder.layers.N.attention.query_proj",
    "layers.N.self_attn.k_proj": "decoder.layers.N.attention.key_proj",
    "layers.N.self_attn.v_proj": "decoder.layers.N.attention.value_proj",
    "layers.N.self_attn.o_proj": "decoder.layers.N.attention.out_proj",
    "layers.N.post_attention_layernorm": "decoder.layers.N.feed_forward_norm",
    "layers.N.mlp.gate_proj": "decoder.layers.N.feed_forward.gate_proj",
    "layers.N.mlp.up_proj": "decoder.layers.N.feed_forward.up_proj",
    "layers.N.mlp.down_proj": "decoder.layers.N.feed_forward.down_proj",
    "norm": "decoder.final_norm",
    "lm_head": "lm_head",
}
NAMES = {"gpt2": GPT2_NAMES, "llama": LLAMA_NAMES}
PREFIXES = {"gpt2": "transformer.", "llama": "model."}
# Heads for other tasks, and tables of constants that old checkpoints carry along.
IGNORED = {
    "gpt2": r"h\.\d+\.attn\.(bias|masked_bias)|score\..*|classifier\..*|qa_outputs\..*|multiple_choice_head\..*",
    "llama": r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq|rotary_emb\.inv_freq|score\..*|qa_outputs\..*",
}
# Settings that change the arithmetic in ways we have not built, with the only value that we can run.
ONLY_VALUE = {
    "gpt2": {
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False, None),
        "add_cross_attention": (False, None),
        "pruned_heads": ({}, None),
        "quantization_config": (None,),
    },
    "llama": {
        "hidden_act": ("silu", "swish"),
        "partial_rotary_factor": (None, 1.0),
        "pruned_heads": ({}, None),
        "quantization_config": (None,),
    },
}
# What a rope_parameters entry may hold. Optional numbers of YaRN are fine where they say what we do anyway.
ROPE_KEYS = {
    "default": set(),
    "linear": {"factor"},
    "dynamic": {"factor", "original_max_position_embeddings"},
    "yarn": {"factor", "original_max_position_embeddings"},
}
ROPE_ONLY_VALUE = {
    "partial_rotary_factor": (None, 1.0),
    "beta_fast": (YARN_FAST, None),
    "beta_slow": (YARN_SLOW, None),
    "attention_factor": (None,),
    "mscale": (None,),
    "mscale_all_dim": (None,),
    "truncate": (True, None),
}


def causal_config(settings: dict) -> ModelConfig:
    """Our ModelConfig from a checkpoint's config.json; what is absent has the default of the original code."""
    kind = settings.get("model_type")
    if kind not in NAMES:
        raise ValueError(f"model_type must be one of {', '.join(NAMES)} in config.json, got {kind!r}")
    only(settings, ONLY_VALUE[kind])
    return _gpt2_config(settings) if kind == "gpt2" else _llama_config(settings)


def rename_causal_weights(weights: dict[str, Tensor], settings: dict, config: ModelConfig) -> dict[str, Tensor]:
    """A checkpoint's weights under our names and in our layout, in float32.

    A head that is tied to the embedding needs no weights of its own. Some checkpoints hold it all the same, which is
    fine where it is the same and refused where it is not.
    """
    kind = settings["model_type"]
    renamed = rename(weights, kind, prefix=PREFIXES[kind], names=NAMES[kind], ignored=IGNORED[kind])
    if kind == "gpt2":
        renamed = _split_gpt2(renamed)
    if config.tie_embeddings and "lm_head.weight" in renamed:
        head, embedding = renamed.pop("lm_head.weight"), renamed.get("decoder.token_embedding.weight")
        if embedding is not None and not torch.equal(head, embedding):
            raise ValueError("weight 'lm_head.weight' must equal the token embedding, as tie_word_embeddings says")
    return renamed


def build_causal_lm(config: ModelConfig, weights: dict[str, Tensor]) -> CausalLM:
    """A CausalLM that holds exactly these weights. Raises ValueError when one is missing, left over or misshapen."""
    return build(lambda: CausalLM(config, seed=None), weights, n_layers=config.n_layers)


def _gpt2_config(settings: dict) -> ModelConfig:
    get = settings.get
    activation = get("activation_function", "gelu_new")
    if activation not in ACTIVATION_NAMES:
        raise ValueError(f"activation_function must be one of {', '.join(ACTIVATION_NAMES)}, got {activation!r}")
    d_model, d_ff = get("n_embd", 768), get("n_inner")
    if d_ff is None and isinstance(d_model, int):
        d_ff = 4 * d_model
    return ModelConfig(
        vocab_size=get("vocab_size", 50257),
        d_model=d_model,
        n_heads=get("n_head", 12),
        n_layers=get("n_layer", 12),
        d_ff=d_ff,
        max_len=get("n_positions", 1024),
        activation=ACTIVATION_NAMES[activation],
        norm_first=True,
        norm_eps=get("layer_norm_epsilon", 1e-5),
        dropout=get("resid_pdrop", 0.1),
        tie_embeddings=get("tie_word_embeddings", True),
    )


def _llama_config(settings: dict) -> ModelConfig:
    get = settings.get
    d_model, n_heads = get("hidden_size", 4096), get("num_attention_heads", 32)
    config = ModelConfig(
        vocab_size=get("vocab_size", 32000),
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=get("num_key_value_heads"),
        n_layers=get("num_hidden_layers", 32),
        d_ff=get("intermediate_size", 11008),
        max_len=get("max_position_embeddings", 2048),
        positions="rotary",
        norm="rmsnorm",
        norm_first=True,
        norm_eps=get("rms_norm_eps", 1e-6),
        activation="swiglu",
        bias=False,
        attention_bias=get("attention_bias", False),
        feed_forward_bias=get("mlp_bias", False),
        tie_embeddings=get("tie_word_embeddings", False),
        **_rope_settings(settings),
    )
    if get("head_dim") not in (None, config.head_dim):
        raise ValueError(
            f"head_dim must be hidden_size / num_attention_heads = {config.head_dim} in config.json, "
            f"got {get('head_dim')!r}: we have not built it"
        )
    return config


def _rope_settings(settings: dict) -> dict:
    """The rotary settings: under rope_parameters, or in older files rope_scaling and rope_theta."""
    rope = dict(settings.get("rope_scaling") or settings.get("rope_parameters") or {})
    kind = rope.pop("rope_type", None) or rope.pop("type", None) or "default"
    rope.pop("type", None)
    base = rope.pop("rope_theta", None) or settings.get("rope_theta") or 10000.0
    if kind not in ROPE_KEYS:
        raise ValueError(
            f"rope_type must be one of {', '.join(ROPE_KEYS)} in config.json, got {kind!r}: we have not built it"
        )
    only(rope, ROPE_ONLY_VALUE)
    if unknown := sorted(set(rope) - ROPE_KEYS[kind] - set(ROPE_ONLY_VALUE)):
        raise ValueError(f"rope_parameters of type {kind} must not hold {unknown} in config.json: we do not know them")
    if kind == "default":
        return {"rotary_base": base}
    if not isinstance(rope.get("factor"), (int, float)):
        raise ValueError(f"factor must be a number for rope_type {kind} in config.json, got {rope.get('factor')!r}")
    found = {"rotary_base": base, "rotary_scaling": kind, "rotary_factor": rope["factor"]}
    if kind == "yarn":  # the others count from max_position_embeddings, as transformers does
        found["rotary_original_max_len"] = rope.get("original_max_position_embeddings")
    return found


def _split_gpt2(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """GPT-2 keeps its matrices transposed (inputs, outputs), and query, key and value side by side in one."""
    split = {}
    for name, tensor in weights.items():
        if name.endswith("_proj.weight"):
            tensor = tensor.T.contiguous()  # (outputs, inputs)
        if ".all_proj." not in name:
            split[name] = tensor
            continue
        if tensor.shape[0] % 3:
            raise ValueError(f"weight {name!r} must hold query, key and value, got shape {tuple(tensor.shape)}")
        for part, piece in zip(("query_proj", "key_proj", "value_proj"), tensor.chunk(3), strict=True):
            split[name.replace("all_proj", part)] = piece.clone()  # each of its own, free of the other two
    return split
