"""Option features in the store: the columns of the table in code, and not known before the night after their day."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.market.columns import OPTIONS
from components.market.option_chain import read_chain
from components.market.option_fields import OPTION_FEATURES
from components.market.options import option_features
from components.market.synthetic import MarketSpec, sessions
from components.market.synthetic_options import DIVIDEND_YIELD, RATE, option_chains
from feature_repo.definitions import OPTIONS_VIEW, definitions
from feature_repo.place import Place
from feature_repo.store import apply, open_store

SPEC = MarketSpec(symbols=2, days=300)
DAYS = 4


def test_the_view_has_the_forty_columns_with_their_units(tmp_path: Path) -> None:
    [view] = [view for view in definitions(tmp_path).views if view.name == OPTIONS_VIEW]
    assert {field.name: field.tags["unit"] for field in view.features} == {it.name: it.unit for it in OPTION_FEATURES}
    assert tuple(field.name for field in view.features) == OPTIONS


@pytest.mark.promise("S0-25")
def test_a_decision_at_the_close_sees_the_options_of_the_day_before(tmp_path: Path) -> None:
    chain = read_chain(option_chains(SPEC, days=DAYS), file="synthetic")
    table = option_features(chain, rate=RATE, dividend_yield=DIVIDEND_YIELD).table
    pq.write_table(table, tmp_path / f"{OPTIONS_VIEW}.parquet")
    place = Place.embedded(tmp_path / "feast")
    store = open_store(place, "options")
    apply(store, place, tmp_path)
    midnight = pd.DatetimeIndex(sessions(SPEC)[-DAYS:]).tz_localize("UTC").as_unit("us")
    moments = [midnight[2] + pd.Timedelta(hours=hours) for hours in (22, 25.99, 26)]
    spine = pd.DataFrame({"symbol": "SYN001", "event_timestamp": moments})
    wanted = [f"{OPTIONS_VIEW}:{name}" for name in OPTIONS]
    found = store.get_historical_features(entity_df=spine, features=wanted).to_df()
    rows = table.to_pandas().query("symbol == 'SYN001'").set_index("timestamp")[list(OPTIONS)]
    expected = rows.loc[[midnight[1], midnight[1], midnight[2]]].to_numpy()
    np.testing.assert_array_equal(found[list(OPTIONS)].to_numpy(), expected)
