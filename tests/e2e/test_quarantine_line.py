"""A file with faults through the whole line: refused by default, or trained on without the faulty rows."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from line import TINY, Line

from components.market.snapshot import read_snapshot
from components.market.synthetic import MarketSpec, market


def faulty(folder: Path, *, holes: int = 3) -> str:
    """Return a file of three symbols: SYN000 with broken rows, SYN001 sound, SYN002 cut to 40 days."""
    table = market(MarketSpec(symbols=3, days=1500, seed=3)).drop_columns(["known_at"])
    days = table.set_column(1, "date", table["timestamp"].cast(pa.date32()))
    place = pa.array(range(days.num_rows))
    close = pc.if_else(pc.less(place, holes), None, days["close"])
    broken = days.set_column(days.column_names.index("close"), "close", close)
    path = folder / "bars.parquet"
    pq.write_table(broken.filter(pc.or_(pc.less(place, 3000), pc.greater_equal(place, 4460))), path)
    return str(path)


def test_by_default_a_faulty_file_is_refused_and_the_report_shows_why(tmp_path: Path) -> None:
    line = Line(tmp_path / "root")
    result = line.qf("run", "price-action", "--source", faulty(tmp_path), "--run-key", "k", *TINY)
    assert result.returncode == 65, result.stdout
    assert "row 1, column 'close': a price must be a number > 0, was nan (3 faulty rows" in result.stderr
    page = (line.root / "runs" / "k" / "quality.html").read_text()
    assert "Price missing or not above 0" in page
    assert "Fewer than 60 bars" in page


@pytest.mark.slow
def test_with_quarantine_the_sound_rows_are_trained_on_and_the_others_are_kept_apart(tmp_path: Path) -> None:
    line = Line(tmp_path / "root")
    arguments = ("--source", faulty(tmp_path), "--faults", "quarantine", "--run-key", "k", *TINY)
    result = line.qf("run", "price-action", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    facts = line.facts("k", "ingest")
    assert (facts["rows"], facts["num_symbols"], facts["num_quarantined"]) == (2_997, 2, 43)
    assert facts["quality"] == pytest.approx(2_997 / 3_040, abs=1e-6)
    assert "43 rows set aside" in result.stdout
    [snapshot] = (line.root / "runs" / "k").glob("artifacts/*/ingest/snapshot")
    bars, manifest = read_snapshot(snapshot)
    assert bars["symbol"].unique().to_pylist() == ["SYN000", "SYN001"]
    assert manifest["quality"]["symbols_set_aside"] == {"SYN002": ["short_history"]}
    aside = pq.read_table(snapshot / "quarantine.parquet")
    assert manifest["quarantine"]["rows"] == aside.num_rows == 43
    assert aside["reasons"].to_pylist() == [["bad_price"]] * 3 + [["short_history"]] * 40
    [artifact] = (line.root / "runs" / "k").glob("artifacts/*/ingest/quality*")
    assert artifact.read_text() == (line.root / "runs" / "k" / "quality.html").read_text()


def test_a_file_that_is_mostly_holes_is_refused_even_with_quarantine(tmp_path: Path) -> None:
    line = Line(tmp_path / "root")
    arguments = ("--source", faulty(tmp_path, holes=700), "--faults", "quarantine", "--run-key", "k", *TINY)
    result = line.qf("run", "price-action", *arguments)
    assert result.returncode == 65
    assert "quality score 0.493 is below 0.8. Fewer than 60 bars: 1." in result.stderr
    assert "Price missing or not above 0: 700." in result.stderr
    wrong = line.qf("run", "price-action", "--faults", "ignore")
    assert wrong.returncode == 64
    assert "quarantine" in wrong.stderr
