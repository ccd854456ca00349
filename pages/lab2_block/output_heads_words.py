"""What section 9 says about the two heads on screen, made from their numbers."""

from typing import TYPE_CHECKING

from components.text import escape

if TYPE_CHECKING:
    from torch.nn import Module

    from engine.output_heads import OutputHeads
    from pages.lab2_block.output_heads import Answers

CLASSES = ("negative", "positive")


def reading(answers: "Answers") -> str:
    """How to read the figure."""
    gap = "It is replaced by [MASK], so the encoder reads a text with a gap. " if answers.masked else ""
    return (
        f"Click a token to have it guessed. {gap}In brackets: the shape (batch, seq, size). Left: softmax over 2 "
        "classes, for the whole text. Right: softmax over all words of the vocabulary, at one token. Underlined: the "
        "chosen token, and the word that stood there."
    )


def notice(answers: "Answers") -> str:
    """The two answers side by side, and what the gap did to the first."""
    shares = answers.classified.probabilities[0].tolist()
    winner = int(shares[1] > shares[0])
    shape = "(" + ", ".join(map(str, answers.hidden.shape)) + ")"
    best, share = answers.likeliest[0]
    words = (
        f"Both heads read the same {shape} numbers; <b>only what stands on top differs</b>. The left one answers once: "
        f"{CLASSES[winner]}, {shares[winner]:.2f}. The right one answers {answers.hidden.shape[1]} times; at token "
        f"{answers.place + 1} it says “{escape(best)}” with {share:.2f}. "
    )
    return words + _pull(answers) + _gap(answers, shares[1]) + _far_down(answers)


def _pull(answers: "Answers") -> str:
    if answers.pooling == "cls":
        return (
            "With [CLS] alone, no other token’s vector reaches the left head: what they say must have come into [CLS] "
            "by attention."
        )
    pulls = answers.pulls.tolist()
    place = max(range(len(pulls)), key=lambda one: abs(pulls[one]))
    return (
        f"Strongest pull on the class: “{escape(answers.tokens[place])}” with {signed(pulls[place])}; the mean of all "
        f"{len(pulls)} is {signed(answers.margin)}."
    )


def _gap(answers: "Answers", positive: float) -> str:
    if not answers.masked:
        return (
            " Without [MASK] the encoder sees the word that it is asked for; the right head learned only from gaps, so "
            "do not read much into its answer here."
        )
    before = answers.unmasked[0, 1].item()
    return (
        f" With “{escape(answers.word)}” in place of [MASK], positive is {before:.2f} and not {positive:.2f}: "
        "a change in one token reaches every vector."
        if f"{before:.2f}" != f"{positive:.2f}"
        else f" Hiding “{escape(answers.word)}” leaves positive at {positive:.2f}."
    )


def _far_down(answers: "Answers") -> str:
    if not answers.masked or answers.rank <= 10:
        return ""
    return (
        f" The word that stood there is only number {answers.rank:,}: this encoder was trained to compare sentences, "
        "not to fill gaps, and a head can read no more than the hidden states hold."
    )


def true_word(answers: "Answers") -> str:
    """Where the word that stood there ended up. Plain text: the figure sets it as text."""
    there = "stood there" if answers.masked else "stands there"
    if answers.rank == 1:
        return f"“{answers.word}”, which {there}, comes first."
    return f"“{answers.word}”, which {there}, comes at place {answers.rank:,} with {_small(answers.probability)}."


def own_weights(head: "Module") -> str:
    """What a head holds, and what it borrows. Plain text."""
    own = sum(weight.numel() for weight in head.parameters())
    tied = getattr(head, "decoder_weight", None)
    borrowed = "" if tied is None else f", and {tied.numel():,} borrowed from the word embeddings"
    return f"{own:,} weights of its own{borrowed}."


def held_out(card: dict) -> str:
    """What the heads reach on text they have not learned from."""
    results = card["results"]
    return (
        f"Measured on held-out text: class right for {results['accuracy_mean']:.1%} of {results['test_sentences']:,} "
        f"review sentences (mean; [CLS] {results['accuracy_cls']:.1%}; guessing {results['majority_accuracy']:.1%}). "
        f"Masked word of a story right for {results['top1']:.1%} of {results['held_out_masked']:,}, among the first "
        f"five for {results['top5']:.1%} (most frequent word {results['frequency_top1']:.1%}, five most frequent "
        f"{results['frequency_top5']:.1%})."
    )


def costs(answers: "Answers", heads: "OutputHeads") -> str:
    """Parameters and memory of each head, counted from its modules and its output."""
    classes, words = heads.classification[answers.pooling], heads.language
    own = [sum(weight.numel() for weight in head.parameters()) for head in (classes, words)]
    borrowed = [0, words.decoder_weight.numel()]
    numbers = [answers.classified.logits.numel(), answers.logits.numel()]
    rows = "".join(
        f"<tr><th>{name}</th><td>{mine:,}</td><td>{_bytes(4 * mine)}</td><td>{others:,}</td><td>{out:,}</td>"
        f"<td>{_bytes(4 * out)}</td></tr>"
        for name, mine, others, out in zip(("Classification", "Language model"), own, borrowed, numbers, strict=True)
    )
    return (
        "<table class='labs-small-table'><tr><th>Head</th><th>weights of its own</th><th>memory (float32)</th>"
        "<th>borrowed from the word embeddings</th><th>numbers in its answer</th><th>memory of the answer</th></tr>"
        f"{rows}</table>"
    )


def tied(answers: "Answers", dot: float, bias: float) -> str:
    """The likeliest word's logit in its two parts."""
    best = escape(answers.likeliest[0][0])
    return (
        "The last matrix of the language-model head is not new: row by row it is the word embedding that the encoder "
        "reads in with (tied weights). So a word’s logit is the dot product of this token’s vector, after dense, GELU "
        f"and norm, with that word’s own embedding, plus a bias that knows how frequent the word is. For “{best}”: "
        f"{signed(dot)} from the dot product, {signed(bias)} from the bias, {signed(dot + bias)} together. Softmax "
        f"over all {answers.logits.shape[-1]:,} logits makes the probabilities."
    )


def alt(answers: "Answers") -> str:
    """The figure in a sentence."""
    negative, positive = answers.classified.probabilities[0].tolist()
    words = ", ".join(f"{word} {share:.2f}" for word, share in answers.likeliest[:3])
    return (
        f"Classification head: negative {negative:.2f}, positive {positive:.2f}. Language-model head at token "
        f"{answers.place + 1}: {words}"
    )


def signed(value: float) -> str:
    """A number with its sign.

    >>> signed(-0.5), signed(1.0)
    ('−0.50', '+1.00')
    """
    return f"{value:+.2f}".replace("-", "−")


def _small(share: float) -> str:
    return f"{share:.3f}" if share >= 0.001 else f"{share:.1e}".replace("e-0", "e-").replace("-", "−")


def _bytes(count: int) -> str:
    return f"{count:,} B" if count < 1_000 else f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.2f} MB"
