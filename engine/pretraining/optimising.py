"""The optimisers of a training: AdamW for all, or Muon for the matrices inside the blocks and AdamW for the rest.

Muon (Jordan et al. 2024) makes each step of a matrix nearly orthogonal, which trains small models in fewer steps; its
steps are scaled to the size of AdamW's (Liu et al. 2025, "Muon is Scalable for LLM Training"), so both take one rate.
"""

import torch
from torch import nn

from engine.pretraining.config import PretrainConfig

BETAS = (0.9, 0.95)


def make_optimisers(model: nn.Module, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """The optimisers; each group's "share" is its part of the learning rate. Norms and embeddings do not decay."""
    named = [(name, weights) for name, weights in model.named_parameters() if weights.requires_grad]
    matrices = [
        weights for name, weights in named if weights.ndim == 2 and "embedding" not in name and "head" not in name
    ]
    inside = {id(weights) for weights in matrices}
    others = [weights for _, weights in named if id(weights) not in inside]
    plain = {"params": others, "weight_decay": 0.0, "share": 1.0}
    options = {"lr": config.learning_rate, "betas": BETAS}
    if config.optimiser == "adamw":
        decaying = {"params": matrices, "weight_decay": config.weight_decay, "share": 1.0}
        return [torch.optim.AdamW([decaying, plain], **options)]
    muon = torch.optim.Muon(
        [{"params": matrices, "share": 1.0}],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, torch.optim.AdamW([plain], **options)]
