"""What a model costs, by formula: parameters, arithmetic for each token, memory to train it and to generate with it.

Every number comes as named terms. A term's formula is not only shown, it is what is computed: a sum of products.
The counts are exact and tested against the modules; the memory of training is an estimate, tested against what
autograd really keeps.
"""

from collections.abc import Callable
from typing import Literal

import torch

from engine.devices import free_memory
from engine.formula import Term, make_term, total
from engine.model_config import ModelConfig

Kind = Literal["encoder", "decoder", "encoder-decoder", "causal"]
KINDS = ("encoder", "decoder", "encoder-decoder", "causal")
NUMBER_TYPES = {"float32": 4, "float16": 2, "bfloat16": 2}  # bytes of one number
MODULE_BYTES = 60_000  # what Python itself keeps for the modules of one block, measured; it counts for 100,000 layers


def parameter_terms(config: ModelConfig, kind: Kind = "causal", *, pooler: bool = False) -> list[Term]:
    """The parameters of a model, part by part; they add up to what the module holds.

    kv_dim is n_kv_heads × head_dim, the width of all keys together. pooler: BERT's extra layer over the first token,
    which our Encoder leaves out and its published count includes.
    """
    c = _check_kind(config, kind)
    numbers = _numbers(c)
    terms = [make_term("token embedding", "vocab_size × d_model", numbers)]
    if kind == "encoder-decoder" and not c.tie_embeddings:
        terms.append(make_term("token embedding of the decoder", "vocab_size × d_model", numbers))
    terms += _stack_terms(kind, numbers, lambda stack: _stack_formulas(c, kind, stack))
    if kind in ("causal", "encoder-decoder") and not c.tie_embeddings:
        terms.append(make_term("language-model head", "d_model × vocab_size", numbers))
    if pooler:
        terms.append(make_term("pooler", "d_model × d_model + d_model", numbers))
    return terms


def count_parameters(config: ModelConfig, kind: Kind = "causal", *, pooler: bool = False) -> int:
    """The number of parameters.

    >>> gpt2 = ModelConfig(50257, d_model=768, n_heads=12, n_layers=12, d_ff=3072, max_len=1024, norm_first=True)
    >>> count_parameters(gpt2)
    124439808
    """
    return total(parameter_terms(config, kind, pooler=pooler))


def flops_terms(config: ModelConfig, kind: Kind = "causal", *, seq_len: int | None = None) -> list[Term]:
    """Additions and multiplications of one forward pass, for each token of a text of seq_len tokens (max_len if None).

    Source: Kaplan et al. 2020, table 1. A matrix costs 2 operations a weight and token: multiply and add. Attention
    also compares with all seq_len keys and mixes as many values; masked ones are computed too. Norms, activations and
    the softmax are left out, as in the paper: they are small. A training step costs three times a forward pass.
    An encoder-decoder's count is for one source and one target token of texts of equal length.
    """
    c = _check_kind(config, kind)
    numbers = _numbers(c, seq_len=c.max_len if seq_len is None else seq_len)
    matrices = 3 if c.activation == "swiglu" else 2
    projections = "n_layers × 4 × d_model × d_model + n_layers × 4 × d_model × kv_dim"

    def parts(stack: str) -> dict[str, str]:
        compare = "n_layers × 2 × seq_len × d_model"
        found = {"attention": projections, "scores": compare, "mixing the values": compare}
        if stack == "decoder":
            found |= {"cross-attention": projections, "scores of cross-attention": compare}
            found["mixing the encoder's values"] = compare
        return found | {"feed-forward": f"n_layers × {2 * matrices} × d_model × d_ff"}

    terms = _stack_terms(kind, numbers, parts)
    if kind in ("causal", "encoder-decoder"):
        terms.append(make_term("language-model head", "2 × d_model × vocab_size", numbers))
    return terms


def cache_terms(config: ModelConfig, *, batch: int = 1, seq_len: int | None = None, n_bytes: int = 4) -> list[Term]:
    """Bytes of the key/value cache that generating needs: two vectors of kv_dim for each token and layer.

    Fewer n_kv_heads make it smaller in proportion (Ainslie et al. 2023). n_bytes: of one number, 4 for float32.
    """
    numbers = _numbers(config, batch=batch, seq_len=config.max_len if seq_len is None else seq_len, n_bytes=n_bytes)
    formula = "batch × n_layers × seq_len × kv_dim × n_bytes"
    return [make_term("keys", formula, numbers), make_term("values", formula, numbers)]


def activation_terms(
    config: ModelConfig, kind: Kind = "causal", *, batch: int = 1, seq_len: int | None = None, n_bytes: int = 4
) -> list[Term]:
    """Bytes that a training step keeps for the way back, by the fused path: an estimate, within 12 % of autograd's own.

    These are the forward pass's intermediate values, for batch texts of seq_len tokens each, that the gradients are
    worked out from. A pass that learns nothing lets each of them go as soon as the next layer has it.

    In the manner of Korthikanti et al. 2022, section 4.1, for our own modules without dropout: what goes into each
    matrix, norm and activation, and what attention needs. The fused kernel keeps no table of weights; what grows with
    seq_len × seq_len is one mask for each layer, or ALiBi's biases.
    """
    c = _check_kind(config, kind)
    numbers = _numbers(c, batch=batch, seq_len=c.max_len if seq_len is None else seq_len, n_bytes=n_bytes)
    grouped = c.key_value_heads < c.n_heads
    # Read off the modules: normed input, query, key, value, context before and after the heads are merged.
    keys = "batch × seq_len × 2 × d_model × n_bytes" if grouped else "batch × seq_len × 2 × kv_dim × n_bytes"
    attention = f"n_layers × batch × seq_len × 4 × d_model × n_bytes + n_layers × {keys}"
    hidden = 4 if c.activation == "swiglu" else 2 - (c.activation == "relu")

    def parts(stack: str) -> dict[str, str]:
        found = {"attention": attention}
        if stack == "decoder":
            found["cross-attention"] = attention
        if c.positions == "alibi":  # a number for each pair and head; a causal mask is worked into it
            found["position biases"] = "n_layers × n_heads × seq_len × seq_len × n_bytes"
        elif stack != "encoder":
            found["causal masks"] = "n_layers × seq_len × seq_len × n_bytes"
        norms = f"n_layers × batch × seq_len × {3 if stack == 'decoder' else 2} × d_model"
        # torch takes RMSNorm in two steps, and in float32 whatever the model's own type is
        found["norms"] = f"{norms} × 2 × 4" if c.norm == "rmsnorm" else f"{norms} × n_bytes"
        expanded = f"n_layers × batch × seq_len × {hidden} × d_ff × n_bytes"
        return found | {"feed-forward": f"n_layers × batch × seq_len × d_model × n_bytes + {expanded}"}

    terms = _stack_terms(kind, numbers, parts)
    if kind in ("causal", "encoder-decoder"):
        terms.append(make_term("logits and their log", "2 × batch × seq_len × vocab_size × n_bytes", numbers))
    return terms


def memory_terms(
    config: ModelConfig,
    kind: Kind = "causal",
    *,
    training: bool = False,
    batch: int = 1,
    seq_len: int | None = None,
    n_bytes: int = 4,
) -> list[Term]:
    """Bytes to hold a model, or with training=True to train it with Adam: two running means for each weight."""
    numbers = {"parameters": count_parameters(config, kind), "n_bytes": n_bytes, "n_layers": config.n_layers}
    modules = MODULE_BYTES * (2 if kind == "encoder-decoder" else 1)
    terms = [
        make_term("weights", "parameters × n_bytes", numbers),
        make_term("Python's own bookkeeping", f"n_layers × {modules}", numbers),
    ]
    if training:
        terms.append(make_term("gradients", "parameters × n_bytes", numbers))
        terms.append(make_term("Adam's two means", "2 × parameters × n_bytes", numbers))
        kept = total(activation_terms(config, kind, batch=batch, seq_len=seq_len, n_bytes=n_bytes))
        terms.append(make_term("kept for the way back", "activations", {"activations": kept}))
    return terms


def check_fits(
    config: ModelConfig,
    kind: Kind = "causal",
    *,
    training: bool = False,
    batch: int = 1,
    seq_len: int | None = None,
    device: str | None = None,
) -> int:
    """The bytes that building (or training) this model needs; ValueError with the estimate when they are not free.

    device: torch's default one unless given. A tenth of what is free is left alone.
    """
    terms = memory_terms(config, kind, training=training, batch=batch, seq_len=seq_len)
    return check_free(terms, device, doing="training it" if training else "building it", texts=training)


def check_free(terms: list[Term], device: str | None = None, *, doing: str, texts: bool) -> int:
    """The sum of these bytes; ValueError that names the largest of them when they are not free on the device.

    doing: what needs them, "building it". texts: whether shorter or fewer texts would help.
    """
    device, needed = str(torch.get_default_device() if device is None else device), total(terms)
    if torch.device(device).type == "meta":  # shapes without numbers take no memory
        return needed
    free = free_memory(device)
    if free is not None and needed > 0.9 * free:
        parts = ", ".join(f"{term.name} {as_bytes(term.value)}" for term in terms if term.value > 0.05 * needed)
        raise ValueError(
            f"config must fit the memory of {device}, which has {as_bytes(free)} free, but {doing} needs about "
            f"{as_bytes(needed)} ({parts}); make d_model, n_layers, d_ff or vocab_size smaller"
            + (", or batch or seq_len" if texts else "")
        )
    return needed


def as_bytes(amount: float) -> str:
    """A number of bytes as one reads it.

    >>> as_bytes(497_759_232), as_bytes(512)
    ('498 MB', '512 bytes')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= size:
            return f"{amount / size:,.3g} {unit}" if amount < 1000 * size else f"{amount / size:,.0f} {unit}"
    return f"{amount:.0f} bytes"


def _stack_terms(kind: Kind, numbers: dict[str, int], parts: Callable[[str], dict[str, str]]) -> list[Term]:
    """The terms of each stack of blocks. parts: from a stack to its formulas by name; "" where it has no such part."""
    stacks = ("encoder", "decoder") if kind == "encoder-decoder" else (kind,)
    return [
        make_term(f"{stack}: {name}" if len(stacks) > 1 else name, formula, numbers)
        for stack in stacks
        for name, formula in parts(stack).items()
        if formula
    ]


def _stack_formulas(c: ModelConfig, kind: Kind, stack: str) -> dict[str, str]:
    """Name and formula of each part of one stack, without its token embedding; "" where there is no such part."""
    norm = "2 × d_model" if c.norm == "layernorm" and c.bias else "d_model"
    attention = "n_layers × 2 × d_model × d_model + n_layers × 2 × d_model × kv_dim"
    if c.has_attention_bias:
        attention += " + n_layers × 2 × d_model + n_layers × 2 × kv_dim"
    wide = 2 if c.activation == "swiglu" else 1  # matrices that expand
    feed_forward = f"n_layers × {wide + 1} × d_model × d_ff"
    if c.has_feed_forward_bias:
        expanded = "n_layers × 2 × d_ff" if wide == 2 else "n_layers × d_ff"
        feed_forward += f" + {expanded} + n_layers × d_model"
    embedding_norm = kind == "encoder" if c.embedding_norm is None else c.embedding_norm
    norms = f"n_layers × {3 if stack == 'decoder' else 2} × {norm}"
    return {
        "positions": "max_len × d_model" if c.positions == "learned" else "",
        "token types": "n_token_types × d_model" if c.n_token_types else "",
        "embedding norm": norm if embedding_norm else "",
        "attention": attention,
        "cross-attention": attention if stack == "decoder" else "",
        "feed-forward": feed_forward,
        "norms in the blocks": norms,
        "final norm": norm if c.norm_first else "",
    }


def _numbers(c: ModelConfig, **more: int) -> dict[str, int]:
    for name, value in more.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}")
    names = ("vocab_size", "d_model", "n_heads", "n_layers", "d_ff", "max_len", "n_token_types")
    return {name: getattr(c, name) for name in names} | {"kv_dim": c.key_value_heads * c.head_dim} | more


def _check_kind(config: ModelConfig, kind: Kind) -> ModelConfig:
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    return config
