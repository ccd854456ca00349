"""Small language models for the tests of decoding: a table, one that keeps a count, and what transformers saves."""

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from engine.causal_lm import CausalLM
from engine.checkpoints import load_causal_lm
from tests.engine.conftest import randomised


class Table:
    """What comes next depends on the last token alone. logits (vocab_size, vocab_size): a row for each last token."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @classmethod
    def random(cls, vocab_size: int, seed: int, *, zeros: float = 0.0) -> "Table":
        """Random scores; a share of about `zeros` of all steps has no probability at all."""
        generator = torch.Generator().manual_seed(seed)
        logits = 2 * torch.randn(vocab_size, vocab_size, generator=generator)
        logits[torch.rand(vocab_size, vocab_size, generator=generator) < zeros] = -torch.inf
        logits[(logits == -torch.inf).all(dim=1)] = 0
        return cls(logits)

    @classmethod
    def always(cls, probabilities: list[float]) -> "Table":
        """The same distribution after every token."""
        return cls(torch.tensor([probabilities] * len(probabilities)).log())

    @property
    def log_probs(self) -> list[list[float]]:
        return self.logits.log_softmax(dim=-1).tolist()

    def next_logits(self, ids: Tensor) -> Tensor:
        return self.logits[ids[:, -1]]


class Spy:
    """Passes every question on, and notes the shape of what was asked."""

    def __init__(self, model) -> None:
        self.model, self.asked = model, []

    def next_logits(self, ids: Tensor) -> Tensor:
        self.asked.append(tuple(ids.shape))
        return self.model.next_logits(ids)


class Wrapped:
    """A model of transformers as one of ours: the very same logits on both sides of a comparison."""

    def __init__(self, theirs) -> None:
        self.theirs = theirs

    def next_logits(self, ids: Tensor) -> Tensor:
        return self.theirs(ids).logits[:, -1]


def random_gpt2(vocab_size: int, seed: int):
    """A GPT-2 of one layer whose random weights are so large that its opinions differ from token to token."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": vocab_size, "n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=1.0)).eval()


def random_llama(vocab_size: int, seed: int):
    """The same for Llama, with two query heads a key."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": vocab_size, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    return LlamaForCausalLM(LlamaConfig(**sizes, **heads, initializer_range=1.0)).eval()


def opened(theirs, path) -> CausalLM:
    """A model of transformers, saved as its users save it and opened by ours."""
    theirs.save_pretrained(path)
    return load_causal_lm(path)


def random_causal(config, seed: int = 0) -> CausalLM:
    """Ours with random norms and biases, so that no swapped weight passes."""
    return randomised(CausalLM(config, seed=seed))


@torch.no_grad()
def generated(theirs, prompt: list[int], **settings) -> list[list[int]]:
    """The new tokens of transformers' generate, each text up to its end token (eos_token_id) where it has one."""
    eos = settings.get("eos_token_id")
    ends = set() if eos is None else {eos} if isinstance(eos, int) else set(eos)
    found = theirs.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), pad_token_id=1, **settings
    )
    texts = []
    for text in getattr(found, "sequences", found)[:, len(prompt) :].tolist():
        end = next((place for place, token in enumerate(text) if token in ends), len(text))
        texts.append(text[: end + 1])
    return texts
