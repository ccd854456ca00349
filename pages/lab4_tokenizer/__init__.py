"""Lab 4: a tokenizer from scratch, one file a section."""
