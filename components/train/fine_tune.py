"""One shard of a fleet: the stocks that are its share, on the foundation, as one bundle."""

from pathlib import Path
from typing import Any

from components.core import family as families
from components.core.files import file_lock, read_json
from components.core.run_context import open_run
from components.train.fit import ORPHAN_WAIT_S

STOCKS = "stocks.json"
"""What the examples of a fleet say of their stocks."""


def fine_tune(
    examples: str,
    family: str,
    recipe: str,
    dataset: str,
    *,
    shard: int,
    num_shards: int,
    out: str,
    root: str,
    run_key: str,
) -> dict[str, Any]:
    """Write the twins of every ``num_shards``-th stock, counted from ``shard``, to ``out``; return their facts."""
    step = f"fine-tune-{shard}"
    with open_run(step, root=root, run_key=run_key) as run:
        member = families.find(family)
        config = member.config.parse_json(recipe, name="recipe")
        tickers = sorted(read_json(Path(examples) / STOCKS)["stocks"])[shard::num_shards]
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        with file_lock(run.checkpoints / f"{step}.lock", f"run {run_key}", wait_s=ORPHAN_WAIT_S):
            folders = {ticker: Path(examples) / ticker for ticker in tickers}
            told = member.module("shard").train_shard(config, folders, dataset, Path(out), run)
        run.record(**told)
        return {key: told[key] for key in ("digest", "foundation", "num_twins", "num_trained")}
