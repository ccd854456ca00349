"""What several sections of Lab 2 share: the learner's sentence."""

from components import state

SENTENCE = "The old captain sailed home, and the storm followed his ship."

TEXT = state.Text("text", SENTENCE, "Sentence")

LAYERS = 6  # of the bundled model
