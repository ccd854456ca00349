"""The model card of the output heads, written from the numbers of the run that made them."""

import platform
from pathlib import Path

import torch

from engine.models import LoadedModel

_CARD = """# Output heads for {title}

Two classification heads (mean of the token vectors; the [CLS] vector) and one masked-language-model head, trained on
the frozen hidden states of {title}, whose weights have SHA-256
`{encoder_sha256}`.
The encoder was not changed and is not stored here; nor is the decoder, which is the encoder's word-embedding matrix.
float16 safetensors, {size:,} bytes. They show in Lab 2 what an output head is. They are small, and no match for a
fine-tuned model.

## Data and licences
- Film-review sentences, {train_sentences:,} to learn from: Pang & Lee sentence polarity v1.0, CC BY 4.0
  (`sentiment/mr.tsv`; every tenth row, index modulo 10 = 9, is the test set).
- Short stories, {train_tokens:,} tokens, {train_masked:,} of them masked: TinyStories, CDLA-Sharing-1.0
  (`stories/tinystories_train.txt`). Judged on `stories/tinystories_heldout.txt`, which shares no story with it.
- The encoder: {title}, {licence}.
- No text of any of them is stored here.

## How they were made
```
python -m engine.experiments.output_heads --data $LABS_DATA --out assets/models/minilm-heads --seed {seed} \\
    --story-tokens {story_tokens}
```
Seed {seed}, {seconds} seconds on one processor thread ({machine}, torch {torch}) of a machine that others used at the
same time. AdamW, weight decay {weight_decay}, batches of {batch_size}, learning rate falling in a straight line to 0:
from {class_learning_rate} over {class_epochs} epochs (classification),
from {language_learning_rate} over {language_epochs} epochs (words).
Every chosen token becomes [MASK], {mask_share:.0%} of each piece of one to three sentences.

## Held-out results (of the stored float16 weights)
| head | judged on | right | a guesser that reads nothing |
|---|---|---|---|
| classification, mean | {test_sentences:,} review sentences | {accuracy_mean:.1%} | {majority_accuracy:.1%} |
| classification, [CLS] | the same | {accuracy_cls:.1%} | {majority_accuracy:.1%} |
| masked word, likeliest | {held_out_masked:,} tokens of held-out stories | {top1:.1%} | {frequency_top1:.1%} |
| masked word, five likeliest | the same | {top5:.1%} | {frequency_top5:.1%} |

The guesser names the larger class, or the tokens that were masked most often in training: {frequent}.

## Limits
The encoder was trained to place sentences of like meaning close together, not to fill gaps, and was not trained
further. The words come from children's stories: names, numbers and subjects that do not occur there are guessed badly.
"Positive" and "negative" mean what they mean in film reviews; other texts get an answer too, and it may mean little.
"""


def write_card(folder: Path, card: dict, loaded: LoadedModel) -> None:
    """folder/README.md: what the heads are, what they learned from, how they were made, what they can and cannot do."""
    facts = {name: value for name, value in card.items() if name not in ("recipe", "results")}
    text = _CARD.format(
        **(facts | card["recipe"] | card["results"]),
        title=loaded.info.title,
        licence=loaded.info.licence,
        size=(folder / "model.safetensors").stat().st_size,
        machine=platform.machine(),
        torch=torch.__version__,
        frequent=", ".join(f"`{loaded.tokenizer.id_to_token(one)}`" for one in card["most_frequent_ids"]),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
