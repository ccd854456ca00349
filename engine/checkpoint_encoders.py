"""BERT and DistilBERT checkpoints: what their settings and weights are called, and what they are called here."""

from torch import Tensor

from engine.checkpoint_weights import build, only, rename
from engine.model_config import ModelConfig
from engine.transformer import Encoder

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


def encoder_config(settings: dict) -> ModelConfig:
    """Our ModelConfig from a checkpoint's config.json; what is absent has the default of the original code."""
    kind = settings.get("model_type")
    if kind not in NAMES:
        raise ValueError(f"model_type must be one of {', '.join(NAMES)} in config.json, got {kind!r}")
    only(settings, ONLY_VALUE)
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
    return rename(weights, kind, prefix=f"{kind}.", names=NAMES[kind], ignored=IGNORED[kind])


def build_encoder(config: ModelConfig, weights: dict[str, Tensor]) -> Encoder:
    """An Encoder that holds exactly these weights. Raises ValueError when one is missing, left over or misshapen."""
    return build(lambda: Encoder(config, seed=None), weights, n_layers=config.n_layers)
