"""Step: read bars, check every row, keep an immutable snapshot."""
