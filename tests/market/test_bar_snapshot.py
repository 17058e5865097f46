"""Snapshots: the same bars are the same bytes, and an altered file is never read."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from components.core.errors import ArtifactError
from components.core.files import sha256_of
from components.market.bars import SCHEMA, Bars
from components.market.snapshot import read_snapshot, write_snapshot
from components.market.synthetic import MarketSpec, market

ASOF = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def bars() -> Bars:
    return Bars(market(MarketSpec(symbols=3, days=50)), "daily", 86_400)


def written(folder: Path, bars: Bars, **changes: object) -> dict[str, object]:
    facts = {"source": "synthetic://planted", "dataset": "planted", "asof": ASOF} | changes
    return write_snapshot(folder, bars, **facts)


def test_what_is_written_reads_back(tmp_path: Path, bars: Bars) -> None:
    manifest = written(tmp_path / "snapshot", bars)
    table, read_manifest = read_snapshot(tmp_path / "snapshot")
    assert table.equals(bars.table)
    assert table.schema.equals(SCHEMA)
    assert read_manifest == manifest
    assert manifest["rows"] == 150
    assert manifest["symbols"] == ["SYN000", "SYN001", "SYN002"]
    assert manifest["last"] == "2024-12-31T00:00:00+00:00"
    assert manifest["asof"] == "2025-01-01T00:00:00+00:00"
    assert manifest["files"] == {
        "bars.parquet": {
            "sha256": sha256_of(tmp_path / "snapshot" / "bars.parquet"),
            "bytes": (tmp_path / "snapshot" / "bars.parquet").stat().st_size,
        }
    }
    assert sorted(path.name for path in (tmp_path / "snapshot").iterdir()) == ["bars.parquet", "manifest.json"]


def test_any_bit_of_the_manifest_that_flips_is_noticed(tmp_path: Path, bars: Bars) -> None:
    written(tmp_path, bars, quality={"score": 1.0}, increment={"added": 3})
    path = tmp_path / "manifest.json"
    whole = path.read_bytes()
    for place in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArtifactError):
            read_snapshot(tmp_path)


def test_equal_bars_are_equal_bytes_however_they_lie_in_memory(tmp_path: Path) -> None:
    bars = Bars(market(MarketSpec(symbols=30, days=1000)), "daily", 86_400)
    pieces = pa.concat_tables([bars.table.slice(0, 7), bars.table.slice(7)]).replace_schema_metadata({"made": "today"})
    first = written(tmp_path / "one", bars)
    again = written(tmp_path / "two", Bars(pieces, "daily", 86_400), source="elsewhere", asof=datetime.now(UTC))
    assert first["files"] == again["files"]
    assert first["digest"] == again["digest"]


def test_other_bars_or_another_bar_length_have_another_digest(tmp_path: Path, bars: Bars) -> None:
    digests = {
        written(tmp_path / "a", bars)["digest"],
        written(tmp_path / "b", Bars(bars.table.slice(1), "daily", 86_400))["digest"],
        written(tmp_path / "c", Bars(bars.table, "intraday", 3_600))["digest"],
    }
    assert len(digests) == 3


def test_a_single_flipped_bit_is_refused(tmp_path: Path, bars: Bars) -> None:
    written(tmp_path, bars)
    content = bytearray((tmp_path / "bars.parquet").read_bytes())
    content[len(content) // 3] ^= 1
    (tmp_path / "bars.parquet").write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        read_snapshot(tmp_path)


@pytest.mark.promise("S1-52")
def test_a_missing_file_is_refused(tmp_path: Path, bars: Bars) -> None:
    written(tmp_path, bars)
    (tmp_path / "bars.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"missing.*Run ingest again"):
        read_snapshot(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="no such file"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("format", 3, "snapshot format 3"),
        ("bar_seconds", 60, "digest does not fit"),
        ("digest", None, "digest does not fit"),
        ("files", {}, "digest does not fit"),
        ("files", None, "digest does not fit"),
    ],
)
def test_an_edited_manifest_is_refused(tmp_path: Path, bars: Bars, key: str, value: object, says: str) -> None:
    manifest = written(tmp_path, bars)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {key: value}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=says):
        read_snapshot(tmp_path)
