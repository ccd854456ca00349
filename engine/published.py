"""Models that people know, as our own configs, and how many parameters they really have.

The second opinion is transformers, or for our own modules the modules themselves: built on torch's "meta" device, where
a tensor has a shape and no numbers, so that counting takes neither memory nor a download.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from engine.budget import Kind
from engine.initial import no_random_start
from engine.model_config import ModelConfig
from engine.models import ONE_AT_A_TIME
from engine.transformer import CausalLM, Decoder, Encoder, EncoderDecoder

MODULES: dict[Kind, type[nn.Module]] = {
    "encoder": Encoder,
    "decoder": Decoder,
    "encoder-decoder": EncoderDecoder,
    "causal": CausalLM,
}
MOST_BUILT = 64  # layers; the modules of a layer take Python a few thousandths of a second


@dataclass(frozen=True)
class Published:
    """A model as it was published. pooler: whether the published count has BERT's extra layer over the first token."""

    name: str
    kind: Kind
    config: ModelConfig
    source: str
    class_name: str  # of transformers
    pooler: bool = False


PUBLISHED = (
    Published(
        "GPT-2 small",
        "causal",
        ModelConfig(
            vocab_size=50257,
            d_model=768,
            n_heads=12,
            n_layers=12,
            d_ff=3072,
            max_len=1024,
            norm_first=True,
            activation="gelu_tanh",
        ),
        "Radford et al. 2019, the smallest of table 2",
        "GPT2LMHeadModel",
    ),
    Published(
        "BERT-base",
        "encoder",
        ModelConfig(
            vocab_size=30522,
            d_model=768,
            n_heads=12,
            n_layers=12,
            d_ff=3072,
            max_len=512,
            n_token_types=2,
        ),
        "Devlin et al. 2019, section 3",
        "BertModel",
        pooler=True,
    ),
    Published(
        "Transformer base",
        "encoder-decoder",
        ModelConfig(
            vocab_size=37000,
            d_model=512,
            n_heads=8,
            n_layers=6,
            d_ff=2048,
            max_len=512,
            positions="sinusoidal",
            activation="relu",
        ),
        "Vaswani et al. 2017, table 3, base",
        "MarianMTModel",
    ),
    Published(
        "SmolLM 135M",
        "causal",
        ModelConfig(
            vocab_size=49152,
            d_model=576,
            n_heads=9,
            n_kv_heads=3,
            n_layers=30,
            d_ff=1536,
            max_len=2048,
            positions="rotary",
            norm="rmsnorm",
            norm_first=True,
            activation="swiglu",
            bias=False,
        ),
        "Allal et al. 2024, *SmolLM*: Llama’s architecture, small",
        "LlamaForCausalLM",
    ),
)


def find_published(config: ModelConfig, kind: Kind, *, pooler: bool = False) -> Published | None:
    """The published model that these settings are, or None.

    >>> find_published(PUBLISHED[0].config, "causal").name
    'GPT-2 small'
    """
    return next((one for one in PUBLISHED if (one.config, one.kind, one.pooler) == (config, kind, pooler)), None)


def count_built(config: ModelConfig, kind: Kind) -> int:
    """The parameters of our own module, built without numbers and counted.

    Above MOST_BUILT layers one and two layers are built, and what the second adds is taken as often as it is needed:
    layers of one stack are alike.
    """
    if config.n_layers <= MOST_BUILT:
        return _count(lambda: MODULES[kind](config, seed=None))
    one, two = (count_built(replace(config, n_layers=n), kind) for n in (1, 2))
    return one + (config.n_layers - 1) * (two - one)


def count_in_transformers(published: Published) -> int:
    """The parameters that are learned in transformers' own model of these settings; nothing is downloaded."""
    with ONE_AT_A_TIME:
        import transformers

        made, settings = getattr(transformers, published.class_name), SETTINGS[published.class_name](published.config)
        return _count(lambda: made(made.config_class(**settings)))


def _count(make: Callable[[], nn.Module]) -> int:
    with torch.device("meta"), no_random_start():
        model = make()
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def _gpt2(c: ModelConfig) -> dict:
    return {
        "vocab_size": c.vocab_size,
        "n_embd": c.d_model,
        "n_head": c.n_heads,
        "n_layer": c.n_layers,
        "n_inner": c.d_ff,
        "n_positions": c.max_len,
    }


def _bert(c: ModelConfig) -> dict:
    return {
        "vocab_size": c.vocab_size,
        "hidden_size": c.d_model,
        "num_attention_heads": c.n_heads,
        "num_hidden_layers": c.n_layers,
        "intermediate_size": c.d_ff,
        "max_position_embeddings": c.max_len,
    }


def _llama(c: ModelConfig) -> dict:
    return {
        **_bert(c),
        "num_key_value_heads": c.key_value_heads,
        "tie_word_embeddings": c.tie_embeddings,
    }


def _marian(c: ModelConfig) -> dict:
    sides = {"layers": c.n_layers, "attention_heads": c.n_heads, "ffn_dim": c.d_ff}
    return {
        "vocab_size": c.vocab_size,
        "d_model": c.d_model,
        "max_position_embeddings": c.max_len,
        "activation_function": c.activation,
        **{f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in sides.items()},
        **dict.fromkeys(("pad_token_id", "eos_token_id", "decoder_start_token_id", "forced_eos_token_id"), 0),
    }


SETTINGS: dict[str, Callable[[ModelConfig], dict]] = {
    "GPT2LMHeadModel": _gpt2,
    "BertModel": _bert,
    "LlamaForCausalLM": _llama,
    "MarianMTModel": _marian,
}
