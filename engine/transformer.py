"""Whole models. One set of modules, configured by `ModelConfig`, covers them all.

- `Encoder` reads in both directions (BERT). engine.encoder
- `Decoder` reads from left to right, and an encoder's output (the 2017 paper's right half). engine.decoder
- `EncoderDecoder` is both together: one text in, another out. engine.encoder_decoder
- `CausalLM` is a decoder alone with a language-model head (GPT-2, Llama). engine.causal_lm

What they share stands in engine.stack; the layers in engine.blocks and engine.attention.
"""

from engine.causal_lm import CausalLM
from engine.decoder import Decoder, DecoderTrace
from engine.encoder import Encoder, EncoderTrace
from engine.encoder_decoder import DecoderOfOneSource, EncoderDecoder, EncoderDecoderTrace
from engine.model_config import POSITIONS, ModelConfig

__all__ = [
    "POSITIONS",
    "CausalLM",
    "Decoder",
    "DecoderOfOneSource",
    "DecoderTrace",
    "Encoder",
    "EncoderDecoder",
    "EncoderDecoderTrace",
    "EncoderTrace",
    "ModelConfig",
]
