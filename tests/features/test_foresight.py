import numpy as np
import pyarrow as pa
import pytest

from components.features.foresight import foresight
from components.features.tables import feature_tables
from components.market.synthetic import MarketSpec, market

BARS = market(MarketSpec(symbols=6, days=700))


def test_the_shipped_features_see_nothing_ahead_and_the_record_says_what_was_looked_at() -> None:
    record = foresight(BARS, "daily")
    assert record["findings"] == []
    assert {"technical_v1", "spectral_v1", "returns_v1", "characteristics_v1"} <= set(record["views"])
    assert "2,800 rows" in record["checked"]  # four symbols of six


def _peeking(panel, interval):
    for view, table in feature_tables(panel, interval):
        place = table.column_names.index("rsi_14") if "rsi_14" in table.column_names else None
        if place is None:
            yield view, table
            continue
        ahead = np.append(table["rsi_14"].to_numpy()[1:], np.nan)
        yield view, table.set_column(place, "rsi_14", pa.array(ahead))


@pytest.mark.filterwarnings("error")
def test_a_feature_of_tomorrow_is_named_with_its_view() -> None:
    [finding] = foresight(BARS, "daily", tables=_peeking)["findings"]
    assert (finding["view"], finding["column"]) == ("technical_v1", "rsi_14")
    assert "1 bar ahead" in finding["problem"]
