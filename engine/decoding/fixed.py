"""Reading in fixed shapes: every step does the same operations on the same memory, whatever the length of the text.

On a graphics card a step of a small model is over sooner than Python can ask for it. Asked for once and recorded as a
CUDA graph, it is replayed with a single call; but a recording knows no other shapes than its own. So keys and values
have room for the longest text from the beginning, and a mask hides what is not written yet. On a processor nothing is
recorded and the same steps are taken one by one, which is how the tests hold them equal to CausalLM.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.causal_lm import CausalLM
from engine.rotary import rotary_turns, turn

WARM_UP = 3  # steps before the recording, in which libraries set aside what they need


def fixed_can_read(model: CausalLM) -> bool:
    """Whether this reading knows the model's shape: Pre-LN with shortcuts, rotary or learned positions."""
    c = model.config
    positions = c.positions == "learned" or (c.positions == "rotary" and c.rotary_scaling != "dynamic")
    return positions and c.norm_first and c.residual and model.decoder.embedding_norm is None


class FixedReader:
    """Reads one text for a strategy; see engine.decoding.reading.Reader."""

    def __init__(self, model: CausalLM, max_len: int) -> None:
        self.model, self.config, self.length = model, model.config, 0
        c, weight = model.config, model.decoder.token_embedding.weight
        self.keys, self.values = (
            torch.zeros(c.n_layers, c.key_value_heads, max_len, c.head_dim, device=weight.device, dtype=weight.dtype)
            for _ in range(2)
        )
        self.places = torch.arange(max_len, device=weight.device)  # (max_len,)
        self.turns = None
        if c.positions == "rotary":
            rotary = {"base": c.rotary_base, "scaling": c.scaling}
            self.turns = rotary_turns(weight.new_empty(max_len, c.head_dim), self.places, **rotary)
        # What a recorded step reads and writes: always these.
        self.token, self.place = (torch.zeros(1, dtype=torch.long, device=weight.device) for _ in range(2))
        self.graph: torch.cuda.CUDAGraph | None = None
        self.logits: Tensor | None = None  # (1, vocab_size), of the recorded step

    def start(self, prompt_ids: Sequence[int]) -> Tensor:
        self.length = 0
        return self.extend(prompt_ids)[-1:]

    @torch.no_grad()
    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> Tensor:
        if list(rows) != [0]:
            raise ValueError(f"reading must be auto, lean, cached or whole for {len(rows)} texts: fixed reads only one")
        self.token.fill_(tokens[0])
        self.place.fill_(self.length)
        self.length += 1
        if not self.token.is_cuda:
            return self._step(self.token, self.place)
        if self.graph is None:
            self._record()
        self.graph.replay()
        return self.logits.clone()

    @torch.no_grad()
    def extend(self, tokens: Sequence[int]) -> Tensor:
        ids = torch.tensor(tokens, device=self.places.device)  # (new_len,)
        places = self.places[self.length : self.length + len(tokens)]  # (new_len,)
        self.length += len(tokens)
        return self._step(ids, places)

    def truncate(self, length: int) -> None:
        self.length = length

    def _record(self) -> None:
        """Record one step. Taking it several times writes the same numbers into the same place."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self._step(self.token, self.place)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.logits = self._step(self.token, self.place)

    def _step(self, ids: Tensor, places: Tensor) -> Tensor:
        """New tokens (new_len,) at their places (new_len,) to the logits after each, (new_len, vocab_size)."""
        decoder = self.model.decoder
        x = decoder.token_embedding(ids)  # (new_len, d_model)
        if self.config.scale_embeddings:
            x = x * self.config.d_model**0.5
        if decoder.position_embedding is not None:
            x = x + decoder.position_embedding(places)
        may_read = self.places <= places[:, None]  # (new_len, max_len)
        for number, block in enumerate(decoder.layers):
            x = x + self._attend(number, block.attention, block.attention_norm(x), places, may_read)
            x = x + block.feed_forward(block.feed_forward_norm(x))
        return self.model.head(decoder.normalise(x)).float()

    def _attend(self, number: int, attention, x: Tensor, places: Tensor, may_read: Tensor) -> Tensor:
        c = self.config
        query, key, value = (
            projection(x).unflatten(-1, (-1, c.head_dim)).transpose(0, 1)  # (heads, new_len, head_dim)
            for projection in (attention.query_proj, attention.key_proj, attention.value_proj)
        )
        if self.turns is not None:
            turns = tuple(part[places] for part in self.turns)  # each (new_len, head_dim // 2)
            query, key = turn(query, turns), turn(key, turns)
        self.keys[number].index_copy_(1, places, key)
        self.values[number].index_copy_(1, places, value)
        grouped = c.key_value_heads < c.n_heads
        context = F.scaled_dot_product_attention(
            query[None], self.keys[number][None], self.values[number][None], attn_mask=may_read, enable_gqa=grouped
        )  # (1, n_heads, new_len, head_dim)
        return attention.out_proj(context[0].transpose(0, 1).flatten(1))  # (new_len, d_model)
