"""Floor 6: the pipelines, how they compile, and how they run."""

from pathlib import Path

COMPILED = Path(__file__).parent / "compiled"
"""The committed YAML of every pipeline."""

RUNNER = "qf-runner"
"""The service account that every run has on a cluster; ``manifests/base/accounts.yaml`` says what it may."""
WEEKLY, TWIN = "weekly-twin-retraining", "twin"
"""The pipeline that trains, judges and promotes a twin of each stock, and the family that they are of."""
COMPLETE, PROFIT, PAIRS = "profit-complete", "profit", "pairs"
"""The pipeline that trains a base model, fine-tunes stocks and fits portfolios, and the families that they are of."""
