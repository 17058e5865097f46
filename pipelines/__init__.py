"""Floor 6: the pipelines, how they compile, and how they run."""

from pathlib import Path

COMPILED = Path(__file__).parent / "compiled"
"""The committed YAML of every pipeline."""
