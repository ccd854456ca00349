"""What a learner sees: one folder a lab, one file a section on screen, in the order of the screen."""
