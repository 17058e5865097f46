"""Step: does the champion still hold? Where it does not, ask for a new training, with the numbers."""
