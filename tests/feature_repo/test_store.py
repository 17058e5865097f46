"""The store as the product uses it: every service loads, online equals offline, time only moves forward."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core import family as families
from components.core.errors import ArtifactError
from components.market.columns import CHARACTERISTICS, CONTEXT, FORECASTS, MACD, RETURNS, TECHNICAL
from feature_repo.definitions import definitions
from feature_repo.online import read_online
from feature_repo.place import Place
from feature_repo.store import apply, materialize, open_store, point_in_time, require

FIRST, LAST = datetime(2024, 1, 1, 22, tzinfo=UTC), datetime(2024, 1, 20, 22, tzinfo=UTC)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    days = pd.date_range(FIRST, LAST, freq="D").as_unit("us")
    rng = np.random.default_rng(0)
    views = {
        "technical_v1": ("symbol", ("AAA", "BBB"), (*TECHNICAL, *MACD)),
        "returns_v1": ("symbol", ("AAA", "BBB"), RETURNS),
        "characteristics_v1": ("symbol", ("AAA", "BBB"), CHARACTERISTICS),
        "forecasts_v1": ("symbol", ("AAA", "BBB"), FORECASTS),
        "context_v1": ("market", ("US",), CONTEXT),
    }
    for view, (key, names, columns) in views.items():
        times = {"event_timestamp": days, "created": days}
        frames = [
            pd.DataFrame({key: name, **times, **{column: rng.random(len(days)) for column in columns}})
            for name in names
        ]
        pd.concat(frames).to_parquet(tmp_path / f"{view}.parquet")
    return tmp_path


def test_every_family_has_a_service_that_loads_in_its_order(features: Path, tmp_path: Path) -> None:
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "test")
    apply(store, place, features)
    for family in families.every():
        key = "market" if family.unit == "market" else "symbol"
        tables = {view: pd.read_parquet(features / f"{view}.parquet") for view in family.columns}
        spine = next(iter(tables.values()))[[key, "event_timestamp"]].reset_index(drop=True)
        got = point_in_time(store, family.feature_service, spine).to_pandas()
        assert got.columns.tolist() == [key, "event_timestamp", *itertools.chain(*family.columns.values())]
        for view, columns in family.columns.items():
            np.testing.assert_array_equal(got[list(columns)].to_numpy(), tables[view][list(columns)].to_numpy())


def test_online_values_are_the_newest_offline_ones_and_never_go_back(features: Path, tmp_path: Path) -> None:
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "test")
    apply(store, place, features)
    views = ["technical_v1"]
    assert materialize(store, place, views=views, first=FIRST, last=LAST)
    assert not materialize(store, place, views=views, first=FIRST, last=LAST - timedelta(days=5))
    service = store.get_feature_service("price_action_v1")
    got = store.get_online_features(features=service, entity_rows=[{"symbol": "AAA"}, {"symbol": "BBB"}]).to_df()
    newest = pd.read_parquet(features / "technical_v1.parquet").groupby("symbol").last()
    np.testing.assert_array_equal(got[list(TECHNICAL)].to_numpy(), newest[list(TECHNICAL)].to_numpy())


def test_views_have_a_ttl_an_owner_units_and_explicit_columns(tmp_path: Path) -> None:
    for view in definitions(tmp_path).views:
        assert view.ttl is not None
        assert view.ttl > timedelta(0)
        assert view.owner
        assert all(field.tags.get("unit") for field in view.features)
        assert view.batch_source.created_timestamp_column


def test_a_registry_that_lost_its_objects_is_refused(tmp_path: Path) -> None:
    store = open_store(Place.embedded(tmp_path / "feast"), "test")
    with pytest.raises(
        ArtifactError, match=r"lists 0 objects but not .*price_action_v1, .*technical_v1, .*Apply again"
    ):
        require(store, definitions(tmp_path))


def test_a_late_row_reaches_the_online_store(features: Path, tmp_path: Path) -> None:
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "test")
    apply(store, place, features)
    materialize(store, place, views=["technical_v1"], first=FIRST, last=LAST)
    table = pd.read_parquet(features / "technical_v1.parquet")
    late = table[table["symbol"] == "AAA"].iloc[[5]].assign(symbol="CCC")  # its day was loaded long ago
    pd.concat([table, late]).to_parquet(features / "technical_v1.parquet")
    assert materialize(store, place, views=["technical_v1"], first=FIRST, last=LAST)
    [row] = read_online(store, "price_action_v1", ["CCC"], now=LAST, max_age=timedelta(days=365))
    assert row.features == {name: late.iloc[0][name] for name in TECHNICAL}


def test_a_missing_value_makes_the_row_incomplete(features: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(features / "technical_v1.parquet")
    table.loc[(table["symbol"] == "AAA") & (table["event_timestamp"] == LAST), "rsi_14"] = None
    table.to_parquet(features / "technical_v1.parquet")
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "test")
    apply(store, place, features)
    materialize(store, place, views=["technical_v1"], first=FIRST, last=LAST)
    [row] = read_online(store, "price_action_v1", ["AAA"], now=LAST, max_age=timedelta(days=1))
    assert (row.features, row.reason) == (None, "incomplete")
