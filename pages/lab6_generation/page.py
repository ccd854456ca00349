"""Lab 6, text generation: the list of its sections, in the order of the screen."""

from components.page import Section, open_lab

SECTIONS = [
    Section("idea", "The idea", "pages.lab6_generation.idea"),
    Section("step", "One step", "pages.lab6_generation.step"),
    Section("decoder", "Be the decoder", "pages.lab6_generation.decoder"),
    Section("race", "Race", "pages.lab6_generation.race"),
    Section("beam", "Beam search", "pages.lab6_generation.beam"),
    Section("constraints", "Constraints", "pages.lab6_generation.constraints"),
    Section("repeats", "Why it repeats", "pages.lab6_generation.repeats"),
    Section("temperature", "Temperature", "pages.lab6_generation.temperature"),
    Section("inside", "Look inside", "pages.lab6_generation.inside"),
    Section("speed", "Speed", "pages.lab6_generation.speed"),
]

open_lab("lab6", "Generate text", "about 2 h", SECTIONS)
