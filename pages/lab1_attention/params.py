"""What several sections of Lab 1 share: one sentence that the learner carries from section to section."""

from components import state

ANIMAL = "The animal didn't cross the street because it was too tired."
ANIMAL_WIDE = "The animal didn't cross the street because it was too wide."

TEXT = state.Text("text", ANIMAL, "Sentence")
