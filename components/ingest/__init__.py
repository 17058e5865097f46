"""Step: read bars, check every row, set faulty ones aside if asked, keep an immutable snapshot."""
