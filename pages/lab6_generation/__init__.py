"""Lab 6, text generation: one file a section, in the order of the screen."""
