"""Step: record the judged model; make it champion if, and only if, its verdict is a pass."""
