"""The view of forecasts: declared with units and source, and in every sample that is joined to it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cli.shipped import features, joined_rows
from components.market.columns import FORECAST_STEPS, FORECASTS
from components.market.forecasts import forecasts
from components.market.returns import QUARTER
from components.market.synthetic import MarketSpec, market
from feature_repo.definitions import FORECASTS_VIEW, definitions

NUM_BARS = 120
BARS = market(MarketSpec(symbols=3, days=NUM_BARS))


@pytest.mark.promise("S2-21")
def test_every_sample_has_mean_and_std_of_each_step_as_known_with_its_bar() -> None:
    rows = joined_rows(features(BARS, "daily")).to_pandas().sort_values(["symbol", "timestamp"])
    assert {f"forecast_{kind}_{step}d" for kind in ("mean", "std") for step in FORECAST_STEPS} == set(FORECASTS)
    close = BARS["close"].to_numpy().reshape(3, NUM_BARS)
    at = pd.MultiIndex.from_frame(BARS.select(["symbol", "timestamp"]).to_pandas())
    expected = pd.DataFrame(forecasts(close).reshape(-1, len(FORECASTS)), index=at, columns=list(FORECASTS))
    samples = rows.set_index(["symbol", "timestamp"])[list(FORECASTS)]
    pd.testing.assert_frame_equal(samples, expected.loc[samples.index], rtol=1e-9)
    warm = samples.groupby("symbol").cumcount() >= QUARTER
    assert warm.sum() >= 3 * (NUM_BARS - QUARTER - 2)
    assert np.isfinite(samples[warm.to_numpy()].to_numpy()).all()


def test_the_view_says_its_units_and_when_a_value_was_known(tmp_path: Path) -> None:
    [view] = [view for view in definitions(tmp_path).views if view.name == FORECASTS_VIEW]
    assert {field.name: field.tags["unit"] for field in view.features} == dict.fromkeys(FORECASTS, "fraction")
    assert view.batch_source.created_timestamp_column == "created"
