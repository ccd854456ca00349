"""The module's plan as data: labs, objectives, paths. Home draws it; a lab opens by naming its page here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What one path does in one lab, and how long it takes: hours from `low` to `high`, or `high` None for no end."""

    low: float
    high: float | None
    what: str

    @property
    def hours(self) -> str:
        if self.high is None:
            return f"{self.low:g} h and more"
        return f"{self.low:g} h" if self.low == self.high else f"{self.low:g}–{self.high:g} h"


@dataclass(frozen=True)
class Lab:
    """One lab. `page` is its script, seen from pages/, or None as long as the lab does not work."""

    number: int
    title: str
    focus: str
    outcome: str
    steps: dict[str, Step]  # path name -> step
    page: str | None = None


@dataclass(frozen=True)
class Path:
    name: str
    label: str
    hours: str
    for_whom: str


PATHS = (
    Path("standard", "Standard", "12–15 h", "Every lab, every main idea, one exercise each. Start here if unsure."),
    Path("quick", "Quick", "6–8 h", "The pictures and the key experiment of each lab. For a first overview."),
    Path(
        "deep",
        "Deep dive",
        "18 h and more",
        "All of the standard path, the folded parts, and an experiment of your own in each lab.",
    ),
)

LABS = (
    Lab(
        1,
        "Attention from scratch",
        "Queries, keys, values, the softmax, several heads, masks, and the heads of a real model.",
        "You explain attention on a whiteboard and write multi-head attention yourself.",
        {
            "standard": Step(2, 2.5, "All nine sections, the 3-token example once by hand with the results hidden."),
            "quick": Step(1.5, 1.5, "The idea, By hand, Masks, A real model."),
            "deep": Step(
                3, None, "All sections; write the attention function before you unfold ours; find a head's job."
            ),
        },
        page="lab1_attention/page.py",
    ),
    Lab(
        2,
        "The transformer block",
        "Residual stream, layer norm, feed-forward network; an encoder and a decoder from the same block.",
        "You build an encoder and a decoder, and say what each part of a block is for.",
        {
            "standard": Step(
                2, 2.5, "Follow one vector through a block, compare Pre-LN with Post-LN, build both stacks."
            ),
            "quick": Step(1, 1.5, "Follow one vector through a block; remove one part at a time."),
            "deep": Step(3, None, "Also train stacks of several depths with and without residuals."),
        },
        page="lab2_block/page.py",
    ),
    Lab(
        3,
        "Positional encoding",
        "Why attention does not know word order, and four ways to tell it: sinusoids, learned, RoPE, ALiBi.",
        "You explain why positions are needed and what each encoding does to a score.",
        {
            "standard": Step(1.5, 2, "Shuffle a sentence without positions, then compare the four encodings."),
            "quick": Step(0.5, 1, "Shuffle a sentence without positions; look at sinusoids."),
            "deep": Step(2.5, None, "Also measure how each encoding holds beyond the length it was trained on."),
        },
    ),
    Lab(
        4,
        "Train a tokenizer",
        "Byte-pair encoding: how words grow out of letters, the most frequent pair first.",
        "You train a BPE tokenizer on new text and say how its vocabulary changes a model's input.",
        {
            "standard": Step(2, 2, "Play the merges, train on a text of your own, compare vocabulary sizes."),
            "quick": Step(0.5, 1, "Play the merges on four lines of text."),
            "deep": Step(3, None, "Also write the merge loop, and try languages that the training text lacked."),
        },
        page="lab4_tokenizer/page.py",
    ),
    Lab(
        5,
        "Fine-tune BERT",
        "A pretrained encoder with a new output layer: learning rate, epochs, overfitting, honest measures.",
        "You fine-tune BERT on a task and recognise a run that has gone wrong.",
        {
            "standard": Step(
                2.5, 3, "Walk through a run's checkpoints, then start a run of your own and read its mistakes."
            ),
            "quick": Step(1.5, 1.5, "Walk through a stored run's checkpoints."),
            "deep": Step(3.5, None, "Also sweep rate and epochs, freeze layers, and compare with a simple baseline."),
        },
    ),
    Lab(
        6,
        "Generate text",
        "From scores to words: greedy, beam search, temperature, top-k, top-p, and why they differ.",
        "You implement the decoding methods and choose one for a purpose.",
        {
            "standard": Step(2, 3, "Compare two decoders on one prompt, move every knob, write top-p."),
            "quick": Step(1, 1.5, "Greedy against top-p, side by side."),
            "deep": Step(3, None, "Also write beam search with a cache, and measure repetition and diversity."),
        },
        page="lab6_generation/page.py",
    ),
)

OBJECTIVES = (
    (1, "Implement self-attention from scratch, and see what it computes."),
    (2, "Build an encoder and a decoder from the same block."),
    (3, "Understand positional encodings: what is lost without them, and how each brings it back."),
    (4, "Train a BPE tokenizer on text of your own."),
    (5, "Fine-tune BERT for a task, and tell when more training hurts."),
    (6, "Implement decoding: turn a model's scores into text."),
)

BUILDS_ON = (
    "Python: functions, lists, a little NumPy or PyTorch",
    "Vectors and matrices: what a dot product and a matrix product are",
    "Probability: what a distribution is. The softmax is explained in Lab 1",
    "One small neural network that you have trained: layers, loss, gradient",
)

PREPARES_FOR = (
    "Reading “Attention Is All You Need” and the code of the model libraries",
    "Large language models: instruction tuning, adapters, retrieval",
    "Looking inside models: what heads and layers do, and how one can know",
    "The same blocks elsewhere: images, sound, proteins",
)

# The picture of the architecture: which lab opens each box. Boxes stand in the order in which the data passes them.
BOXES = (
    {"box": "tokens", "lab": 4, "title": "Tokens", "text": "Text is cut into pieces"},
    {
        "box": "embedding",
        "lab": 3,
        "title": "Embedding + position",
        "text": "Each piece becomes numbers that know its place",
    },
    {"box": "attention", "lab": 1, "title": "Attention", "text": "Every word reads from the others"},
    {
        "box": "block",
        "lab": 2,
        "title": "Feed-forward",
        "text": "Then each word is worked on alone, and added to what it was",
    },
    {"box": "label", "lab": 5, "title": "A label", "text": "Fine-tuned to judge a text"},
    {"box": "word", "lab": 6, "title": "The next word", "text": "Chosen, appended, and round again"},
)


def lab(number: int) -> Lab:
    """The lab with this number."""
    return LABS[number - 1]
