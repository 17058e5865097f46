"""The tables beside the bars: read whole, cut at what was known, refused when the past was rewritten."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.core.errors import DataError, UsageError
from components.core.files import sha256_of
from components.market.companion_changes import companion_changes
from components.market.companions import CONTEXT_FILES, OPTIONS_FILE, RATE_TENORS, read_companions
from components.market.context import FUNDS_FILE, TONE_FILE, YIELDS_FILE
from components.market.synthetic import MarketSpec, parse_source
from components.market.synthetic_context import synthetic_context
from components.market.synthetic_options import option_chains

SPEC = MarketSpec(symbols=2, days=60, options=3)
LATE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, table in synthetic_context(SPEC).items():
        pq.write_table(table, tmp_path / name)
    pq.write_table(option_chains(SPEC, days=3), tmp_path / "chains.parquet")
    return tmp_path


def test_a_synthetic_market_brings_its_own() -> None:
    found = read_companions("synthetic://planted?symbols=2&days=60&options=3", context="", options="", asof=LATE)
    assert set(found) == {*CONTEXT_FILES, OPTIONS_FILE}
    assert found[OPTIONS_FILE].equals(option_chains(SPEC, days=3))
    assert set(read_companions("synthetic://planted", context="", options="", asof=LATE)) == set(CONTEXT_FILES)
    assert parse_source("synthetic://planted?symbols=2&days=60&options=3") == SPEC
    with pytest.raises(UsageError, match="has its own"):
        read_companions("synthetic://planted", context="somewhere", options="", asof=LATE)
    with pytest.raises(UsageError, match="options wants a whole number from 0 to 60"):
        parse_source("synthetic://planted?days=60&options=61")


def test_files_are_cut_at_what_was_known(folder: Path) -> None:
    moment = datetime(2024, 12, 30, 22, tzinfo=UTC)  # the close of the session before the last
    chains = str(folder / "chains.parquet")
    found = read_companions("bars.parquet", context=str(folder), options=chains, asof=moment)
    last = {name: pc.max(table["date"]).as_py().date().isoformat() for name, table in found.items()}
    assert last == {
        FUNDS_FILE: "2024-12-30",
        YIELDS_FILE: "2024-12-27",  # a Friday: Monday's curve is out on Tuesday
        TONE_FILE: "2024-12-29",
        OPTIONS_FILE: "2024-12-27",  # Monday's chain is out at 02:00 of Tuesday
    }
    assert read_companions("bars.parquet", context="", options="", asof=moment) == {}


def test_every_file_that_is_read_is_told_with_its_digest(folder: Path) -> None:
    read = []
    chains = folder / "chains.parquet"
    read_companions("bars.parquet", context=f"{folder}/", options=str(chains), asof=LATE, on_read=read.append)
    paths = [*(folder / name for name in CONTEXT_FILES), chains]
    assert [(item.name, item.sha256) for item in read] == [(str(path), sha256_of(path)) for path in paths]
    assert [item.rows for item in read] == [pq.read_table(path).num_rows for path in paths]


@pytest.mark.parametrize("missing", CONTEXT_FILES)
def test_a_missing_context_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(DataError, match=f"{missing}.*no such file"):
        read_companions("bars.parquet", context=str(folder), options="", asof=LATE)


def test_what_is_no_chain_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no column underlying"):
        read_companions("bars.parquet", context="", options=str(folder / YIELDS_FILE), asof=LATE)
    (folder / "broken.parquet").write_bytes((folder / "chains.parquet").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"broken\.parquet.*cannot be read"):
        read_companions("bars.parquet", context="", options=str(folder / "broken.parquet"), asof=LATE)
    with pytest.raises(DataError, match="no such folder"):
        read_companions("bars.parquet", context=str(folder / "nowhere"), options="", asof=LATE)


def test_a_three_month_rate_is_kept_where_there_is_one(folder: Path) -> None:
    yields = pq.read_table(folder / YIELDS_FILE)
    pq.write_table(yields.append_column("y_3m", yields["y_2y"]), folder / YIELDS_FILE)
    found = read_companions("bars.parquet", context=str(folder), options="", asof=LATE)
    assert found[YIELDS_FILE].column_names == ["date", *RATE_TENORS]


def test_changes_of_the_past_are_counted_and_refused_above_the_limit(folder: Path) -> None:
    funds = pq.read_table(folder / FUNDS_FILE).sort_by([("symbol", "ascending"), ("date", "ascending")])
    pq.write_table(funds.slice(0, funds.num_rows - 1), folder / FUNDS_FILE)
    is_spy = pc.equal(funds["symbol"], "SPY").to_numpy()
    close = funds["close"].to_numpy()
    rescaled = funds.set_column(2, "close", pa.array(np.where(is_spy, 0.98 * close, close)))
    quiet = {"added": 1, "restated": 0, "removed": 0}
    assert companion_changes(folder, {FUNDS_FILE: rescaled}, max_restated=0.0) == {FUNDS_FILE: quiet}
    close = np.where(np.arange(len(close)) == 7, 1.01 * close, close)
    restated = funds.set_column(2, "close", pa.array(close)).slice(1)
    told = companion_changes(folder, {FUNDS_FILE: restated}, max_restated=0.01)
    assert told == {FUNDS_FILE: {"added": 1, "restated": 1, "removed": 1}}
    with pytest.raises(DataError, match=r"1 of 299 known rows changed and 1 are gone, 0\.67% where 0\.50% may"):
        companion_changes(folder, {FUNDS_FILE: restated}, max_restated=0.005)
    assert companion_changes(folder, {TONE_FILE: pq.read_table(folder / TONE_FILE)}, max_restated=0.0)[TONE_FILE] == {
        "added": 0, "restated": 0, "removed": 0,
    }  # fmt: skip
    assert companion_changes(folder, {"unknown.parquet": funds}, max_restated=0.0) == {}
