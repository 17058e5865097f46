"""Step: read bars, check every row, set faulty ones aside if asked, keep an immutable snapshot."""

MAX_RESTATED = 0.001
"""Share of the bars known already that a source may have changed without anybody's leave."""
