"""The snapshots of one dataset over time: immutable folders by digest, and a ledger of which came when.

A snapshot counts from the moment its ledger entry exists, and that is the last thing written: an
ingest that dies anywhere before leaves the history as it was.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from components.core.errors import ArtifactError, DataError
from components.core.files import copy_files, file_lock, fresh_folder
from components.core.ledger import Ledger
from components.market.bars import SCHEMA, Bars
from components.market.companion_changes import companion_changes
from components.market.increment import Change, compare, merged, newest
from components.market.snapshot import read_later, read_snapshot, write_snapshot

log = logging.getLogger(__name__)

LOCK_WAIT_S: Final = 600.0


@dataclass(frozen=True)
class Found:
    """The snapshot that a new one is compared with."""

    digest: str
    bars: pa.Table
    later: pa.Table
    damaged: tuple[str, ...]
    """What is wrong with the newer ones that were passed over."""


@dataclass(frozen=True)
class History:
    """The snapshots of one dataset below ``folder``."""

    folder: Path

    @property
    def ledger(self) -> Ledger:
        """Which snapshot came when, with its ``asof`` and the symbols that were asked for (none: all)."""
        return Ledger(self.folder / "ledger")

    def previous(self, bars: Bars, *, symbols: Sequence[str], asof: datetime) -> Found | None:
        """Return the newest intact snapshot that was known at ``asof`` and holds ``symbols`` (none: all).

        Where none holds them all, it is the newest that holds some of them. Damaged ones are passed
        over with a warning and left as they are.

        Raises:
            ArtifactError: If the ledger is broken, or every snapshot that would do is damaged.
            DataError: If the dataset holds bars of another length.
        """
        damaged: list[str] = []
        known = [entry for entry in self.ledger.read() if datetime.fromisoformat(entry["asof"]) <= asof]
        holding = [entry for entry in known if _holds_all(entry["symbols"], symbols)]
        for entry in reversed(holding or [entry for entry in known if _holds_some(entry["symbols"], symbols)]):
            if (entry["interval"], entry["bar_seconds"]) != (bars.interval, bars.bar_seconds):
                raise DataError(
                    f"bars of {bars.bar_seconds} s, but the dataset has bars of {entry['bar_seconds']} s",
                    file=self.folder.name,
                    remedy="Give this source a dataset of its own with --dataset",
                )
            try:
                found = self._read(entry["digest"], symbols)
            except ArtifactError as error:
                log.warning("snapshot is damaged, the one before it is compared with: %s", error)
                damaged.append(str(error))
                continue
            return replace(found, damaged=tuple(damaged))
        if damaged:
            remedy = "Restore one of them from a backup, or ingest under another --dataset"
            raise ArtifactError(f"{self.folder}: no intact snapshot is left. {remedy}. {damaged[0]}")
        return None

    def _read(self, digest: str, symbols: Sequence[str]) -> Found:
        bars, manifest = read_snapshot(self.folder / digest)
        if manifest["digest"] != digest:
            raise ArtifactError(f"{self.folder / digest}: holds the snapshot {manifest['digest'][:12]}")
        later = read_later(self.folder / digest)
        if symbols:
            wanted = pa.array(sorted(symbols), pa.string())
            bars, later = (table.filter(pc.is_in(table["symbol"], value_set=wanted)) for table in (bars, later))
        return Found(digest, bars, later, ())

    def keep(self, snapshot: Path, manifest: dict[str, Any], *, symbols: Sequence[str], created: datetime) -> None:
        """Copy a snapshot into the history and enter it, unless it is the newest entry already."""
        target = self.folder / manifest["digest"]
        if not _intact(target):
            if target.exists():
                target.rename(_free(target))
            with fresh_folder(target) as folder:
                copy_files(snapshot, folder)
        entries = self.ledger.read()
        facts = {key: manifest[key] for key in ("digest", "asof", "interval", "bar_seconds", "rows", "first", "last")}
        entry = {**facts, "symbols": sorted(symbols)}
        if not entries or any(entries[-1].get(key) != value for key, value in entry.items()):
            entry["created"] = created.astimezone(UTC).isoformat()
            self.ledger.append(entry, expect=len(entries))


def _holds_some(held: Sequence[str], symbols: Sequence[str]) -> bool:
    return not symbols or not set(symbols).isdisjoint(held)


def _holds_all(held: Sequence[str], symbols: Sequence[str]) -> bool:
    return not held or (bool(symbols) and set(symbols) <= set(held))


def _intact(folder: Path) -> bool:
    if not folder.exists():
        return False
    try:
        manifest = read_snapshot(folder)[1]
    except ArtifactError:
        return False
    return manifest["digest"] == folder.name


def _free(folder: Path) -> Path:
    """Return a name beside ``folder`` for what is damaged in it: evidence is not thrown away."""
    number = 1
    while (path := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
        number += 1
    return path


def append_snapshot(
    history: History,
    bars: Bars,
    out: Path,
    *,
    source: str,
    dataset: str,
    symbols: Sequence[str],
    asof: datetime,
    created: datetime,
    max_restated: float,
    quality: Mapping[str, Any] | None = None,
    quarantine: pa.Table | None = None,
    beside: Mapping[str, pa.Table] | None = None,
) -> dict[str, Any]:
    """Write to ``out`` what is known of the dataset now, enter it in the history and return the manifest.

    Of two at once the second waits and builds on the first.

    Raises:
        DataError: If more than ``max_restated`` of the known bars, or of the rows of a table beside them, changed
            or are gone.
        ArtifactError: If the history is damaged beyond use.
        BusyError: If another ingest holds the dataset for too long.
    """
    with file_lock(history.folder / "lock", f"ingest {dataset}", wait_s=LOCK_WAIT_S):
        found = history.previous(bars, symbols=symbols, asof=asof)
        later, notes = SCHEMA.empty_table(), dict[str, Any]()
        if found is not None:
            bars, later, notes = _continued(found, bars, moment=asof, max_restated=max_restated, dataset=dataset)
            notes["beside"] = companion_changes(history.folder / found.digest, beside or {}, max_restated=max_restated)
        with fresh_folder(out) as folder:
            manifest = write_snapshot(
                folder,
                bars,
                source=source,
                dataset=dataset,
                asof=asof,
                quality=quality,
                quarantine=quarantine,
                later=later,
                beside=beside,
                increment=notes,
            )
        history.keep(out, manifest, symbols=symbols, created=created)
    return manifest


def _continued(
    found: Found, bars: Bars, *, moment: datetime, max_restated: float, dataset: str
) -> tuple[Bars, pa.Table, dict[str, Any]]:
    """Return the bars as first known, their versions that became known later, and what changed since ``found``."""
    change = compare(newest(found.bars, found.later), bars.table)
    _refuse_restated(change, max_restated, dataset, found.digest)
    table, later = merged(found.bars, found.later, change, moment=moment)
    notes = {"previous": found.digest, "damaged": list(found.damaged), "max_restated": max_restated}
    return replace(bars, table=table), later, notes | change.facts()


def _refuse_restated(change: Change, max_restated: float, dataset: str, digest: str) -> None:
    share = change.share_restated
    if share <= max_restated:
        return
    example = ""
    if change.restated.num_rows:
        row = change.restated.slice(0, 1).to_pylist()[0]
        example = (
            f"; first {row['symbol']} {row['timestamp']:%Y-%m-%d} {row['column']} {row['old']:g} -> {row['new']:g}"
        )
    raise DataError(
        f"the past was restated: {change.revised.num_rows} of {change.num_compared} known bars changed and "
        f"{change.removed.num_rows} are gone, {share:.2%} where {max_restated:.2%} may{example}",
        file=f"dataset {dataset}, snapshot {digest[:12]}",
        remedy="Find out why; then allow it with --max-restated 1, or ingest it as another --dataset",
    )
