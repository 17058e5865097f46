"""Step: let the champion, or the family's baseline, say what comes next."""
