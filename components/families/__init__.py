"""Floor 3: one folder per model family, strangers to each other. The listing is the registry."""
