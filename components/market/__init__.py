"""Floor 1: bars, features, labels, splits and synthetic markets. No torch here."""
