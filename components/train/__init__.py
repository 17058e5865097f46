"""Step: train one family by its recipe."""
