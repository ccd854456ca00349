"""The feed-forward part: the same small network for each token alone. Expand, bend, contract.

Attention moves things between tokens; this part works on what has arrived at each of them.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,  # Hendrycks & Gimpel 2016: x times the share of a normal distribution that lies below x
    "gelu_tanh": partial(F.gelu, approximate="tanh"),  # their cheaper formula with tanh, which GPT-2 uses
    "swiglu": F.silu,  # bends a second projection, the gate, which then multiplies the first
}


class FeedForward(nn.Module):
    """Two matrices with a bend between them, applied to each token alone (Vaswani et al. 2017, equation 2).

    With "swiglu" there is a third matrix, whose bent output opens or closes each hidden unit (Shazeer 2020, equation
    6; Llama). d_ff is the number of hidden units in either form.
    """

    def __init__(
        self, d_model: int, d_ff: int, *, activation: str = "gelu", dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        if not isinstance(d_ff, int) or d_ff < 1:
            raise ValueError(f"d_ff must be a whole number of 1 or more, got {d_ff!r}")
        self.activation = ACTIVATIONS[activation]
        self.gate_proj = nn.Linear(d_model, d_ff, bias=bias) if activation == "swiglu" else None
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, seq_len, d_model) to the same shape."""
        return self.contract(self.hidden(x))

    def hidden(self, x: Tensor) -> Tensor:
        """How strongly each hidden unit fires on each token: (batch, seq_len, d_ff)."""
        if self.gate_proj is None:
            return self.activation(self.up_proj(x))  # (batch, seq_len, d_ff)
        return self.activation(self.gate_proj(x)) * self.up_proj(x)  # (batch, seq_len, d_ff)

    def contract(self, hidden: Tensor) -> Tensor:
        """Back to the stream's size: hidden (batch, seq_len, d_ff) to (batch, seq_len, d_model)."""
        return self.down_proj(self.dropout(hidden))  # (batch, seq_len, d_model)


def activation_name(activation: Callable) -> str:
    """The name of what torch's layer was given: a function, or a module such as nn.GELU(approximate="tanh")."""
    if activation is F.relu or activation is torch.relu or isinstance(activation, nn.ReLU):
        return "relu"
    if activation is F.gelu:
        return "gelu"
    if isinstance(activation, nn.GELU):
        return "gelu_tanh" if activation.approximate == "tanh" else "gelu"
    raise ValueError(f"layer must use relu or gelu, got {activation!r}")
