"""What several sections of Lab 4 share: the learner's text."""

from components import state

SENTENCE = "The lowest tower was lower than the newest, widest window."

TEXT = state.Text("text", SENTENCE, "Text")
