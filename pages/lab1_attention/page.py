"""Lab 1, attention from scratch: the list of its sections, in the order of the screen."""

from components.page import Section, open_lab

SECTIONS = [
    Section("idea", "The idea", "pages.lab1_attention.idea"),
    Section("by-hand", "By hand", "pages.lab1_attention.by_hand"),
    Section("shapes", "Shapes", "pages.lab1_attention.shapes"),
    Section("many-heads", "Many heads", "pages.lab1_attention.many_heads"),
    Section("masks", "Masks", "pages.lab1_attention.masks"),
    Section("cross-attention", "Cross-attention", "pages.lab1_attention.cross_attention"),
    Section("real-model", "A real model", "pages.lab1_attention.real_model"),
    Section("cost", "What it costs", "pages.lab1_attention.cost"),
    Section("heads-learn", "Heads learn", "pages.lab1_attention.heads_learn"),
]

open_lab("lab1", "Attention from scratch", "about 2 h", SECTIONS)
