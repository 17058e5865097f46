"""What the forecast step hands to the features step: who made the forecasts, why, and their rows."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import ArtifactError
from components.core.files import digest_of, fresh_folder, read_json, sha256_of, write_json
from components.features.tables import Tables
from components.market.columns import FORECAST_SOURCE, FORECASTS
from components.market.views import FORECASTS_VIEW

TABLE: Final = "forecasts.parquet"
KEYS: Final = ("symbol", "timestamp", "event_timestamp", "created")


@dataclass(frozen=True)
class Forecasts:
    """Forecasts by a model, or the word that there are none and the statistical approximation is to be taken."""

    source: str = FORECAST_SOURCE
    """What made them: ``FORECAST_SOURCE``, or a model and the digest of its weights."""
    reason: str = ""
    """Why it is the statistical approximation; empty where nobody asked for another."""
    table: pa.Table | None = None
    """``KEYS``, then forecast_mean_1d ... and forecast_std_1d ..., one row per bar and version of it."""
    lookahead: Mapping[str, Any] | None = None
    """What ``foresight`` says of a model's rows."""

    def beside(self, tables: Tables) -> Tables:
        """Return what makes the other views, if the rows of forecasts are here; else what makes them all."""
        if self.table is None:
            return tables
        return lambda panel, interval: [part for part in tables(panel, interval) if part[0] != FORECASTS_VIEW]

    def rows(self) -> list[tuple[str, pa.Table]]:
        """Return the view of forecasts, if its rows are here: of the horizons, those that features read."""
        return [] if self.table is None else [(FORECASTS_VIEW, self.table.select([*KEYS, *FORECASTS]))]

    def probed(self, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was found of the other views, and of these rows."""
        if self.lookahead is None:
            return seen
        return {
            "views": [*seen["views"], *self.lookahead["views"]],
            "checked": f"{seen['checked']}; {self.lookahead['checked']}",
            "findings": [*seen["findings"], *self.lookahead["findings"]],
        }


STATISTICAL: Final = Forecasts()
"""The approximation, where nobody asked for another."""


def write_forecasts(out: Path, made: Forecasts, *, snapshot_digest: str) -> dict[str, Any]:
    """Write the forecasts and their manifest to ``out``; return the manifest."""
    with fresh_folder(out) as folder:
        files: dict[str, str] = {}
        if made.table is not None:
            pq.write_table(made.table, folder / TABLE, compression="zstd", write_page_checksum=True)
            files[TABLE] = sha256_of(folder / TABLE)
        manifest = {
            "source": made.source,
            "reason": made.reason,
            "snapshot_digest": snapshot_digest,
            "files": files,
            "lookahead": made.lookahead,
        }
        manifest["digest"] = digest_of(manifest)
        write_json(folder / "manifest.json", manifest)
    return manifest


def read_forecasts(folder: Path, *, snapshot_digest: str) -> Forecasts:
    """Return the forecasts in ``folder``, which were made of exactly these bars.

    Raises:
        ArtifactError: If they are of other bars, or the file of rows is altered, missing, or one too many.
    """
    manifest = read_json(folder / "manifest.json")
    if manifest["snapshot_digest"] != snapshot_digest:
        raise ArtifactError(
            f"{folder}: forecasts of snapshot {manifest['snapshot_digest'][:12]}, the bars are {snapshot_digest[:12]}. "
            "Run the forecast step again"
        )
    found = {path.name: sha256_of(path) for path in folder.glob("*.parquet")}
    if found != manifest["files"] or bool(found) == (manifest["source"] == FORECAST_SOURCE):
        raise ArtifactError(f"{folder}: its files are not those of the manifest. Run the forecast step again")
    table = pq.read_table(folder / TABLE, page_checksum_verification=True) if found else None
    return Forecasts(manifest["source"], manifest["reason"], table, manifest["lookahead"])
