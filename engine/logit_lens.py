"""The logit lens: what a language model would say if it stopped after each block.

Every block of a Pre-LN model adds to one stream of vectors, and the head reads the stream's last state. Nothing keeps
one from letting the head read it earlier. Source: nostalgebraist 2020, "interpreting GPT: the logit lens".

What it cannot do: the head was trained on the last state only. Early states need not be written in the head's
language, so an answer that looks absurd may be a fair one that the head cannot read. Belrose et al. 2023 ("Eliciting
Latent Predictions from Transformers with the Tuned Lens") train a translator for each layer instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.causal_lm import CausalLM
from engine.decoder import DecoderTrace


@dataclass(frozen=True)
class LogitLens:
    """What one text's model would say at each depth: row 0 before the first block, row l after block l.

    The columns are the positions that were asked for. A target is the token that each position is asked about; its
    rank is the number of tokens that are likelier, 0 for the likeliest.
    """

    positions: tuple[int, ...]  # n_positions of them, counted from 0
    top_ids: Tensor  # (n_layers + 1, n_positions, n_top), likeliest first
    top_probabilities: Tensor  # the same shape
    entropy: Tensor  # (n_layers + 1, n_positions), in nats: 0 when it is certain
    targets: Tensor  # (n_positions,), ids
    target_probabilities: Tensor  # (n_layers + 1, n_positions)
    target_ranks: Tensor  # (n_layers + 1, n_positions), int64


@torch.no_grad()
def logit_lens(
    model: CausalLM,
    trace: DecoderTrace,
    *,
    targets: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
    n_top: int = 5,
) -> LogitLens:
    """Let the model's head read the stream before the first block and after every block.

    trace: model.trace(ids) of one text. positions: which of its tokens, all unless given. targets: one id for each
    position, such as the token that follows there; unless given, what the model says in the end.
    One layer is read at a time, so that no more than (n_positions, vocab_size) numbers are held at once.

    Raises ValueError for a trace of several texts or of another model, for positions that the text does not have, for
    targets outside the vocabulary or not one a position, and for an impossible n_top.
    """
    states = _states(model, trace)
    places = _places(positions, states[0].shape[0])
    vocab_size = model.config.vocab_size
    if not isinstance(n_top, int) or isinstance(n_top, bool) or not 1 <= n_top <= vocab_size:
        raise ValueError(f"n_top must be a whole number from 1 to the vocabulary's {vocab_size:,}, got {n_top!r}")
    index = torch.tensor(places, device=states[0].device)  # (n_positions,)
    if targets is None:
        wanted = model.lens(states[-1][index]).argmax(dim=-1)  # (n_positions,)
    else:
        wanted = _targets(targets, len(places), vocab_size).to(index.device)  # (n_positions,)
    rows = [_read(model.lens(state[index]), wanted, n_top) for state in states]
    top_ids, top, entropy, target, ranks = (torch.stack(column) for column in zip(*rows, strict=True))
    return LogitLens(places, top_ids, top, entropy, wanted, target, ranks)


def _read(logits: Tensor, targets: Tensor, n_top: int) -> tuple[Tensor, ...]:
    """What one depth says: logits (n_positions, vocab_size) to the likeliest, the entropy, and the targets' place."""
    log_probs = logits.float().log_softmax(dim=-1)  # (n_positions, vocab_size)
    top, top_ids = log_probs.topk(n_top, dim=-1)  # both (n_positions, n_top)
    entropy = torch.special.entr(log_probs.exp()).sum(dim=-1)  # (n_positions,)
    target = log_probs.gather(-1, targets[:, None])  # (n_positions, 1)
    ranks = (log_probs > target).sum(dim=-1)  # (n_positions,)
    return top_ids, top.exp(), entropy, target[:, 0].exp(), ranks


def _states(model: CausalLM, trace: DecoderTrace) -> list[Tensor]:
    """The stream at each depth, (seq_len, d_model), of the only text."""
    config, shapes = model.config, {tuple(state.shape) for state in trace.hidden_states}
    if len(trace.hidden_states) != config.n_layers + 1 or {shape[-1] for shape in shapes} != {config.d_model}:
        raise ValueError(
            f"trace must be of a model with {config.n_layers} layers of d_model {config.d_model}, got "
            f"{len(trace.hidden_states)} hidden states of shape {sorted(shapes)}"
        )
    batch = trace.hidden_states[0].shape[0]
    if batch != 1:
        raise ValueError(f"trace must be of one text, got a batch of {batch}")
    return [state[0] for state in trace.hidden_states]


def _places(positions: Sequence[int] | None, seq_len: int) -> tuple[int, ...]:
    places = tuple(range(seq_len)) if positions is None else tuple(int(place) for place in positions)
    if not places or not all(0 <= place < seq_len for place in places):
        raise ValueError(f"positions must be one or more from 0 to {seq_len - 1}, got {list(places)}")
    return places


def _targets(targets: Sequence[int], n_positions: int, vocab_size: int) -> Tensor:
    wanted = torch.as_tensor(targets, dtype=torch.int64)  # (n_positions,)
    if wanted.shape != (n_positions,):
        raise ValueError(f"targets must be one id for each of {n_positions} positions, got shape {tuple(wanted.shape)}")
    if not bool(((wanted >= 0) & (wanted < vocab_size)).all()):
        raise ValueError(f"targets must be ids from 0 to {vocab_size - 1}, got {wanted.tolist()}")
    return wanted
