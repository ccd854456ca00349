"""The same encoder-decoder written with torch's own layers, and our weights in them: a second opinion, and a rival.

An audit line recomputes with it what our modules computed; the benchmark trains both and compares their speed.
"""

import torch
from torch import Tensor, nn

from engine.encoder_decoder import EncoderDecoder
from engine.positions import sinusoidal_encoding
from engine.torch_blocks import copy_block


class TorchTwin(nn.Module):
    """nn.TransformerEncoderLayer and nn.TransformerDecoderLayer with the weights of `ours`, copied.

    For models with sinusoidal positions, LayerNorm and tied embeddings, which is what engine.experiments trains;
    ValueError for others. Mind that torch's masks mean the opposite of ours: True = may not be read.
    """

    def __init__(self, ours: EncoderDecoder) -> None:
        super().__init__()
        config = ours.config
        if config.positions != "sinusoidal" or config.norm != "layernorm" or not config.tie_embeddings:
            raise ValueError("ours must have sinusoidal positions, layernorm and tied embeddings")
        sizes = {"d_model": config.d_model, "nhead": config.n_heads, "dim_feedforward": config.d_ff}
        settings = {"dropout": config.dropout, "activation": config.activation, "batch_first": True}
        settings |= {"norm_first": config.norm_first, "layer_norm_eps": config.norm_eps}
        layers = range(config.n_layers)
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(**sizes, **settings) for _ in layers)
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(**sizes, **settings) for _ in layers)
        norms = ([nn.LayerNorm(config.d_model, eps=config.norm_eps)] if config.norm_first else [] for _ in range(2))
        self.encoder_norm, self.decoder_norm = (nn.Sequential(*norm) for norm in norms)
        self.register_buffer("positions", sinusoidal_encoding(config.max_len, config.d_model))
        self._copy(ours)
        self.train(ours.training)

    def forward(self, source_ids: Tensor, target_ids: Tensor, *, source_mask: Tensor | None = None) -> Tensor:
        """The same arguments and logits (batch, target_len, vocab_size) as EncoderDecoder.forward."""
        padding = None if source_mask is None else ~source_mask  # (batch, source_len), True = may not be read
        memory = self._embed(source_ids)  # (batch, source_len, d_model)
        for layer in self.encoder:
            memory = layer(memory, src_key_padding_mask=padding)
        memory = self.encoder_norm(memory)
        target_len = target_ids.shape[1]
        later = torch.ones(target_len, target_len, dtype=torch.bool).triu(1)  # (target_len, target_len)
        x = self._embed(target_ids)  # (batch, target_len, d_model)
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=later, memory_key_padding_mask=padding)
        return self.decoder_norm(x) @ self.embedding.weight.T  # (batch, target_len, vocab_size)

    def _embed(self, ids: Tensor) -> Tensor:
        return self.embedding(ids) + self.positions[: ids.shape[1]]

    @torch.no_grad()
    def _copy(self, ours: EncoderDecoder) -> None:
        self.embedding.weight.copy_(ours.decoder.token_embedding.weight)
        for stack, own in ((self.encoder, ours.encoder), (self.decoder, ours.decoder)):
            for theirs, block in zip(stack, own.layers, strict=True):
                copy_block(theirs, block)
        for theirs, stack in ((self.encoder_norm, ours.encoder), (self.decoder_norm, ours.decoder)):
            for norm in theirs:
                norm.load_state_dict(stack.final_norm.state_dict())
