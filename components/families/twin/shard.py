"""One shard of the weekly fleet: each stock has examples of its own, and what did not change is not trained again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.core.bundle import Bundle
from components.core.files import read_json
from components.core.run_context import RunContext
from components.families.twin.config import TwinConfig
from components.families.twin.fleet import TWINS
from components.families.twin.train import enough, foundation_of, train_each
from components.learning.examples import read_examples

KEPT = "twins"
"""Folder of the workspace that keeps each stock's newest twins."""


def train_shard(
    config: TwinConfig, folders: Mapping[str, Path], dataset: str, out: Path, run: RunContext
) -> dict[str, Any]:
    """Write the fleet of the stocks whose examples lie in ``folders``, by ticker, to ``out``; return what to tell.

    Raises:
        ArtifactError, DataError: If the examples cannot be trusted, or there is no foundation.
        InterruptedRunError: If the run was asked to stop; it was saved and the same run key goes on.
    """
    foundation = foundation_of(config, dataset, run)
    examples = {ticker: read_examples(folder) for ticker, folder in folders.items()}
    told = {"stocks": {ticker: data.digest for ticker, data in examples.items()}}
    stocks, refused = enough(config, examples, foundation, run.log)
    kept = run.workspace.root / KEPT / dataset
    made = train_each(config, stocks, foundation, out, run, told=told, refused=refused, kept=kept)
    return facts_of(made, foundation)


def facts_of(made: Bundle, foundation: Bundle) -> dict[str, Any]:
    """Return what a shard tells: its digest, its twins, and why some stocks have none."""
    told = read_json(made.path(TWINS))
    return {
        "digest": made.digest,
        "foundation": foundation.digest,
        "num_twins": len(told["twins"]),
        "num_trained": made.manifest["notes"]["num_trained"],
        "tickers": [twin["ticker"] for twin in told["twins"]],
        "short_history": [twin["ticker"] for twin in told["twins"] if twin["short_history"]],
        "diverged": [twin["ticker"] for twin in told["twins"] if twin["diverged"]],
        "refused": told["refused"],
    }
