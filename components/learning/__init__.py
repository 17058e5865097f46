"""Floor 2: pieces that a family's training loop composes."""
