"""Bars as an immutable artifact: one parquet file and a manifest that says what it is and where it came from."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.core.errors import ArtifactError
from components.core.files import atomic_file, digest_of, read_json, sha256_of, write_json
from components.market.bars import SCHEMA, Bars

FORMAT: Final = 2
BARS: Final = "bars.parquet"
QUARANTINE: Final = "quarantine.parquet"
LATER: Final = "later.parquet"
MANIFEST: Final = "manifest.json"
_ROW_GROUP_ROWS: Final = 262_144
_CODED: Final = ("symbol", "underlying", "type")


def write_snapshot(
    folder: Path,
    bars: Bars,
    *,
    source: str,
    dataset: str,
    asof: datetime,
    quality: Mapping[str, Any] | None = None,
    quarantine: pa.Table | None = None,
    later: pa.Table | None = None,
    beside: Mapping[str, pa.Table] | None = None,
    increment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write ``bars.parquet``, then ``manifest.json``, into ``folder`` and return the manifest.

    Rows that were set aside go to ``quarantine.parquet``. Equal bars give equal bytes and so an
    equal ``digest``, whatever the source is called, whenever they were read and whatever was set
    aside. ``later`` holds versions of bars that became known after the bar (``increment.merged``)
    and goes to ``later.parquet``; ``beside`` holds the tables of ``companions``, by file name;
    ``increment`` says what changed since the snapshot before.
    """
    tables = {BARS: bars.table.cast(SCHEMA), **(beside or {})}
    if later is not None and later.num_rows:
        tables[LATER] = later.cast(SCHEMA)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "dataset": dataset,
        "source": source,
        **_facts(bars),
        "asof": asof.astimezone(UTC).isoformat(),
        "increment": dict(increment or {}),
        "files": {name: _write_table(folder / name, table) for name, table in tables.items()},
    }
    if quality is not None:
        manifest["quality"] = dict(quality)
    if quarantine is not None:
        entry = _write_table(folder / QUARANTINE, quarantine)
        manifest["quarantine"] = {**entry, "rows": quarantine.num_rows}
    manifest["digest"] = _digest(manifest)
    manifest["seal"] = digest_of(manifest)
    write_json(folder / MANIFEST, manifest)
    return manifest


def _facts(bars: Bars) -> dict[str, Any]:
    """Return what a manifest says of the bars themselves."""
    range_of = pc.min_max(bars.table["timestamp"])
    return {
        "inputs": [asdict(item) for item in bars.inputs],
        "interval": bars.interval,
        "bar_seconds": bars.bar_seconds,
        "rows": bars.table.num_rows,
        "symbols": sorted(pc.unique(bars.table["symbol"]).to_pylist()),
        "first": range_of["min"].as_py().isoformat(),
        "last": range_of["max"].as_py().isoformat(),
    }


def _write_table(path: Path, table: pa.Table) -> dict[str, Any]:
    with atomic_file(path) as file:
        pq.write_table(
            table,
            file,
            compression="zstd",
            use_dictionary=[name for name in _CODED if name in table.column_names],  # pyright: ignore[reportArgumentType]
            row_group_size=_ROW_GROUP_ROWS,
            write_page_checksum=True,
        )
    return {"sha256": sha256_of(path), "bytes": path.stat().st_size}


def read_snapshot(folder: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the bars table and the manifest of a snapshot, after checking one against the other.

    Raises:
        ArtifactError: If a file is missing or altered, or the format is unknown.
    """
    manifest = read_manifest(folder / MANIFEST)
    for name, facts in manifest["files"].items():
        if not (folder / name).is_file():
            raise ArtifactError(f"{folder / name}: missing, though the manifest lists it. Run ingest again")
        if sha256_of(folder / name) != facts["sha256"]:
            raise ArtifactError(f"{folder / name}: sha256 differs from the manifest. It was altered; run ingest again")
    return _read_table(folder / BARS), manifest


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a snapshot, wherever it lies, after checking its digest and its seal.

    Raises:
        ArtifactError: If it is missing or altered, or the format is unknown.
    """
    manifest = read_json(path)
    if manifest.get("format") != FORMAT:
        raise ArtifactError(f"{path}: snapshot format {manifest.get('format')!r}, this version reads {FORMAT}")
    sealed = {key: value for key, value in manifest.items() if key != "seal"}
    if _digest(manifest) != manifest.get("digest") or digest_of(sealed) != manifest.get("seal"):
        raise ArtifactError(f"{path}: its digest does not fit. It was altered; run ingest again")
    return manifest


def read_later(folder: Path) -> pa.Table:
    """Return the versions of bars that became known after their bar; read the snapshot first, which checks the file."""
    return _read_table(folder / LATER) if (folder / LATER).is_file() else SCHEMA.empty_table()


def _read_table(path: Path) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
        table = parquet.read()
    if not table.schema.equals(SCHEMA):
        raise ArtifactError(f"{path}: columns {table.column_names}, want {SCHEMA.names}. Run ingest again")
    return table


def _digest(manifest: dict[str, Any]) -> str:
    """Return the digest of what the bars are: not of their name, source or the day they were read."""
    return digest_of({key: manifest.get(key) for key in ("format", "interval", "bar_seconds", "files")})
