"""The feature files of a snapshot: which views there are, whom they compare with, and what the store says of them."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.features.materialize import write_features
from components.features.tables import AVERAGE, BENCHMARK, bar_panel, feature_tables
from components.market.columns import CONTEXT, SPECTRAL
from components.market.context import context_table
from components.market.readers import read_bars
from feature_repo.definitions import (
    CHARACTERISTICS_VIEW,
    CONTEXT_VIEW,
    OPTIONS_VIEW,
    RETURNS_VIEW,
    SPECTRAL_VIEW,
    TECHNICAL_VIEW,
    UNITS,
)
from feature_repo.place import Place
from feature_repo.store import apply, materialize, open_store

ASOF = datetime(2030, 1, 1, tzinfo=UTC)
FACTS = {"dataset": "synthetic", "source": "synthetic://planted", "interval": "daily", "digest": "0" * 64}


@pytest.fixture(scope="module")
def bars() -> pa.Table:
    return read_bars("synthetic://planted?symbols=3&days=330&seed=5", asof=ASOF).table


def with_spy(bars: pa.Table) -> pa.Table:
    """Return the bars with their first symbol renamed to SPY and sorted again."""
    first = bars["symbol"][0]
    named = pc.if_else(pc.equal(bars["symbol"], first), "SPY", bars["symbol"])
    return bars.set_column(0, "symbol", named).sort_by([("symbol", "ascending"), ("timestamp", "ascending")])


def test_each_view_has_its_columns_and_one_row_per_bar(bars: pa.Table) -> None:
    tables = dict(feature_tables(bar_panel(bars), "daily"))
    assert set(tables) == set(UNITS) - {CONTEXT_VIEW, OPTIONS_VIEW}  # those two are not made of bars
    for view, table in tables.items():
        assert table.column_names == ["symbol", "timestamp", "event_timestamp", "created", *UNITS[view]]
        assert table.num_rows == bars.num_rows
        last = table.to_pandas().groupby("symbol").tail(1)
        assert np.isfinite(last[list(UNITS[view])].to_numpy()).all()


def test_intraday_bars_have_no_daily_features(bars: pa.Table) -> None:
    assert [view for view, _ in feature_tables(bar_panel(bars), "intraday")] == [TECHNICAL_VIEW, SPECTRAL_VIEW]


def test_the_benchmark_is_spy_where_there_is_one_and_the_average_elsewhere(bars: pa.Table) -> None:
    assert bar_panel(bars).benchmark_name == AVERAGE
    panel = bar_panel(with_spy(bars))
    assert panel.benchmark_name == BENCHMARK
    tables = {view: table.to_pandas() for view, table in feature_tables(panel, "daily")}
    last = {view: table[table["symbol"] == "SPY"].iloc[-1] for view, table in tables.items()}
    assert last[RETURNS_VIEW]["rel_strength_63d"] == 0.0
    assert last[CHARACTERISTICS_VIEW]["beta_252"] == pytest.approx(1.0, rel=1e-12)
    assert last[SPECTRAL_VIEW]["correlation_30"] == pytest.approx(1.0, rel=1e-12)


def test_later_bars_of_any_symbol_change_no_bit_of_an_earlier_row(bars: pa.Table) -> None:
    cut = bars["timestamp"].unique().sort()[300]
    known = bars.filter(pc.less_equal(bars["timestamp"], cut))
    for (view, before), (_, after) in zip(
        feature_tables(bar_panel(known), "daily"), feature_tables(bar_panel(bars), "daily"), strict=True
    ):
        same = after.filter(pc.less_equal(after["timestamp"], cut))
        for name in before.column_names[4:]:
            np.testing.assert_array_equal(before[name].to_numpy(), same[name].to_numpy(), err_msg=f"{view} {name}")


def test_the_store_serves_every_view_that_was_written_and_the_context(bars: pa.Table, tmp_path: Path) -> None:
    features = tmp_path / "features"
    panel = bar_panel(bars)
    assert panel.benchmark_name == AVERAGE
    write_features(feature_tables(panel, "daily"), FACTS, features)
    moments = bars["known_at"].to_pandas()
    first, last = moments.min().to_pydatetime(), moments.max().to_pydatetime()
    context = pa.table(
        {
            "market": ["US"],
            "event_timestamp": pa.array([last], pa.timestamp("us", tz="UTC")),
            "created": pa.array([last], pa.timestamp("us", tz="UTC")),
            **{name: [float(place)] for place, name in enumerate(CONTEXT)},
        }
    )
    pq.write_table(context, features / f"{CONTEXT_VIEW}.parquet")
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "test")
    apply(store, place, features)
    assert materialize(store, place, views=[view for view in UNITS if view != OPTIONS_VIEW], first=first, last=last)
    symbols = bars["symbol"].unique().to_pylist()
    wanted = [f"{SPECTRAL_VIEW}:{name}" for name in SPECTRAL] + [f"{CONTEXT_VIEW}:{name}" for name in CONTEXT]
    online = store.get_online_features(
        features=wanted, entity_rows=[{"symbol": name, "market": "US"} for name in symbols]
    ).to_df()
    newest = pq.read_table(features / f"{SPECTRAL_VIEW}.parquet").to_pandas().groupby("symbol").last()
    np.testing.assert_array_equal(online[list(SPECTRAL)].to_numpy(), newest.loc[symbols, list(SPECTRAL)].to_numpy())
    assert (online[list(CONTEXT)].to_numpy() == np.arange(len(CONTEXT))).all()


@pytest.mark.realdata
@pytest.mark.promise("S1-28")
@pytest.mark.promise("S1-29")
@pytest.mark.promise("S0-33")
def test_thirty_real_stocks_get_every_feature_and_the_context_point_in_time(shared_data: Path, tmp_path: Path) -> None:
    bars = read_bars(str(shared_data / "real_sample.parquet"), asof=ASOF).table
    features = tmp_path / "features"
    write_features(feature_tables(bar_panel(bars), "daily"), FACTS, features)
    context = context_table(shared_data, first=date(2017, 1, 1), last=date(2021, 12, 31))
    pq.write_table(context, features / f"{CONTEXT_VIEW}.parquet")
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "test")
    apply(store, place, features)
    recent = bars.filter(pc.greater_equal(bars["timestamp"], pa.scalar(datetime(2017, 1, 1, tzinfo=UTC))))
    spine = pd.DataFrame({"symbol": recent["symbol"], "market": "US", "event_timestamp": recent["known_at"]})
    made = {view: units for view, units in UNITS.items() if view != OPTIONS_VIEW}
    views = {view: [f"{view}:{name}" for name in units] for view, units in made.items()}
    joined = store.get_historical_features(
        entity_df=spine, features=[name for names in views.values() for name in names], filter_by_created_timestamp=True
    ).to_df()
    assert len(joined) == len(spine) == 32_460
    columns = [name for units in made.values() for name in units]
    assert np.isfinite(joined[columns].to_numpy()).all()
    exact = joined.merge(context.to_pandas(), on="event_timestamp", suffixes=("", "_own"))
    assert len(exact) == len(joined)
    np.testing.assert_array_equal(exact[list(CONTEXT)], exact[[f"{name}_own" for name in CONTEXT]])
