"""What a second page needs: page frame, link state, controls, figures, audit line.

The only room that knows how things look.
"""
