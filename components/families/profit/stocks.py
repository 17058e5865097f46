"""Models of single stocks: from scratch, or fine-tuned from a base model of many.

The names are those of the published system. Each training reads an examples folder cut down to its symbols, so that
what it saw is on record as in any other run.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from components.core.bundle import Bundle
from components.core.errors import DataError
from components.core.files import fresh_folder, sha256_of, write_json
from components.core.run_context import RunContext
from components.families.profit.config import ProfitConfig, StartConfig, TrainConfig
from components.families.profit.model import ProfitNetwork
from components.families.profit.predict import load_model
from components.families.profit.train import train
from components.learning.examples import MANIFEST, read_examples
from components.market.examples_manifest import TABLE, examples_digest

FINETUNE_EPOCHS: Final = ProfitConfig().finetune_epochs


def examples_of(examples: Path, symbols: Sequence[str], out: Path) -> Path:
    """Return ``out``, which now holds the examples of these symbols alone, in the zones that they have.

    The sealed holdout is left where it is, unopened.

    Raises:
        ArtifactError: If the examples were altered.
        DataError: If there is no example of a symbol.
    """
    manifest = dict(read_examples(examples).manifest)
    table = pq.read_table(examples / TABLE)
    if missing := sorted(set(symbols) - set(table["symbol"].to_pylist())):
        raise DataError(
            f"no example of {missing[0]}", file=str(examples / TABLE), column="symbol",
            remedy=f"There is {', '.join(manifest['symbols'][:8])}: leave it out, or ingest its bars",
        )  # fmt: skip
    kept = table.filter(np.isin(table["symbol"].to_numpy().astype(str), list(symbols)))
    times, zone = kept["timestamp"].to_numpy().astype("datetime64[s]"), kept["zone"].to_numpy().astype(str)
    zones = {str(name): _facts(times[zone == name]) for name in np.unique(zone)}
    with fresh_folder(out) as folder:
        pq.write_table(kept, folder / TABLE, compression="zstd", write_page_checksum=True)
        files = {TABLE: sha256_of(folder / TABLE)}
        cut = manifest | {"files": files, "symbols": sorted(symbols), "rows": kept.num_rows, "zones": zones}
        write_json(folder / MANIFEST, cut | {"digest": examples_digest(cut)})
    return out


def _facts(times: npt.NDArray[np.datetime64]) -> dict[str, Any]:
    ends = {"first": f"{times.min()}+00:00", "last": f"{times.max()}+00:00"}
    return {"rows": times.size, "timestamps": np.unique(times).size, **ends}


@dataclass(frozen=True)
class BaseModelTrainer:
    """Trains one model of several stocks, for others to start from."""

    base_stocks: tuple[str, ...]
    config: ProfitConfig
    examples: Path
    run: RunContext

    def train_base_model(
        self, out: Path, *, max_steps: int = TrainConfig().max_steps, batch: int = TrainConfig().batch
    ) -> Bundle:
        """Return the sealed bundle in ``out``; the examples of its stocks lie beside it."""
        config = _changed(self.config, max_steps=max_steps, batch=batch, epochs=None)
        return train(config, examples_of(self.examples, self.base_stocks, _beside(out)), out, self.run)

    def finetune_for_stock(self, symbol: str, base: Bundle, out: Path, *, num_epochs: int = FINETUNE_EPOCHS) -> Bundle:
        """Return the sealed bundle in ``out``: the base model's weights, trained on for one stock.

        Raises:
            ArtifactError: If the base model is not the bundle that it was, or saw days that are to judge.
        """
        start = StartConfig(bundle=str(base.folder), expect=base.digest)
        config = _changed(self.config, epochs=num_epochs).model_copy(update={"start": start})
        return train(config, examples_of(self.examples, [symbol], _beside(out)), out, self.run)


def train_single_stock_with_profit(
    symbol: str, config: ProfitConfig, examples: Path, out: Path, run: RunContext
) -> tuple[ProfitNetwork, Path]:
    """Return the network of one stock, trained from scratch, and the folder of its sealed bundle."""
    bundle = train(config, examples_of(examples, [symbol], _beside(out)), out, run)
    return load_model(bundle)[1], bundle.folder


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}-examples")


def _changed(config: ProfitConfig, **settings: Any) -> ProfitConfig:
    return config.model_copy(update={"train": config.train.model_copy(update=settings)})
