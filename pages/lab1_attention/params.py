"""What several sections of Lab 1 share: the learner's sentence, and the head of the bundled model."""

from components import state

ANIMAL = "The animal didn't cross the street because it was too tired."
ANIMAL_WIDE = "The animal didn't cross the street because it was too wide."

TEXT = state.Text("text", ANIMAL, "Sentence")

LAYERS, HEADS = 6, 12  # of the bundled model
LAYER = state.Number("layer", 4, "Layer", low=1, high=LAYERS, step=1, help="Layers are counted from the bottom, from 1")
HEAD = state.Number("head", 2, "Head", low=1, high=HEADS, step=1, help="Each layer has 12 heads, counted from 1")
