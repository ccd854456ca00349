"""Lab 2, the transformer block: the list of its sections, in the order of the screen."""

from components.page import Section, open_lab

SECTIONS = [
    Section("block", "The block", "pages.lab2_block.block"),
    Section("norm", "Normalise", "pages.lab2_block.normalisation"),
    Section("feed-forward", "Feed forward", "pages.lab2_block.feed_forward"),
    Section("residual", "Residuals", "pages.lab2_block.residuals"),
    Section("race", "Where the norm goes", "pages.lab2_block.race"),
    Section("stack", "Stack it", "pages.lab2_block.stack"),
    Section("translate", "Encoder + decoder", "pages.lab2_block.translate"),
    Section("layers", "A real model", "pages.lab2_block.real_layers"),
    Section("heads", "To an answer", "pages.lab2_block.output_heads"),
    Section("lens", "Logit lens", "pages.lab2_block.lens"),
]

open_lab("lab2", "The transformer block", "about 2 h", SECTIONS)
