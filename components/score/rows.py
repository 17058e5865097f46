"""The feature rows that a window is made of, as each was known at its own bar: what training saw of the past."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from components.core.errors import ArtifactError, DataError
from components.core.family import Family
from components.core.files import inside, read_json, sha256_of
from components.market.context import MARKET
from feature_repo.place import Place
from feature_repo.store import apply, open_store, point_in_time

KEYS = ("symbol", "timestamp", "event_timestamp", "created")
MARKET_KEYS = ("market", "date", "event_timestamp", "created")


def decisions(folder: Path, member: Family, manifest: dict[str, Any]) -> pd.DataFrame:
    """Return symbol, timestamp and event_timestamp of each bar that was known when it was over, of the first view.

    Of a view of the market as a whole, the market's name stands for the symbol.

    Raises:
        ArtifactError: If a file differs from the manifest.
        DataError: If a view that the family reads was not filled.
    """
    for name, digest in manifest["files"].items():
        if sha256_of(inside(folder, name)) != digest:
            raise ArtifactError(f"{folder / name}: sha256 differs from the manifest. Run the features step again")
    for view in member.columns:
        if f"{view}.parquet" not in manifest["files"]:
            raise DataError(
                f"no rows of {view}, which {member.name} reads",
                file=str(manifest["source"]),
                remedy="Ingest what it is made of: daily bars, --context or --options",
            )
    path = folder / f"{next(iter(member.columns))}.parquet"
    keys = KEYS if "symbol" in pq.read_schema(path).names else MARKET_KEYS
    table = pq.read_table(path, columns=list(keys), page_checksum_verification=True)
    frame = table.rename_columns(list(KEYS)).to_pandas().assign(market=MARKET)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True).astype("datetime64[us, UTC]")
    frame = frame.sort_values("created", kind="stable").drop_duplicates(["symbol", "timestamp"])
    frame = frame[frame["created"] <= frame["event_timestamp"]].drop(columns="created")
    return frame.sort_values(["symbol", "timestamp"], ignore_index=True)


def known_rows(folder: Path, member: Family) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return symbol, timestamp, event_timestamp and the family's columns, and the manifest of the features.

    Rows that lack a feature are left out: they are the warm-up of the indicators.

    Raises:
        ArtifactError: If a file differs from the manifest.
        DataError: If a view was not filled, or no row is left.
    """
    manifest = read_json(folder / "manifest.json")
    spine = decisions(folder, member, manifest)
    columns = [column for names in member.columns.values() for column in names]
    with tempfile.TemporaryDirectory() as private:
        # A registry of this step's own: what another run registers meanwhile cannot change these rows.
        place = Place.embedded(Path(private))
        store = open_store(place, "scoring")
        apply(store, place, folder)
        joined = point_in_time(store, member.feature_service, spine).to_pandas()
    kept = joined[np.isfinite(joined[columns].to_numpy()).all(axis=1)]
    if kept.empty:
        raise DataError(
            f"{len(joined)} rows, none with all of {len(columns)} features",
            file=str(manifest["source"]),
            remedy="The longest indicator needs 200 bars of history: give longer series",
        )
    return kept, manifest
