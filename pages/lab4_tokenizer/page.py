"""Lab 4, train a tokenizer: the list of its sections, in the order of the screen."""

from components.page import Section, open_lab

SECTIONS = [
    Section("idea", "The idea", "pages.lab4_tokenizer.idea"),
    Section("merges", "Merge by merge", "pages.lab4_tokenizer.merges"),
    Section("train", "Train it", "pages.lab4_tokenizer.train"),
    Section("tokens", "See tokens", "pages.lab4_tokenizer.tokens"),
    Section("size", "How large", "pages.lab4_tokenizer.size"),
    Section("judge", "Another text", "pages.lab4_tokenizer.judge"),
    Section("special", "Special tokens", "pages.lab4_tokenizer.special"),
    Section("wrong", "What goes wrong", "pages.lab4_tokenizer.wrong"),
    Section("without", "Without a line", "pages.lab4_tokenizer.without"),
    Section("others", "The others", "pages.lab4_tokenizer.others"),
]

open_lab("lab4", "Train a tokenizer", "about 2 h", SECTIONS)
