"""A second opinion on our blocks: torch's own layers with our weights, shared or copied.

torch.nn.TransformerEncoderLayer knows LayerNorm and ReLU or GELU. The two things it lacks are put in by torch's own
means: torch.nn.RMSNorm in place of its norms, and Shazeer 2020's equation 6 in place of its first matrix for SwiGLU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.attention import MultiHeadAttention
from engine.blocks import DecoderBlock, EncoderBlock
from engine.initial import no_random_start


def torch_layer(block: EncoderBlock) -> nn.TransformerEncoderLayer:
    """torch's own layer with the weights of `block`, shared where its form allows. Batch first.

    Raises ValueError for what torch's layer cannot be made to do: grouped or rotary heads, no shortcuts, no biases.
    """
    attention, feed_forward = block.attention, block.feed_forward
    projections = (attention.query_proj, attention.key_proj, attention.value_proj)
    if attention.n_kv_heads != attention.n_heads or attention.rotary_base is not None or not block.residual:
        raise ValueError("block must have as many key as query heads, no rotary positions, and its shortcuts")
    if any(projection.bias is None for projection in (*projections, feed_forward.up_proj)):
        raise ValueError("block must have biases, as torch's layer has")
    gated = feed_forward.gate_proj is not None
    with no_random_start(), torch.device("meta"):
        layer = nn.TransformerEncoderLayer(
            attention.d_model,
            attention.n_heads,
            feed_forward.up_proj.out_features,
            dropout=0.0,
            activation=nn.Identity() if gated else feed_forward.activation,
            batch_first=True,
            norm_first=block.norm_first,
        )
    own = layer.self_attn
    own.in_proj_weight = _fixed(torch.cat([projection.weight for projection in projections]))
    own.in_proj_bias = _fixed(torch.cat([projection.bias for projection in projections]))
    own.out_proj.weight, own.out_proj.bias = attention.out_proj.weight, attention.out_proj.bias
    layer.linear1 = _Gated(feed_forward.gate_proj, feed_forward.up_proj) if gated else feed_forward.up_proj
    layer.linear2 = feed_forward.down_proj
    layer.norm1, layer.norm2 = block.attention_norm, block.feed_forward_norm  # torch's own modules already
    # In eval mode torch may take a fused kernel that reads the fields of a plain LayerNorm and linear1; without
    # dropout the training mode computes the same, step by step, for every kind of norm and activation.
    return layer.train()


@torch.no_grad()
def torch_outputs(blocks: list[EncoderBlock], x: Tensor) -> list[Tensor]:
    """What torch's layers make of x (batch, seq_len, d_model), one after the other: the output of each."""
    outputs = []
    for block in blocks:
        x = torch_layer(block)(x)  # (batch, seq_len, d_model)
        outputs.append(x)
    return outputs


@torch.no_grad()
def copy_attention(theirs: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    """Put our weights into torch's attention, which keeps query, key and value in one matrix."""
    projections = (ours.query_proj, ours.key_proj, ours.value_proj)
    theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
    theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
    theirs.out_proj.load_state_dict(ours.out_proj.state_dict())


@torch.no_grad()
def copy_block(
    theirs: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer, block: EncoderBlock | DecoderBlock
) -> None:
    """Put our weights into torch's layer of the same sizes. Its norms are numbered in the order in which they act."""
    copy_attention(theirs.self_attn, block.attention)
    norms = [block.attention_norm, block.feed_forward_norm]
    if isinstance(theirs, nn.TransformerDecoderLayer):
        copy_attention(theirs.multihead_attn, block.cross_attention)
        norms.insert(1, block.cross_attention_norm)
    theirs.linear1.load_state_dict(block.feed_forward.up_proj.state_dict())
    theirs.linear2.load_state_dict(block.feed_forward.down_proj.state_dict())
    for number, norm in enumerate(norms, start=1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.state_dict())


class _Gated(nn.Module):
    """Shazeer 2020, equation 6, up to its last matrix."""

    def __init__(self, gate: nn.Linear, up: nn.Linear) -> None:
        super().__init__()
        self.gate, self.up = gate, up

    def forward(self, x: Tensor) -> Tensor:
        gate = F.linear(x, self.gate.weight, self.gate.bias)  # (batch, seq_len, d_ff)
        return gate * torch.sigmoid(gate) * F.linear(x, self.up.weight, self.up.bias)


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
