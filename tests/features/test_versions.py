"""Feature rows in versions: at every time the newest version is what the bars known by then give."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.features.materialize import write_features
from components.features.tables import bar_panel, feature_tables
from components.features.versions import feature_versions
from components.market.bars import DAY_S, SCHEMA, Interval
from components.market.probes.lookahead import rewritten
from components.market.readers import read_bars

ASOF = datetime(2030, 1, 1, tzinfo=UTC)
KEYS = ["symbol", "timestamp"]


@pytest.fixture(scope="module")
def market() -> pa.Table:
    return read_bars("synthetic://planted?symbols=3&days=290&seed=7", asof=ASOF).table


def versions(bars: pa.Table, later: pa.Table, interval: Interval = "daily") -> dict[str, pa.Table]:
    seconds = DAY_S if interval == "daily" else 3600
    return dict(feature_versions(bar_panel(bars), bars, later, interval=interval, bar_seconds=seconds))


def known_from(rows: pa.Table, moment: np.datetime64) -> pa.Table:
    """Return the rows as versions that became known at ``moment``."""
    times = pa.array(np.full(rows.num_rows, moment, dtype="datetime64[us]")).cast(SCHEMA.field("known_at").type)
    return rows.set_column(SCHEMA.get_field_index("known_at"), SCHEMA.field("known_at"), times)


def corrected(market: pa.Table, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Return bars of which some are missing, and what came later: those, and other values of some, at three times.

    Of each symbol the first and the last bar are there, of the last symbol all, and as they were. The second
    time lies between two sessions, the first is the very moment a bar is complete.
    """
    known = market["known_at"].to_numpy()
    days = np.unique(known)
    moments = [days[270], days[280] + np.timedelta64(5, "h"), days[280] + np.timedelta64(6, "h")]
    inner = (known > days[0]) & (known < days[-1]) & (market["symbol"].to_numpy() != "SYN002")
    missing = inner & (known < moments[0]) & (rng.random(len(known)) < 0.01)
    pieces = [known_from(market.filter(pa.array(missing)), moments[0])]
    for moment in moments:
        revised = inner & (known < moment) & (rng.random(len(known)) < 0.01) & (~missing | (moment > moments[0]))
        pieces.append(known_from(rewritten(market, revised, rng).filter(pa.array(revised)), moment))
    order = [("symbol", "ascending"), ("timestamp", "ascending"), ("known_at", "ascending")]
    return market.filter(pa.array(~missing)), pa.concat_tables(pieces).sort_by(order)


def brute(market: pa.Table, bars: pa.Table, later: pa.Table, moment: np.datetime64) -> dict[str, pd.DataFrame]:
    """Return the features of exactly the bars known at ``moment``, each version of them picked row by row."""
    best: dict[tuple[str, datetime], dict[str, object]] = {}
    complete = {(row["symbol"], row["timestamp"]): row["known_at"] for row in market.to_pylist()}
    for row in sorted(bars.to_pylist() + later.to_pylist(), key=lambda row: row["known_at"]):
        if row["known_at"] <= moment.astype(datetime).replace(tzinfo=UTC):
            best[row["symbol"], row["timestamp"]] = {**row, "known_at": complete[row["symbol"], row["timestamp"]]}
    known = pa.Table.from_pylist([best[key] for key in sorted(best)], schema=SCHEMA)
    return {view: table.to_pandas().set_index(KEYS) for view, table in feature_tables(bar_panel(known), "daily")}


@pytest.mark.parametrize("seed", range(3))
def test_at_every_time_the_newest_version_is_what_the_known_bars_give(market: pa.Table, seed: int) -> None:
    rng = np.random.default_rng(seed)
    bars, later = corrected(market, rng)
    tables = versions(bars, later)
    days, moments = np.unique(market["known_at"].to_numpy()), np.unique(later["known_at"].to_numpy())
    step = np.timedelta64(1, "us")
    times = [*days[[0, 130, 265, 279, 280, 281, -1]], *moments, *(moments - step), *rng.choice(days, 3)]
    for moment in times:
        oracle = brute(market, bars, later, moment)
        for view, table in tables.items():
            known = table.filter(pa.array(table["created"].to_numpy() <= moment)).to_pandas()
            newest = known.sort_values([*KEYS, "created"]).groupby(KEYS).tail(1).set_index(KEYS)
            want = oracle[view].drop(columns="created")
            pd.testing.assert_frame_equal(
                newest.drop(columns="created"), want, check_exact=True, obj=f"{view} {moment}"
            )


def test_versions_are_sorted_known_after_their_event_and_never_repeated(market: pa.Table) -> None:
    bars, later = corrected(market, np.random.default_rng(3))
    for table in versions(bars, later).values():
        frame = table.to_pandas()
        assert (frame["created"] >= frame["event_timestamp"]).all()
        pd.testing.assert_frame_equal(frame, frame.sort_values([*KEYS, "created"], ignore_index=True))
        assert not frame.duplicated([*KEYS, "created"]).any()
        values = frame.drop(columns="created").fillna(-1.0)
        assert not (values == values.shift()).all(axis=1).any()  # neighbours are versions of one bar, or two bars


def test_what_was_known_before_a_correction_stays_as_it_was(market: pa.Table) -> None:
    bars, later = corrected(market, np.random.default_rng(4))
    moment = later["known_at"].to_numpy().min()
    for view, before in feature_tables(bar_panel(bars), "daily"):
        old, new = (
            table.filter(pa.array(table["created"].to_numpy() < moment)).to_pandas()
            for table in (before, versions(bars, later)[view])
        )
        pd.testing.assert_frame_equal(old, new, check_exact=True)


def test_without_corrections_the_files_have_the_bytes_of_the_features_of_the_bars(
    market: pa.Table, tmp_path: Path
) -> None:
    facts = {"dataset": "d", "source": "s", "interval": "daily", "digest": "0" * 64}
    plain = write_features(feature_tables(bar_panel(market), "daily"), facts, tmp_path / "plain")
    versioned = write_features(versions(market, SCHEMA.empty_table()).items(), facts, tmp_path / "versioned")
    assert plain == versioned


def hours(closes: list[float]) -> pa.Table:
    """Return one symbol's bars of one hour, from 10:00 on, with open, high, low and close the same."""
    start = pd.date_range("2024-01-02T10:00Z", periods=len(closes), freq="h").as_unit("us")
    prices = dict.fromkeys(("open", "high", "low", "close", "adj_close"), closes)
    columns = {"symbol": "AAA", "timestamp": start, "known_at": start + pd.Timedelta(hours=1), **prices}
    return pa.Table.from_pandas(pd.DataFrame({**columns, "volume": 1.0}), schema=SCHEMA, preserve_index=False)


def test_a_late_hour_and_a_corrected_one_by_hand() -> None:
    """At 16:30 the hour of 12:00 arrives and that of 14:00 is corrected; the two hours after are known by 18:00."""
    whole = hours([10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0])
    bars = pa.concat_tables([whole.slice(0, 2), whole.slice(3)])
    fixed = pa.concat_tables([whole.slice(2, 1), hours([0, 0, 0, 0, 14.5]).slice(4, 1)])
    later = known_from(fixed, np.datetime64("2024-01-02T16:30", "us"))
    rows = versions(bars, later, "intraday")["technical_v1"].to_pandas()
    got = [
        (f"{row.timestamp:%H}", f"{row.event_timestamp:%H:%M}", f"{row.created:%H:%M}", row.close)
        for row in rows.itertuples()
    ]
    assert got[:4] == [
        ("10", "11:00", "11:00", 10.0),
        ("11", "12:00", "12:00", 11.0),
        ("12", "13:00", "16:30", 12.0),  # late: of its hour, known since 16:30
        ("13", "14:00", "14:00", 13.0),
    ]
    closes = {(hour, created): close for hour, _, created, close in got}
    assert closes["14", "15:00"] == 14.0
    assert closes["14", "16:30"] == 14.5
    assert [created for hour, _, created, _ in got if hour in {"16", "17"}] == ["17:00", "18:00"]
