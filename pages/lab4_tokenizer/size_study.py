"""What "How large" shows: every curve of one training over the same vocabulary sizes."""

from dataclasses import dataclass
from functools import cached_property

from engine.budget import count_parameters
from engine.model_config import ModelConfig
from engine.tokenizer import BPETokenizer, measures, sizes

STEP = 16
CONTEXT = 512  # tokens that the imagined model can read at once


@dataclass(frozen=True)
class Model:
    """The model that the tokenizer is imagined for: a causal transformer whose feed-forward part is 4 times as wide."""

    d_model: int
    n_layers: int
    tied: bool

    def config(self, vocab_size: int) -> ModelConfig:
        return ModelConfig(
            vocab_size,
            d_model=self.d_model,
            n_heads=self.d_model // 64,
            n_layers=self.n_layers,
            d_ff=4 * self.d_model,
            max_len=CONTEXT,
            tie_embeddings=self.tied,
        )

    def parameters(self, vocab_size: int) -> int:
        """All parameters of the model."""
        return count_parameters(self.config(vocab_size))

    def embedding(self, vocab_size: int) -> int:
        """The parameters that the vocabulary alone asks for, at both ends of the model."""
        return vocab_size * self.d_model * (1 if self.tied else 2)


@dataclass(frozen=True)
class Study:
    """Everything that the figure, the words and the table show."""

    tokenizer: BPETokenizer  # the largest
    judged: str  # the half of the corpus that was not trained on
    learners: str
    curve: sizes.SizeCurve  # of `judged`
    own: sizes.SizeCurve  # of `learners`
    size: int
    model: Model

    @property
    def last(self) -> int:
        """The largest size that the slider has."""
        return len(self.tokenizer) // STEP * STEP

    @cached_property
    def grid(self) -> list[int]:
        """The sizes that are drawn: fine where the curves bend, and the last one."""
        grid = [*range(256, 1024, STEP), *range(1024, 4096, 4 * STEP), *range(4096, 16_385, 16 * STEP)]
        return [*(size for size in grid if size < len(self.tokenizer)), len(self.tokenizer)]

    def at(self, size: int) -> int:
        return self.curve.at(size)

    @cached_property
    def bytes_per_token(self) -> list[float]:
        n_bytes = len(self.judged.encode())
        return [n_bytes / self.curve.n_tokens[self.at(size)] for size in self.grid]

    @cached_property
    def tokens_per_unit(self) -> list[float]:
        units = measures.n_units(self.judged)
        return [self.curve.n_tokens[self.at(size)] / units for size in self.grid]

    @property
    def unit_title(self) -> str:
        return "Tokens per word" if measures.writes_spaces(self.judged) else "Tokens per character"

    @cached_property
    def own_tokens(self) -> list[int | None]:
        return [self.own.n_tokens[self.at(size)] or None for size in self.grid]

    @cached_property
    def embedding(self) -> list[float]:
        """In millions."""
        return [self.model.embedding(size) / 1e6 for size in self.grid]

    @cached_property
    def embedding_percent(self) -> list[float]:
        return [100 * self.model.embedding(size) / self.model.parameters(size) for size in self.grid]

    @cached_property
    def unused_percent(self) -> list[float]:
        return [100 * self.unused_share(size) for size in self.grid]

    def unused_share(self, size: int) -> float:
        at = self.at(size)
        return self.curve.n_unused[at] / self.curve.vocab_sizes[at]

    @cached_property
    def knee(self) -> sizes.Knee | None:
        return sizes.find_knee(self.grid, self.bytes_per_token)

    @cached_property
    def chord(self) -> list[float]:
        """The straight line between the ends of the first curve."""
        (low, high), (first, last) = (self.grid[0], self.grid[-1]), (self.bytes_per_token[0], self.bytes_per_token[-1])
        return [first + (last - first) * (size - low) / max(1, high - low) for size in self.grid]

    def knee_of_the_first_half(self) -> int | None:
        """Where the knee would be had the training ended halfway."""
        middle = (self.grid[0] + self.grid[-1]) / 2
        n = sum(size <= middle for size in self.grid)
        found = sizes.find_knee(self.grid[:n], self.bytes_per_token[:n])
        return self.grid[found.index] if found else None
