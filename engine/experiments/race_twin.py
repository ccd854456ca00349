"""The race's models in torch's own layers, with our weights in them: a second opinion, and a rival in speed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.causal_lm import CausalLM
from engine.experiments.markov import make_followers
from engine.experiments.norm_race import RACERS, NormRaceConfig, Racer, batch_of, gradient_size
from engine.torch_blocks import copy_block


class RaceTwin(nn.Module):
    """nn.TransformerEncoderLayer with a causal mask, and the weights of `ours`, a model of the race, copied."""

    def __init__(self, ours: CausalLM) -> None:
        super().__init__()
        config, stack = ours.config, ours.decoder
        sizes = {"d_model": config.d_model, "nhead": config.n_heads, "dim_feedforward": config.d_ff, "dropout": 0.0}
        kind = {"activation": config.activation, "batch_first": True, "norm_first": config.norm_first}
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = nn.Embedding(config.max_len, config.d_model)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(**sizes, **kind) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d_model) if config.norm_first else nn.Identity()
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        later = torch.ones(config.max_len, config.max_len, dtype=torch.bool).triu(1)
        self.register_buffer("later", later)  # (seq_len, seq_len), True = may not be read: torch means the opposite
        self.embedding.load_state_dict(stack.token_embedding.state_dict())
        self.positions.load_state_dict(stack.position_embedding.state_dict())
        self.norm.load_state_dict(stack.final_norm.state_dict() if config.norm_first else {})
        self.head.load_state_dict(ours.lm_head.state_dict())
        for theirs, block in zip(self.layers, stack.layers, strict=True):
            copy_block(theirs, block)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (batch, seq_len) to logits (batch, seq_len, vocab_size); seq_len is max_len, as in the race."""
        places = torch.arange(ids.shape[1])  # (seq_len,)
        x = self.embedding(ids) + self.positions(places)  # (batch, seq_len, d_model)
        for layer in self.layers:
            x = layer(x, src_mask=self.later, is_causal=True)
        return self.head(self.norm(x))


def first_steps(config: NormRaceConfig) -> tuple[Tensor, Tensor]:
    """What step 1 of both racers says of itself, by our modules and by torch's: each (2, 1 + n_layers).

    The first column is the loss, the others the size of each layer's gradient.
    """
    followers = make_followers(config.vocab_size, torch.Generator().manual_seed(config.seed))
    ids = batch_of(config, 1, followers)
    ours, theirs = [], []
    for norm_first in RACERS.values():
        model = Racer(config, norm_first=norm_first).model
        twin = RaceTwin(model)
        ours.append(_measured(model, model.decoder.layers, ids))
        theirs.append(_measured(twin, twin.layers, ids))
    return torch.tensor(ours), torch.tensor(theirs)


def _measured(model: nn.Module, layers: nn.ModuleList, ids: Tensor) -> list[float]:
    with torch.enable_grad():
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
    return [loss.item(), *(gradient_size(layer.parameters()) for layer in layers)]
