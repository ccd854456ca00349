"""Trains the two output heads on MiniLM's frozen hidden states, and stores them with a card of what they can do.

    python -m engine.experiments.output_heads --data DIR --out assets/models/minilm-heads

The encoder reads each text once; its vectors are kept in memory, and only the heads are trained on them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine import models
from engine.experiments.heads_card import write_card
from engine.experiments.heads_data import MASK_SHARE, Features, Masked, masked, pooled, reviews, story_pieces
from engine.output_heads import CLASSES, ClassificationHead, MaskedLanguageHead, OutputHeads, new_heads, save_heads

HELD_OUT_SEED = 1000  # which tokens of the held-out stories are masked: the same whatever the training seed


@dataclass(frozen=True)
class Recipe:
    """How the heads are trained."""

    seed: int = 0
    story_tokens: int = 320_000
    held_out_tokens: int = 32_000
    batch_size: int = 64
    class_epochs: int = 40
    class_learning_rate: float = 2e-3
    language_epochs: int = 4
    language_learning_rate: float = 2e-3
    weight_decay: float = 0.01


def train_classification(head: ClassificationHead, features: Features, recipe: Recipe) -> None:
    """AdamW on the cross-entropy of pooled vectors."""
    vectors = getattr(features, head.pooling)  # (n_texts, d_model)

    def loss(rows: Tensor) -> Tensor:
        return F.cross_entropy(head.output_proj(vectors[rows]), features.labels[rows])

    _train(head, loss, len(vectors), recipe.class_epochs, recipe.class_learning_rate, recipe)


def train_language(head: MaskedLanguageHead, examples: Masked, recipe: Recipe) -> None:
    """AdamW on the cross-entropy over the whole vocabulary at each masked token.

    The bias starts at each token's log frequency, so that the head starts from what counting alone knows.
    """
    counts = examples.targets.bincount(minlength=len(head.bias)) + 0.1  # no word is impossible
    with torch.no_grad():
        head.bias.copy_((counts / counts.sum()).log())

    def loss(rows: Tensor) -> Tensor:
        return F.cross_entropy(head(examples.hidden[rows]), examples.targets[rows])

    _train(head, loss, len(examples.targets), recipe.language_epochs, recipe.language_learning_rate, recipe)


def _train(
    head: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    n_examples: int,
    epochs: int,
    learning_rate: float,
    recipe: Recipe,
) -> None:
    """Epochs in an order drawn from the seed; the learning rate falls to 0 in a straight line."""
    generator = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=learning_rate, weight_decay=recipe.weight_decay)
    n_steps = epochs * -(-n_examples // recipe.batch_size)
    falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / n_steps)
    for _ in range(epochs):
        for rows in torch.randperm(n_examples, generator=generator).split(recipe.batch_size):
            optimiser.zero_grad()
            loss_of(rows).backward()
            optimiser.step()
            falling.step()


@torch.no_grad()
def classification_accuracy(head: ClassificationHead, features: Features) -> float:
    """The share of texts whose larger logit is their label."""
    guesses = head.output_proj(getattr(features, head.pooling)).argmax(dim=-1)  # (n_texts,)
    return (guesses == features.labels).float().mean().item()


@torch.no_grad()
def language_accuracy(head: MaskedLanguageHead, examples: Masked, tops: Sequence[int] = (1, 5)) -> list[float]:
    """For each number n in `tops`: the share of masked tokens that are among the head's n likeliest."""
    right = []
    for hidden, targets in zip(examples.hidden.split(256), examples.targets.split(256), strict=True):
        right.append(head(hidden).topk(max(tops)).indices == targets[:, None])  # (n_masked, top)
    found = torch.cat(right)
    return [found[:, :top].any(dim=-1).float().mean().item() for top in tops]


def measure(heads: OutputHeads, loaded: models.LoadedModel, data: Path, recipe: Recipe) -> dict:
    """What the heads reach on held-out text, beside guessers that read nothing. Needs the card's most_frequent_ids."""
    test = pooled(loaded, reviews(data)[1])
    pieces = story_pieces(data / "stories" / "tinystories_heldout.txt", HELD_OUT_SEED)
    held_out = masked(loaded, pieces, recipe.held_out_tokens, HELD_OUT_SEED)
    frequent = torch.tensor(heads.card["most_frequent_ids"])
    top1, top5 = language_accuracy(heads.language, held_out)
    positive = test.labels.float().mean().item()
    return {
        "test_sentences": len(test.labels),
        "majority_accuracy": max(positive, 1 - positive),
        **{f"accuracy_{name}": classification_accuracy(head, test) for name, head in heads.classification.items()},
        "held_out_tokens": held_out.n_tokens,
        "held_out_masked": len(held_out.targets),
        "frequency_top1": (held_out.targets == frequent[0]).float().mean().item(),
        "frequency_top5": torch.isin(held_out.targets, frequent).float().mean().item(),
        "top1": top1,
        "top5": top5,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, store, load what was stored, measure it, and write the card."""
    asked = _parse(arguments)
    recipe, start = Recipe(seed=asked.seed, story_tokens=asked.story_tokens), time.perf_counter()
    torch.set_num_threads(1)
    loaded = models.load("minilm", device="cpu")
    train = pooled(loaded, reviews(asked.data)[0])
    _say(start, f"{len(train.labels):,} reviews read")
    pieces = story_pieces(asked.data / "stories" / "tinystories_train.txt", recipe.seed)
    examples = masked(loaded, pieces, recipe.story_tokens, recipe.seed)
    _say(start, f"{examples.n_tokens:,} tokens of stories read, {len(examples.targets):,} of them masked")
    heads = new_heads(loaded.model.token_embedding, seed=recipe.seed)
    for head in heads.classification.values():
        train_classification(head, train, recipe)
    _say(start, "classification heads trained")
    train_language(heads.language, examples, recipe)
    _say(start, "language-model head trained")
    card = {
        "encoder": loaded.info.name,
        "encoder_sha256": loaded.info.sha256,
        "classes": CLASSES,
        "recipe": asdict(recipe),
        "mask_share": MASK_SHARE,
        "train_sentences": len(train.labels),
        "train_tokens": examples.n_tokens,
        "train_masked": len(examples.targets),
        "most_frequent_ids": examples.targets.bincount().topk(5).indices.tolist(),
    }
    save_heads(heads, asked.out, card)
    _say(start, "stored; measuring what was stored")
    card["results"] = measure(models.load_heads(loaded, asked.out), loaded, asked.data, recipe)
    card["seconds"] = round(time.perf_counter() - start)
    save_heads(heads, asked.out, card)
    write_card(asked.out, card, loaded)
    _say(start, str(card["results"]))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m engine.experiments.output_heads", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder that LABS_DATA names")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--story-tokens", type=int, default=Recipe.story_tokens)
    return parser.parse_args(arguments)


def _say(start: float, words: str) -> None:
    sys.stdout.write(f"{time.perf_counter() - start:6.0f} s  {words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
