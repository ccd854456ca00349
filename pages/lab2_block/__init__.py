"""Lab 2: the transformer block, one file a section."""
