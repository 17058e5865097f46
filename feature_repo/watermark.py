"""Up to when the online store holds the rows of each view, and which rows those were."""
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from components.core.files import read_json, write_json


@dataclass(frozen=True)
class Watermark:
    """What was loaded into one online store; a change is on disk before it is returned.

    The rows of a view are given as their ``prints``.
    """

    path: Path
    reached: datetime | None
    """Values known by then may be there: a load that was killed may have written some."""
    views: Mapping[str, Mapping[str, str]]
    """By view: ``loaded``, the time by which every row known is there, and the ``digest`` of those rows."""

    @classmethod
    def of(cls, path: Path) -> "Watermark":
        """Return what the file says; without one, nothing was loaded."""
        if not path.exists():
            return cls(path, None, {})
        content = read_json(path)
        return cls(path, datetime.fromisoformat(content["reached"]), content["views"])

    def start(self, view: str, rows: pl.DataFrame) -> datetime | None:
        """Return the time after which the rows of a view are not there yet; None if other rows were loaded before."""
        if (entry := self.views.get(view)) is None:
            return None
        loaded = datetime.fromisoformat(entry["loaded"])
        return loaded if _digest(rows, loaded) == entry["digest"] else None

    def reaching(self, last: datetime, *, without: Sequence[str]) -> "Watermark":
        """Return the mark of a load to ``last`` that begins; of the views in ``without`` nothing counts as loaded."""
        return self._written(last, {view: entry for view, entry in self.views.items() if view not in without})

    def loaded(self, view: str, rows: pl.DataFrame, last: datetime) -> "Watermark":
        """Return the mark after all rows of a view that were known at ``last`` were loaded."""
        entry = {"loaded": last.astimezone(UTC).isoformat(), "digest": _digest(rows, last)}
        return self._written(last, {**self.views, view: entry})

    def _written(self, reached: datetime, views: Mapping[str, Mapping[str, str]]) -> "Watermark":
        write_json(self.path, {"reached": reached.astimezone(UTC).isoformat(), "views": views})
        return Watermark(self.path, reached, views)


def prints(rows: pl.LazyFrame) -> pl.DataFrame:
    """Return a number for each row that tells its values from others, and from when it is known."""
    whole = rows.collect()
    return whole.select("__known").with_columns(whole.hash_rows().alias("__print"))


def _digest(rows: pl.DataFrame, moment: datetime) -> str:
    """Return a digest of the rows known at ``moment``, in their order; another release of polars gives another."""
    known = rows.filter(pl.col("__known") <= moment)
    return hashlib.sha256(known["__print"].to_numpy().tobytes()).hexdigest()
