"""Lab 1: attention from scratch."""
