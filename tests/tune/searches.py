"""A small search on a market that is made up in memory; its trials take a fraction of a second."""

from pathlib import Path
from typing import Any

from hybrid_market import raw_rows, tiny, write

from components.core.search import Options, Range
from components.core.workspace import Workspace
from components.families.hybrid import FAMILY
from components.tune.search import Search


def search_in(folder: Path, **changes: Any) -> Search:
    values: dict[str, Any] = {
        "family": FAMILY, "recipe": tiny(train={"epochs": 1}), "dataset": "made_up",
        "space": {"train.lr": Range(1e-4, 1e-2, log=True), "train.batch": Options((16, 32))},
        "examples": folder / "examples", "workspace": Workspace.at(str(folder / "root")), "folder": folder / "search",
        "metric": "val_sharpe_ratio",
    }  # fmt: skip
    return Search(**values | changes)


def examples_in(folder: Path) -> Path:
    return write(folder / "examples", raw_rows(2, 160, seed=0))
