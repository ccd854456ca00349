"""Byte-pair encoding from scratch: training, encoding, files. Start reading at engine.tokenizer.plain.

tokenizer = BPETokenizer.train(open("stories.txt").read(), 4096, special_tokens=["<|endoftext|>"])
tokenizer.decode(tokenizer.encode("Once upon a time"))
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.tokenizer.bpe import BPETokenizer, Merge, Token
    from engine.tokenizer.pieces import GPT2_PATTERN, GPT4_PATTERN

__all__ = ["GPT2_PATTERN", "GPT4_PATTERN", "BPETokenizer", "Merge", "Token"]


def __getattr__(name: str) -> object:
    """Imported when asked for: a helper that counts pieces starts without numpy and the rest."""
    if name in ("BPETokenizer", "Merge", "Token"):
        return getattr(importlib.import_module("engine.tokenizer.bpe"), name)
    if name in ("GPT2_PATTERN", "GPT4_PATTERN"):
        return getattr(importlib.import_module("engine.tokenizer.pieces"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
