"""Step: point-in-time examples with labels and zones."""
