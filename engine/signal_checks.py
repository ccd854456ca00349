"""A second opinion on engine.signals: the same weights and words in torch's own layers."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.masks import causal_mask
from engine.signals import SignalConfig, SignalReport, build_untrained
from engine.torch_blocks import copy_block


def curves(report: SignalReport) -> Tensor:
    """What `torch_curves` finds, from our own report: (3, n_layers)."""
    signal, similarity, query_key, attention = (
        [getattr(layer, name) for layer in report.layers]
        for name in ("signal", "similarity", "query_key_gradient", "attention_gradient")
    )
    return _shares(signal, similarity, query_key, attention)


def torch_curves(config: SignalConfig) -> Tensor:
    """Size, similarity and gradient of the query and key matrices in each layer by torch's own layers, (3, n_layers).

    Sizes are shares of the largest, and gradients shares of the attention's largest whole gradient: so numbers that
    explode can be compared too, and those of which only rounding is left count as the 0 that they are. Without
    shortcuts the parts of torch.nn.TransformerEncoderLayer are joined without the additions that its own forward makes.
    In a deep stack without a norm the scores grow until rounding decides who is read: its gradient differs by chance.
    """
    stack, x, words = build_untrained(config)
    layers = [_copied(block, config) for block in stack.layers]
    blocked = ~causal_mask(config.seq_len)  # torch's layers mean the opposite: True = blocked
    states = []
    with torch.enable_grad():
        for layer in layers:
            x = layer(x, src_mask=blocked) if config.residual else _without_shortcuts(layer, x, blocked)
            states.append(x.detach())
        F.cross_entropy(stack.head(stack.final_norm(x)).flatten(0, 1), words.flatten()).backward()
    both = 2 * config.d_model  # rows of the query and key matrices in torch's joined one
    own = [[layer.self_attn.in_proj_weight.grad, layer.self_attn.in_proj_bias.grad] for layer in layers]
    query_key = [_length(each[:both] for each in pair) for pair in own]
    attention = [_length(each.grad for each in layer.self_attn.parameters()) for layer in layers]
    sizes = [state.norm(dim=-1).mean().item() for state in states]
    return _shares(sizes, [_alike(state) for state in states], query_key, attention)


def _copied(block: nn.Module, config: SignalConfig) -> nn.TransformerEncoderLayer:
    """torch's layer with the weights of ours."""
    sizes = {"d_model": config.d_model, "nhead": config.n_heads, "dim_feedforward": config.d_ff, "dropout": 0.0}
    kind = {"activation": config.activation, "batch_first": True, "norm_first": config.norm_first}
    layer = nn.TransformerEncoderLayer(**sizes, **kind, dtype=torch.float64 if config.double else torch.float32)
    layer.norm1, layer.norm2 = block.attention_norm, block.feed_forward_norm  # torch's own norms already, or none
    copy_block(layer, block)
    return layer


def _without_shortcuts(layer: nn.TransformerEncoderLayer, x: Tensor, blocked: Tensor) -> Tensor:
    """One layer of torch's parts, (batch, seq_len, d_model) to the same shape."""
    first, then = layer.norm1, layer.norm2
    x = first(x) if layer.norm_first else x
    x, _ = layer.self_attn(x, x, x, attn_mask=blocked, need_weights=False)
    x = then(x) if layer.norm_first else first(x)
    x = layer.linear2(layer.activation(layer.linear1(x)))
    return x if layer.norm_first else then(x)


def _alike(state: Tensor) -> float:
    """Mean cosine between different tokens of a text, pair by pair."""
    seq_len = state.shape[1]
    pairs = [(a, b) for a in range(seq_len) for b in range(a)]
    if not pairs:
        return 1.0
    first, second = (state[:, list(side)] for side in zip(*pairs, strict=True))  # (batch, pairs, d_model)
    return F.cosine_similarity(first, second, dim=-1, eps=torch.finfo(state.dtype).tiny).mean().item()


def _length(tensors: Iterable[Tensor]) -> float:
    return torch.cat([each.flatten() for each in tensors]).norm().item()


def _shares(signal: list[float], similarity: list[float], query_key: list[float], attention: list[float]) -> Tensor:
    """(3, n_layers)."""
    numbers = torch.tensor([signal, similarity, query_key], dtype=torch.float64)
    return numbers / torch.tensor([[max(signal)], [1.0], [max(attention)]], dtype=torch.float64)
