"""One file a kind of figure. Pages name what they draw; only this folder knows colours, sizes and scales."""
