"""Byte-pair encoding from scratch: training, encoding, files. Start reading at engine.tokenizer.plain.

tokenizer = BPETokenizer.train(open("stories.txt").read(), 4096, special_tokens=["<|endoftext|>"])
tokenizer.decode(tokenizer.encode("Once upon a time"))
"""

from engine.tokenizer.bpe import BPETokenizer, Merge, Token
from engine.tokenizer.pieces import GPT2_PATTERN, GPT4_PATTERN

__all__ = ["GPT2_PATTERN", "GPT4_PATTERN", "BPETokenizer", "Merge", "Token"]
