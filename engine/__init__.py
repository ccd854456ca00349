"""The transformer itself: attention, blocks, real checkpoints, and the measurements the labs show.

A plain library. It draws nothing, prints nothing and knows nothing of the dashboard, so everything here can be
imported in a notebook. Importing `engine` is free: torch is loaded by the modules that compute with it.
"""
