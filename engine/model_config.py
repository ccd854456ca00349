"""The settings that make one model: everything that tells GPT-2, Llama, BERT and the 2017 transformer apart."""

import math
from dataclasses import dataclass

from engine.attention_checks import check_heads
from engine.blocks import ACTIVATIONS, NORMS
from engine.rotary import SCALINGS

POSITIONS = ("learned", "sinusoidal", "rotary", "alibi", "none")


@dataclass(frozen=True)
class ModelConfig:
    """The settings that make one model. Checked when made: a wrong one raises ValueError and says what would be right.

    >>> ModelConfig(vocab_size=100, d_model=8, n_heads=2, n_layers=1, d_ff=16, max_len=10).head_dim
    4
    """

    vocab_size: int
    d_model: int
    n_heads: int
    n_layers: int  # of each stack; an encoder-decoder has so many on both sides
    d_ff: int
    max_len: int  # a limit for learned positions only; for the others the length the model is meant for
    n_kv_heads: int | None = None  # None: as many as n_heads
    positions: str = "learned"
    n_token_types: int = 0  # BERT has 2: first text, second text
    embedding_norm: bool | None = None  # None: yes in an Encoder of its own, as in BERT; no everywhere else
    norm: str = "layernorm"
    norm_first: bool = False
    norm_eps: float = 1e-5
    activation: str = "gelu"
    dropout: float = 0.0
    bias: bool = True  # in norms, attention and feed-forward
    attention_bias: bool | None = None  # None: as bias
    feed_forward_bias: bool | None = None  # None: as bias
    residual: bool = True  # False leaves the shortcuts out, to see what breaks
    tie_embeddings: bool = True  # the head reads out with the matrix that reads in (Press & Wolf 2017)
    scale_embeddings: bool = False  # times sqrt(d_model), as in Vaswani et al. 2017, section 3.4
    rotary_base: float = 10000.0
    rotary_scaling: str | None = None  # linear, dynamic or yarn; see engine.rotary
    rotary_factor: float = 1.0  # how much longer than rotary_original_max_len texts may get
    rotary_original_max_len: int | None = None  # None: max_len

    @property
    def head_dim(self) -> int:
        """The size of one head's slice."""
        return self.d_model // self.n_heads

    @property
    def key_value_heads(self) -> int:
        """The number of key and value heads, whether it was given or not."""
        return self.n_heads if self.n_kv_heads is None else self.n_kv_heads

    @property
    def has_attention_bias(self) -> bool:
        return self.bias if self.attention_bias is None else self.attention_bias

    @property
    def has_feed_forward_bias(self) -> bool:
        return self.bias if self.feed_forward_bias is None else self.feed_forward_bias

    @property
    def scaling(self) -> dict | None:
        """The rotary scaling as engine.rotary takes it; "dynamic" still needs the text's seq_len."""
        if self.rotary_scaling is None:
            return None
        trained = self.max_len if self.rotary_original_max_len is None else self.rotary_original_max_len
        return {"type": self.rotary_scaling, "factor": self.rotary_factor, "original_max_len": trained}

    @property
    def block_settings(self) -> dict:
        """What each EncoderBlock or DecoderBlock is built with, besides d_model, n_heads and d_ff."""
        rotary = self.positions == "rotary"
        return {
            "norm_first": self.norm_first,
            "activation": self.activation,
            "norm": self.norm,
            "dropout": self.dropout,
            "residual": self.residual,
            "norm_eps": self.norm_eps,
            "n_kv_heads": self.n_kv_heads,
            "bias": self.bias,
            "attention_bias": self.attention_bias,
            "feed_forward_bias": self.feed_forward_bias,
            "rotary_base": self.rotary_base if rotary else None,
            "rotary_scaling": self.scaling if rotary else None,
        }

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "n_heads", "n_layers", "d_ff", "max_len"):
            _check_whole(name, getattr(self, name), at_least=1)
        _check_whole("n_token_types", self.n_token_types, at_least=0)
        check_heads(self.d_model, self.n_heads, self.key_value_heads)
        for name, allowed in (("positions", POSITIONS), ("norm", NORMS), ("activation", tuple(ACTIVATIONS))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be a share from 0 up to but not including 1, got {self.dropout!r}")
        if not _is_number(self.norm_eps) or not 0 < self.norm_eps < math.inf:
            raise ValueError(f"norm_eps must be above 0, got {self.norm_eps!r}")
        self._check_switches()
        self._check_rotary()

    def _check_switches(self) -> None:
        for name in ("norm_first", "bias", "residual", "tie_embeddings", "scale_embeddings"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        for name in ("embedding_norm", "attention_bias", "feed_forward_bias"):
            if getattr(self, name) not in (True, False, None):
                raise ValueError(f"{name} must be True, False or None, got {getattr(self, name)!r}")

    def _check_rotary(self) -> None:
        if not _is_number(self.rotary_base) or not 1 < self.rotary_base < math.inf:
            raise ValueError(f"rotary_base must be a finite number above 1 (10000 is usual), got {self.rotary_base!r}")
        if self.rotary_scaling is not None and self.rotary_scaling not in SCALINGS:
            raise ValueError(f"rotary_scaling must be one of {', '.join(SCALINGS)}, got {self.rotary_scaling!r}")
        if not _is_number(self.rotary_factor) or not 1 <= self.rotary_factor < math.inf:
            raise ValueError(f"rotary_factor must be a number of 1 or more, got {self.rotary_factor!r}")
        if self.rotary_original_max_len is not None:
            _check_whole("rotary_original_max_len", self.rotary_original_max_len, at_least=1)
        if self.positions == "rotary" and self.head_dim % 2:
            raise ValueError(
                f"d_model / n_heads must be even for rotary positions, got {self.d_model} / {self.n_heads}"
            )
        if self.positions == "rotary" and self.rotary_scaling == "dynamic" and self.head_dim < 4:
            raise ValueError(f"d_model / n_heads must be 4 or more for dynamic scaling, got {self.head_dim}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_whole(name: str, value: int, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"{name} must be a whole number of {at_least} or more, got {value!r}")
